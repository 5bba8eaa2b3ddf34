//! A text, cut at its headings and between its lines into chunks that a small model can read at once.

use std::ops::Range;

/// Bytes of a chunk, at most.
pub const CHUNK_BYTES_MAX: usize = 1600;
/// Chunks of a document, at most: each is read once for every extraction.
pub const CHUNKS_MAX: usize = 1024;
/// Characters of a heading, at most. A longer line says too much to be one, so it stays here.
const HEADING_CHARS_MAX: usize = 120;

/// A document that is too long to be read chunk by chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a text of at most {CHUNKS_MAX} chunks (some {} kB), found {chunks}; give a part of it", CHUNKS_MAX * CHUNK_BYTES_MAX / 1000)]
pub struct TooLarge {
    /// Chunks that it has.
    pub chunks: usize,
}

/// A part of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where it stands.
    pub range: Range<usize>,
    /// Its first line, from 1.
    pub line: usize,
}

/// A heading, as Markdown has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// How many strokes it has.
    pub level: usize,
    /// What it says.
    pub text: String,
    /// The chunks below it, up to the next heading of its level.
    pub chunks: Range<usize>,
}

/// A text with its chunks, which together are all of it.
#[derive(Clone, Debug)]
pub struct Document {
    text: String,
    chunks: Vec<Chunk>,
    headings: Vec<Heading>,
}

impl Document {
    /// Cuts a text.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn new(text: impl Into<String>) -> Result<Self, TooLarge> {
        let text = text.into();
        let (mut cutter, mut fence, mut is_free) = (Cutter::new(&text), false, true);
        for (start, line) in lines(&text) {
            let trimmed = line.trim();
            if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
                fence = !fence;
            }
            // Only what stands apart is a heading: comments of programs begin alike.
            let heading = if fence || !is_free { None } else { heading(line) };
            is_free = trimmed.is_empty() || heading.is_some();
            cutter.take(start, line, heading);
        }
        let (chunks, headings) = cutter.finish();
        if chunks.len() > CHUNKS_MAX {
            return Err(TooLarge { chunks: chunks.len() });
        }
        Ok(Self { text, chunks, headings })
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its parts.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// What a part says.
    pub fn chunk(&self, index: usize) -> &str {
        self.chunks.get(index).map_or("", |chunk| &self.text[chunk.range.clone()])
    }

    /// Its headings.
    pub fn headings(&self) -> &[Heading] {
        &self.headings
    }

    /// The line of a place, from 1.
    pub fn line_of(&self, at: usize) -> usize {
        let index = self.chunks.partition_point(|chunk| chunk.range.start <= at).saturating_sub(1);
        let Some(chunk) = self.chunks.get(index) else { return 1 };
        chunk.line + self.text.as_bytes()[chunk.range.start..at].iter().filter(|byte| **byte == b'\n').count()
    }
}

/// Lines with where they begin, line ends included. A line that fits into no chunk comes in pieces.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    text.split_inclusive('\n').flat_map(pieces).map(move |line| {
        let at = start;
        start += line.len();
        (at, line)
    })
}

/// A line in pieces that fit, cut after a blank where there is one.
fn pieces(mut line: &str) -> Vec<&str> {
    let mut all = Vec::new();
    while line.len() > CHUNK_BYTES_MAX {
        let most = (0..=CHUNK_BYTES_MAX).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(line.len());
        let blank = line[..most].rfind(' ').map(|at| at + 1).filter(|at| *at > most / 2);
        let (piece, rest) = line.split_at(blank.unwrap_or(most));
        all.push(piece);
        line = rest;
    }
    all.push(line);
    all
}

/// Level and words of a heading.
fn heading(line: &str) -> Option<(usize, String)> {
    let level = line.chars().take_while(|c| *c == '#').count();
    let rest = line.get(level..).filter(|_| (1..=6).contains(&level))?;
    let text = rest.strip_prefix([' ', '\t'])?.trim().trim_end_matches('#');
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!text.is_empty() && text.chars().count() <= HEADING_CHARS_MAX).then_some((level, text))
}

/// Chunks in the making.
struct Cutter<'a> {
    text: &'a str,
    chunks: Vec<Chunk>,
    headings: Vec<Heading>,
    /// Where the chunk in the making begins.
    start: usize,
    /// Where it would best be cut: after its last empty line.
    gap: usize,
    end: usize,
    line: usize,
}

impl<'a> Cutter<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, chunks: Vec::new(), headings: Vec::new(), start: 0, gap: 0, end: 0, line: 1 }
    }

    fn take(&mut self, start: usize, line: &str, heading: Option<(usize, String)>) {
        if start + line.len() - self.start > CHUNK_BYTES_MAX {
            // A cut between paragraphs is better, unless it leaves a crumb.
            let is_good = self.gap > self.start + CHUNK_BYTES_MAX / 2;
            self.cut(if is_good { self.gap } else { self.end });
        }
        if start + line.len() - self.start > CHUNK_BYTES_MAX {
            self.cut(self.end);
        }
        if let Some((level, text)) = heading {
            self.cut(start);
            let chunk = self.chunks.len();
            self.close(level, chunk);
            self.headings.push(Heading { level, text, chunks: chunk..usize::MAX });
        }
        self.end = start + line.len();
        if line.trim().is_empty() {
            self.gap = self.end;
        }
    }

    fn cut(&mut self, at: usize) {
        if at > self.start {
            let range = self.start..at;
            let lines = self.text[range.clone()].matches('\n').count();
            self.chunks.push(Chunk { range, line: self.line });
            self.line += lines;
            self.start = at;
        }
    }

    /// A heading of this level ends what stands below others of its level and deeper ones.
    fn close(&mut self, level: usize, chunk: usize) {
        let open = self.headings.iter_mut().filter(|h| h.chunks.end == usize::MAX && h.level >= level);
        open.for_each(|heading| heading.chunks.end = chunk);
    }

    fn finish(mut self) -> (Vec<Chunk>, Vec<Heading>) {
        self.cut(self.end);
        let end = self.chunks.len();
        self.close(0, end);
        (self.chunks, self.headings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headings_hold_what_stands_below_them() {
        let text = "Before\n\n# One\na\n\n## Deep\nb\n\n# Two ##\nc\n# no heading: glued to a line\n\n```\n\n# code\n```\n";
        let document = Document::new(text).unwrap();
        let found: Vec<_> =
            document.headings().iter().map(|h| (h.level, h.text.as_str(), h.chunks.clone())).collect();
        assert_eq!(found, [(1, "One", 1..3), (2, "Deep", 2..3), (1, "Two", 3..4)]);
        assert_eq!(document.chunk(1), "# One\na\n\n");
        assert_eq!(document.line_of(text.find("b\n").unwrap()), 7);
        assert!(Document::new(format!("# {}\n", "x".repeat(121))).unwrap().headings().is_empty());
    }

    #[test]
    fn paragraphs_stay_together_where_they_fit() {
        let paragraph = format!("{}\n\n", "word ".repeat(180));
        let document = Document::new(paragraph.repeat(3)).unwrap();
        assert!(document.chunks().iter().all(|chunk| chunk.range.len() == paragraph.len()));
        let error = Document::new("x".repeat(CHUNK_BYTES_MAX * (CHUNKS_MAX + 1))).unwrap_err();
        assert_eq!(error.chunks, CHUNKS_MAX + 1);
    }

    proptest! {
        #[test]
        fn chunks_are_all_of_the_text(parts in prop::collection::vec("(# )?[a-zé \n]{0,40}|x{1500,1700}|\n\n", 0..60)) {
            let text = parts.concat();
            let document = Document::new(text.clone()).unwrap();
            let mut end = 0;
            for (index, chunk) in document.chunks().iter().enumerate() {
                prop_assert_eq!(chunk.range.start, end);
                prop_assert!(chunk.range.len() <= CHUNK_BYTES_MAX && !chunk.range.is_empty());
                prop_assert_eq!(document.line_of(chunk.range.start), 1 + text[..chunk.range.start].matches('\n').count());
                end = chunk.range.end;
                prop_assert_eq!(document.chunk(index), &text[chunk.range.clone()]);
            }
            prop_assert_eq!(end, text.len());
            for heading in document.headings() {
                prop_assert!(heading.chunks.start < heading.chunks.end && heading.chunks.end <= document.chunks().len());
            }
        }
    }
}
