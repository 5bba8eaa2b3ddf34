//! The components of `tokenizer.json` in our terms.

use serde::Deserialize;
use serde_json::Value;

use crate::Error;
use crate::decode::{DecodeRules, Joiner};
use crate::normalize::{Accents, Bert, Step};
use crate::split::{Behavior, Matcher, Split, Words, is_bert_punctuation, is_space};

/// Nesting of `Sequence` components that is followed.
const DEPTH_MAX: usize = 8;

/// What is collected on the way through the components.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub normalizer: Vec<Step>,
    pub splits: Vec<Split>,
    /// Tokens are written in the byte alphabet.
    pub byte_level: bool,
    pub prefix: Vec<u32>,
    pub suffix: Vec<u32>,
    pub decode: DecodeRules,
}

/// A pattern of a `Split` or `Replace`.
#[derive(Debug, Deserialize)]
enum Pattern {
    String(String),
    Regex(String),
}

fn unsupported(part: &'static str, found: impl Into<String>) -> Error {
    Error::UnsupportedComponent { part, found: found.into() }
}

/// One component: its type, and typed access to its fields.
struct Component<'v> {
    part: &'static str,
    kind: &'v str,
    value: &'v Value,
}

impl<'v> Component<'v> {
    fn new(part: &'static str, value: &'v Value) -> Result<Self, Error> {
        let kind = value.get("type").and_then(Value::as_str).ok_or_else(|| Error::Field {
            field: part,
            expected: "a component with a type",
            found: value.to_string().chars().take(80).collect(),
        })?;
        Ok(Self { part, kind, value })
    }

    fn field<T: Deserialize<'v>>(&self, name: &'static str) -> Result<T, Error> {
        let value = self.value.get(name).unwrap_or(&Value::Null);
        T::deserialize(value).map_err(|e| Error::Json {
            what: self.part,
            reason: format!("field {name} of {}: {e}", self.kind),
        })
    }

    fn flag(&self, name: &'static str, default: bool) -> Result<bool, Error> {
        Ok(self.field::<Option<bool>>(name)?.unwrap_or(default))
    }

    fn list(&self, name: &'static str, depth: usize) -> Result<&'v [Value], Error> {
        match self.value.get(name) {
            Some(Value::Array(list)) if depth < DEPTH_MAX => Ok(list),
            _ => Err(Error::Field {
                field: self.part,
                expected: "a list of components, not deeply nested",
                found: self.kind.chars().take(80).collect(),
            }),
        }
    }

    fn unsupported(&self) -> Error {
        unsupported(self.part, self.kind.chars().take(80).collect::<String>())
    }
}

impl Parts {
    pub(super) fn normalizer(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if value.is_null() {
            return Ok(());
        }
        let c = Component::new("normalizer", value)?;
        let step = match c.kind {
            "Sequence" => {
                return c.list("normalizers", depth)?.iter().try_for_each(|n| self.normalizer(n, depth + 1));
            }
            "ByteLevel" => {
                self.byte_level = true;
                return Ok(());
            }
            "NFC" => Step::Nfc,
            "NFD" => Step::Nfd,
            "NFKC" => Step::Nfkc,
            "NFKD" => Step::Nfkd,
            "Lowercase" => Step::Lowercase,
            "StripAccents" => Step::StripAccents,
            "Prepend" => Step::Prepend(c.field("prepend")?),
            "Strip" => Step::Strip { left: c.flag("strip_left", true)?, right: c.flag("strip_right", true)? },
            "BertNormalizer" => Step::Bert(bert(&c)?),
            "Replace" => replace(&c)?,
            _ => return Err(c.unsupported()),
        };
        self.normalizer.push(step);
        Ok(())
    }

    pub(super) fn pre_tokenizer(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if value.is_null() {
            return Ok(());
        }
        let c = Component::new("pre_tokenizer", value)?;
        match c.kind {
            "Sequence" => {
                return c
                    .list("pretokenizers", depth)?
                    .iter()
                    .try_for_each(|p| self.pre_tokenizer(p, depth + 1));
            }
            "ByteLevel" => self.byte_level_pre(&c)?,
            "Metaspace" => self.metaspace_pre(&c)?,
            "Split" => self.splits.push(Split {
                matcher: match c.field("pattern")? {
                    Pattern::String(literal) => literal_matcher(&c, literal)?,
                    Pattern::Regex(pattern) => Matcher::pattern(&pattern)?,
                },
                behavior: c.field("behavior")?,
                invert: c.flag("invert", false)?,
            }),
            "Whitespace" => self.splits.push(Split {
                matcher: Matcher::pattern(r"\w+|[^\w\s]+")?,
                behavior: Behavior::Removed,
                invert: true,
            }),
            "WhitespaceSplit" => self.splits.push(Split::removed(Matcher::Char(is_space))),
            "BertPreTokenizer" => {
                self.splits.push(Split::removed(Matcher::Char(is_space)));
                self.splits.push(Split::isolated(Matcher::Char(is_bert_punctuation)));
            }
            "Digits" => {
                let longest = if c.flag("individual_digits", false)? { 1 } else { usize::MAX };
                self.splits.push(Split::isolated(Matcher::Numbers(longest)));
            }
            "Punctuation" => self.splits.push(Split {
                matcher: Matcher::Char(is_bert_punctuation),
                behavior: c.field::<Option<Behavior>>("behavior")?.unwrap_or(Behavior::Isolated),
                invert: false,
            }),
            "CharDelimiterSplit" => {
                let literal = c.field::<char>("delimiter")?.to_string();
                self.splits.push(Split::removed(Matcher::Literal(literal)));
            }
            _ => return Err(c.unsupported()),
        }
        Ok(())
    }

    fn byte_level_pre(&mut self, c: &Component<'_>) -> Result<(), Error> {
        self.byte_level = true;
        if c.flag("add_prefix_space", true)? {
            if !self.splits.is_empty() {
                return Err(unsupported(c.part, "ByteLevel with add_prefix_space after another split"));
            }
            self.normalizer.push(Step::Prefix { text: " ".to_owned(), first_only: false });
        }
        if c.flag("use_regex", true)? {
            self.splits.push(Split::isolated(Matcher::Words(Words::gpt2())));
        }
        Ok(())
    }

    fn metaspace_pre(&mut self, c: &Component<'_>) -> Result<(), Error> {
        if !self.splits.is_empty() {
            return Err(unsupported(c.part, "Metaspace after another split"));
        }
        let mark = c.field::<char>("replacement")?.to_string();
        self.normalizer.push(Step::Replace { from: " ".to_owned(), to: mark.clone() });
        match metaspace_scheme(c)?.as_str() {
            "always" => self.normalizer.push(Step::Prefix { text: mark.clone(), first_only: false }),
            "first" => self.normalizer.push(Step::Prefix { text: mark.clone(), first_only: true }),
            "never" => {}
            other => return Err(unsupported(c.part, format!("Metaspace with prepend_scheme {other}"))),
        }
        if c.flag("split", true)? {
            let matcher = Matcher::Literal(mark);
            self.splits.push(Split { matcher, behavior: Behavior::MergedWithNext, invert: false });
        }
        Ok(())
    }

    pub(super) fn post_processor(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if value.is_null() {
            return Ok(());
        }
        let c = Component::new("post_processor", value)?;
        match c.kind {
            "Sequence" => {
                c.list("processors", depth)?.iter().try_for_each(|p| self.post_processor(p, depth + 1))
            }
            // Only offsets, which we don't keep.
            "ByteLevel" => Ok(()),
            "BertProcessing" | "RobertaProcessing" => {
                self.prefix.push(c.field::<(String, u32)>("cls")?.1);
                self.suffix.insert(0, c.field::<(String, u32)>("sep")?.1);
                Ok(())
            }
            "TemplateProcessing" => self.template(&c),
            _ => Err(c.unsupported()),
        }
    }

    fn template(&mut self, c: &Component<'_>) -> Result<(), Error> {
        let mut in_suffix = false;
        let (mut prefix, mut suffix) = (Vec::new(), Vec::new());
        for item in c.field::<Vec<Value>>("single")? {
            if item.get("Sequence").is_some() {
                in_suffix = true;
                continue;
            }
            let name = item.pointer("/SpecialToken/id").and_then(Value::as_str).unwrap_or_default();
            let ids = c.value.get("special_tokens").and_then(|tokens| tokens.get(name)?.get("ids"));
            let ids: Vec<u32> = Vec::deserialize(ids.unwrap_or(&Value::Null)).map_err(|_| Error::Field {
                field: "post_processor",
                expected: "a special token with its ids",
                found: item.to_string().chars().take(80).collect(),
            })?;
            if in_suffix { suffix.extend(ids) } else { prefix.extend(ids) }
        }
        self.prefix.extend(prefix);
        suffix.extend(std::mem::take(&mut self.suffix));
        self.suffix = suffix;
        Ok(())
    }

    pub(super) fn decoder(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if value.is_null() {
            return Ok(());
        }
        let c = Component::new("decoder", value)?;
        let rules = &mut self.decode;
        match c.kind {
            "Sequence" => {
                return c.list("decoders", depth)?.iter().try_for_each(|d| self.decoder(d, depth + 1));
            }
            "ByteLevel" => self.byte_level = true,
            "ByteFallback" => rules.byte_fallback = true,
            "Fuse" => {}
            "Replace" => match (c.field("pattern")?, c.field("content")?) {
                (Pattern::String(from), to) => rules.replace.push((from, to)),
                (Pattern::Regex(_), _) => return Err(unsupported(c.part, "Replace with a Regex")),
            },
            "Strip" => {
                let (start, stop) = (c.field("start")?, c.field::<usize>("stop")?);
                if stop > 0 || rules.strip_start.is_some() {
                    return Err(unsupported(c.part, "Strip with stop above 0, or twice"));
                }
                rules.strip_start = Some((c.field("content")?, start));
            }
            "Metaspace" => {
                let mark = c.field::<char>("replacement")?.to_string();
                rules.replace.push((mark, " ".to_owned()));
                if metaspace_scheme(&c)? != "never" {
                    rules.strip_start = Some((' ', 1));
                }
            }
            "WordPiece" => {
                rules.joiner =
                    Joiner::WordPiece { prefix: c.field("prefix")?, cleanup: c.flag("cleanup", true)? };
            }
            _ => return Err(c.unsupported()),
        }
        Ok(())
    }
}

fn bert(c: &Component<'_>) -> Result<Bert, Error> {
    let lowercase = c.flag("lowercase", true)?;
    Ok(Bert {
        clean_text: c.flag("clean_text", true)?,
        space_ideographs: c.flag("handle_chinese_chars", true)?,
        accents: if c.flag("strip_accents", lowercase)? { Accents::Strip } else { Accents::Keep },
        lowercase,
    })
}

fn replace(c: &Component<'_>) -> Result<Step, Error> {
    let to: String = c.field("content")?;
    Ok(match c.field("pattern")? {
        Pattern::String(from) if from.is_empty() => {
            return Err(unsupported(c.part, "Replace of an empty string"));
        }
        Pattern::String(from) => Step::Replace { from, to },
        Pattern::Regex(pattern) => match Matcher::pattern(&pattern)? {
            Matcher::Pattern(from) => Step::ReplacePattern { from, to },
            _ => return Err(unsupported(c.part, "Replace of a word pattern")),
        },
    })
}

fn literal_matcher(c: &Component<'_>, literal: String) -> Result<Matcher, Error> {
    if literal.is_empty() {
        return Err(unsupported(c.part, "Split at an empty string"));
    }
    Ok(Matcher::Literal(literal))
}

/// Old files say `add_prefix_space` instead.
fn metaspace_scheme(c: &Component<'_>) -> Result<String, Error> {
    let scheme = c.field::<Option<String>>("prepend_scheme")?;
    let default = if c.flag("add_prefix_space", true)? { "always" } else { "never" };
    Ok(scheme.unwrap_or_else(|| default.to_owned()))
}
