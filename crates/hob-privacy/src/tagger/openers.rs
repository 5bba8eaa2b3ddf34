//! Words that open a request or a letter and belong to no name: "Explain Quicksort", "Dear Maria".
//!
//! A capital at the start of a sentence says nothing, and the tagger sometimes takes the word into the name after it, or for one.
//! Words that are given names too (Grant, Mark, Sue, Will) are not among them.

use super::tokens::Token;
use crate::Finding;

/// In small letters.
const OPENERS: &[&str] = &[
    "add",
    "analyse",
    "analyze",
    "answer",
    "apply",
    "ask",
    "assume",
    "calculate",
    "can",
    "change",
    "check",
    "choose",
    "classify",
    "combine",
    "compare",
    "complete",
    "compose",
    "compute",
    "consider",
    "continue",
    "convert",
    "correct",
    "could",
    "count",
    "create",
    "dear",
    "decide",
    "define",
    "describe",
    "design",
    "develop",
    "discuss",
    "do",
    "draft",
    "edit",
    "evaluate",
    "examine",
    "expand",
    "explain",
    "extract",
    "fill",
    "find",
    "fix",
    "generate",
    "give",
    "hello",
    "help",
    "how",
    "identify",
    "implement",
    "improve",
    "include",
    "insert",
    "list",
    "look",
    "make",
    "modify",
    "name",
    "organise",
    "organize",
    "outline",
    "plan",
    "please",
    "prepare",
    "propose",
    "prove",
    "provide",
    "read",
    "recommend",
    "regards",
    "remove",
    "rephrase",
    "replace",
    "reply",
    "respond",
    "return",
    "review",
    "rewrite",
    "search",
    "see",
    "select",
    "shorten",
    "should",
    "show",
    "simplify",
    "simulate",
    "solve",
    "sort",
    "suggest",
    "summarise",
    "summarize",
    "suppose",
    "take",
    "tell",
    "thank",
    "thanks",
    "translate",
    "try",
    "understand",
    "use",
    "verify",
    "what",
    "when",
    "where",
    "which",
    "who",
    "why",
    "write",
    "you",
];

/// Takes such words off the start of what was found at the start of a sentence.
pub(super) fn without_openers(text: &str, tokens: &[Token], found: &mut Vec<Finding>) {
    found.retain_mut(|finding| {
        let Some(at) = tokens.iter().position(|token| token.range.start == finding.range.start) else {
            return true;
        };
        if !opens(text, tokens, at) || !is_opener(&text[tokens[at].range.clone()]) {
            return true;
        }
        match tokens.get(at + 1).filter(|next| next.range.end <= finding.range.end) {
            Some(next) => {
                finding.range.start = next.range.start;
                true
            }
            None => false,
        }
    });
}

/// Whether a sentence begins with the token at `at`.
fn opens(text: &str, tokens: &[Token], at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else { return true };
    matches!(&text[tokens[before].range.clone()], "." | "!" | "?" | ":" | ";" | "\n" | "\"" | "“" | "-" | "*")
}

/// Only words whose first letter alone is a capital: in a text of capitals they may be anything.
fn is_opener(word: &str) -> bool {
    let mut letters = word.chars();
    let is_capital = letters.next().is_some_and(char::is_uppercase);
    is_capital
        && !letters.any(char::is_uppercase)
        && OPENERS.binary_search(&word.to_lowercase().as_str()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tagger::tokens::tokens;
    use crate::{Label, Sure};

    fn trimmed(text: &str, name: &str) -> Option<String> {
        let start = text.find(name).unwrap();
        let range = start..start + name.len();
        let mut found = vec![Finding { range, label: Label::Person, sure: Sure::Likely, by: "tagger" }];
        without_openers(text, &tokens(text), &mut found);
        found.pop().map(|finding| text[finding.range].to_owned())
    }

    #[test]
    fn openers_are_taken_off_names_where_sentences_begin() {
        let some = |text: &str| Some(text.to_owned());
        assert!(OPENERS.is_sorted());
        assert_eq!(trimmed("Explain Quicksort to me", "Explain Quicksort"), some("Quicksort"));
        assert_eq!(trimmed("Hi. Look at me", "Look"), None);
        assert_eq!(trimmed("So:\nDear Maria", "Dear Maria"), some("Maria"));
        // Names of companies hold any word, and so do texts in capitals; Grant is a name.
        assert_eq!(trimmed("He works for Write Brothers", "Write Brothers"), some("Write Brothers"));
        assert_eq!(trimmed("WRITE BROTHERS", "WRITE BROTHERS"), some("WRITE BROTHERS"));
        assert_eq!(trimmed("Grant Miller", "Grant Miller"), some("Grant Miller"));
    }
}
