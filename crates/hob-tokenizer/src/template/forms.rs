//! Which of several ways to write the same message a template takes, found out by rendering small conversations.
//!
//! Reading the source for `is string` or `is none` would be guessing; a word that is put in and looked for in the
//! output is not. Templates run under tighter limits here than on real conversations, as there are many renderings.

use serde_json::{Value as Json, json};

use super::{ChatTemplate, LocalTime, TemplateInput};

/// A word that no template contains.
const WORD: &str = "hobprobe";
const KEY: &str = "hobkey";

/// Work that a template may do on one of the small conversations, besides what their bytes allow; published ones get by
/// on a hundredth. There are about twenty conversations, so finding out costs a hostile template's user about as much as
/// rendering one or two.
const FUEL: u64 = 20_000;

/// Nine letters and digits, which the strictest templates ask for.
const SHORT_ID: &str = "hobprobe1";

/// As the OpenAI interface makes them.
const LONG_ID: &str = "call_0123456789abcdefABCDEF01";

/// The shapes of `content` that are taken for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Only a string.
    Text,
    /// Only a list of parts.
    Parts,
    /// Both, to the same effect.
    Either,
}

/// How a message that calls tools may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Calls {
    /// Where there is no text, `content` may be null.
    pub takes_null: bool,
    /// Where there is no text, `content` may be empty.
    pub takes_empty: bool,
    /// Arguments are JSON in a string rather than an object.
    pub text_arguments: bool,
}

/// What one template takes.
#[derive(Debug, Clone)]
pub(super) struct Forms {
    pub system_content: Content,
    pub user_content: Content,
    pub assistant_content: Content,
    pub tool_content: Content,
    /// Whether the words of a system message reach the prompt.
    pub system: bool,
    /// Whether the template knows the role `developer`.
    pub developer: bool,
    /// `None` where no way of writing a call reaches the prompt.
    pub calls: Option<Calls>,
    /// Whether only ids of nine letters and digits are taken.
    pub short_ids: bool,
}

impl Forms {
    pub(super) fn find(template: &ChatTemplate) -> Self {
        let mut probe = Probe { template, user_parts: false };
        let user_content = probe.content(|word| vec![json!({"role": "user", "content": word})]);
        probe.user_parts = user_content == Content::Parts;
        let calls = probe.calls();
        let short = probe.shows(&probe.called(calls, SHORT_ID, json!("a")));
        Self {
            system_content: probe
                .content(|word| vec![json!({"role": "system", "content": word}), probe.user("a")]),
            user_content,
            assistant_content: probe.content(|word| {
                vec![probe.user("a"), json!({"role": "assistant", "content": word}), probe.user("b")]
            }),
            tool_content: probe.content(|word| probe.called(calls, SHORT_ID, word)),
            system: probe.system(),
            developer: probe.developer(),
            calls,
            short_ids: short && !probe.shows(&probe.called(calls, LONG_ID, json!("a"))),
        }
    }

    /// The shapes of content that messages of this role may have.
    pub(super) fn content(&self, role: &str) -> Content {
        match role {
            "system" | "developer" => self.system_content,
            "assistant" => self.assistant_content,
            "tool" => self.tool_content,
            _ => self.user_content,
        }
    }
}

/// Renders small conversations.
struct Probe<'t> {
    template: &'t ChatTemplate,
    /// Whether what the user says has to be a list of parts.
    user_parts: bool,
}

impl Probe<'_> {
    fn user(&self, text: &str) -> Json {
        let content = if self.user_parts { json!([{"type": "text", "text": text}]) } else { text.into() };
        json!({"role": "user", "content": content})
    }

    /// A conversation in which a tool is called with [`WORD`] as an argument and answers with `result`.
    fn called(&self, calls: Option<Calls>, id: &str, result: Json) -> Vec<Json> {
        let content = if calls.is_some_and(|calls| !calls.takes_empty) { Json::Null } else { "".into() };
        self.called_beside(content, calls.is_some_and(|calls| calls.text_arguments), id, result)
    }

    fn called_beside(&self, content: Json, text_arguments: bool, id: &str, result: Json) -> Vec<Json> {
        let arguments = json!({KEY: WORD});
        let arguments = if text_arguments { Json::from(arguments.to_string()) } else { arguments };
        let function = json!({"name": "call_me", "arguments": arguments});
        let call = json!({"id": id, "type": "function", "function": function});
        vec![
            self.user("a"),
            json!({"role": "assistant", "content": content, "tool_calls": [call]}),
            json!({"role": "tool", "tool_call_id": id, "name": "call_me", "content": result}),
        ]
    }

    /// Renders with everything given that a template may ask for; `None` where it fails.
    fn render(&self, messages: &[Json]) -> Option<String> {
        let argument = json!({"type": "string", "description": "Any."});
        let parameters = json!({"type": "object", "properties": {KEY: argument}, "required": [KEY]});
        let function = json!({"name": "call_me", "description": "A tool.", "parameters": parameters});
        let tool = json!({"type": "function", "function": function});
        let input = TemplateInput {
            messages,
            tools: Some(&[tool]),
            add_generation_prompt: true,
            bos_token: Some(""),
            eos_token: Some(""),
            now: Some(LocalTime { year: 2026, month: 1, day: 1, hour: 0, minute: 0, second: 0 }),
            ..TemplateInput::default()
        };
        self.template.render_within(&input, FUEL).ok()
    }

    fn shows(&self, messages: &[Json]) -> bool {
        self.render(messages).is_some_and(|text| text.contains(WORD))
    }

    /// A list of parts is understood where it comes to the same text as a string; merely finding the word in the
    /// output would take a list that was printed as it is for one that was understood.
    fn content(&self, conversation: impl Fn(Json) -> Vec<Json>) -> Content {
        let text = self.render(&conversation(WORD.into())).filter(|text| text.contains(WORD));
        let parts = self.render(&conversation(json!([{"type": "text", "text": WORD}])));
        match (text, parts) {
            (Some(text), Some(parts)) if text == parts => Content::Either,
            (None, Some(parts)) if parts.contains(WORD) => Content::Parts,
            _ => Content::Text,
        }
    }

    fn system(&self) -> bool {
        let text = json!({"role": "system", "content": WORD});
        let parts = json!({"role": "system", "content": [{"type": "text", "text": WORD}]});
        self.shows(&[text, self.user("a")]) || self.shows(&[parts, self.user("a")])
    }

    /// The role has to be named, too: many templates print any role, also those the model never saw.
    fn developer(&self) -> bool {
        let source = self.template.source();
        let is_named = source.contains("'developer'") || source.contains("\"developer\"");
        is_named && self.shows(&[json!({"role": "developer", "content": WORD}), self.user("a")])
    }

    /// An object is what transformers documents, so it comes first.
    fn calls(&self) -> Option<Calls> {
        let before = self.render(&[self.user("a")]).unwrap_or_default();
        let is_shown = |content: Json, text_arguments: bool| {
            let text = self.render(&self.called_beside(content, text_arguments, SHORT_ID, json!("a")));
            text.is_some_and(|text| text.contains(WORD) && is_plain(&text, &before))
        };
        let ways = [false, true].map(|text_arguments| Calls {
            takes_null: is_shown(Json::Null, text_arguments),
            takes_empty: is_shown("".into(), text_arguments),
            text_arguments,
        });
        ways.into_iter().find(|way| way.takes_null || way.takes_empty)
    }
}

/// Whether arguments were neither printed as Python prints a dict nor quoted a second time, and no null was printed;
/// what stands in the text that came before is the template's own.
fn is_plain(text: &str, before: &str) -> bool {
    let wrong = [format!("'{KEY}':"), format!("\\\"{KEY}"), "None".to_owned()];
    wrong.iter().all(|wrong| text.matches(wrong.as_str()).count() <= before.matches(wrong.as_str()).count())
}
