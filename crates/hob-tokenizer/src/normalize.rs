//! Rewriting text before it is cut into pieces.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::{IsNormalized, is_nfc_quick, is_nfd_quick, is_nfkc_quick, is_nfkd_quick};

use crate::unicode::{self, CONTROL, MARK};

/// One rewriting step; the names are those of `tokenizer.json`.
#[derive(Debug)]
pub(crate) enum Step {
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
    Lowercase,
    StripAccents,
    Bert(Bert),
    /// Puts a string before non-empty text.
    Prepend(String),
    /// Puts a string before text that does not begin with it already; `first_only`: only at the start of the input.
    Prefix {
        text: String,
        first_only: bool,
    },
    Replace {
        from: String,
        to: String,
    },
    ReplacePattern {
        from: Box<fancy_regex::Regex>,
        to: String,
    },
    Strip {
        left: bool,
        right: bool,
    },
}

/// Options of the BERT normaliser.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bert {
    pub clean_text: bool,
    pub space_ideographs: bool,
    pub accents: Accents,
    pub lowercase: bool,
}

/// What the BERT normaliser does with accents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accents {
    Keep,
    /// Decomposes and drops nonspacing marks, as the original does.
    Strip,
    /// Keeps the first character of each decomposition and drops marks of all kinds, as llama.cpp does for GGUF
    /// files. It differs from `Strip` for Hangul and for Indic vowel signs.
    StripAll,
}

/// Runs all steps. `first` says that the text is the beginning of the input.
pub(crate) fn normalize<'t>(steps: &[Step], text: &'t str, first: bool) -> Cow<'t, str> {
    let mut text = Cow::Borrowed(text);
    for step in steps {
        if let Some(changed) = step.run(&text, first) {
            text = Cow::Owned(changed);
        }
    }
    text
}

impl Step {
    /// The text after this step, or `None` where it stays as it is.
    fn run(&self, text: &str, first: bool) -> Option<String> {
        match self {
            Self::Nfc if is_nfc_quick(text.chars()) == IsNormalized::Yes => None,
            Self::Nfc => Some(text.nfc().collect()),
            Self::Nfd if is_nfd_quick(text.chars()) == IsNormalized::Yes => None,
            Self::Nfd => Some(text.nfd().collect()),
            Self::Nfkc if is_nfkc_quick(text.chars()) == IsNormalized::Yes => None,
            Self::Nfkc => Some(text.nfkc().collect()),
            Self::Nfkd if is_nfkd_quick(text.chars()) == IsNormalized::Yes => None,
            Self::Nfkd => Some(text.nfkd().collect()),
            Self::Lowercase => Some(lowercase(text)),
            Self::StripAccents => Some(text.chars().filter(|c| unicode::flags(*c) & MARK == 0).collect()),
            Self::Bert(options) => Some(options.run(text)),
            Self::Prepend(prefix) => (!text.is_empty()).then(|| format!("{prefix}{text}")),
            Self::Prefix { text: prefix, first_only } => {
                let wanted = !text.is_empty() && !text.starts_with(prefix.as_str()) && (first || !first_only);
                wanted.then(|| format!("{prefix}{text}"))
            }
            Self::Replace { from, to } => text.contains(from.as_str()).then(|| text.replace(from, to)),
            Self::ReplacePattern { from, to } => {
                let replaced = from.try_replacen(text, 0, fancy_regex::NoExpand(to));
                replaced.ok().map(Cow::into_owned)
            }
            Self::Strip { left, right } => {
                let text = if *left { text.trim_start() } else { text };
                Some(if *right { text.trim_end() } else { text }.to_owned())
            }
        }
    }
}

/// Lower case character by character, without the rule for final sigma, as the reference does.
fn lowercase(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

impl Bert {
    /// Source: `BasicTokenizer` of the BERT release (Devlin et al., 2018).
    fn run(self, text: &str) -> String {
        let mut out: String = text.chars().filter_map(|c| self.clean(c)).collect();
        if self.space_ideographs && out.chars().any(unicode::is_ideograph) {
            let spaced = |c: char| if unicode::is_ideograph(c) { [' ', c, ' '] } else { ['\0', c, '\0'] };
            out = out.chars().flat_map(spaced).filter(|c| *c != '\0').collect();
        }
        match self.accents {
            Accents::Keep => {}
            Accents::Strip => out = out.nfd().filter(|c| !unicode::is_nonspacing_mark(*c)).collect(),
            Accents::StripAll => {
                let firsts = out.chars().filter_map(|c| c.nfd().next());
                out = firsts.filter(|c| unicode::flags(*c) & MARK == 0).collect();
            }
        }
        if self.lowercase { lowercase(&out) } else { out }
    }

    fn clean(self, c: char) -> Option<char> {
        if !self.clean_text {
            return Some(c);
        }
        if c.is_whitespace() {
            return Some(' ');
        }
        let removed = c == '\0' || c == char::REPLACEMENT_CHARACTER || unicode::flags(c) & CONTROL != 0;
        (!removed).then_some(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(step: Step, text: &str) -> String {
        normalize(&[step], text, true).into_owned()
    }

    #[test]
    fn unicode_forms() {
        assert_eq!(run(Step::Nfc, "e\u{301}"), "é");
        assert_eq!(run(Step::Nfd, "é"), "e\u{301}");
        assert_eq!(run(Step::Nfkc, "ﬁ²"), "fi2");
        assert!(matches!(normalize(&[Step::Nfc], "plain", true), Cow::Borrowed(_)));
    }

    #[test]
    fn bert_cleans_spaces_ideographs_and_strips() {
        let bert =
            Bert { clean_text: true, space_ideographs: true, accents: Accents::Strip, lowercase: true };
        assert_eq!(run(Step::Bert(bert), "Hé\u{0}\u{200D}l\tLO日本"), "hel lo 日  本 ");
    }

    #[test]
    fn prefixes() {
        assert_eq!(run(Step::Prepend("▁".into()), "a"), "▁a");
        assert_eq!(run(Step::Prepend("▁".into()), ""), "");
        let prefix = || Step::Prefix { text: "▁".into(), first_only: true };
        assert_eq!(run(prefix(), "▁a"), "▁a");
        assert_eq!(run(prefix(), "a"), "▁a");
        assert_eq!(normalize(&[prefix()], "a", false), "a");
    }
}
