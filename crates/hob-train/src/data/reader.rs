//! Files to documents, one at a time.

use crate::Error;
use serde::Deserialize;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Longest line of a JSON-lines file, and longest plain text file: a library of books is a file of many lines.
const DOCUMENT_BYTES_MAX: u64 = 256 << 20;

/// A unit of text: nothing in it depends on another.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// Running text.
    Text(String),
    /// A conversation, in the form that chat templates take.
    Chat {
        /// Objects with `role` and `content`.
        messages: Vec<Value>,
        /// Tools the assistant may call.
        tools: Vec<Value>,
    },
}

#[derive(Deserialize)]
struct Row {
    text: Option<String>,
    messages: Option<Vec<Value>>,
    #[serde(default)]
    tools: Option<Vec<Value>>,
}

/// Hands every document of `path` to `take`, in order, until it returns false.
///
/// # Errors
/// [`Error::Io`], and [`Error::Data`] with the line for text that is not UTF-8, a line that is no JSON object with `text` or
/// `messages`, or one that is too long.
pub fn read_documents(
    path: &Path,
    take: &mut dyn FnMut(Document) -> Result<bool, Error>,
) -> Result<(), Error> {
    let (lines, mut reader) = open(path)?;
    if lines {
        return each_line(path, reader, &mut |line, text| take(document(path, line, text)?));
    }
    let mut bytes = Vec::new();
    let limited = &mut (&mut reader).take(DOCUMENT_BYTES_MAX + 1);
    if limited.read_to_end(&mut bytes).map_err(|e| io(path, "read", e))? as u64 > DOCUMENT_BYTES_MAX {
        return Err(data(path, format!("a plain text of more than {DOCUMENT_BYTES_MAX} bytes; split it")));
    }
    take(Document::Text(utf8(path, None, bytes)?)).map(drop)
}

/// Hands every line of `path` that is not empty to `take`, with its number from 1, until it returns false.
///
/// # Errors
/// [`Error::Io`], and [`Error::Data`] for a line that is too long or not UTF-8, or a file that is not packed as its name says.
pub fn read_lines(path: &Path, take: &mut dyn FnMut(u64, &str) -> Result<bool, Error>) -> Result<(), Error> {
    each_line(path, open(path)?.1, take)
}

type Reader = BufReader<Box<dyn Read>>;

/// The unpacked bytes of `path`, and whether its name says that they are JSON lines.
fn open(path: &Path) -> Result<(bool, Reader), Error> {
    let file = File::open(path).map_err(|e| io(path, "open", e))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let (name, reader): (&str, Box<dyn Read>) = match name.strip_suffix(".zst") {
        Some(inner) => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(BufReader::new(file))
                .map_err(|e| data(path, format!("not a Zstandard file: {e}")))?;
            (inner, Box::new(decoder))
        }
        None => (&name, Box::new(file)),
    };
    let lines = name.ends_with(".jsonl") || name.ends_with(".ndjson");
    Ok((lines, BufReader::with_capacity(1 << 16, reader)))
}

fn each_line(
    path: &Path,
    mut reader: Reader,
    take: &mut dyn FnMut(u64, &str) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut bytes = Vec::new();
    for line in 1u64.. {
        bytes.clear();
        let limited = &mut (&mut reader).take(DOCUMENT_BYTES_MAX + 1);
        if limited.read_until(b'\n', &mut bytes).map_err(|e| io(path, "read", e))? == 0 {
            break;
        }
        if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
            return Err(data(path, format!("line {line}: longer than {DOCUMENT_BYTES_MAX} bytes")));
        }
        let text = utf8(path, Some(line), std::mem::take(&mut bytes))?;
        if !text.trim().is_empty() && !take(line, &text)? {
            break;
        }
    }
    Ok(())
}

fn document(path: &Path, line: u64, text: &str) -> Result<Document, Error> {
    let row: Row = serde_json::from_str(text).map_err(|e| data(path, format!("line {line}: {e}")))?;
    match row {
        Row { text: Some(text), .. } => Ok(Document::Text(text)),
        Row { messages: Some(messages), tools, .. } => {
            Ok(Document::Chat { messages, tools: tools.unwrap_or_default() })
        }
        _ => Err(data(path, format!("line {line}: expected `text` or `messages`, found neither"))),
    }
}

fn utf8(path: &Path, line: Option<u64>, bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|e| {
        let (at, line) =
            (e.utf8_error().valid_up_to(), line.map_or(String::new(), |l| format!("line {l}: ")));
        data(
            path,
            format!("{line}expected UTF-8 text, found another encoding at byte {at}; convert the file first"),
        )
    })
}

fn data(path: &Path, reason: String) -> Error {
    Error::Data { path: path.to_owned(), reason }
}

fn io(path: &Path, action: &'static str, source: std::io::Error) -> Error {
    Error::Io { path: path.to_owned(), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, bytes: &[u8]) -> Result<Vec<Document>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut found = Vec::new();
        let all = read_documents(&path, &mut |d| {
            found.push(d);
            Ok(true)
        });
        all.map(|()| found).map_err(|e| e.to_string())
    }

    #[test]
    fn rows_become_documents() {
        let rows = br#"{"id": 1, "text": "One."}

{"messages": [{"role": "user", "content": "Hi"}]}"#;
        let found = read("a.jsonl", rows).unwrap();
        assert_eq!(found[0], Document::Text("One.".into()));
        assert!(
            matches!(&found[1], Document::Chat { messages, tools } if messages.len() == 1 && tools.is_empty())
        );
        assert_eq!(read("b.txt", b"x\ny").unwrap(), [Document::Text("x\ny".into())]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (name, bytes, expected) in [
            ("a.jsonl", &b"{\"text\": \"a\"}\n{\"text\": \"\xff\"}"[..], "line 2: expected UTF-8"),
            ("a.jsonl", b"{\"text\": 5}", "line 1: invalid type"),
            ("a.jsonl", b"{\"content\": \"a\"}", "line 1: expected `text` or `messages`"),
            ("a.jsonl", b"{\"text\": \"a\"", "line 1: EOF"),
            ("a.txt", b"caf\xe9", "found another encoding at byte 3"),
            ("a.jsonl.zst", b"plain", "not a Zstandard file"),
        ] {
            let error = read(name, bytes).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
