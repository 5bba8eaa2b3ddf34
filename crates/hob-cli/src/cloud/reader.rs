//! The local model as the reader of a sealed plan: one chunk at a time, in answers that can only have the form of rows.

use crate::signals;
use anyhow::anyhow;
use hob::{AnswerOptions, ChatOptions, Conversation, EncodeOptions, Grammar, LanguageModel, SamplerConfig};
use hob_cloud::sealed::{Candidate, Field, Kind, Reader};
use serde_json::{Map, Value, json};

/// Longest quote that is asked for, in characters.
const QUOTE_CHARS: usize = 240;
/// Longest value.
const VALUE_CHARS: usize = 120;
/// Tokens of a cell, at most.
const CELL_TOKENS: usize = 160;
/// Tokens of the answer about one chunk, at most.
const READ_TOKENS_MAX: usize = 2048;
/// Places where an answer without an end is cut, at most, before it is given up.
const CUTS_MAX: usize = 32;
/// Tokens of a sentence.
const SENTENCE_TOKENS: usize = 256;
/// Tokens that an answer needs at least to be of use.
const ANSWER_TOKENS_MIN: usize = 32;

/// What the local model is told before a chunk.
const TASK: &str = "You copy facts from a text. For each field, answer whether the text says it (found), the words of the text that say it, \
    copied letter by letter (quote), and the value itself, copied from the quote (value). If the text does not say it, found is \
    false and the others are empty. Never answer from memory.";

/// A model that reads.
pub struct ModelReader<'a> {
    model: &'a LanguageModel,
    context: usize,
    /// Told after each chunk.
    progress: &'a mut dyn FnMut(),
    /// Chunks whose answer had no end, or that were too long for the model.
    unread: usize,
}

impl<'a> ModelReader<'a> {
    pub fn new(model: &'a LanguageModel, progress: &'a mut dyn FnMut()) -> Self {
        let trained = model.engine().model().spec().context;
        Self { model, context: trained.min(ChatOptions::DEFAULT_CONTEXT), progress, unread: 0 }
    }

    /// Chunks that were read in part or not at all.
    pub fn unread(&self) -> usize {
        self.unread
    }

    /// What the model says after `system` and `text`; nothing where it has no room left.
    fn say(
        &self,
        system: &str,
        text: &str,
        grammar: Option<Grammar>,
        tokens_max: usize,
    ) -> anyhow::Result<Option<String>> {
        let prompt = self.prompt(system, text)?;
        let encode = EncodeOptions { add_special: true, parse_special: true };
        let room = self.context.saturating_sub(self.model.tokenizer()?.encode(&prompt, encode).len() + 1);
        if room < ANSWER_TOKENS_MIN {
            return Ok(None);
        }
        let mut options = AnswerOptions {
            sampler: Some(SamplerConfig::greedy()),
            grammar,
            max_tokens: Some(tokens_max.min(room)),
            ..AnswerOptions::default()
        };
        let settings =
            ChatOptions { context: Some(self.context), think: Some(false), ..ChatOptions::default() };
        if self.model.template().is_none() {
            let mut session = self.model.session(&settings);
            return finish(self.model.complete(&mut session, &prompt, &mut options)?);
        }
        let mut chat = self.model.chat(settings);
        chat.set_system(Some(system));
        chat.say(text);
        finish(chat.answer(&mut options)?)
    }

    /// The text that the model sees.
    fn prompt(&self, system: &str, text: &str) -> anyhow::Result<String> {
        if self.model.template().is_none() {
            return Ok(format!("{system}\n\n{text}\n\nAnswer: "));
        }
        let messages =
            vec![json!({"role": "system", "content": system}), json!({"role": "user", "content": text})];
        let conversation = Conversation { messages, think: Some(false), ..Conversation::default() };
        Ok(conversation.render(self.model)?)
    }
}

/// The whole answer, unless Ctrl-C comes first.
fn finish(mut answer: hob::Answer<'_>) -> anyhow::Result<Option<String>> {
    while answer.next()?.is_some() {
        signals::honour()?;
    }
    Ok(Some(answer.reply().text.clone()))
}

impl Reader for ModelReader<'_> {
    type Error = anyhow::Error;

    fn read(
        &mut self,
        chunk: &str,
        fields: &[Field],
        rows_max: usize,
    ) -> anyhow::Result<Vec<Vec<Candidate>>> {
        signals::honour()?;
        let is_many = rows_max > 1;
        // The same for each chunk first, so that it is computed once.
        let asked = format!("{}\nText:\n{chunk}", questions(fields, is_many));
        let grammar = Grammar::json_schema(schema(fields, rows_max));
        let tokens = (CELL_TOKENS * fields.len() * rows_max).min(READ_TOKENS_MAX);
        let said = self.say(TASK, &asked, Some(grammar), tokens)?;
        (self.progress)();
        let (rows, is_whole) = said.map_or((Vec::new(), false), |said| rows(&said));
        self.unread += usize::from(!is_whole);
        Ok(rows.iter().map(|row| fields.iter().map(|field| candidate(&row[&field.name])).collect()).collect())
    }

    fn compose(&mut self, task: &str, results: &str) -> anyhow::Result<String> {
        let system = "You write a short answer from results that you are given, and add nothing.";
        let said = self.say(system, &format!("{task}\n\nResults:\n{results}"), None, SENTENCE_TOKENS)?;
        said.ok_or_else(|| anyhow!("the results are too long for the local model to write about"))
    }
}

/// The rows of an answer, and whether it has its end. One that was cut at its longest has those before the cut.
fn rows(said: &str) -> (Vec<Value>, bool) {
    let listed = |whole: &Value| whole["rows"].as_array().cloned();
    if let Ok(whole) = serde_json::from_str::<Value>(said) {
        return (listed(&whole).unwrap_or_else(|| vec![whole]), true);
    }
    let ends = said.rmatch_indices('}').take(CUTS_MAX);
    let whole = ends.map(|(at, _)| format!("{}]}}", &said[..=at])).find_map(|text| {
        let whole = serde_json::from_str::<Value>(&text).ok()?;
        listed(&whole)
    });
    (whole.unwrap_or_default(), false)
}

fn candidate(cell: &Value) -> Candidate {
    let value = match &cell["value"] {
        Value::Bool(is) => is.to_string(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    let quote = cell["quote"].as_str().unwrap_or_default().to_owned();
    Candidate { is_found: cell["found"] == true, quote, value }
}

fn questions(fields: &[Field], is_many: bool) -> String {
    let line = |field: &Field| format!("- {} ({}): {}\n", field.name, field.kind.name(), field.question);
    let rows = if is_many {
        "Give a row for each time the text says these fields:\n"
    } else {
        "Give these fields:\n"
    };
    rows.to_owned() + &fields.iter().map(line).collect::<String>()
}

/// What the model's answer has to be.
fn schema(fields: &[Field], rows_max: usize) -> Value {
    let closed = |properties: Map<String, Value>| {
        let names: Vec<String> = properties.keys().cloned().collect();
        json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
    };
    let cell = |field: &Field| {
        let value = match field.kind {
            Kind::Boolean => json!({"type": "boolean"}),
            _ => json!({"type": "string", "maxLength": VALUE_CHARS}),
        };
        let quote = json!({"type": "string", "maxLength": QUOTE_CHARS});
        let members = [("found", json!({"type": "boolean"})), ("quote", quote), ("value", value)];
        closed(members.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect())
    };
    let row = closed(fields.iter().map(|field| (field.name.clone(), cell(field))).collect());
    if rows_max == 1 {
        return row;
    }
    let rows = json!({"type": "array", "items": row, "maxItems": rows_max});
    closed([("rows".to_owned(), rows)].into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_cut_keeps_its_rows() {
        let row = r#"{"a":{"found":true,"quote":"x } y","value":"y"}}"#;
        let (one, is_whole) = rows(row);
        assert!(is_whole && one[0]["a"]["value"] == "y");
        let many = format!(r#"{{"rows":[{row},{row}]}}"#);
        assert_eq!(rows(&many).0.len(), 2);
        for cut in ["]}", "}]}", "\"}}]}", "quote\":\"x } y\",\"value\":\"y\"}}]}"] {
            let (found, is_whole) = rows(many.strip_suffix(cut).unwrap());
            assert_eq!((found.len(), is_whole), (1 + usize::from(cut == "]}"), false), "{cut}");
        }
        assert_eq!(rows("{\"rows\":[{\"a\":"), (vec![], false));
    }

    #[test]
    fn answers_have_the_form_of_rows() {
        let field = |name: &str, kind| Field { name: name.into(), kind, question: "Which?".into() };
        let fields = [field("day", Kind::Date), field("rows", Kind::Boolean)];
        let one = schema(&fields, 1);
        assert_eq!(one["required"], json!(["day", "rows"]));
        assert_eq!(one["properties"]["rows"]["properties"]["value"], json!({"type": "boolean"}));
        let many = schema(&fields, 16);
        assert_eq!(
            (&many["properties"]["rows"]["items"], &many["properties"]["rows"]["maxItems"]),
            (&one, &16.into())
        );
        let model = LanguageModel::new(hob::builtin().unwrap(), &hob::Options::default()).unwrap();
        for schema in [one, many] {
            model.check_grammar(&Grammar::json_schema(schema)).unwrap();
        }
    }
}
