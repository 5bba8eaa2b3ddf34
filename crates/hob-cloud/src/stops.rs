//! Texts that end an answer, found in pieces of any length.

/// Lets text through up to the first of some texts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stops {
    texts: Vec<String>,
    held: String,
}

impl Stops {
    /// Empty texts end nothing.
    pub fn new(texts: &[String]) -> Self {
        let texts = texts.iter().filter(|text| !text.is_empty()).cloned().collect();
        Self { texts, held: String::new() }
    }

    /// Takes a piece; gives what can be shown, and whether the answer ends there.
    pub fn push(&mut self, piece: &str) -> (String, bool) {
        self.held.push_str(piece);
        if let Some(end) = self.texts.iter().filter_map(|text| self.held.find(text.as_str())).min() {
            self.held.truncate(end);
            return (std::mem::take(&mut self.held), true);
        }
        // What a stop text may begin with is held back.
        let begins = |at: &usize| self.texts.iter().any(|text| text.starts_with(&self.held[*at..]));
        let longest = self.texts.iter().map(String::len).max().unwrap_or(0);
        let from = self.held.len().saturating_sub(longest);
        let at = (from..self.held.len()).filter(|at| self.held.is_char_boundary(*at)).find(begins);
        let rest = self.held.split_off(at.unwrap_or(self.held.len()));
        (std::mem::replace(&mut self.held, rest), false)
    }

    /// The answer ended by itself: what was held back.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(texts: &[&str], said: &str, size: usize) -> (String, bool) {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let mut stops = Stops::new(&texts);
        let (letters, mut shown) = (said.chars().collect::<Vec<_>>(), String::new());
        for piece in letters.chunks(size) {
            let (text, is_end) = stops.push(&piece.iter().collect::<String>());
            shown += &text;
            if is_end {
                return (shown, true);
            }
        }
        (shown + &stops.finish(), false)
    }

    #[test]
    fn the_first_stop_ends_it_however_it_arrives() {
        for size in 1..12 {
            let run = |texts: &[&str], said| run(texts, said, size);
            assert_eq!(run(&["END", "STOP"], "a STENDOP"), ("a ST".into(), true), "{size}");
            assert_eq!(run(&["äöü"], "aäöaäöüb"), ("aäöa".into(), true), "{size}");
            assert_eq!(run(&["END"], "an EN"), ("an EN".into(), false), "{size}");
            assert_eq!(run(&["", "x"], "abc"), ("abc".into(), false), "{size}");
            assert_eq!(run(&[], "abc"), ("abc".into(), false), "{size}");
        }
    }
}
