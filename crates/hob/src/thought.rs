//! Telling a model's thoughts from its answer while both arrive in pieces.

use hob_tokenizer::ThinkingMarkers;

/// A piece of text with what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Thought(String),
    Text(String),
}

/// Splits a stream at the markers around thoughts. A marker that arrives in pieces is held back until it is decided.
#[derive(Debug)]
pub(crate) struct ThoughtSplitter {
    markers: Option<ThinkingMarkers>,
    thinking: bool,
    held: String,
    /// Blank lines after a marker belong to it, not to what follows.
    trim_start: bool,
}

impl ThoughtSplitter {
    /// `thinking`: the prompt has opened a thought already.
    pub fn new(markers: Option<ThinkingMarkers>, thinking: bool) -> Self {
        Self { markers, thinking, held: String::new(), trim_start: thinking }
    }

    /// Takes a piece of the stream in; returns what is decided by now.
    pub fn push(&mut self, text: &str) -> Vec<Part> {
        self.held.push_str(text);
        let mut parts = Vec::new();
        let Some(markers) = self.markers else {
            let all = std::mem::take(&mut self.held);
            self.emit(all, &mut parts);
            return parts;
        };
        loop {
            let marker = if self.thinking { markers.close } else { markers.open };
            if let Some(at) = self.held.find(marker) {
                let rest = self.held.split_off(at + marker.len());
                self.held.truncate(at);
                let before = std::mem::replace(&mut self.held, rest);
                self.emit(before, &mut parts);
                self.thinking = !self.thinking;
                self.trim_start = true;
                continue;
            }
            let keep = partial_suffix(&self.held, marker);
            let rest = self.held.split_off(self.held.len() - keep);
            let decided = std::mem::replace(&mut self.held, rest);
            self.emit(decided, &mut parts);
            return parts;
        }
    }

    /// What is still held back at the end.
    pub fn finish(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        let rest = std::mem::take(&mut self.held);
        self.emit(rest, &mut parts);
        parts
    }

    fn emit(&mut self, text: String, parts: &mut Vec<Part>) {
        let text = if self.trim_start { text.trim_start_matches(['\n', '\r']).to_string() } else { text };
        if text.is_empty() {
            return;
        }
        self.trim_start = false;
        parts.push(if self.thinking { Part::Thought(text) } else { Part::Text(text) });
    }
}

/// Length of the longest end of `text` that a marker could begin with.
pub(crate) fn partial_suffix(text: &str, marker: &str) -> usize {
    (1..marker.len().min(text.len() + 1))
        .rev()
        .find(|&n| marker.is_char_boundary(n) && text.ends_with(&marker[..n]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKERS: ThinkingMarkers = ThinkingMarkers { open: "<think>", close: "</think>" };

    fn run(pieces: &[&str], thinking: bool) -> (String, String) {
        let mut splitter = ThoughtSplitter::new(Some(MARKERS), thinking);
        let mut parts: Vec<Part> = pieces.iter().flat_map(|p| splitter.push(p)).collect();
        parts.extend(splitter.finish());
        let (mut thought, mut text) = (String::new(), String::new());
        for part in parts {
            match part {
                Part::Thought(t) => thought.push_str(&t),
                Part::Text(t) => text.push_str(&t),
            }
        }
        (thought, text)
    }

    #[test]
    fn splits_wherever_the_pieces_fall() {
        let whole = "<think>\nTwo and two.\n</think>\n\nFour < five.";
        let expected = ("Two and two.\n".to_string(), "Four < five.".to_string());
        for size in 1..whole.len() {
            let pieces: Vec<&str> =
                whole.as_bytes().chunks(size).map(|c| std::str::from_utf8(c).unwrap()).collect();
            assert_eq!(run(&pieces, false), expected, "pieces of {size}");
        }
    }

    #[test]
    fn a_thought_may_be_open_from_the_start_and_never_closed() {
        assert_eq!(run(&["Hmm", "m"], true), ("Hmmm".into(), String::new()));
        assert_eq!(run(&["\nyes</think>no"], true), ("yes".into(), "no".into()));
    }

    #[test]
    fn half_a_marker_is_text_in_the_end() {
        assert_eq!(run(&["a <thi"], false), (String::new(), "a <thi".into()));
    }
}
