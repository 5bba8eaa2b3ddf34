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

/// How many times longer replacements may make a text (they say ` ` is `▁`, which is three times), and what short texts
/// may grow to. A file can list replacements that double the text again and again; past this they find nothing more,
/// since encoding has no way to fail.
const GROWTH_MAX: usize = 64;
const GROWN_BYTES: usize = 1 << 16;

/// What replacements may make of a text.
pub(crate) fn replaced_bytes_max(text_bytes: usize) -> usize {
    GROWN_BYTES.saturating_add(text_bytes.saturating_mul(GROWTH_MAX))
}

/// Runs all steps. `first` says that the text is the beginning of the input.
pub(crate) fn normalize<'t>(steps: &[Step], text: &'t str, first: bool) -> Cow<'t, str> {
    let bytes_max = replaced_bytes_max(text.len());
    let mut text = Cow::Borrowed(text);
    for step in steps {
        let room = bytes_max.saturating_sub(text.len());
        if let Some(changed) = step.run(&text, first, room) {
            text = Cow::Owned(changed);
        }
    }
    text
}

impl Step {
    /// The text after this step, or `None` where it stays as it is. Replacements may add `room` bytes.
    fn run(&self, text: &str, first: bool, room: usize) -> Option<String> {
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
            Self::Replace { from, to } => {
                let count = room / to.len().max(1);
                text.contains(from.as_str()).then(|| text.replacen(from, to, count))
            }
            Self::ReplacePattern { from, to } => {
                // A count of zero would mean all of them.
                let count = Some(room / to.len().max(1)).filter(|count| *count > 0)?;
                let replaced = from.try_replacen(text, count, fancy_regex::NoExpand(to));
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
    fn doubling_again_and_again_ends() {
        let double = || Step::Replace { from: "a".into(), to: "aa".into() };
        let pattern = Box::new(fancy_regex::Regex::new("a").unwrap());
        let mut steps: Vec<Step> = (0..100).map(|_| double()).collect();
        steps.push(Step::ReplacePattern { from: pattern, to: "b".repeat(1 << 16) });
        let text = "a".repeat(100);
        let grown = normalize(&steps, &text, true);
        assert!((100..=replaced_bytes_max(text.len())).contains(&grown.len()), "{} bytes", grown.len());
        assert_eq!(normalize(&steps[..3], &text, true).len(), 800);
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
