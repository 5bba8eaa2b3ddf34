//! What of a file has come, written down piece by piece, so that a killed download goes on where it was.
//!
//! A line says which piece was written and what it contained. Nothing is believed when a download goes on: every piece is
//! read again and compared, so that a power cut between data and journal, or a damaged disk, costs that piece and no more.

use super::pieces::Pieces;
use crate::{Digest, Error, disk};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const VERSION: u32 = 1;
/// Longest line read: a header with its digest and tag.
const LINE_BYTES_MAX: u64 = 4096;
/// Most pieces believed in without knowing the file: four terabytes of the usual size.
const PIECES_MAX: u64 = 1 << 22;
/// Lines that a piece may have had over many lives of a download.
const LINES_PER_PIECE: usize = 4;

/// What is being downloaded. A journal of something else is of no use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Header {
    version: u32,
    pub bytes: u64,
    pub sha256: Option<Digest>,
    pub piece_bytes: u64,
}

impl Header {
    pub fn new(bytes: u64, sha256: Option<Digest>, piece_bytes: u64) -> Self {
        Self { version: VERSION, bytes, sha256, piece_bytes }
    }
}

/// A journal that is being written.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
}

/// What an earlier life of the download left.
pub(crate) struct Left {
    pub journal: Journal,
    /// For every piece, whether it is in the data file.
    pub here: Vec<bool>,
    /// The entity tag of what was being downloaded, if it was written down.
    pub etag: Option<String>,
}

impl Journal {
    /// Opens the journal at `path` for the data at `data_path`: what is usable of an older one is kept, else both begin
    /// anew. `step` hears of bytes that were checked and may stop the work.
    pub fn open(
        path: &Path,
        data: &mut File,
        header: &Header,
        step: &mut dyn FnMut(usize) -> Result<(), Error>,
    ) -> Result<Left, Error> {
        let count = Pieces::count(header.bytes, header.piece_bytes);
        let old = read(path, header, count)?.unwrap_or_else(|| (vec![None; count], None));
        let (mut claimed, etag) = old;
        let layout = Pieces::new(header.bytes, header.piece_bytes, &vec![false; count]);
        let mut buffer = vec![0; usize::try_from(header.piece_bytes.min(header.bytes)).unwrap_or_default()];
        for (index, claim) in claimed.iter_mut().enumerate() {
            let Some(short) = claim else { continue };
            let range = layout.range(index);
            let piece = &mut buffer[..(range.end - range.start) as usize];
            let is_right =
                data.seek(SeekFrom::Start(range.start)).and_then(|_| data.read_exact(piece)).is_ok()
                    && Digest::of(piece).short() == *short;
            if is_right {
                step(piece.len())?;
            } else {
                *claim = None;
            }
        }
        let mut text = serde_json::to_string(header).expect("numbers and text can be written as JSON") + "\n";
        if let Some(etag) = &etag {
            text += &format!("etag {etag}\n");
        }
        for (index, short) in claimed.iter().enumerate() {
            if let Some(short) = short {
                text += &format!("{index} {short}\n");
            }
        }
        disk::write_whole(path, text.as_bytes())?;
        let journal = Self { file: disk::open_appending(path)?, path: path.to_path_buf() };
        Ok(Left { journal, here: claimed.iter().map(Option::is_some).collect(), etag })
    }

    /// Writes down that a piece is in the data file. One call to the system, so that a kill leaves whole lines or a torn
    /// last one, which is not read.
    pub fn piece(&mut self, index: usize, digest: &Digest) -> Result<(), Error> {
        self.line(&format!("{index} {}\n", digest.short()))
    }

    /// Writes down what is being downloaded.
    pub fn etag(&mut self, etag: &str) -> Result<(), Error> {
        self.line(&format!("etag {etag}\n"))
    }

    fn line(&mut self, line: &str) -> Result<(), Error> {
        self.file.write_all(line.as_bytes()).map_err(|e| Error::io(&self.path, "write", e))
    }
}

/// Bytes of the pieces that the journal at `path` lists, unchecked; nothing where it is none.
pub(crate) fn claimed_bytes(path: &Path) -> u64 {
    let Ok(file) = File::open(path) else { return 0 };
    let mut line = Vec::new();
    let first = BufReader::new(file.take(LINE_BYTES_MAX)).read_until(b'\n', &mut line);
    let Ok(header) = first.map_err(drop).and_then(|_| serde_json::from_slice::<Header>(&line).map_err(drop))
    else {
        return 0;
    };
    let count = match header.bytes.checked_div(header.piece_bytes) {
        Some(count) if count <= PIECES_MAX => Pieces::count(header.bytes, header.piece_bytes),
        _ => return 0,
    };
    let layout = Pieces::new(header.bytes, header.piece_bytes, &vec![false; count]);
    let claimed = read(path, &header, count).ok().flatten().map(|(claimed, _)| claimed).unwrap_or_default();
    let pieces = claimed.iter().enumerate().filter(|(_, claim)| claim.is_some());
    pieces.map(|(index, _)| layout.range(index)).map(|range| range.end - range.start).sum()
}

type Claims = (Vec<Option<String>>, Option<String>);

/// What a journal claims; `None` when there is none for this download.
fn read(path: &Path, header: &Header, count: usize) -> Result<Option<Claims>, Error> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut next = |line: &mut Vec<u8>| -> bool {
        line.clear();
        let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line);
        // A line without its end was torn by a kill.
        read.is_ok() && line.pop() == Some(b'\n')
    };
    if !next(&mut line) || serde_json::from_slice::<Header>(&line).ok().as_ref() != Some(header) {
        return Ok(None);
    }
    let (mut claimed, mut etag) = (vec![None; count], None);
    for _ in 0..count.saturating_mul(LINES_PER_PIECE).saturating_add(16) {
        if !next(&mut line) {
            break;
        }
        let Ok(text) = std::str::from_utf8(&line) else { break };
        match text.split_once(' ') {
            Some(("etag", value)) => etag = Some(value.to_owned()),
            Some((index, short)) => {
                if let Some(claim) = index.parse().ok().and_then(|i: usize| claimed.get_mut(i)) {
                    *claim = Some(short.to_owned());
                }
            }
            None => break,
        }
    }
    Ok(Some((claimed, etag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path, header: &Header, data: &[u8]) -> (Vec<bool>, Option<String>) {
        std::fs::write(dir.join("data"), data).unwrap();
        let mut file = File::open(dir.join("data")).unwrap();
        let left = Journal::open(&dir.join("journal"), &mut file, header, &mut |_| Ok(())).unwrap();
        (left.here, left.etag)
    }

    #[test]
    fn only_what_is_really_there_counts_after_any_cut() {
        let dir = tempfile::tempdir().unwrap();
        let data: Vec<u8> = (0..250u8).collect();
        let header = Header::new(250, Some(Digest::of(&data)), 100);
        let mut file = {
            std::fs::write(dir.path().join("data"), &data).unwrap();
            File::open(dir.path().join("data")).unwrap()
        };
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path, &mut file, &header, &mut |_| Ok(())).unwrap().journal;
        journal.etag("\"a b\"").unwrap();
        for (index, piece) in data.chunks(100).enumerate() {
            journal.piece(index, &Digest::of(piece)).unwrap();
        }
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (here, _) = open(dir.path(), &header, &data);
            let lines = whole[..cut].iter().filter(|b| **b == b'\n').count();
            let expected = lines.saturating_sub(2);
            assert_eq!(here.iter().filter(|h| **h).count(), expected, "cut at {cut}");
        }
        assert_eq!(open(dir.path(), &header, &data), (vec![true; 3], Some("\"a b\"".into())));
        let mut damaged = data.clone();
        damaged[150] ^= 1;
        assert_eq!(open(dir.path(), &header, &damaged).0, [true, false, true]);
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(open(dir.path(), &header, &data[..120]).0, [true, false, false]);
        // A journal of another content, or of other pieces, says nothing.
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(open(dir.path(), &Header::new(250, Some(Digest::of(b"x")), 100), &data).0, [false; 3]);
    }

    #[test]
    fn nonsense_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let header = Header::new(100, None, 100);
        let head = serde_json::to_string(&header).unwrap();
        for text in [
            "",
            "\n",
            "{}",
            "x",
            &format!("{head}\n99999 a\n-1 b\n0\n\u{fffd}"),
            &format!("{head}\n{}", "9".repeat(9999)),
        ] {
            std::fs::write(dir.path().join("journal"), text).unwrap();
            assert_eq!(open(dir.path(), &header, &[0; 100]).0, [false], "{text:.40}");
        }
    }
}
