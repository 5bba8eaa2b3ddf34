//! What keeps a hostile template from taking the process with it, and what doesn't.
//!
//! A template comes with the model file, so it is a stranger's program. Held in check are: the work (fuel, which pays for
//! each instruction, each 64 bytes of text and each item that is visited), the depth of calls and of brackets, the length
//! of expressions (here: the engine compiles a chain such as `a.b.b.b` by recursion), and the functions that would
//! allocate before they pay (`chain`, `join`, `format`, `sum` over lists).
//!
//! Not held in check is the size and depth of what a template builds by operators. The engine adds two lists without
//! paying for them and copies the sum once 32 additions deep, so doubling a list 33 times asks for 200 GB. `[a, a]`
//! pays for two items however large `a` is, so 40 rounds make a value that takes hours to compare, or terabytes to
//! join to a text by `~`. `[a]` in a loop makes a value so deep that freeing it exhausts the stack. Operators and
//! literals have no hooks, the loop's state lives in an object that cannot be replaced, and freeing happens behind our
//! back. Rewriting the source so that every literal and sum goes through a filter that measures it would close all
//! three, but needs the engine's parser, which it exposes without a promise of stability. Until then a template can end
//! the process (no more: it has no files and no network); run untrusted models with a limit on memory.

use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind, State};

/// Words, signs and strings in one `{{ }}` or `{% %}`; published templates have less than a hundred. 4000 are known to
/// fit on a stack of 2 MiB.
const TOKENS_MAX: usize = 2000;

/// `elif` in one template, which the engine nests into each other.
const ELIF_MAX: usize = 1000;

/// Longest number in the format of `str.format`, in digits: a width or a precision.
const FORMAT_DIGITS_MAX: usize = 4;

/// Refuses sources that the engine would compile by recursing too deeply.
pub(super) fn check_source(source: &str) -> Result<(), String> {
    let elif_count = source.matches("elif").count();
    if elif_count > ELIF_MAX {
        return Err(format!("expected at most {ELIF_MAX} elif, found {elif_count}"));
    }
    let mut rest = source;
    while let Some(at) = rest.find("{").filter(|at| rest.len() > at + 1) {
        let body = &rest[at + 1..];
        rest = match body.as_bytes()[0] {
            b'#' => body.find("#}").map_or("", |end| &body[end + 2..]),
            b'%' if is_tag(&body[1..], "raw") => behind_raw(body),
            b'%' | b'{' => {
                let (count, len) = tokens(&body[1..], if body.starts_with('%') { "%}" } else { "}}" });
                if count > TOKENS_MAX {
                    let line = source[..source.len() - rest.len() + at].matches('\n').count() + 1;
                    return Err(format!(
                        "line {line}: expected at most {TOKENS_MAX} words and signs in one tag, found more"
                    ));
                }
                &body[1 + len..]
            }
            _ => body,
        };
    }
    Ok(())
}

/// Whether a tag holds this word and nothing else.
fn is_tag(inner: &str, name: &str) -> bool {
    let inner = inner.strip_prefix(['-', '+']).unwrap_or(inner).trim_start();
    let end = inner.strip_prefix(name).map(str::trim_start);
    end.is_some_and(|end| end.strip_prefix(['-', '+']).unwrap_or(end).starts_with("%}"))
}

fn behind_raw(body: &str) -> &str {
    let mut ends = body.match_indices("{%").filter(|(at, _)| is_tag(&body[at + 2..], "endraw"));
    ends.next().map_or("", |(at, _)| &body[at + 2..])
}

/// Counts up to where the tag ends, and says where that is.
fn tokens(text: &str, end: &str) -> (usize, usize) {
    let bytes = text.as_bytes();
    let (mut at, mut count, mut depth) = (0, 0, 0_i64);
    while at < bytes.len() && count <= TOKENS_MAX {
        if depth == 0 && text.as_bytes()[at..].starts_with(end.as_bytes()) {
            return (count, at + end.len());
        }
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || !byte.is_ascii();
        count += usize::from(!bytes[at].is_ascii_whitespace());
        at += match bytes[at] {
            quote @ (b'"' | b'\'') => string_len(&bytes[at..], quote),
            byte if is_word(&byte) => bytes[at..].iter().take_while(|byte| is_word(byte)).count(),
            byte => {
                depth += i64::from(matches!(byte, b'(' | b'[' | b'{'));
                depth -= i64::from(matches!(byte, b')' | b']' | b'}'));
                1
            }
        };
    }
    (count, at)
}

/// Bytes of a string with its quotes.
fn string_len(bytes: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(bytes.len())
}

/// Replaces what would allocate before it pays.
pub(super) fn teach(env: &mut Environment<'_>) {
    // Not part of Jinja.
    env.remove_filter("chain");
    env.add_filter("hob_sum", minijinja::filters::sum);
    env.add_filter("sum", sum);
    env.set_unknown_method_callback(method);
}

/// Sums numbers; lists would be joined without paying for them.
fn sum(state: &mut State<'_, '_>, values: Value, rest: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let arguments: Vec<Value> = std::iter::once(values).chain(rest.into_values()).collect();
    let is_list = |value: &Value| matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable);
    let start =
        arguments.last().and_then(|last| Kwargs::try_from(last.clone()).ok()?.get::<Value>("start").ok());
    if arguments.iter().skip(1).chain(start.as_ref()).any(is_list) {
        return Err(Error::new(ErrorKind::InvalidOperation, "sum: expected numbers, found a list"));
    }
    state.apply_filter("hob_sum", &arguments)
}

/// Python's methods.
fn method(state: &mut State<'_, '_>, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    match (value.as_str(), name, arguments) {
        (Some(separator), "join", [values]) => join(state, separator, values),
        (Some(format), "format", _) => {
            let digits = format.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0);
            if digits > FORMAT_DIGITS_MAX {
                let reason = format!("format: expected numbers of at most {FORMAT_DIGITS_MAX} digits");
                return Err(Error::new(ErrorKind::InvalidOperation, reason));
            }
            minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments)
        }
        _ => minijinja_contrib::pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

/// Like Python's, which takes strings only; the text of anything else could be of any length.
fn join(state: &State<'_, '_>, separator: &str, values: &Value) -> Result<Value, Error> {
    let mut text = String::new();
    for (at, value) in values.try_iter()?.enumerate() {
        let Some(value) = value.as_str() else {
            let reason = format!("join: expected strings, found a value of type {}", value.kind());
            return Err(Error::new(ErrorKind::InvalidOperation, reason));
        };
        state.consume_fuel(1 + (separator.len() + value.len()) as u64 / 64)?;
        text.push_str(if at > 0 { separator } else { "" });
        text.push_str(value);
    }
    Ok(Value::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChatTemplate, TemplateInput};

    fn reason(source: &str) -> String {
        let rendered = ChatTemplate::new(source).and_then(|t| t.render(&TemplateInput::default()));
        rendered.unwrap_err().to_string()
    }

    #[test]
    fn chains_are_refused_before_they_are_compiled() {
        let chain = |begin: &str, link: &str, end: &str| format!("{begin}{}{end}", link.repeat(50_000));
        for (source, expected) in [
            (chain("{{ a", ".b", " }}"), "line 1"),
            (chain("\n{{ a", "|list", "}}"), "line 2"),
            (chain("{{ ", "not ", "1 }}"), "line 1"),
            (chain("{{ a", "+'}}'", " }}"), "line 1"),
            (chain("{% raw %}{#{% endraw %}{{ [1", "+1", "] }}{# #}"), "line 1"),
            (chain("{# {{ #}{%- if a", "['\\'%}']", " -%}"), "line 1"),
            (chain("{% if a %}", "{% elif a %}", "{% endif %}"), "elif"),
        ] {
            let reason = reason(&source);
            assert!(reason.contains(expected) && reason.contains("at most"), "{reason}");
        }
    }

    #[test]
    fn the_longest_chains_compile() {
        let chains =
            [("{{ a", ".b", 2, ""), ("{{ ", "not ", 1, "1"), ("{{ 1", "+1", 2, ""), ("{{ a", "|list", 2, "")];
        for (begin, link, tokens, end) in chains {
            let source = format!("{begin}{}{end} }}}}", link.repeat((TOKENS_MAX - 1) / tokens));
            assert!(ChatTemplate::new(&source).is_ok(), "{link}");
        }
        let source = format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(ELIF_MAX));
        assert!(ChatTemplate::new(&source).is_ok());
        let apart = "{{ 'it' + \"s\" }}{# ' #}{% raw %}{{ ' {% endraw %}".repeat(2 * TOKENS_MAX);
        assert_eq!(check_source(&apart), Ok(()));
    }

    #[test]
    fn functions_pay_before_they_allocate() {
        for (source, expected) in [
            ("{{ [1] | chain([2]) }}", "unknown"),
            ("{{ [[1], [2]] | sum(start=[]) }}", "expected numbers"),
            ("{{ [[1], [2]] | sum(none, []) }}", "expected numbers"),
            ("{{ ','.join(['aaaaaaaa' * 100000] * 1000000) }}", "fuel"),
            ("{{ ','.join([1]) }}", "expected strings"),
            ("{{ '{:>100000000000}'.format(3) }}", "digits"),
        ] {
            let reason = reason(source);
            assert!(reason.contains(expected), "{source}: {reason}");
        }
        let source =
            "{{ [1, 2] | sum }} {{ [1] | sum(start=2) }} {{ ', '.join(['a', 'b']) }} {{ '{:>3}'.format(1) }}";
        let text = ChatTemplate::new(source).unwrap().render(&TemplateInput::default()).unwrap();
        assert_eq!(text, "3 3 a, b   1");
    }
}
