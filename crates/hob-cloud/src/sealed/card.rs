//! What a target is told of a document: how it is built, and nothing that it says beside its headings.

use super::document::Document;
use super::number::SIGNS;
use super::{Bounds, Date, Number, date};
use std::fmt::Write;

/// Headings that are told, at most.
const HEADINGS_MAX: usize = 100;
/// Lines of counts, at most.
const COUNTS_MAX: usize = 64;
/// Counts below this are not told apart from none, so that no single fact shows.
const SOME: usize = 4;
/// Counts from here on are many.
const MANY: usize = 16;

/// The structure of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    text: String,
    bounds: Bounds,
}

/// How much of each kind stands in a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    dates: usize,
    amounts: usize,
    numbers: usize,
    items: usize,
}

impl Card {
    /// Of a document.
    pub fn of(document: &Document) -> Self {
        let headings = document.headings().len().min(HEADINGS_MAX);
        let mut text = format!(
            "The document has about {} of text in {} chunks.\n",
            size(document.text().len()),
            document.chunks().len()
        );
        put_headings(&mut text, document, headings);
        put_counts(&mut text, document);
        Self { text, bounds: Bounds { headings } }
    }

    /// The words that are told, before what is private in headings is hidden.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What a plan can refer to.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }
}

fn put_headings(text: &mut String, document: &Document, count: usize) {
    let all = document.headings();
    text.push_str(if all.is_empty() { "It has no headings.\n" } else { "Its headings, by number:\n" });
    for (index, heading) in all.iter().take(count).enumerate() {
        let place = span(heading.chunks.start, heading.chunks.end);
        let _ = writeln!(text, "{}. {} {} ({place})", index + 1, "#".repeat(heading.level), heading.text);
    }
    if all.len() > count {
        text.push_str("More headings follow that are not listed.\n");
    }
}

/// Chunks that are alike share a line.
fn put_counts(text: &mut String, document: &Document) {
    text.push_str("What stands in its chunks (few: less than four, perhaps none; many: sixteen or more):\n");
    let told: Vec<String> =
        (0..document.chunks().len()).map(|index| counts(document.chunk(index)).told()).collect();
    let mut start = 0;
    for (line, alike) in told.chunk_by(|one, next| one == next).enumerate() {
        if line == COUNTS_MAX {
            text.push_str("The rest is not listed.\n");
            break;
        }
        let _ = writeln!(text, "{}: {}", span(start, start + alike.len()), alike[0]);
        start += alike.len();
    }
}

fn span(start: usize, end: usize) -> String {
    if end == start + 1 { format!("chunk {end}") } else { format!("chunks {} to {end}", start + 1) }
}

impl Counts {
    fn told(self) -> String {
        format!(
            "{} dates, {} amounts of money, {} numbers, {} list items",
            about(self.dates),
            about(self.amounts),
            about(self.numbers),
            about(self.items)
        )
    }
}

fn about(count: usize) -> &'static str {
    match count {
        0..SOME => "few",
        SOME..MANY => "some",
        _ => "many",
    }
}

/// Sizes in thousands of bytes, each about twice the one before. In words: of digits the redactor makes ages and years.
const SIZES: [&str; 12] = [
    "one",
    "two",
    "four",
    "eight",
    "sixteen",
    "thirty",
    "sixty",
    "a hundred and thirty",
    "two hundred and fifty",
    "five hundred",
    "one thousand",
    "two thousand",
];

/// About how long a text is.
fn size(bytes: usize) -> String {
    let power = bytes.div_ceil(1000).next_power_of_two().ilog2() as usize;
    format!("{} kB", SIZES[power.min(SIZES.len() - 1)])
}

fn counts(chunk: &str) -> Counts {
    let mut counts =
        Counts { items: chunk.lines().filter(|line| is_item(line)).count(), ..Counts::default() };
    let words = chunk.split_whitespace().map(|word| word.trim_matches(|c| "()[]*_;:,.\"'".contains(c)));
    let mut after_month = false;
    for word in words {
        let has_digit = word.contains(|c: char| c.is_ascii_digit());
        if Date::parse(word).is_some() {
            counts.dates += 1;
        } else if has_digit && word.contains(SIGNS) {
            counts.amounts += 1;
        } else if has_digit && after_month {
            counts.dates += 1;
        } else if has_digit && Number::parse(word).is_some() {
            counts.numbers += 1;
        }
        after_month = date::month(word).is_some();
    }
    counts
}

fn is_item(line: &str) -> bool {
    let line = line.trim_start();
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    let rest = &line[digits..];
    let is_numbered = (1..=3).contains(&digits) && (rest.starts_with(". ") || rest.starts_with(") "));
    is_numbered || line.starts_with("- ") || line.starts_with("* ") || line.starts_with("+ ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_tells_how_a_text_is_built() {
        let text = format!(
            "# Rent\n\nNothing.\n\n## Paid\n{}\n# End\nDone.\n",
            "- 3 March 2026: $1,200 for 2 rooms\n".repeat(5)
        );
        let card = Card::of(&Document::new(text).unwrap());
        assert_eq!(
            card.text(),
            "The document has about one kB of text in 3 chunks.\nIts headings, by number:\n1. # Rent (chunks 1 to 2)\n\
             2. ## Paid (chunk 2)\n3. # End (chunk 3)\n\
             What stands in its chunks (few: less than four, perhaps none; many: sixteen or more):\n\
             chunk 1: few dates, few amounts of money, few numbers, few list items\n\
             chunk 2: some dates, some amounts of money, some numbers, some list items\n\
             chunk 3: few dates, few amounts of money, few numbers, few list items\n"
        );
        assert_eq!(card.bounds(), Bounds { headings: 3 });
    }

    #[test]
    fn a_card_has_an_end() {
        let text: String = (0..900).map(|n| format!("# Part {n}\n{}\n\n", "- a 1\n".repeat(n % 7))).collect();
        let card = Card::of(&Document::new(text).unwrap());
        assert!(card.text().len() < 16_000, "{}", card.text().len());
        assert!(card.text().contains("not listed") && card.bounds().headings == HEADINGS_MAX);
    }

    #[test]
    fn one_fact_more_does_not_show() {
        let card = |text: &str| Card::of(&Document::new(text).unwrap());
        let plain = card("# Health\n\nNothing was found.\n");
        for fact in ["- On 2026-03-01 it was $300.\n", "7 of 9 on 3 May 2026\n", "It costs 12 %.\n"] {
            assert_eq!(card(&format!("# Health\n\nNothing was found.\n{fact}")), plain);
        }
    }
}
