//! The two files: opened, locked, caught up with, written and synced, anew for every entry, so that programs that run side by
//! side share one chain.

use crate::ledger::cap::Account;
use crate::ledger::chain::{self, LINE_BYTES_MAX, Tip};
use crate::ledger::{Cap, Entry, Hash, LedgerError, Outcome, Period, Repaired, Sending, Spent, What};
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

const LEDGER: &str = "ledger.jsonl";
const HEAD: &str = "head.json";
/// Bodies that the user wants to keep, by digest.
const KEPT: &str = "kept";
/// Longest head.
const HEAD_BYTES_MAX: u64 = 1024;
/// How often a lock that another program holds is tried, and how long between.
const TRIES: u32 = 2000;
const TRY_EVERY: Duration = Duration::from_millis(5);

/// The ledger in a folder. Clones share what is known of it.
#[derive(Clone)]
pub struct Ledger(Arc<Inner>);

struct Inner {
    place: Result<PathBuf, String>,
    clock: fn() -> i64,
    known: Mutex<Known>,
}

/// What was read and checked already.
#[derive(Default)]
struct Known {
    tip: Tip,
    account: Account,
}

/// How far somebody has read a ledger: all entries up to here were whole then.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place(Tip);

/// A ledger that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Entries.
    pub entries: u64,
    /// The digest of the last one. Kept elsewhere, it proves later that nothing up to here was changed.
    pub head: Hash,
    /// Bytes of half an entry at the end, as a killed program leaves it; the next entry takes its place.
    pub torn_bytes: u64,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ledger({:?})", self.0.place)
    }
}

impl Ledger {
    /// The one in `folder`, which is made with the first entry. `clock` gives milliseconds since 1970.
    pub fn at(folder: impl Into<PathBuf>, clock: fn() -> i64) -> Self {
        Self::with(Ok(folder.into()), clock)
    }

    /// None: every request is refused with `reason`.
    pub fn nowhere(reason: impl Into<String>) -> Self {
        Self::with(Err(reason.into()), || 0)
    }

    fn with(place: Result<PathBuf, String>, clock: fn() -> i64) -> Self {
        Self(Arc::new(Inner { place, clock, known: Mutex::default() }))
    }

    /// The folder.
    ///
    /// # Errors
    /// [`LedgerError::Nowhere`].
    pub fn folder(&self) -> Result<&Path, LedgerError> {
        self.0.place.as_deref().map_err(|reason| LedgerError::Nowhere { reason: reason.clone() })
    }

    /// Writes down that a request is about to leave, if it stays within `caps`; its number. What returns has reached the disk.
    pub(crate) fn send(
        &self,
        sending: Sending,
        caps: &[Cap],
        body: Option<&[u8]>,
    ) -> Result<u64, LedgerError> {
        self.append(What::Send(sending), caps, body)
    }

    /// Writes down what became of a request.
    pub(crate) fn outcome(&self, outcome: Outcome) -> Result<u64, LedgerError> {
        self.append(What::Outcome(outcome), &[], None)
    }

    /// What `target`, or all of them, has spent in the present day or month. Only what is new since the last look is read.
    ///
    /// # Errors
    /// Whatever is wrong with the ledger.
    pub fn spent(&self, target: Option<&str>, period: Period) -> Result<Spent, LedgerError> {
        let folder = self.folder()?;
        let path = folder.join(LEDGER);
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { tip, account } = &mut *known;
        let head = match File::open(&path) {
            Ok(mut file) => {
                lock(&file, &path, File::try_lock_shared)?;
                let head = Head::read(folder)?;
                let torn_bytes = catch_up(&mut file, &path, tip, &head, &mut |entry, _| account.add(entry))?;
                head.check(*tip, torn_bytes)?;
                return Ok(account.spent(target, period, (self.0.clock)()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Head::read(folder)?,
            Err(error) => return Err(io(&path, "open", error)),
        };
        head.check(Tip::default(), 0)?;
        Ok(Spent::default())
    }

    /// Reads the whole ledger and checks it; `visit` gets every entry with its digest, the oldest first. Changes nothing.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub fn read(&self, visit: &mut dyn FnMut(&Entry, Hash)) -> Result<Verified, LedgerError> {
        self.read_on(&mut Place::default(), visit)
    }

    /// Reads and checks what came after `place`, and moves that on, with each entry that `visit` got. What was read before is not
    /// looked at again: that a line of it was changed since is noticed by [`Ledger::read`] alone.
    ///
    /// # Errors
    /// Whatever is wrong with the rest, or it is not the ledger of which `place` was one.
    pub fn read_on(
        &self,
        place: &mut Place,
        visit: &mut dyn FnMut(&Entry, Hash),
    ) -> Result<Verified, LedgerError> {
        let Place(tip) = place;
        let folder = self.folder()?;
        let path = folder.join(LEDGER);
        let mut file = match File::open(&path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(io(&path, "open", error)),
        };
        if let Some(file) = &file {
            lock(file, &path, File::try_lock_shared)?;
        }
        let head = Head::read(folder)?;
        let torn_bytes = match &mut file {
            Some(file) => catch_up(file, &path, tip, &head, visit)?,
            // What was read before is there no longer.
            None if tip.n > 0 => return Err(LedgerError::Dropped { expected: tip.n, found: 0 }),
            None => 0,
        };
        head.check(*tip, torn_bytes)?;
        Ok(Verified { entries: tip.n, head: tip.hash, torn_bytes })
    }

    /// Reads the whole ledger and checks it, and that an entry has the digest `anchor`, which was kept elsewhere.
    ///
    /// # Errors
    /// Whatever is wrong with it, and [`LedgerError::Anchor`].
    pub fn verify(&self, anchor: Option<Hash>) -> Result<Verified, LedgerError> {
        let mut is_found = anchor.is_none();
        let verified = self.read(&mut |_, hash| is_found |= Some(hash) == anchor)?;
        match anchor {
            Some(anchor) if !is_found => Err(LedgerError::Anchor { digest: anchor.to_string() }),
            _ => Ok(verified),
        }
    }

    fn append(&self, what: What, caps: &[Cap], body: Option<&[u8]>) -> Result<u64, LedgerError> {
        let folder = self.folder()?;
        let path = folder.join(LEDGER);
        // A panic elsewhere leaves what was checked as it was.
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        make_folder(folder)?;
        let mut file =
            private().create(true).read(true).append(true).open(&path).map_err(|e| io(&path, "open", e))?;
        lock(&file, &path, File::try_lock)?;
        let mut head = Head::read(folder)?;
        if head == Head::Missing && length(&file, &path)? == 0 {
            head = Head::Known(Tip::default());
            write_head(folder, Tip::default())?;
            sync_folder(folder);
        }
        let Known { tip, account } = &mut *known;
        let torn_bytes = catch_up(&mut file, &path, tip, &head, &mut |entry, _| account.add(entry))?;
        head.check(*tip, torn_bytes)?;
        let now = (self.0.clock)();
        if torn_bytes > 0 {
            let torn = repair(&mut file, &path, *tip, torn_bytes)?;
            add(&mut file, &path, &mut known, now, What::Repaired(torn))?;
            write_head(folder, known.tip)?;
        }
        if let What::Send(sending) = &what {
            known.account.check(sending, caps, now)?;
            if let (Some(body), Some(hash)) = (body, sending.sha256.filter(|_| sending.is_kept)) {
                keep(folder, hash, body)?;
            }
        }
        let number = add(&mut file, &path, &mut known, now, what)?;
        write_head(folder, known.tip)?;
        Ok(number)
    }
}

/// What the head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    /// There is none.
    Missing,
    Known(Tip),
}

impl Head {
    fn read(folder: &Path) -> Result<Self, LedgerError> {
        let path = folder.join(HEAD);
        let refuse = || LedgerError::Head { path: path.clone(), found: "not what was written" };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::Missing),
            Err(error) => return Err(io(&path, "open", error)),
        };
        let mut text = String::new();
        file.take(HEAD_BYTES_MAX).read_to_string(&mut text).map_err(|_| refuse())?;
        let tip: Tip = serde_json::from_str(&text).map_err(|_| refuse())?;
        // Nothing but what this program writes, to the byte.
        if head_text(tip)? != text {
            return Err(refuse());
        }
        Ok(Self::Known(tip))
    }

    /// An entry that is as many bytes from the start as the head says has to be the head's.
    fn passes(&self, tip: &Tip) -> Result<(), LedgerError> {
        match self {
            Self::Known(head) if head.n == tip.n && head != tip => {
                Err(LedgerError::Damaged { n: tip.n, found: "another one than the head says" })
            }
            _ => Ok(()),
        }
    }

    /// All entries that the head knows have to be there.
    fn check(&self, tip: Tip, torn_bytes: u64) -> Result<(), LedgerError> {
        match self {
            Self::Known(head) if head.n > tip.n => {
                Err(LedgerError::Dropped { expected: head.n, found: tip.n })
            }
            Self::Missing if tip.n > 0 || torn_bytes > 0 => {
                Err(LedgerError::Head { path: HEAD.into(), found: "missing" })
            }
            _ => Ok(()),
        }
    }
}

fn head_text(tip: Tip) -> Result<String, LedgerError> {
    serde_json::to_string(&tip)
        .map(|text| text + "\n")
        .map_err(|e| LedgerError::Entry { found: e.to_string() })
}

/// Replaces the head. A head that is older than the chain harms nothing, one that is half written would: so a new file takes
/// the place of the old one.
fn write_head(folder: &Path, tip: Tip) -> Result<(), LedgerError> {
    let (path, new) = (folder.join(HEAD), folder.join(".head.new"));
    let write = || {
        let mut file = private().create(true).write(true).truncate(true).open(&new)?;
        file.write_all(head_text(tip).unwrap_or_default().as_bytes())?;
        file.sync_data()?;
        fs::rename(&new, &path)
    };
    write().map_err(|e| io(&path, "write", e))
}

/// Reads and checks what came after `tip`; gives the bytes of half an entry at the end.
fn catch_up(
    file: &mut File,
    path: &Path,
    tip: &mut Tip,
    head: &Head,
    visit: &mut dyn FnMut(&Entry, Hash),
) -> Result<u64, LedgerError> {
    let bytes = length(file, path)?;
    if bytes < tip.bytes {
        // Somebody cut it while this program ran; how many are left does not matter.
        return Err(LedgerError::Dropped { expected: tip.n, found: 0 });
    }
    head.passes(tip)?;
    file.seek(SeekFrom::Start(tip.bytes)).map_err(|e| io(path, "read", e))?;
    let mut reader = BufReader::with_capacity(1 << 16, &*file);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = LINE_BYTES_MAX as u64 + 1;
        reader.by_ref().take(limit).read_until(b'\n', &mut line).map_err(|e| io(path, "read", e))?;
        match line.last() {
            Some(b'\n') => {
                let entry = chain::read(&line[..line.len() - 1], tip)?;
                head.passes(tip)?;
                visit(&entry, tip.hash);
            }
            _ => return Ok(bytes - tip.bytes),
        }
    }
}

/// Takes half an entry away, and says what it was.
fn repair(file: &mut File, path: &Path, tip: Tip, torn_bytes: u64) -> Result<Repaired, LedgerError> {
    if torn_bytes > LINE_BYTES_MAX as u64 {
        return Err(LedgerError::Damaged { n: tip.n + 1, found: "longer than any entry" });
    }
    let mut torn = Vec::new();
    let mut read = || {
        file.seek(SeekFrom::Start(tip.bytes))?;
        file.take(torn_bytes).read_to_end(&mut torn)?;
        file.set_len(tip.bytes)
    };
    read().map_err(|e| io(path, "repair", e))?;
    Ok(Repaired { torn_bytes, sha256: Hash::of(&torn) })
}

/// Adds one entry and waits until it is on the disk.
fn add(file: &mut File, path: &Path, known: &mut Known, now: i64, what: What) -> Result<u64, LedgerError> {
    let entry = Entry { n: known.tip.n + 1, prev: known.tip.hash, time_ms: now, what };
    let (line, hash) = chain::written(&entry)?;
    if let Err(error) = file.write_all(line.as_bytes()).and_then(|()| file.sync_data()) {
        // Half a line is taken away now or before the next one.
        let _ = file.set_len(known.tip.bytes);
        return Err(io(path, "write", error));
    }
    known.tip = Tip { n: entry.n, hash, bytes: known.tip.bytes + line.len() as u64 };
    known.account.add(&entry);
    Ok(entry.n)
}

/// Keeps a body under its digest, which stands in the chain: it can be checked, and removed without harm.
fn keep(folder: &Path, hash: Hash, body: &[u8]) -> Result<(), LedgerError> {
    let kept = folder.join(KEPT);
    make_folder(&kept)?;
    let path = kept.join(hash.to_string());
    let write = || {
        let mut file = private().create(true).write(true).truncate(true).open(&path)?;
        file.write_all(body)?;
        file.sync_data()
    };
    write().map_err(|e| io(&path, "write", e))
}

fn lock(
    file: &File,
    path: &Path,
    try_lock: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<(), LedgerError> {
    for _ in 0..TRIES {
        match try_lock(file) {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(TRY_EVERY),
            Err(TryLockError::Error(error)) => return Err(io(path, "lock", error)),
        }
    }
    Err(LedgerError::Held { path: path.to_owned() })
}

fn length(file: &File, path: &Path) -> Result<u64, LedgerError> {
    file.metadata().map(|m| m.len()).map_err(|e| io(path, "read", e))
}

/// Files that nobody else may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn make_folder(path: &Path) -> Result<(), LedgerError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|e| io(path, "make", e))
}

/// A new file is safe once its folder is. Systems that cannot sync folders keep them in order by themselves.
fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}

fn io(path: &Path, doing: &'static str, source: std::io::Error) -> LedgerError {
    LedgerError::Io { path: path.to_owned(), doing, source }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
