//! What SQLite reads and writes, and what of it lies on the disk.
//!
//! SQLite touches its files in few ways: whole pages, the first hundred bytes of the database, and frames of the journal as a
//! whole or in two parts. Those are known here; anything else is refused, so that nothing ever gets to the disk unsealed.

use super::cipher::{
    Broken, FRAME, FramePage, HEADER, HEADER_SEAL, HEADER_SEAL_BYTES, Keys, PAGE, PLAIN_HEADER, RESERVED,
    SALTS, SQLITE_MARK, USABLE,
};
use std::time::Duration;

/// Bytes at the beginning of the journal: sizes, salts and a sum of those.
const JOURNAL_START: u64 = 32;
/// Where the salts are among those.
const JOURNAL_SALTS: u64 = 16;
/// Bytes of the database that SQLite reads before it knows the size of pages.
const DATABASE_START: usize = 100;
/// How often a page of the database is read before its seal counts as broken. Before SQLite knows that there is a journal it
/// reads the first page without a lock, and another process may be writing it.
const READS: u32 = 8;
/// How long to wait between them.
const PAUSE: Duration = Duration::from_millis(2);

/// Bytes on the disk.
pub(crate) trait Disk {
    /// Reads what is there, at most as much as fits, and returns how much that was.
    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<usize, Fault>;
    /// Writes.
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Fault>;
}

/// Why SQLite gets an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// What the disk says, by SQLite's number.
    Disk(i32),
    /// The bytes end before.
    Short,
    /// What lies there isn't what was written.
    Damaged,
    /// The file is not sealed with this key.
    Foreign,
    /// SQLite does what it isn't expected to do.
    Unexpected,
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Seal => Self::Damaged,
            Broken::Random => Self::Unexpected,
        }
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The database.
    Database,
    /// Its journal (WAL).
    Journal,
}

/// The place of a page or a frame in memory while it is sealed or opened.
pub(crate) struct Sealed {
    kind: Kind,
    frame: Box<[u8; FRAME]>,
}

impl Sealed {
    /// A place for a file of this kind.
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, frame: Box::new([0; FRAME]) }
    }

    /// Reads what SQLite wrote there. Bytes behind the end are zeros, as SQLite wants them with [`Fault::Short`].
    pub(crate) fn read(
        &mut self,
        keys: &Keys,
        disk: &mut impl Disk,
        at: u64,
        into: &mut [u8],
    ) -> Result<(), Fault> {
        let read = match self.kind {
            Kind::Database => self.read_database(keys, disk, at, into),
            Kind::Journal => self.read_journal(keys, disk, at, into),
        };
        if read.is_err() {
            into.fill(0);
        }
        read
    }

    /// Seals what SQLite writes.
    pub(crate) fn write(
        &mut self,
        keys: &Keys,
        disk: &mut impl Disk,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        match self.kind {
            Kind::Database => self.write_database(keys, disk, at, bytes),
            Kind::Journal => self.write_journal(keys, disk, at, bytes),
        }
    }

    fn read_database(
        &mut self,
        keys: &Keys,
        disk: &mut impl Disk,
        at: u64,
        into: &mut [u8],
    ) -> Result<(), Fault> {
        if at == 0 && into.len() == DATABASE_START {
            return self.read_start(keys, disk, into);
        }
        let (number, within) = (at / PAGE as u64, (at % PAGE as u64) as usize);
        if within + into.len() > PAGE {
            return Err(Fault::Unexpected);
        }
        for attempt in 1.. {
            let page = page_of(&mut self.frame);
            match disk.read(number * PAGE as u64, page)? {
                PAGE => match keys.open_page(number, page) {
                    Ok(()) => break,
                    Err(broken) if attempt == READS => return Err(broken.into()),
                    Err(_) => std::thread::sleep(PAUSE),
                },
                // A new database is empty. Elsewhere SQLite asks only for what it has written.
                0 if number == 0 => return Err(Fault::Short),
                _ => return Err(Fault::Damaged),
            }
        }
        into.copy_from_slice(&page_of(&mut self.frame)[within..within + into.len()]);
        Ok(())
    }

    /// What SQLite looks for in these bytes never changes, and there is no lock on them while it looks.
    fn read_start(&mut self, keys: &Keys, disk: &mut impl Disk, into: &mut [u8]) -> Result<(), Fault> {
        let mark = &mut self.frame[..SQLITE_MARK.len()];
        match disk.read(0, mark)? {
            0 => return Err(Fault::Short),
            _ if !keys.is_marked(mark) => return Err(Fault::Foreign),
            _ => into.fill(0),
        }
        into[..16].copy_from_slice(SQLITE_MARK);
        into[16..18].copy_from_slice(&(PAGE as u16).to_be_bytes());
        into[20] = RESERVED as u8;
        Ok(())
    }

    fn write_database(
        &mut self,
        keys: &Keys,
        disk: &mut impl Disk,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        let number = at / PAGE as u64;
        if !at.is_multiple_of(PAGE as u64) || !is_page(bytes) {
            return Err(Fault::Unexpected);
        }
        // Other sizes would be read back as something else.
        let is_start = bytes.starts_with(SQLITE_MARK)
            && bytes[16..18] == (PAGE as u16).to_be_bytes()
            && usize::from(bytes[20]) == RESERVED;
        if number == 0 && !is_start {
            return Err(Fault::Unexpected);
        }
        let page = page_of(&mut self.frame);
        page.copy_from_slice(bytes);
        keys.seal_page(number, page)?;
        disk.write(at, page)
    }

    fn read_journal(
        &mut self,
        keys: &Keys,
        disk: &mut impl Disk,
        at: u64,
        into: &mut [u8],
    ) -> Result<(), Fault> {
        let Some((number, within)) = place(at) else {
            return match disk.read(at, into)? {
                count if count == into.len() => Ok(()),
                _ => Err(Fault::Short),
            };
        };
        if disk.read(at - within as u64, &mut self.frame[..])? < FRAME {
            return Err(Fault::Short);
        }
        let (header, page) = parts(&mut self.frame);
        let what = frame_page(disk, number, header)?;
        let mut seal = [0; HEADER_SEAL_BYTES];
        seal.copy_from_slice(&page[HEADER_SEAL..HEADER_SEAL + HEADER_SEAL_BYTES]);
        match (within, into.len()) {
            // Only when SQLite looks for the end of a journal that nobody closed. What doesn't fit is no error then but the
            // end, as with SQLite's own sums: with other salts it belongs to no journal.
            (0, FRAME) => {
                let opened = keys.open_frame(&what, page);
                if opened.and_then(|()| keys.open_header(number, header, &seal)).is_err() {
                    header[8..16].iter_mut().for_each(|byte| *byte = !*byte);
                    page.fill(0);
                }
                into.copy_from_slice(&self.frame[..]);
            }
            (HEADER, PAGE) => {
                keys.open_frame(&what, page)?;
                into.copy_from_slice(page);
            }
            (0, HEADER) | (PLAIN_HEADER, _) if within + into.len() == HEADER => {
                keys.open_header(number, header, &seal)?;
                into.copy_from_slice(&header[within..]);
            }
            _ => return Err(Fault::Unexpected),
        }
        Ok(())
    }

    fn write_journal(
        &mut self,
        keys: &Keys,
        disk: &mut impl Disk,
        at: u64,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        let Some((number, within)) = place(at) else {
            // The beginning says nothing of what is kept.
            let is_start = at == 0 && bytes.len() as u64 == JOURNAL_START;
            return if is_start { disk.write(at, bytes) } else { Err(Fault::Unexpected) };
        };
        let (header, page) = parts(&mut self.frame);
        match (within, bytes.len()) {
            (0, HEADER) => {
                header.copy_from_slice(bytes);
                let seal = keys.seal_header(number, header)?;
                disk.write(at, header)?;
                disk.write(at + (HEADER + HEADER_SEAL) as u64, &seal)
            }
            (HEADER, PAGE) if is_page(bytes) => {
                // SQLite writes the header first, or wrote it before.
                if disk.read(at - HEADER as u64, &mut header[..PLAIN_HEADER])? < PLAIN_HEADER {
                    return Err(Fault::Unexpected);
                }
                page.copy_from_slice(bytes);
                keys.seal_frame(&frame_page(disk, number, header)?, page)?;
                disk.write(at, &page[..HEADER_SEAL])
            }
            _ => Err(Fault::Unexpected),
        }
    }
}

/// Whether these bytes are a page that leaves us our part. What SQLite puts there would not come back, and its sums would be
/// wrong.
fn is_page(bytes: &[u8]) -> bool {
    bytes.len() == PAGE && bytes[USABLE..].iter().all(|byte| *byte == 0)
}

/// What the page of a frame is that has this header. The journal's beginning is written before its frames, and stays as long as
/// anybody reads one of them.
fn frame_page(disk: &mut impl Disk, frame: u64, header: &[u8; HEADER]) -> Result<FramePage, Fault> {
    let (mut page, mut salts) = ([0; 4], [0; SALTS]);
    page.copy_from_slice(&header[..4]);
    match disk.read(JOURNAL_SALTS, &mut salts)? {
        SALTS => Ok(FramePage { frame, page, salts }),
        _ => Err(Fault::Short),
    }
}

/// The frame that a place in the journal belongs to, and the place within; nothing for the beginning.
fn place(at: u64) -> Option<(u64, usize)> {
    let behind = at.checked_sub(JOURNAL_START)?;
    Some((behind / FRAME as u64, (behind % FRAME as u64) as usize))
}

fn parts(frame: &mut [u8; FRAME]) -> (&mut [u8; HEADER], &mut [u8; PAGE]) {
    let (header, page) = frame.split_at_mut(HEADER);
    (header.try_into().expect("it was split there"), page.try_into().expect("a frame is a header and a page"))
}

fn page_of(frame: &mut [u8; FRAME]) -> &mut [u8; PAGE] {
    parts(frame).1
}

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
