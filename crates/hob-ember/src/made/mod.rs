//! Conversations made from lists of words: what a very small model can learn to do reliably.
//!
//! Each file is a family of tasks; each task draws its words and its phrasing anew, so that the pattern is learned and not
//! the example.

mod dates;
mod digest;
mod dress;
mod extraction;
mod facts;
mod invented;
mod knowledge;
mod numbers;
mod passages;
mod phrase;
mod rewriting;
mod stories;
mod talk;
mod texts;
mod tools;
pub(crate) mod words;

use hob_base::Random;
use serde_json::{Value, json};

/// A conversation, and the tools in it.
pub struct Made {
    pub messages: Vec<Value>,
    pub tools: Vec<Value>,
}

impl Made {
    /// One question and its answer.
    fn answer(question: impl Into<String>, answer: impl Into<String>) -> Self {
        Self { messages: vec![user(question), assistant(answer)], tools: Vec::new() }
    }
}

fn user(text: impl Into<String>) -> Value {
    json!({"role": "user", "content": text.into()})
}

fn assistant(text: impl Into<String>) -> Value {
    json!({"role": "assistant", "content": text.into()})
}

/// One of `items`.
fn pick<'a, T: ?Sized>(random: &mut Random, items: &[&'a T]) -> &'a T {
    items[random.index(items.len())]
}

/// `count` different ones of `items`.
fn some<'a>(random: &mut Random, items: &[&'a str], count: usize) -> Vec<&'a str> {
    let mut order: Vec<&str> = items.to_vec();
    random.shuffle(&mut order);
    order.truncate(count);
    order
}

/// JSON in one line, with one space behind each colon and comma, as the chat template writes it.
fn spaced(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("{}: {}", json!(key), spaced(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// A family of tasks.
type Family = fn(&mut Random) -> Made;

/// How much of what people add to a request a family bears.
#[derive(Clone, Copy, PartialEq)]
enum Tone {
    /// Small letters and mistakes change nothing about the answer.
    Loose,
    /// Words are copied from the request, so that it stays as it is.
    Exact,
    /// As `Exact`, and what is offered there is complete: no other question follows.
    Closed,
}

use Tone::{Closed, Exact, Loose};

/// The families, their shares, and their tone.
const FAMILIES: [(&str, Family, usize, Tone); 25] = [
    ("question", facts::question, 24, Exact),
    ("extraction", extraction::extraction, 11, Exact),
    ("objects", extraction::objects, 3, Exact),
    ("summary", digest::summary, 7, Exact),
    ("title", digest::title, 5, Exact),
    ("topic", digest::topic, 4, Exact),
    ("sentiment", digest::sentiment, 2, Exact),
    ("spam", digest::spam, 1, Exact),
    ("call", tools::call, 18, Closed),
    ("ask_back", tools::ask_back, 3, Closed),
    ("no_call", tools::no_call, 4, Closed),
    ("story", stories::story, 11, Loose),
    ("fact", knowledge::fact, 9, Loose),
    ("unknown", knowledge::unknown, 4, Loose),
    ("arithmetic", numbers::arithmetic, 7, Loose),
    ("comparison", numbers::comparison, 3, Loose),
    ("date", dates::date, 4, Loose),
    ("list", texts::list, 6, Exact),
    ("kinds", texts::kinds, 2, Exact),
    ("letters", texts::letters, 3, Exact),
    ("rewriting", rewriting::rewriting, 7, Exact),
    ("mail", rewriting::mail, 5, Exact),
    ("ending", rewriting::ending, 1, Exact),
    ("language", rewriting::language, 1, Exact),
    ("small_talk", talk::small_talk, 4, Loose),
];

/// `count` conversations.
pub fn conversations(seed: u64, count: usize) -> Vec<Value> {
    let make = |i: usize| {
        let mut random = Random::new(seed, i as u64);
        let (made, tone) = draw(&mut random);
        let made = dress::dress(&mut random, made, tone);
        json!({"messages": made.messages, "tools": made.tools})
    };
    (0..count).map(make).collect()
}

/// A conversation of one of the families.
fn draw(random: &mut Random) -> (Made, Tone) {
    let mut place = random.index(FAMILIES.iter().map(|f| f.2).sum());
    for (_, family, share, tone) in FAMILIES {
        if place < share {
            return (family(random), tone);
        }
        place -= share;
    }
    unreachable!("a place lies below the sum of all shares")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hob_tokenizer::{ChatTemplate, TemplateInput};

    fn template() -> ChatTemplate {
        ChatTemplate::new(include_str!("../../../../ember/chat.jinja")).expect("the template compiles")
    }

    fn render(template: &ChatTemplate, row: &Value, count: usize, prompt: bool) -> String {
        let (messages, tools) =
            (row["messages"].as_array().expect("a list"), row["tools"].as_array().expect("a list"));
        let input = TemplateInput {
            messages: &messages[..count],
            tools: Some(tools),
            add_generation_prompt: prompt,
            ..TemplateInput::default()
        };
        template.render(&input).expect("every made conversation renders")
    }

    #[test]
    fn the_same_seed_makes_the_same_rows_and_most_differ() {
        let rows = conversations(1, 2000);
        assert_eq!(rows, conversations(1, 2000));
        assert_ne!(rows, conversations(2, 2000));
        let mut texts: Vec<String> = rows.iter().map(Value::to_string).collect();
        texts.sort_unstable();
        texts.dedup();
        assert!(texts.len() >= 1900, "{}", texts.len());
    }

    #[test]
    fn answers_can_be_cut_out_of_every_conversation() {
        let template = template();
        for row in conversations(3, 1500) {
            let count = row["messages"].as_array().expect("a list").len();
            let whole = render(&template, &row, count, false);
            for i in 0..count {
                if row["messages"][i]["role"] == "assistant" {
                    let (before, after) =
                        (render(&template, &row, i, true), render(&template, &row, i + 1, false));
                    assert!(after.starts_with(&before) && whole.starts_with(&after), "{row}");
                    assert!(after.ends_with("<|im_end|>\n") && after.len() > before.len() + 11, "{row}");
                }
            }
            assert!(whole.len() < 3000, "{whole}");
        }
    }

    #[test]
    fn tools_are_shown_as_signatures_and_calls_as_json() {
        let tool = json!({"name": "get_weather", "description": "Weather.", "parameters": {"type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["C", "F"]}}, "required": ["city"]}});
        let call = json!({"role": "assistant", "content": null,
            "tool_calls": [{"name": "get_weather", "arguments": {"city": "Oslo"}}]});
        let row = json!({"messages": [user("Weather in Oslo?"), call], "tools": [tool]});
        assert_eq!(
            render(&template(), &row, 2, false),
            "<|im_start|>system\nTools:\nget_weather(city: string, unit?: C|F): Weather.<|im_end|>\n\
             <|im_start|>user\nWeather in Oslo?<|im_end|>\n\
             <|im_start|>assistant\n<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}</tool_call><|im_end|>\n"
        );
    }

    #[test]
    fn what_is_said_is_clean_english() {
        for row in conversations(5, 3000) {
            for message in row["messages"].as_array().expect("a list") {
                let text = message["content"].as_str().unwrap_or_default().replace("...", "");
                let open = ["{", "|", "<", ">", "  ", " ."].iter().any(|mark| text.contains(mark));
                assert!(!open || text.contains("{\""), "{text}");
                if message["role"] == "assistant" && message["tool_calls"].is_null() {
                    assert!(text.is_ascii() && !text.is_empty() && text == text.trim(), "{text:?}");
                    let words: Vec<&str> = text.split(' ').collect();
                    let wrong = |w: &&[&str]| {
                        w[0] == "a" && phrase::article(w[1].trim_matches('"')).starts_with("an ")
                            || w[0] == "an" && !phrase::article(w[1].trim_matches('"')).starts_with("an ")
                    };
                    assert_eq!(words.windows(2).find(wrong), None, "{text}");
                }
            }
        }
    }

    /// The families' sizes: `cargo test -p hob-ember -- --nocapture shares`.
    #[test]
    fn shares_are_those_that_were_meant() {
        let sum: usize = FAMILIES.iter().map(|f| f.2).sum();
        for (name, family, share, _) in FAMILIES {
            let rows: Vec<Made> = (0..400).map(|i| family(&mut Random::new(12, i))).collect();
            let bytes: usize = rows.iter().map(|m| json!(m.messages).to_string().len()).sum();
            println!(
                "{name}: {:.1} % of rows, {} bytes a row",
                100.0 * share as f64 / sum as f64,
                bytes / 400
            );
            let mut texts: Vec<String> = rows.iter().map(|m| json!(m.messages).to_string()).collect();
            texts.sort_unstable();
            texts.dedup();
            assert!(texts.len() > 200, "{name}: {} of 400 differ", texts.len());
        }
    }
}
