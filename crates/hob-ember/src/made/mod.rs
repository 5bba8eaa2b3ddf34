//! Conversations made from lists of words: what a very small model can learn to do reliably.
//!
//! Each file is a family of tasks; each task draws its words and its phrasing anew, so that the pattern is learned and not
//! the example.

mod facts;
mod numbers;
mod talk;
mod texts;
mod tools;
mod words;

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

/// A family of tasks.
type Family = fn(&mut Random) -> Made;

/// The families and their shares.
const FAMILIES: [(Family, usize); 12] = [
    (facts::question, 5),
    (facts::extraction, 4),
    (facts::title, 2),
    (tools::call, 5),
    (tools::no_call, 1),
    (numbers::arithmetic, 3),
    (numbers::comparison, 1),
    (numbers::date, 1),
    (texts::list, 3),
    (texts::rewriting, 2),
    (texts::letters, 1),
    (talk::small_talk, 2),
];

/// `count` conversations.
pub fn conversations(seed: u64, count: usize) -> Vec<Value> {
    let shares: usize = FAMILIES.iter().map(|f| f.1).sum();
    let make = |i: usize| {
        let mut random = Random::new(seed, i as u64);
        let mut place = random.index(shares);
        let family = FAMILIES.iter().find(|(_, share)| {
            let here = place < *share;
            place = place.saturating_sub(*share);
            here
        });
        let made = family.expect("a place lies below the sum of all shares").0(&mut random);
        json!({"messages": made.messages, "tools": made.tools})
    };
    (0..count).map(make).collect()
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
        let rows = conversations(1, 500);
        assert_eq!(rows, conversations(1, 500));
        assert_ne!(rows, conversations(2, 500));
        let mut texts: Vec<String> = rows.iter().map(Value::to_string).collect();
        texts.sort_unstable();
        texts.dedup();
        assert!(texts.len() > 450, "{}", texts.len());
    }

    #[test]
    fn answers_can_be_cut_out_of_every_conversation() {
        let template = template();
        for row in conversations(3, 400) {
            let count = row["messages"].as_array().expect("a list").len();
            let whole = render(&template, &row, count, false);
            for i in 0..count {
                if row["messages"][i]["role"] == "assistant" {
                    let (before, after) =
                        (render(&template, &row, i, true), render(&template, &row, i + 1, false));
                    assert!(after.starts_with(&before) && whole.starts_with(&after), "{row}");
                    assert!(after.ends_with("<|im_end|>\n") && after.len() > before.len() + 12, "{row}");
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
}
