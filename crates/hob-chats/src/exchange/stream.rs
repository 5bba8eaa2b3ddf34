//! Reading a file of conversations one by one, with a limit on the bytes of each.
//!
//! Only the frame of the file is read here: brackets, commas, and where each conversation begins and ends. What is wrong
//! inside of one then ends that one and not the file, and nesting costs no stack.

use super::hob::{FORMAT, VERSION};
use crate::limits::CONVERSATION_BYTES_MAX;
use std::io::{self, BufRead};

/// Where a conversation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// An export of Hob.
    Hob,
    /// An export of ChatGPT.
    ChatGpt,
}

/// What takes the bytes of each conversation. It stops the reading by returning `false`.
pub(super) type Take<'a> = dyn FnMut(Origin, &[u8]) -> bool + 'a;

/// Reads the file and hands out its conversations: a list is ChatGPT's, an object is Hob's. `Err` says what is wrong.
pub(super) fn read(from: impl BufRead, take: &mut Take<'_>) -> Result<(), String> {
    let mut scanner = Scanner { from, value: Vec::new() };
    match scanner.next()? {
        Some(b'[') => scanner.list(Origin::ChatGpt, take)?,
        Some(b'{') => scanner.object(take)?,
        Some(_) => return Err("it is neither a list nor an object of JSON".into()),
        None => return Err("it is empty".into()),
    }
    match scanner.next()? {
        None => Ok(()),
        Some(_) => Err("something stands behind its end".into()),
    }
}

struct Scanner<R> {
    from: R,
    /// The value that was read last.
    value: Vec<u8>,
}

impl<R: BufRead> Scanner<R> {
    /// The list whose bracket was read.
    fn list(&mut self, origin: Origin, take: &mut Take<'_>) -> Result<(), String> {
        let mut first = self.next()?;
        if first == Some(b']') {
            return Ok(());
        }
        loop {
            self.value(first)?;
            if !take(origin, &self.value) {
                return Err("stopped".into());
            }
            match self.next()? {
                Some(b',') => first = self.next()?,
                Some(b']') => return Ok(()),
                other => return Err(unexpected("a comma or the end of a list", other)),
            }
        }
    }

    /// The object whose brace was read.
    fn object(&mut self, take: &mut Take<'_>) -> Result<(), String> {
        let (mut is_ours, mut found) = (false, false);
        let mut first = self.next()?;
        while first != Some(b'}') {
            self.value(first)?;
            let name: String = self.parse("a name")?;
            match self.next()? {
                Some(b':') => {}
                other => return Err(unexpected("a colon", other)),
            }
            let start = self.next()?;
            if name == "chats" && is_ours && start == Some(b'[') {
                found = true;
                self.list(Origin::Hob, take)?;
            } else {
                self.value(start)?;
                match name.as_str() {
                    "format" => is_ours = self.parse::<String>("a text")? == FORMAT,
                    "version" => check_version(self.parse("a number")?)?,
                    _ => {}
                }
            }
            first = match self.next()? {
                Some(b',') => self.next()?,
                Some(b'}') => break,
                other => return Err(unexpected("a comma or the end of an object", other)),
            };
        }
        if found { Ok(()) } else { Err("it holds no conversations of Hob or ChatGPT".into()) }
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, expected: &str) -> Result<T, String> {
        serde_json::from_slice(&self.value).map_err(|error| format!("expected {expected}: {error}"))
    }

    /// The next byte that is no white space.
    fn next(&mut self) -> Result<Option<u8>, String> {
        loop {
            match self.byte()? {
                Some(b' ' | b'\t' | b'\r' | b'\n') => {}
                byte => return Ok(byte),
            }
        }
    }

    fn byte(&mut self) -> Result<Option<u8>, String> {
        let byte = self.peek()?;
        if byte.is_some() {
            self.from.consume(1);
        }
        Ok(byte)
    }

    fn peek(&mut self) -> Result<Option<u8>, String> {
        loop {
            match self.from.fill_buf() {
                Ok(buffer) => return Ok(buffer.first().copied()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Reads the value that begins with `first`, up to the bracket or quote that ends it; whether it is JSON is for others
    /// to say.
    fn value(&mut self, first: Option<u8>) -> Result<(), String> {
        let Some(first) = first else { return Err("it breaks off".into()) };
        self.value.clear();
        self.value.push(first);
        let is_plain = !matches!(first, b'{' | b'[' | b'"');
        let (mut depth, mut in_text, mut is_escaped) =
            (u64::from(!is_plain && first != b'"'), first == b'"', false);
        loop {
            if is_plain
                && matches!(
                    self.peek()?,
                    None | Some(b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\r' | b'\n')
                )
            {
                return Ok(());
            }
            let Some(byte) = self.byte()? else { return Err("it breaks off".into()) };
            if self.value.len() as u64 == CONVERSATION_BYTES_MAX {
                return Err(format!("one conversation is larger than {CONVERSATION_BYTES_MAX} bytes"));
            }
            self.value.push(byte);
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if in_text => is_escaped = true,
                b'"' => in_text = !in_text,
                _ if in_text => {}
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if !is_plain && !in_text && depth == 0 {
                return Ok(());
            }
        }
    }
}

fn check_version(version: u64) -> Result<(), String> {
    if version <= VERSION {
        return Ok(());
    }
    Err(format!("a newer Hob wrote it (version {version}, and {VERSION} is known here)"))
}

fn unexpected(expected: &str, found: Option<u8>) -> String {
    match found {
        None => "it breaks off".into(),
        Some(byte) => format!("expected {expected}, found {:?}", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Result<Vec<String>, String> {
        let mut values = Vec::new();
        let read = read(text.as_bytes(), &mut |_, bytes| {
            values.push(String::from_utf8_lossy(bytes).into_owned());
            true
        });
        read.map(|()| values)
    }

    #[test]
    fn values_end_where_they_end() {
        let text = r#" [ {"a": "]}\\\"[", "b": [1, {}]} , 17,"x\"]" , null,[[]]] "#;
        assert_eq!(
            values(text).unwrap(),
            [r#"{"a": "]}\\\"[", "b": [1, {}]}"#, "17", r#""x\"]""#, "null", "[[]]"]
        );
        assert_eq!(
            values(r#"{"x": [1, "}"], "format": "hob-chats", "chats": [{}, 2], "z": {}}"#).unwrap(),
            ["{}", "2"]
        );
        assert_eq!(values(" []\n").unwrap(), [""; 0]);
    }

    #[test]
    fn frames_that_are_broken_are_told() {
        for broken in [
            "[1",
            "[1,",
            "[1 2]",
            "[",
            "{\"a\"",
            "{\"a\": 1",
            "{\"a\" 1}",
            "{a: 1}",
            "[] x",
            "[\"",
            "[{\"a\": 1]",
            "x",
            " ",
        ] {
            assert!(values(broken).is_err(), "{broken}");
        }
    }
}
