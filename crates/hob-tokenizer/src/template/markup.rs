//! `+` with a string that was marked safe.
//!
//! In Python `'<a>'|safe + text` escapes `text` even where templates are not escaped at all, because the marked string
//! is of a type of its own; at least one published template depends on it. The template engine joins such strings
//! as they are, so print statements that add a marked string are rewritten to call a filter that joins like Python.

use minijinja::value::Value;
use minijinja::{Environment, Error, State};

/// The filter's name; no template can have chosen it.
const JOIN: &str = "hob_join_marked";

pub(super) fn teach(env: &mut Environment<'_>) {
    env.add_filter(JOIN, join);
}

/// Rewrites `{{ a|safe + b }}` to `{{ [a|safe, b]|join }}`.
pub(super) fn rewrite(source: &str) -> String {
    if !source.contains("safe") {
        return source.to_owned();
    }
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{{") {
        let inner = &rest[start + 2..];
        // A comment or block that happens to hold the two braces: leave it alone.
        let opened = rest[..start].rfind(['%', '#']).is_some_and(|at| {
            rest[..at].ends_with('{') && !rest[at..start].contains("%}") && !rest[at..start].contains("#}")
        });
        let Some(end) = expression_end(inner).filter(|_| !opened) else {
            out.push_str(&rest[..start + 2]);
            rest = inner;
            continue;
        };
        out.push_str(&rest[..start + 2]);
        let expression = &inner[..end];
        let (begin, body) = expression.split_at(usize::from(expression.starts_with(['-', '+'])));
        let (body, finish) = body.split_at(body.len() - usize::from(body.ends_with(['-', '+'])));
        match marked_operands(body) {
            Some(operands) => {
                out.push_str(begin);
                out.push_str(&format!(" [{}]|{JOIN} ", operands.join(", ")));
                out.push_str(finish);
            }
            None => out.push_str(expression),
        }
        rest = &inner[end..];
    }
    out.push_str(rest);
    out
}

/// Walks over the characters of an expression that stand outside of strings, with the depth of brackets.
fn outside_strings(text: &str) -> impl Iterator<Item = (usize, char, i32)> {
    let (mut quote, mut escaped, mut depth) = (None, false, 0);
    text.char_indices().filter_map(move |(at, c)| {
        if let Some(open) = quote {
            if c == open && !escaped {
                quote = None;
            }
            escaped = c == '\\' && !escaped;
            return None;
        }
        match c {
            '"' | '\'' => {
                (quote, escaped) = (Some(c), false);
                return None;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        Some((at, c, depth))
    })
}

/// Where the `}}` of a print statement stands.
fn expression_end(text: &str) -> Option<usize> {
    outside_strings(text)
        .find(|(at, c, depth)| *c == '}' && *depth < 0 && text[*at..].starts_with("}}"))
        .map(|e| e.0)
}

/// The operands of a chain of additions of which at least one is marked safe.
fn marked_operands(expression: &str) -> Option<Vec<&str>> {
    let mut operands = Vec::new();
    let mut start = 0;
    for (at, c, depth) in outside_strings(expression) {
        if depth > 0 {
            continue;
        }
        match c {
            '+' => {
                operands.push(expression[start..at].trim());
                start = at + 1;
            }
            '~' | '=' | '<' | '>' | '!' | '*' | '/' | '%' | ',' => return None,
            _ => {}
        }
    }
    operands.push(expression[start..].trim());
    let is_marked =
        |operand: &str| operand.strip_suffix("safe").is_some_and(|left| left.trim_end().ends_with('|'));
    let plain =
        |operand: &&str| !operand.is_empty() && !operand.contains(" if ") && !operand.contains(" or ");
    let usable = operands.len() > 1 && operands.iter().all(plain) && operands.iter().any(|o| is_marked(o));
    usable.then_some(operands)
}

/// Adds from left to right; a plain string is escaped where it meets a marked one.
fn join(state: &State<'_, '_>, operands: &Value) -> Result<Value, Error> {
    let (mut text, mut marked) = (String::new(), false);
    for (at, operand) in operands.try_iter()?.enumerate() {
        let next = operand.to_string();
        state.consume_fuel((text.len() + next.len()) as u64 / 64)?;
        if at > 0 && operand.is_safe() && !marked {
            text = escape(&text);
        }
        if at > 0 && marked && !operand.is_safe() {
            text.push_str(&escape(&next));
        } else {
            text.push_str(&next);
        }
        marked |= operand.is_safe();
    }
    Ok(if marked { Value::from_safe_string(text) } else { Value::from(text) })
}

/// As Python's `markupsafe.escape`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_additions_of_marked_strings_are_rewritten() {
        for (source, expected) in [
            ("{{- 'a + '|safe + b[\"}}\"] -}}", "{{- ['a + '|safe, b[\"}}\"]]|hob_join_marked -}}"),
            ("{{ a + b }} safe", "{{ a + b }} safe"),
            ("{{ a ~ b|safe }}", "{{ a ~ b|safe }}"),
            ("{% set x = '{{' %}{{ a|safe }}", "{% set x = '{{' %}{{ a|safe }}"),
            ("{{ a|safe + b", "{{ a|safe + b"),
        ] {
            assert_eq!(rewrite(source), expected);
        }
    }

    #[test]
    fn joined_like_in_python() {
        let mut env = Environment::new();
        teach(&mut env);
        let source = rewrite("{{ '<a>'|safe + '<b>' + \"'\"|safe }}{{ '<c>' + '<d>'|safe }}{{ '<e>' }}");
        let text = env.render_str(&source, ()).unwrap();
        assert_eq!(text, "<a>&lt;b&gt;'&lt;c&gt;<d><e>");
    }
}
