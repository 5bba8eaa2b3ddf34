//! One connection of a download: takes runs of pieces, fetches, writes and writes down, until none is left. Whether an answer
//! is the right one is decided in `judge.rs`.

use super::backoff::Backoff;
use super::journal::Journal;
use super::limit::Limit;
use super::pieces::Pieces;
use super::{PullOptions, RemoteFile};
use crate::{Digest, Error};
use hob_egress::{Egress, Get, Response};
use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes read at a time, between looks at the limit and the caller's wishes.
const STEP_BYTES: usize = 64 << 10;

/// A file that several connections are fetching.
pub(crate) struct Job<'a> {
    pub egress: &'a Egress,
    pub remote: &'a RemoteFile,
    pub options: &'a PullOptions,
    pub limit: &'a Limit,
    pub data: &'a File,
    pub data_path: &'a Path,
    pub pieces: Mutex<Pieces>,
    pub journal: Mutex<Journal>,
    /// The entity tag of what is being fetched, once it is known.
    pub etag: Mutex<Option<String>>,
    /// Bytes on their way, whole pieces or not.
    pub received: AtomicU64,
    /// Connections that have not retired.
    pub connections: AtomicUsize,
    /// The server knows no ranges: one connection has to do.
    pub is_single: AtomicBool,
    pub stop: AtomicBool,
    /// The last failure that was tried again after, for whoever watches.
    pub failure: Mutex<Option<String>>,
}

/// Why a run of pieces did not come.
pub(super) enum Failure {
    /// It may come the next time.
    Passing(Error, Option<Duration>),
    Final(Error),
}

impl From<hob_egress::Error> for Failure {
    fn from(error: hob_egress::Error) -> Self {
        match error {
            hob_egress::Error::Stopped => Self::Final(Error::Stopped),
            e if e.is_transient() => Self::Passing(e.into(), None),
            e => Self::Final(e.into()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Job<'_> {
    /// Works as connection `number` until nothing is left to take.
    pub fn work(&self, number: u64) -> Result<(), Error> {
        let mut wait = Backoff::new(self.remote.path.as_str(), self.options, number, &self.stop);
        let mut buffer =
            vec![0; usize::try_from(self.options.piece_bytes.min(self.remote.bytes)).unwrap_or_default()];
        while !self.stop.load(Ordering::Relaxed) {
            let connections = self.connections.load(Ordering::Relaxed);
            let Some(run) = lock(&self.pieces).take(self.options.run_pieces(), connections) else {
                // The last one stays until all is here: another may have given back pieces and retired just now.
                if self.retire_quietly() || lock(&self.pieces).is_complete() {
                    return Ok(());
                }
                continue;
            };
            let mut next = run.start;
            let result = self.fetch(run.clone(), &mut next, &mut buffer, &mut wait);
            lock(&self.pieces).release(next..run.end);
            match result {
                Ok(()) => {}
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(error, after)) => {
                    *lock(&self.failure) = Some(error.to_string());
                    if let Err(error) = wait.failed(error, after) {
                        return self.retire(error);
                    }
                }
            }
            if self.is_single.load(Ordering::Relaxed) && self.retire_quietly() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A connection that only fails is one too many for the server, unless it is the last.
    fn retire(&self, error: Error) -> Result<(), Error> {
        if !matches!(error, Error::GivenUp { .. }) || !self.retire_quietly() {
            return Err(error);
        }
        Ok(())
    }

    /// Leaves the work to others, if there are any.
    fn retire_quietly(&self) -> bool {
        let less = |n: usize| if n > 1 { Some(n - 1) } else { None };
        self.connections.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    /// Fetches a run of pieces. `next` is the first that did not come.
    fn fetch(
        &self,
        run: Range<usize>,
        next: &mut usize,
        buffer: &mut [u8],
        wait: &mut Backoff<'_>,
    ) -> Result<(), Failure> {
        let (start, end) = {
            let pieces = lock(&self.pieces);
            (pieces.range(run.start).start, pieces.range(run.end - 1).end)
        };
        let get = Get::part(&self.remote.address, start..end, self.remote.bytes);
        let mut response = self.egress.get(&get)?;
        match response.status() {
            206 => self.check_part(&response, start, end)?,
            200 => {
                self.check_same(&response)?;
                return self.fetch_all(&mut response, run, next, buffer, wait);
            }
            416 => return Err(self.changed(&response).into()),
            _ => return Err(self.refused(&mut response)),
        }
        for index in run {
            self.piece(&mut response, index, buffer, true)?;
            wait.worked();
            *next = index + 1;
        }
        // The end of the body is read too, so that the connection can be used again; more than was asked for is an error.
        if response.read(&mut buffer[..1])? == 0 {
            return Ok(());
        }
        let host = response.origin().host().to_owned();
        let found = "more bytes than the range that was asked for".into();
        Err(Failure::Passing(hob_egress::Error::Protocol { host, found }.into(), None))
    }

    /// Takes what is missing from an answer that is the whole file.
    fn fetch_all(
        &self,
        response: &mut Response,
        run: Range<usize>,
        next: &mut usize,
        buffer: &mut [u8],
        wait: &mut Backoff<'_>,
    ) -> Result<(), Failure> {
        self.is_single.store(true, Ordering::Relaxed);
        let count = Pieces::count(self.remote.bytes, self.options.piece_bytes);
        for index in 0..count {
            let is_mine = run.contains(&index) || lock(&self.pieces).claim(index);
            let result = self.piece(response, index, buffer, is_mine);
            if result.is_err() && is_mine && !run.contains(&index) {
                lock(&self.pieces).release(index..index + 1);
            }
            result?;
            if is_mine {
                wait.worked();
            }
            if run.contains(&index) {
                *next = index + 1;
            }
        }
        Ok(())
    }

    /// Reads one piece from the answer; writes it and writes it down if it is wanted.
    fn piece(
        &self,
        response: &mut Response,
        index: usize,
        buffer: &mut [u8],
        is_wanted: bool,
    ) -> Result<(), Failure> {
        let range = lock(&self.pieces).range(index);
        let bytes = (range.end - range.start) as usize;
        let mut filled = 0;
        while filled < bytes {
            let room = &mut buffer[filled..bytes.min(filled + STEP_BYTES)];
            let result = response.read(room).map_err(Failure::from).and_then(|read| match read {
                0 => Err(cut_short(response)),
                read => Ok(read),
            });
            let result = result.and_then(|read| Ok(self.limit.spend(read, &self.stop).map(|()| read)?));
            match result {
                Ok(read) => {
                    filled += read;
                    if is_wanted {
                        self.received.fetch_add(read as u64, Ordering::Relaxed);
                    }
                }
                Err(failure) => {
                    if is_wanted {
                        self.received.fetch_sub(filled as u64, Ordering::Relaxed);
                    }
                    return Err(failure);
                }
            }
        }
        if is_wanted {
            let piece = &buffer[..bytes];
            write_at(self.data, piece, range.start).map_err(|e| Error::io(self.data_path, "write", e))?;
            lock(&self.journal).piece(index, &Digest::of(piece))?;
            lock(&self.pieces).arrived(index);
        }
        Ok(())
    }
}

fn cut_short(response: &Response) -> Failure {
    let source = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the connection ended early");
    Failure::Passing(hob_egress::Error::Io { host: response.origin().host().to_owned(), source }.into(), None)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut at: u64) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        bytes = &bytes[written..];
        at += written as u64;
    }
    Ok(())
}
