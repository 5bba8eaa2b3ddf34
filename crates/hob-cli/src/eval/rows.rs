//! Questions with known answers, from the lines of a file.

use anyhow::{Context, anyhow};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// A question, where it stands and to which of the figures it belongs.
pub struct Row {
    pub line: u64,
    pub group: String,
    pub question: Question,
}

/// What is asked and what would be right.
pub enum Question {
    /// Which of two texts is more probable.
    Pair { good: String, bad: String },
    /// Which continuation of a text is the most probable.
    Choice { question: String, choices: Vec<String>, answer: usize },
    /// What the assistant says or calls next.
    Chat { messages: Vec<Value>, tools: Vec<Value>, expected: Expected },
}

/// What an assistant should come up with.
pub enum Expected {
    Text(String),
    /// One of these somewhere in what it says; a number as the last one.
    Short(Vec<String>),
    Call {
        name: String,
        arguments: Value,
    },
}

#[derive(Deserialize)]
struct Fields {
    good: Option<String>,
    bad: Option<String>,
    question: Option<String>,
    choices: Option<Vec<String>>,
    answer: Option<Value>,
    prompt: Option<String>,
    messages: Option<Vec<Value>>,
    #[serde(default)]
    tools: Option<Vec<Value>>,
}

/// The questions of `path`; `by` is the field whose values are told apart, instead of the kinds of questions.
pub fn read_rows(path: &Path, by: Option<&str>) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut failed = None;
    hob_train::data::read_lines(path, &mut |line, text| {
        match row(line, text, by).with_context(|| format!("{}: line {line}", path.display())) {
            Ok(row) => rows.extend(row),
            Err(e) => failed = Some(e),
        }
        Ok(failed.is_none())
    })?;
    failed.map_or(Ok(rows), Err)
}

/// The question of a line; none where a conversation asks nothing.
fn row(line: u64, text: &str, by: Option<&str>) -> anyhow::Result<Option<Row>> {
    let value: Value = serde_json::from_str(text)?;
    let group = by.map(|field| match &value[field] {
        Value::Null => Err(anyhow!("expected a field {field:?} as --by says, found none")),
        Value::String(text) => Ok(text.clone()),
        other => Ok(other.to_string()),
    });
    let group = group.transpose()?;
    let (kind, question) = match serde_json::from_value(value)? {
        Fields { good: Some(good), bad: Some(bad), .. } => ("pairs", Question::Pair { good, bad }),
        Fields { question: Some(question), choices: Some(choices), answer: Some(answer), .. } => {
            let number = answer.as_u64().and_then(|number| usize::try_from(number).ok());
            let Some(answer) = number.filter(|number| *number < choices.len()) else {
                return Err(anyhow!("expected an answer below {}, found {answer}", choices.len()));
            };
            ("choices", Question::Choice { question, choices, answer })
        }
        Fields { prompt: Some(prompt), answer: Some(answer), .. } => {
            let expected = Expected::Short(short(&answer)?);
            let messages = vec![json!({"role": "user", "content": prompt})];
            ("short answers", Question::Chat { messages, tools: Vec::new(), expected })
        }
        Fields { messages: Some(messages), tools, .. } => {
            let Some((kind, question)) = chat(messages, tools.unwrap_or_default()) else { return Ok(None) };
            (kind, question)
        }
        _ => {
            return Err(anyhow!(
                "expected good and bad, question, choices and answer, prompt and answer, or messages"
            ));
        }
    };
    Ok(Some(Row { line, group: group.unwrap_or_else(|| kind.to_owned()), question }))
}

/// The answers that count as right.
fn short(answer: &Value) -> anyhow::Result<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) if words(text).next().is_some() => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(anyhow!("expected an answer with words or a number, found {other}")),
    };
    match answer {
        Value::Array(all) if !all.is_empty() => all.iter().map(one).collect(),
        other => Ok(vec![one(other)?]),
    }
}

/// The words of a text in small letters; a number is one, without what groups its digits.
fn words(text: &str) -> impl Iterator<Item = String> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | ',' | '-');
    let clean = |word: &str| {
        let word = word.trim_matches(['.', ',']).trim_end_matches('-');
        let digits: String = word.chars().filter(|c| *c != ',').collect();
        if number(&digits).is_some() { digits } else { word.trim_matches('-').to_lowercase() }
    };
    text.split(move |c| !is_part(c)).map(clean).filter(|word| !word.is_empty())
}

/// A number in digits; "infinity" and "nan" are words here.
fn number(word: &str) -> Option<f64> {
    word.parse::<f64>().ok().filter(|number| number.is_finite())
}

/// Whether `said` gives the answer `right`: its words in their order, or its number as the last one.
fn says(said: &str, right: &str) -> bool {
    let (said, right): (Vec<String>, Vec<String>) = (words(said).collect(), words(right).collect());
    if let [only] = right.as_slice()
        && let Some(right) = number(only)
    {
        let last = said.iter().rev().find_map(|word| number(word));
        return last.is_some_and(|last| (last - right).abs() <= 1e-9 * right.abs().max(1.0));
    }
    said.windows(right.len()).any(|words| words == right)
}

fn chat(mut messages: Vec<Value>, tools: Vec<Value>) -> Option<(&'static str, Question)> {
    let is_answer = |m: &Value| m["role"] == "assistant";
    let calls = |m: &Value| m["tool_calls"].as_array().is_some_and(|c| !c.is_empty());
    let at = messages.iter().position(|m| is_answer(m) && calls(m));
    let at = at.or_else(|| messages.iter().rposition(is_answer))?;
    let answer = messages[at].clone();
    messages.truncate(at);
    let wrapped =
        |t: Value| if t["function"].is_object() { t } else { json!({"type": "function", "function": t}) };
    let tools = tools.into_iter().map(wrapped).collect();
    let (kind, expected) = if calls(&answer) {
        let call = &answer["tool_calls"][0];
        let call = if call["function"].is_object() { &call["function"] } else { call };
        let expected =
            Expected::Call { name: call["name"].as_str()?.to_owned(), arguments: parsed(&call["arguments"]) };
        ("calls", expected)
    } else {
        ("answers", Expected::Text(answer["content"].as_str()?.to_owned()))
    };
    Some((kind, Question::Chat { messages, tools, expected }))
}

/// Arguments may stand in a string, as some interfaces send them.
fn parsed(arguments: &Value) -> Value {
    let text = arguments.as_str().and_then(|text| serde_json::from_str(text).ok());
    text.unwrap_or_else(|| arguments.clone())
}

/// Whether `text` is what was expected: word for word, or a call with the name and the arguments.
pub fn is_right(expected: &Expected, text: &str) -> bool {
    match expected {
        Expected::Text(right) => right.trim() == text.trim(),
        Expected::Short(any) => any.iter().any(|right| says(text, right)),
        Expected::Call { name, arguments } => {
            let call = first_object(text).unwrap_or_default();
            let given = if call["arguments"].is_null() { &call["parameters"] } else { &call["arguments"] };
            call["name"] == **name && parsed(given) == *arguments
        }
    }
}

/// Whether `text` calls a tool.
pub fn is_call(text: &str) -> bool {
    first_object(text).is_some_and(|call| call["name"].is_string())
}

/// The first JSON object in `text`: families put different marks around their calls.
fn first_object(text: &str) -> Option<Value> {
    let start = text.find('{')?;
    serde_json::Deserializer::from_str(&text[start..]).into_iter().next()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_questions() {
        let kind = |text: &str| row(1, text, None).map(|row| row.map(|r| r.group)).map_err(|e| e.to_string());
        assert_eq!(kind(r#"{"good": "a", "bad": "b"}"#).unwrap().unwrap(), "pairs");
        assert_eq!(kind(r#"{"question": "a", "choices": ["b"], "answer": 0}"#).unwrap().unwrap(), "choices");
        assert_eq!(kind(r#"{"messages": [{"role": "user", "content": "Hi"}]}"#), Ok(None));
        for (text, expected) in [
            (r#"{"question": "a", "choices": ["b"], "answer": 1}"#, "below 1, found 1"),
            (r#"{"text": "a"}"#, "expected good and bad"),
            ("{", "EOF"),
        ] {
            let found = kind(text).unwrap_err();
            assert!(found.contains(expected), "{found}");
        }
        let by = |field| {
            row(1, r#"{"good": "a", "bad": "b", "term": "x"}"#, Some(field)).map(|r| r.unwrap().group)
        };
        assert_eq!(by("term").unwrap(), "x");
        assert!(by("uid").is_err());
    }

    #[test]
    fn short_answers_are_found_in_what_is_said() {
        for (said, right, is) in [
            ("The capital is Paris.", "paris", true),
            ("Parisian food", "paris", false),
            ("It is New  York, of course", "New York", true),
            ("York New", "New York", false),
            ("18 + 1,232 makes $1,250.", "1250", true),
            ("1250 less 3 is 1247", "1250", false),
            ("about -3.5 degrees", "-3.50", true),
            ("A", "a", true),
            ("7, not infinity", "7", true),
            ("towards infinity", "Infinity", true),
            ("", "a", false),
        ] {
            assert_eq!(says(said, right), is, "{said:?} {right:?}");
        }
        let of = |text: &str| row(1, text, None).map(|row| row.unwrap().group).map_err(|e| e.to_string());
        assert_eq!(of(r#"{"prompt": "a", "answer": "b"}"#), Ok("short answers".into()));
        assert_eq!(of(r#"{"prompt": "a", "answer": ["b", 7]}"#), Ok("short answers".into()));
        for text in [r#"{"prompt": "a", "answer": "?!"}"#, r#"{"prompt": "a", "answer": []}"#] {
            assert!(of(text).unwrap_err().contains("with words or a number"), "{text}");
        }
    }

    #[test]
    fn the_first_call_is_what_is_asked_for() {
        let text = r#"{"messages": [{"role": "user", "content": "Rain?"},
            {"role": "assistant", "content": "Where?"}, {"role": "user", "content": "Rome"},
            {"role": "assistant", "content": null, "tool_calls": [{"name": "rain", "arguments": {"city": "Rome"}}]},
            {"role": "tool", "content": "no"}, {"role": "assistant", "content": "No."}],
            "tools": [{"name": "rain"}]}"#;
        let Some(Row { group, question: Question::Chat { messages, tools, expected }, .. }) =
            row(1, &text.replace('\n', " "), None).unwrap()
        else {
            panic!("a conversation")
        };
        assert_eq!((group.as_str(), messages.len()), ("calls", 3));
        assert_eq!(tools[0]["function"]["name"], "rain");
        let right = |text: &str| is_right(&expected, text);
        assert!(right(r#"<tool_call>{"name": "rain", "arguments": {"city": "Rome"}}</tool_call>"#));
        assert!(right(r#"{"name":"rain","parameters":{"city":"Rome"}}"#));
        assert!(right(r#"{"name":"rain","arguments":"{\"city\": \"Rome\"}"}"#));
        assert!(!right(r#"{"name":"rain","arguments":{"city":"Paris"}}"#));
        assert!(!right("It may rain {"));
        assert!(is_right(&Expected::Text("Yes. ".into()), " Yes."));
    }
}
