//! Published chat templates: rendered text against transformers'.

use std::collections::BTreeMap;

use hob_tokenizer::{ChatTemplate, LocalTime, TemplateInput};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Run;
use crate::{
    Error,
    compare::require_text,
    report::Report,
    shared::{file_name, list, read_json, read_text},
};

/// The conversations and tool lists that all templates are rendered with.
#[derive(Deserialize)]
struct Conversations {
    conversations: BTreeMap<String, Vec<Value>>,
    tools: BTreeMap<String, Option<Vec<Value>>>,
}

/// What one template is expected to make of them.
#[derive(Deserialize)]
struct Renderings {
    template: String,
    bos_token: Option<String>,
    eos_token: Option<String>,
    now: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    conversation: String,
    tools: String,
    #[serde(default)]
    kwargs: Map<String, Value>,
    #[serde(default)]
    expected: Option<String>,
}

/// Runs the suite over every `NAME.json` with its template.
///
/// # Errors
/// [`Error`] when a fixture is unreadable.
pub fn run(run: Run<'_>, report: &mut Report) -> Result<(), Error> {
    let folder = run.root.join("chat_templates");
    let conversations: Conversations = read_json(&folder.join("conversations.json"))?;
    for path in list(&folder)? {
        let name = file_name(&path);
        if !name.ends_with(".json") || name == "conversations.json" {
            continue;
        }
        let renderings: Renderings = read_json(&path)?;
        let source = read_text(&folder.join(&renderings.template))?;
        for case in &renderings.cases {
            let name = case_name(name.trim_end_matches(".json"), case);
            report.case(&name, || check(&source, &conversations, &renderings, case));
        }
    }
    Ok(())
}

fn case_name(template: &str, case: &Case) -> String {
    let kwargs = case.kwargs.iter().filter(|(key, value)| *key != "add_generation_prompt" || **value != true);
    let kwargs: Vec<String> = kwargs.map(|(key, value)| format!("{key}={value}")).collect();
    [template, &case.conversation, &case.tools, &kwargs.join(",")].join("/").trim_end_matches('/').to_owned()
}

fn check(source: &str, all: &Conversations, renderings: &Renderings, case: &Case) -> Result<(), String> {
    let messages =
        all.conversations.get(&case.conversation).ok_or("no such conversation in conversations.json")?;
    let tools = all.tools.get(&case.tools).ok_or("no such tools in conversations.json")?;
    let mut extra = case.kwargs.clone();
    let generation = extra.remove("add_generation_prompt");
    let input = TemplateInput {
        messages,
        tools: tools.as_deref(),
        add_generation_prompt: generation == Some(Value::Bool(true)),
        bos_token: renderings.bos_token.as_deref(),
        eos_token: renderings.eos_token.as_deref(),
        extra: Some(&extra),
        now: Some(local_time(&renderings.now)?),
        ..TemplateInput::default()
    };
    let found = ChatTemplate::new(source).and_then(|template| template.render(&input));
    match (&case.expected, found) {
        (Some(expected), Ok(found)) => require_text(expected, &found),
        (Some(_), Err(error)) => Err(format!("expected a text, found the error: {error}")),
        (None, Ok(found)) => Err(format!("expected an error, found {} bytes of text", found.len())),
        (None, Err(_)) => Ok(()),
    }
}

/// Renders `messages` with nothing else, for malformed templates.
///
/// # Errors
/// The template's message.
pub fn render(source: &str, messages: &[Value]) -> Result<String, String> {
    let template = ChatTemplate::new(source).map_err(|error| error.to_string())?;
    let input = TemplateInput { messages, add_generation_prompt: true, ..TemplateInput::default() };
    template.render(&input).map_err(|error| error.to_string())
}

/// A time such as `2026-07-26T12:34:56`; the time of day may be missing.
///
/// # Errors
/// A message when it is not that.
pub fn local_time(text: &str) -> Result<LocalTime, String> {
    let parts = text.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u16>);
    let parts = parts
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("the fixture's time {text}: {error}"))?;
    let at = |index: usize| parts.get(index).copied().unwrap_or(0);
    let small =
        |index: usize| u8::try_from(at(index)).map_err(|error| format!("the fixture's time {text}: {error}"));
    Ok(LocalTime {
        year: i32::from(at(0)),
        month: small(1)?,
        day: small(2)?,
        hour: small(3)?,
        minute: small(4)?,
        second: small(5)?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome(expected: Option<&str>) -> Result<(), String> {
        let conversations = json!({"conversations": {"user": [{"content": "hi"}]}, "tools": {"none": null}});
        let renderings = json!({"template": "t.jinja", "now": "2026-07-26T12:34:56", "cases": []});
        let case = json!({"conversation": "user", "tools": "none", "expected": expected});
        let (all, renderings, case) = (
            serde_json::from_value(conversations).unwrap(),
            serde_json::from_value(renderings).unwrap(),
            serde_json::from_value(case).unwrap(),
        );
        check("{{ messages[0].content }} {{ strftime_now('%Y') }}", &all, &renderings, &case)
    }

    #[test]
    fn texts_have_to_agree_and_errors_have_to_come() {
        assert_eq!(outcome(Some("hi 2026")), Ok(()));
        assert!(outcome(Some("hi 2025")).is_err());
        assert!(outcome(None).unwrap_err().contains("expected an error"));
    }
}
