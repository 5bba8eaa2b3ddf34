//! What is checked in Lark grammars and regular expressions before llguidance sees them: nesting, repetition counts and
//! embedded schemas. llguidance parses both by recursion and lets counts grow freely.

use regex_syntax::hir::{Hir, HirKind};

use super::grammar::Limits;
use super::{line_column, over_budget, rejected};
use crate::{Error, Result};

const KIND: &str = "Lark grammar";

/// Why a regular expression is refused; the place is added by who knows it.
pub(super) enum RegexFault {
    Syntax(String),
    Repeat(u64),
}

impl RegexFault {
    pub fn at(self, kind: &'static str, location: impl Into<String>) -> Error {
        match self {
            Self::Syntax(message) => rejected(kind, location, message),
            Self::Repeat(limit) => over_budget(kind, location, "repetitions", limit),
        }
    }
}

/// Checks syntax, nesting and repetition counts; a fault comes with its byte offset in `text`.
pub(super) fn check_regex(
    _kind: &'static str,
    text: &str,
    limits: &Limits,
) -> std::result::Result<(), (usize, RegexFault)> {
    let mut parser =
        regex_syntax::ParserBuilder::new().nest_limit(limits.nesting_max as u32).utf8(false).build();
    let hir = parser.parse(text).map_err(|e| {
        let (offset, what) = match &e {
            regex_syntax::Error::Parse(e) => (e.span().start.offset, e.kind().to_string()),
            regex_syntax::Error::Translate(e) => (e.span().start.offset, e.kind().to_string()),
            _ => (0, e.to_string()),
        };
        (offset, RegexFault::Syntax(what))
    })?;
    match largest_repeat(&hir) > limits.repeat_max {
        true => Err((0, RegexFault::Repeat(limits.repeat_max))),
        false => Ok(()),
    }
}

/// The largest product of nested repetition counts.
fn largest_repeat(hir: &Hir) -> u64 {
    let mut largest = 1;
    let mut open = vec![(hir, 1u64)];
    while let Some((hir, times)) = open.pop() {
        largest = largest.max(times);
        match hir.kind() {
            HirKind::Repetition(r) => {
                let count = r.max.unwrap_or(r.min).max(1);
                open.push((&r.sub, times.saturating_mul(u64::from(count))));
            }
            HirKind::Capture(c) => open.push((&c.sub, times)),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => {
                open.extend(parts.iter().map(|p| (p, times)))
            }
            _ => {}
        }
    }
    largest
}

/// Checks a Lark grammar's text.
pub(super) fn check(text: &str, limits: &Limits) -> Result<()> {
    let bytes = text.as_bytes();
    let (mut i, mut depth) = (0, 0usize);
    while i < bytes.len() {
        let here = || line_column(text, i);
        match bytes[i] {
            b'#' => i = line_end(bytes, i),
            b'/' if bytes.get(i + 1) == Some(&b'/') => i = line_end(bytes, i),
            quote @ (b'"' | b'/') => {
                let end = closing(bytes, i, quote)
                    .ok_or_else(|| rejected(KIND, here(), format!("expected a closing {}", quote as char)))?;
                if quote == b'/' {
                    let inner = &text[i + 1..end];
                    check_regex(KIND, inner, limits)
                        .map_err(|(at, e)| e.at(KIND, line_column(text, i + 1 + at)))?;
                }
                i = end;
            }
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth > limits.nesting_max {
                    return Err(over_budget(KIND, here(), "nesting levels", limits.nesting_max as u64));
                }
            }
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'%' if text[i..].starts_with("%json") => {
                return Err(rejected(
                    KIND,
                    here(),
                    "%json is not accepted here; name the schema and refer to it as @name",
                ));
            }
            b'0'..=b'9' => {
                let digits = bytes[i..].iter().take_while(|b| b.is_ascii_digit()).count();
                let repeats = bytes[..i].iter().rev().find(|b| !b" \t".contains(b));
                let count = text[i..i + digits].parse().unwrap_or(u64::MAX);
                if matches!(repeats, Some(b'{' | b',' | b'~' | b'.')) && count > limits.repeat_max {
                    return Err(over_budget(KIND, here(), "repetitions", limits.repeat_max));
                }
                i += digits - 1;
            }
            _ => {}
        }
        i += 1;
    }
    Ok(())
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |n| from + n)
}

/// The offset of the quote that closes the one at `open`, on the same line.
fn closing(bytes: &[u8], open: usize, quote: u8) -> Option<usize> {
    let mut i = open + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'\\' => i += 1,
            b'\n' if quote == b'"' => return None,
            b if b == quote => return Some(i),
            _ => {}
        }
        i += 1;
    }
    None
}
