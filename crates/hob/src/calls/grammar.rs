//! The grammar of answers that may or have to call tools.

use super::{CallForm, Calling, Tool, ToolChoice};
use crate::Error;
use hob_engine::constraint::{Grammar, JsonOptions, JsonWhitespace};
use hob_tokenizer::Tokenizer;
use serde_json::{Value, json};
use std::fmt::Write;

/// Most calls of one answer.
const CALLS_MAX: usize = 16;

impl CallForm {
    /// The grammar of an answer under these tools, whose text otherwise follows `wanted`.
    ///
    /// # Errors
    /// A grammar for the text that cannot stand beside calls.
    pub fn grammar(
        &self,
        tokenizer: &Tokenizer,
        calling: &Calling,
        wanted: Option<&Grammar>,
    ) -> Result<Grammar, Error> {
        let mut lark = Lark { tokenizer, text: String::new(), schemas: Vec::new() };
        let tools: Vec<&Tool> = match &calling.choice {
            ToolChoice::Named(name) => calling.tools.iter().filter(|tool| tool.name == *name).collect(),
            _ => calling.tools.iter().collect(),
        };
        match (&calling.choice, wanted) {
            (ToolChoice::Auto, None) => self.text_or_calls(&mut lark),
            (ToolChoice::Auto, Some(Grammar::JsonSchema { schema, .. })) => {
                lark.schemas.push(("answer".into(), schema.clone()));
                let open = lark.marker(&self.open);
                lark.line(&format!("start: @answer | {open} calls"));
            }
            (ToolChoice::Auto, Some(other)) => {
                let message = "cannot be combined with tools; leave one of the two out".into();
                let (kind, location) = (other.kind(), "start".into());
                return Err(hob_engine::Error::Grammar { kind, location, message }.into());
            }
            _ => {
                let open = lark.marker(&self.open);
                lark.line(&format!("start: {open} calls"));
            }
        }
        self.calls(&mut lark, &tools, calling.parallel);
        let options = JsonOptions { whitespace: JsonWhitespace::Space, ..JsonOptions::default() };
        Ok(Grammar::Lark { text: lark.text, schemas: lark.schemas, options })
    }

    /// Any text, or calls after some text.
    fn text_or_calls(&self, lark: &mut Lark<'_>) {
        let open = lark.marker(&self.open);
        let trimmed = self.open.trim_end();
        if trimmed.is_empty() {
            lark.line("start: TEXT | calls");
            lark.line(r"TEXT: /[^{\s](?s:.*)/");
        } else if lark.special(trimmed).is_some() {
            lark.line(&format!("start: TEXT | TEXT? {open} calls"));
            lark.line("TEXT: /(?s:.+)/");
        } else {
            // The text is read for both at once: what has no marker in it to its end, and what ends with the marker.
            let space = lark.marker(&self.open[trimmed.len()..]);
            lark.line(&format!("start: TEXT | lead {space} calls"));
            lark.line(&format!("lead[suffix={}]: /(?s:.*)/", literal(trimmed)));
            let escaped = regex_literal(trimmed);
            lark.line(&format!("TEXT: /(?s:.+)/ & ~/(?s:.*){escaped}(?s:.*)/"));
        }
    }

    fn calls(&self, lark: &mut Lark<'_>, tools: &[&Tool], parallel: bool) {
        let close = lark.marker(&self.close);
        match self.between.as_deref().filter(|_| parallel) {
            Some(between) => {
                let between = lark.marker(between);
                lark.line(&format!("calls: call ({between} call){{0,{}}} {close}", CALLS_MAX - 1));
            }
            None => lark.line(&format!("calls: call {close}")),
        }
        let names: Vec<String> = (0..tools.len()).map(|index| format!("call_{index}")).collect();
        lark.line(&format!("call: {}", names.join(" | ")));
        for (index, tool) in tools.iter().enumerate() {
            let head = format!("{{\"name\": {}, \"{}\": ", json!(tool.name), self.arguments);
            lark.line(&format!("call_{index}: {} @arguments_{index} \"}}\"", literal(&head)));
            lark.schemas.push((format!("arguments_{index}"), as_object(&tool.parameters)));
        }
    }
}

/// Arguments are an object, also where a schema forgets to say so, and have the members that it names.
fn as_object(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(members) = schema.as_object_mut()
        && !["type", "$ref", "anyOf", "allOf", "oneOf"].iter().any(|key| members.contains_key(*key))
    {
        members.insert("type".into(), "object".into());
    }
    crate::close_objects(&schema, true)
}

/// A grammar in the making.
struct Lark<'t> {
    tokenizer: &'t Tokenizer,
    text: String,
    schemas: Vec<(String, Value)>,
}

impl Lark<'_> {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").expect("strings take everything");
    }

    /// A marker as terms of a rule: special tokens by id, text between them in quotes.
    fn marker(&self, marker: &str) -> String {
        let (mut terms, mut plain) = (Vec::new(), String::new());
        let mut rest = marker;
        while let Some(c) = rest.chars().next() {
            match self.special(rest) {
                Some((id, len)) => {
                    terms.extend((!plain.is_empty()).then(|| literal(&plain)));
                    plain.clear();
                    terms.push(format!("<[{id}]>"));
                    rest = &rest[len..];
                }
                None => {
                    plain.push(c);
                    rest = &rest[c.len_utf8()..];
                }
            }
        }
        terms.extend((!plain.is_empty()).then(|| literal(&plain)));
        terms.join(" ")
    }

    /// The longest special token that `text` begins with, and its length.
    fn special(&self, text: &str) -> Option<(u32, usize)> {
        let ends = text.char_indices().map(|(at, c)| at + c.len_utf8()).take(64);
        let ids = ends.filter_map(|end| Some((self.tokenizer.id_of(&text[..end])?, end)));
        ids.filter(|(id, _)| self.tokenizer.is_special(*id)).last()
    }
}

/// A string of the grammar; it quotes as JSON does.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// A text inside of a regular expression between slashes.
fn regex_literal(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str("\\n"),
            c if c.is_alphanumeric() || c == ' ' || c == '_' => escaped.push(c),
            '<' | '>' | '"' | '\'' | ':' | ',' | ';' | '=' | '!' | '%' | '@' => escaped.push(c),
            c => {
                escaped.push('\\');
                escaped.push(c);
            }
        }
    }
    escaped
}
