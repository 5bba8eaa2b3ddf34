//! What people hand in: files, standard input, arguments that are either JSON or the name of a file with JSON.

use crate::fail::{note, usage};
use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Longest text taken in. No context holds as much; the limit keeps a mistaken pipe from filling memory.
const TEXT_BYTES_MAX: u64 = 256 << 20;
/// How long standard input is waited for without a word.
const PATIENCE: Duration = Duration::from_secs(2);

/// The text of the file at `path`; `-` is standard input.
pub fn text(path: &Path) -> anyhow::Result<String> {
    if path.as_os_str() == "-" {
        return stdin();
    }
    let name = path.display();
    let file = std::fs::File::open(path).map_err(|e| anyhow!("cannot open {name}: {e}; check the path"))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        bail!("{name}: expected a text file, found a directory; give the files one by one");
    }
    utf8(limited(file, &name.to_string())?, &name.to_string())
}

/// All of standard input.
pub fn stdin() -> anyhow::Result<String> {
    if io::stdin().is_terminal() {
        let end = if cfg!(windows) { "Ctrl-Z and Enter" } else { "Ctrl-D" };
        note(&format!("reading what you type; {end} on a line of its own ends it"));
    }
    utf8(limited(io::stdin().lock(), "standard input")?, "standard input")
}

/// Standard input if something is piped into it. Says so when that takes long: whoever starts a program with an open pipe
/// and writes nothing would otherwise wait without knowing for what.
pub fn piped() -> anyhow::Result<Option<String>> {
    if io::stdin().is_terminal() {
        return Ok(None);
    }
    let (done, waiting) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if waiting.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            note(
                "waiting for the end of standard input; start with `< /dev/null` if nothing is to come from there",
            );
        }
    });
    let text = stdin();
    drop(done);
    text.map(Some)
}

/// What messages call the file at `path`.
pub fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".into() } else { path.display().to_string() }
}

/// JSON from the file at `path`; `-` is standard input.
pub fn json_file(path: &Path) -> anyhow::Result<Value> {
    json(&text(path)?, &name(path))
}

/// Whether the argument of `--json-schema` is the schema itself: an object or a boolean, as no path begins.
pub fn is_inline_schema(argument: &str) -> bool {
    argument.trim_start().starts_with('{') || matches!(argument.trim(), "true" | "false")
}

/// A JSON schema written out in the argument, or in the file that it names.
pub fn schema(argument: &str) -> anyhow::Result<Value> {
    if is_inline_schema(argument) {
        return json(argument, "--json-schema").map_err(|e| usage(e.to_string()));
    }
    let path = Path::new(argument);
    if argument != "-" && !path.exists() {
        return Err(usage(format!(
            "--json-schema: expected a schema such as {{\"type\": \"object\"}} or the path of a file with one, found {argument:?}, which is neither"
        )));
    }
    json_file(path)
}

/// Ids from arguments such as `1 2 3` and `1,2,3`; a single `-` reads them from standard input.
pub fn ids(arguments: &[String]) -> anyhow::Result<Vec<u32>> {
    let joined = if arguments == ["-"] { stdin()? } else { arguments.join(",") };
    let parse = |word: &str| {
        word.parse().map_err(|_| usage(format!("expected token ids such as 1,2,3, found {word:?}")))
    };
    let separator = |c: char| c == ',' || c.is_whitespace() || c == '[' || c == ']';
    joined.split(separator).filter(|w| !w.is_empty()).map(parse).collect()
}

fn json(text: &str, name: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text)
        .map_err(|e| anyhow!("{name}: expected JSON, found a problem: {e}; correct it there"))
}

fn limited(source: impl Read, name: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(TEXT_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
    if bytes.len() as u64 > TEXT_BYTES_MAX {
        bail!("{name}: expected at most {TEXT_BYTES_MAX} bytes of text, found more; give a part of it");
    }
    Ok(bytes)
}

fn utf8(bytes: Vec<u8>, name: &str) -> anyhow::Result<String> {
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let byte = e.as_bytes()[at];
        anyhow!(
            "{name}: expected UTF-8 text, found byte 0x{byte:02x} at offset {at}; convert it (`iconv -t UTF-8`) or give a text file"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_in_many_shapes() {
        let parse = |words: &[&str]| ids(&words.iter().map(|w| w.to_string()).collect::<Vec<_>>());
        assert_eq!(parse(&["1,2", "3"]).unwrap(), [1, 2, 3]);
        assert_eq!(parse(&["[1, 2]"]).unwrap(), [1, 2]);
        assert!(parse(&["1,x"]).unwrap_err().to_string().contains("\"x\""));
        assert!(parse(&["-1"]).is_err());
    }

    #[test]
    fn broken_text_is_placed() {
        let error = utf8(vec![b'a', 0xff], "notes.txt").unwrap_err().to_string();
        assert!(error.starts_with("notes.txt: expected UTF-8 text, found byte 0xff at offset 1"), "{error}");
    }
}
