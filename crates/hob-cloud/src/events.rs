//! Server-sent events out of bytes that arrive in any pieces.

/// Longest event taken, in bytes.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// What is wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// An event is longer than any has reason to be.
    TooLong,
    /// It is not UTF-8.
    NotText,
}

impl Wrong {
    pub fn what(self) -> &'static str {
        match self {
            Self::TooLong => "an event longer than 4 MiB",
            Self::NotText => "an event that is not UTF-8",
        }
    }
}

/// Collects lines, and gives the data of whole events. Names of events are passed over: those of the interfaces here
/// stand in the data too.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: String,
    has_data: bool,
    /// Whether the last byte was a carriage return, after which a line feed belongs to the same line end.
    after_return: bool,
}

impl Events {
    /// Takes bytes; gives the data of the events that they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<String>, Wrong> {
        let mut whole = Vec::new();
        for byte in bytes {
            let was_return = std::mem::replace(&mut self.after_return, *byte == b'\r');
            match byte {
                b'\n' if was_return => {}
                b'\n' | b'\r' => whole.extend(self.end_line()?),
                _ if self.line.len() + self.data.len() >= EVENT_BYTES_MAX => return Err(Wrong::TooLong),
                byte => self.line.push(*byte),
            }
        }
        Ok(whole)
    }

    /// The stream ended; an event whose last line end is missing counts.
    pub fn finish(&mut self) -> Result<Option<String>, Wrong> {
        let ended = if self.line.is_empty() { None } else { self.end_line()? };
        Ok(ended.or_else(|| self.take()))
    }

    fn end_line(&mut self) -> Result<Option<String>, Wrong> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return Ok(self.take());
        }
        let line = std::str::from_utf8(&line).map_err(|_| Wrong::NotText)?;
        if let Some(rest) = line.strip_prefix("data:") {
            if self.has_data {
                self.data.push('\n');
            }
            self.data.push_str(rest.strip_prefix(' ').unwrap_or(rest));
            self.has_data = true;
        }
        Ok(None)
    }

    fn take(&mut self) -> Option<String> {
        let had_data = std::mem::take(&mut self.has_data);
        let data = std::mem::take(&mut self.data);
        had_data.then_some(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": hello\r\nevent: a\ndata: {\"x\":\"ä\"}\r\n\r\ndata:one\ndata: two\n\nid: 3\n\ndata: [DONE]\r\rdata: left";
    const WHOLE: [&str; 4] = ["{\"x\":\"ä\"}", "one\ntwo", "[DONE]", "left"];

    #[test]
    fn pieces_of_any_length_give_the_same_events() {
        for size in 1..STREAM.len() {
            let mut events = Events::default();
            let mut found: Vec<String> =
                STREAM.as_bytes().chunks(size).flat_map(|piece| events.push(piece).unwrap()).collect();
            found.extend(events.finish().unwrap());
            assert_eq!(found, WHOLE, "{size}");
        }
    }

    #[test]
    fn endless_lines_and_bytes_that_are_no_text_are_refused() {
        let mut events = Events::default();
        assert_eq!(events.push(&vec![b'x'; EVENT_BYTES_MAX + 1]), Err(Wrong::TooLong));
        let mut events = Events::default();
        let line = [b"data: ".as_slice(), &vec![b'x'; 1 << 20], b"\n"].concat();
        assert_eq!((0..5).find_map(|_| events.push(&line).err()), Some(Wrong::TooLong));
        assert_eq!(Events::default().push(b"data: \xff\n"), Err(Wrong::NotText));
    }
}
