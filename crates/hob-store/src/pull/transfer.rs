//! One file, from wherever it stands to complete and checked.

use super::journal::{Header, Journal, Left};
use super::limit::Limit;
use super::pieces::Pieces;
use super::worker::{Job, lock};
use super::{Phase, PullOptions, RemoteFile};
use crate::{Digest, Error, disk};
use hob_egress::Egress;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How often whoever watches hears something, and how soon a wish to stop is heard.
const TICK: Duration = Duration::from_millis(50);
/// A connection for so many bytes; more of them do not help small files.
const BYTES_PER_CONNECTION: u64 = 4 << 20;

/// What a transfer needs besides the file.
pub(crate) struct Means<'a> {
    pub egress: &'a Egress,
    pub options: &'a PullOptions,
    pub limit: &'a Limit,
    pub cancel: &'a AtomicBool,
}

/// How far one file is.
pub(crate) struct Step {
    pub phase: Phase,
    /// Bytes of this file that are here, or that were checked.
    pub done: u64,
    /// Bytes that came over the network.
    pub received: u64,
    pub failure: Option<String>,
}

/// Where a file and its journal are kept meanwhile.
pub(crate) struct Place {
    pub data: PathBuf,
    pub journal: PathBuf,
}

impl Place {
    /// Forgets everything about the file.
    pub fn clear(&self) -> Result<(), Error> {
        disk::remove(&self.journal)?;
        disk::remove(&self.data)
    }
}

/// Fetches what is missing of `remote`, checks the whole, and gives its digest.
pub(crate) fn fetch(
    means: &Means<'_>,
    remote: &RemoteFile,
    place: &Place,
    watch: &mut dyn FnMut(Step),
) -> Result<Digest, Error> {
    disk::make_folder(place.data.parent().unwrap_or(Path::new(".")))?;
    let mut data = disk::open_writable(&place.data)?;
    let header = Header::new(remote.bytes, remote.sha256, means.options.piece_bytes);
    let mut checked = 0;
    let left = Journal::open(&place.journal, &mut data, &header, &mut |bytes| {
        checked += bytes as u64;
        watch(Step { phase: Phase::Checking, done: checked, received: 0, failure: None });
        if means.cancel.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    })?;
    disk::reserve(&data, &place.data, remote.bytes)?;
    if let Err(error) = download(means, remote, &data, place, left, watch) {
        if matches!(error, Error::Changed { .. }) {
            place.clear()?;
        }
        return Err(error);
    }
    data.sync_all().map_err(|e| Error::io(&place.data, "write", e))?;
    let found = digest(means, &place.data, watch)?;
    match remote.sha256 {
        Some(expected) if expected != found => {
            place.clear()?;
            Err(Error::WrongDigest { file: remote.path.to_string(), expected, found })
        }
        _ => Ok(found),
    }
}

fn download(
    means: &Means<'_>,
    remote: &RemoteFile,
    data: &File,
    place: &Place,
    left: Left,
    watch: &mut dyn FnMut(Step),
) -> Result<(), Error> {
    let pieces = Pieces::new(remote.bytes, means.options.piece_bytes, &left.here);
    let here = pieces.bytes_here();
    let wanted = usize::try_from((remote.bytes - here).div_ceil(BYTES_PER_CONNECTION)).unwrap_or(usize::MAX);
    let connections = means.options.connections.min(wanted).max(1);
    let job = Job {
        egress: means.egress,
        remote,
        options: means.options,
        limit: means.limit,
        data,
        data_path: &place.data,
        pieces: Mutex::new(pieces),
        journal: Mutex::new(left.journal),
        etag: Mutex::new(left.etag),
        received: AtomicU64::new(0),
        connections: AtomicUsize::new(connections),
        is_single: AtomicBool::new(false),
        stop: AtomicBool::new(false),
        failure: Mutex::new(None),
    };
    let results = thread::scope(|scope| {
        let work = |number| {
            let job = &job;
            scope.spawn(move || {
                let result = job.work(number);
                if result.is_err() {
                    job.stop.store(true, Ordering::Relaxed);
                }
                result
            })
        };
        let workers: Vec<_> = (0..connections as u64).map(work).collect();
        while !workers.iter().all(|w| w.is_finished()) {
            if means.cancel.load(Ordering::Relaxed) {
                job.stop.store(true, Ordering::Relaxed);
                means.egress.stop();
            }
            let received = job.received.load(Ordering::Relaxed);
            watch(Step {
                phase: Phase::Downloading,
                done: here + received,
                received,
                failure: lock(&job.failure).take(),
            });
            thread::sleep(TICK);
        }
        workers
            .into_iter()
            .map(|w| w.join().expect("a worker's panic is a broken promise of ours"))
            .collect::<Vec<_>>()
    });
    let received = job.received.load(Ordering::Relaxed);
    watch(Step { phase: Phase::Downloading, done: here + received, received, failure: None });
    // Others stop because one failed: its reason counts, not theirs.
    let errors = results.into_iter().filter_map(Result::err);
    let mut errors: Vec<Error> = errors.collect();
    if let Some(at) = errors.iter().position(|e| !matches!(e, Error::Stopped)) {
        return Err(errors.swap_remove(at));
    }
    if lock(&job.pieces).is_complete() { Ok(()) } else { Err(Error::Stopped) }
}

fn digest(means: &Means<'_>, path: &Path, watch: &mut dyn FnMut(Step)) -> Result<Digest, Error> {
    let mut file = File::open(path).map_err(|e| Error::io(path, "open", e))?;
    let mut done = 0;
    let read = Digest::of_reader(&mut file, |bytes| {
        done += bytes as u64;
        watch(Step { phase: Phase::Verifying, done, received: 0, failure: None });
        if means.cancel.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    })?;
    read.map_err(|e| Error::io(path, "read", e))
}
