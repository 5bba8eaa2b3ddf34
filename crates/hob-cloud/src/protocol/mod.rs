//! The interfaces of targets: a question in their words, and what their streams say.

mod anthropic;
mod openai;

use crate::answer::Finish;
use crate::question::GO_ON;
use crate::repair::{FORM, MEND};
use crate::{Error, Protocol, Question, Target};
use hob_privacy::Draft;
use serde_json::Value;

pub(crate) use anthropic::is_answer;

/// What an event of a stream says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    /// A piece of the answer.
    Text(String),
    /// A piece of what was thought before it.
    Thought(String),
    /// A call begins; what follows for the same index belongs to it. Some servers say this with each piece of its arguments, and
    /// some give several calls one index.
    Call { index: u64, id: Option<String>, name: String },
    /// A piece of a call's arguments.
    Arguments { index: u64, text: String },
    /// Tokens so far, as far as they are told.
    Tokens { read: Option<u64>, written: Option<u64> },
    /// Why the answer ended.
    Finish(Finish),
    /// Nothing follows.
    Done,
    /// The target says that it cannot go on.
    Failed(String),
}

impl Protocol {
    /// `question` as the body of a request, before anything was hidden. All that people or programs wrote goes in as words.
    pub(crate) fn draft(self, target: &Target, question: &Question, max_tokens: u64) -> Result<Draft, Error> {
        match self {
            Self::OpenAi => openai::draft(target, question, max_tokens),
            Self::Anthropic => anthropic::draft(target, question, max_tokens),
        }
    }

    /// Further headers.
    pub(crate) fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::OpenAi => &[],
            Self::Anthropic => &[("anthropic-version", "2023-06-01")],
        }
    }

    /// What an event's data says. What is not understood is passed over: interfaces grow.
    pub(crate) fn read(self, data: &str) -> Result<Vec<Part>, String> {
        match self {
            Self::OpenAi => openai::read(data),
            Self::Anthropic => anthropic::read(data),
        }
    }

    /// The same of an answer in one piece, for targets that do not stream.
    pub(crate) fn read_whole(self, text: &str) -> Result<Vec<Part>, String> {
        match self {
            Self::OpenAi => openai::read(text),
            Self::Anthropic => anthropic::read_whole(text),
        }
    }
}

/// JSON of data that is none is an error of the target's.
fn parse(data: &str) -> Result<Value, String> {
    serde_json::from_str(data).map_err(|error| format!("data that is no JSON ({error})"))
}

/// Adds a value; every text in it, names of members included, is words, and every number is looked at.
fn put(draft: &mut Draft, value: &Value) {
    match value {
        Value::Null => draft.fixed("null"),
        Value::Bool(true) => draft.fixed("true"),
        Value::Bool(false) => draft.fixed("false"),
        Value::Number(number) => draft.figure(number),
        Value::String(text) => draft.words(text),
        Value::Array(list) => {
            draft.fixed("[");
            separated(draft, list, put);
            draft.fixed("]");
        }
        Value::Object(members) => {
            draft.fixed("{");
            separated(draft, members, |draft, (name, value)| {
                draft.words(name);
                draft.fixed(":");
                put(draft, value);
            });
            draft.fixed("}");
        }
    }
}

/// Arguments of a call in a string, as their values read.
fn put_arguments(draft: &mut Draft, arguments: &str) {
    match serde_json::from_str::<Value>(arguments) {
        Ok(value) => draft.nest(|draft| put(draft, &value)),
        Err(_) => draft.words(arguments),
    }
}

/// Members of a schema that people write for people, or that an answer may repeat.
const SPOKEN: [&str; 8] =
    ["description", "title", "enum", "const", "default", "examples", "pattern", "$comment"];
/// Members whose members are named by whoever wrote the schema.
const NAMING: [&str; 5] = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"];
/// Larger numbers in a schema are looked at: those that say how long or how many are small.
const BOUND_MAX: u64 = 99_999;

/// Adds a JSON schema. Its own words and the names of fields go as they are: hidden, they would mean nothing.
fn put_schema(draft: &mut Draft, schema: &Value) {
    put_part(draft, schema, false);
}

/// `names`: the members are fields that somebody named, not words of the schema.
fn put_part(draft: &mut Draft, schema: &Value, names: bool) {
    match schema {
        Value::String(name) => draft.identifier(name),
        Value::Number(number) => match number.as_u64() {
            Some(bound) if bound <= BOUND_MAX => draft.number(bound),
            _ => draft.figure(number),
        },
        Value::Array(list) => {
            draft.fixed("[");
            separated(draft, list, put_schema);
            draft.fixed("]");
        }
        Value::Object(members) => {
            draft.fixed("{");
            separated(draft, members, |draft, (name, value)| {
                draft.identifier(name);
                draft.fixed(":");
                if !names && SPOKEN.contains(&name.as_str()) {
                    put(draft, value);
                } else {
                    put_part(draft, value, !names && NAMING.contains(&name.as_str()));
                }
            });
            draft.fixed("}");
        }
        other => put(draft, other),
    }
}

/// Adds the schema of a question that has one.
fn put_form(draft: &mut Draft, question: &Question) {
    match (&question.constants, &question.schema) {
        _ if question.repair.is_some() => draft.fixed(FORM),
        (Some(own), _) => draft.fixed(own.schema),
        (None, Some(schema)) => put_schema(draft, schema),
        (None, None) => draft.fixed("{}"),
    }
}

/// Adds items with commas between.
fn separated<T>(draft: &mut Draft, items: impl IntoIterator<Item = T>, mut add: impl FnMut(&mut Draft, T)) {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            draft.fixed(",");
        }
        add(draft, item);
    }
}

/// After the messages: an answer of this machine, and what is wanted of it. One that was begun is to be gone on with: interfaces do
/// not let every model go on with the last message, so it is asked for. Of a complete one places are to be written anew.
fn put_written(draft: &mut Draft, question: &Question, is_first: bool) -> Result<(), Error> {
    if question.begun.is_none() && question.repair.is_none() {
        return Ok(());
    }
    draft.fixed(if is_first { "" } else { "," });
    draft.fixed("{\"role\":\"assistant\",\"content\":");
    match &question.repair {
        Some(repair) => draft.marked(&repair.text, &repair.places)?,
        None => draft.words(question.begun.as_deref().unwrap_or_default()),
    }
    draft.fixed("},{\"role\":\"user\",\"content\":");
    draft.fixed(if question.repair.is_some() { MEND } else { GO_ON });
    draft.fixed("}");
    Ok(())
}

/// Adds a number under a name that begins with a comma, if there is one.
fn put_decimal(draft: &mut Draft, name: &'static str, number: Option<f64>) {
    if let Some(number) = number {
        draft.fixed(name);
        draft.decimal(number);
    }
}

/// A text at `place`, if it is there and not empty.
fn text_at(value: &Value, place: &str) -> Option<String> {
    value.pointer(place)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// What a target says is wrong.
pub(crate) fn complaint(body: &str) -> String {
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    let places = ["/error/message", "/message", "/detail", "/error"];
    let found = places.iter().find_map(|place| text_at(&value, place));
    let text = found.unwrap_or_else(|| body.to_owned());
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
    if text.is_empty() { "nothing more".to_owned() } else { text }
}
