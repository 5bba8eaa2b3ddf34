//! Taking calls out of a text as it arrives. What only looks like a call stays text, so that nothing a model writes is an
//! error and nothing is lost.

use super::{CallForm, ToolCall};
use crate::thought::partial_suffix;
use serde_json::{Map, Value};

/// A piece of an answer that may call tools.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CallPart {
    Text(String),
    Call(ToolCall),
}

/// Splits a stream at calls.
pub(crate) struct CallSplitter {
    /// Without the white space around them, which models get wrong.
    open: String,
    close: String,
    arguments: String,
    held: String,
    inside: bool,
    /// Calls without a marker can only stand at the beginning.
    at_start: bool,
}

impl CallSplitter {
    pub fn new(form: &CallForm) -> Self {
        Self {
            open: form.open.trim().to_owned(),
            close: form.close.trim().to_owned(),
            arguments: form.arguments.clone(),
            held: String::new(),
            inside: false,
            at_start: true,
        }
    }

    /// Takes a piece of the stream in; returns what is decided by now.
    pub fn push(&mut self, text: &str) -> Vec<CallPart> {
        self.held.push_str(text);
        let mut parts = Vec::new();
        while if self.inside { self.read_call(&mut parts) } else { self.read_text(&mut parts) } {}
        parts
    }

    /// What is still held back at the end.
    pub fn finish(&mut self) -> Vec<CallPart> {
        let mut parts = Vec::new();
        let is_blank = self.held.trim().is_empty();
        if self.inside && !is_blank {
            self.give_up(&mut parts);
        }
        let rest = std::mem::take(&mut self.held);
        if !self.inside {
            emit(rest, &mut parts);
        }
        parts
    }

    /// Text up to a marker. White space before a marker belongs to it. `true`: something was found, look again.
    fn read_text(&mut self, parts: &mut Vec<CallPart>) -> bool {
        let begins = |text: &str| text.trim_start().chars().next();
        if self.open.is_empty() {
            match begins(&self.held) {
                Some('{') if self.at_start => self.inside = true,
                Some(_) => {
                    self.at_start = false;
                    emit(std::mem::take(&mut self.held), parts);
                }
                None => {}
            }
            return self.inside;
        }
        if let Some(at) = self.held.find(&self.open) {
            let rest = self.held.split_off(at + self.open.len());
            self.held.truncate(at);
            let before = std::mem::replace(&mut self.held, rest);
            emit(before.trim_end().to_owned(), parts);
            self.inside = true;
            return true;
        }
        let keep = partial_suffix(&self.held, &self.open);
        let decided = self.held[..self.held.len() - keep].trim_end().len();
        let rest = self.held.split_off(decided);
        emit(std::mem::replace(&mut self.held, rest), parts);
        false
    }

    /// A call and what stands around it. `true`: something was found, look again.
    fn read_call(&mut self, parts: &mut Vec<CallPart>) -> bool {
        let text = self.held.trim_start();
        if !self.close.is_empty() && text.starts_with(&self.close) {
            self.held = text[self.close.len()..].trim_start().to_owned();
            self.inside = false;
            return !self.held.is_empty();
        }
        match text.chars().next() {
            None => false,
            Some(',' | ';') => {
                self.held = text[1..].to_owned();
                true
            }
            Some('{') => self.read_object(parts),
            Some(_) if self.close.starts_with(text) => false,
            Some(_) => self.give_up(parts),
        }
    }

    fn read_object(&mut self, parts: &mut Vec<CallPart>) -> bool {
        let text = self.held.trim_start();
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
        match values.next() {
            Some(Ok(value)) => {
                let rest = text[values.byte_offset()..].to_owned();
                let Some(call) = self.call(&value) else { return self.give_up(parts) };
                parts.push(CallPart::Call(call));
                self.held = rest;
                true
            }
            Some(Err(error)) if error.is_eof() => false,
            _ => self.give_up(parts),
        }
    }

    /// What stands here is no call: it stays text, its marker included. `true`, so that the rest is looked at.
    fn give_up(&mut self, parts: &mut Vec<CallPart>) -> bool {
        let rest = std::mem::take(&mut self.held);
        emit(format!("{}{rest}", self.open), parts);
        (self.inside, self.at_start) = (false, false);
        false
    }

    fn call(&self, value: &Value) -> Option<ToolCall> {
        let name = value.get("name")?.as_str()?.to_owned();
        let given =
            [self.arguments.as_str(), "arguments", "parameters"].iter().find_map(|key| value.get(*key));
        let arguments = match given {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(members)) => members.clone(),
            Some(Value::String(text)) => serde_json::from_str(text).ok()?,
            Some(_) => return None,
        };
        Some(ToolCall { name, arguments })
    }
}

fn emit(text: String, parts: &mut Vec<CallPart>) {
    if !text.is_empty() {
        parts.push(CallPart::Text(text));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    fn form(open: &str, close: &str) -> CallForm {
        let arguments = "arguments".to_owned();
        CallForm { open: open.into(), between: None, close: close.into(), arguments }
    }

    /// Text and names, whatever the pieces are.
    fn split(form: &CallForm, whole: &str) -> (String, Vec<String>) {
        let mut results = (1..=whole.len()).map(|size| {
            let mut splitter = CallSplitter::new(form);
            let (mut text, mut names) = (String::new(), Vec::new());
            let pieces = whole.as_bytes().chunks(size).map(|c| std::str::from_utf8(c).unwrap());
            let mut parts: Vec<CallPart> = pieces.flat_map(|piece| splitter.push(piece)).collect();
            parts.extend(splitter.finish());
            for part in parts {
                match part {
                    CallPart::Text(t) => text.push_str(&t),
                    CallPart::Call(call) => {
                        names.push(format!("{}{}", call.name, Value::Object(call.arguments)))
                    }
                }
            }
            (text, names)
        });
        let first = results.next().unwrap();
        results.enumerate().for_each(|(size, other)| assert_eq!(first, other, "pieces of {}", size + 2));
        first
    }

    #[test]
    fn calls_in_markers_and_text_before_them() {
        let form = form("<tool_call>\n", "\n</tool_call>");
        let whole = "Let me look.\n<tool_call>\n{\"name\": \"a\", \"arguments\": {\"x\": \"<tool_call>\"}}\n</tool_call>\n\
                     <tool_call>{\"name\": \"b\"}</tool_call>";
        let names = vec!["a{\"x\":\"<tool_call>\"}".to_owned(), "b{}".to_owned()];
        assert_eq!(split(&form, whole), ("Let me look.".into(), names));
    }

    #[test]
    fn calls_in_a_list_and_without_markers() {
        let list = form("[TOOL_CALLS][", "]");
        let whole = r#"[TOOL_CALLS][{"name":"a","arguments":{}}, {"name":"b","arguments":"{\"k\":1}"}]"#;
        assert_eq!(split(&list, whole), (String::new(), vec!["a{}".into(), "b{\"k\":1}".into()]));
        let bare = form("", "");
        assert_eq!(
            split(&bare, r#"{"name":"a","parameters":{"k":1}}"#),
            (String::new(), vec!["a{\"k\":1}".into()])
        );
        assert_eq!(split(&bare, "no {call}"), ("no {call}".into(), Vec::new()));
    }

    #[test]
    fn what_is_no_call_stays_text() {
        let form = form("<tool_call>", "</tool_call>");
        for text in [
            "<tool_call>{\"name\": 7}</tool_call>",
            "<tool_call>{\"name\": \"a\", \"argu",
            "<tool_call>nothing",
            "a < b and <tool",
            "  spaces stay \n",
        ] {
            assert_eq!(split(&form, text), (text.to_owned(), Vec::new()));
        }
    }
}
