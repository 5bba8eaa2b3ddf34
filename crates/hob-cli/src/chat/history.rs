//! A kept conversation as a model takes it.

use super::prompt::Prompt;
use hob_chats::{Call, Message, Role};
use serde_json::{Value, json};

/// What was said. Answers that came to nothing are left out, and what was said around them is put together: most models were
/// taught that both sides take turns. Calls of tools go with their results; one without a result is left out as well, as
/// templates want both.
pub fn messages(branch: &[Message]) -> Vec<Value> {
    let mut messages: Vec<Value> = Vec::new();
    for message in branch {
        let role = if message.role == Role::User { "user" } else { "assistant" };
        let content = content(message);
        let answered: Vec<(&Call, &str)> =
            message.calls.iter().filter_map(|call| Some((call, call.result.as_deref()?))).collect();
        if content.trim().is_empty() && answered.is_empty() {
            continue;
        }
        match messages.last_mut() {
            Some(last) if last["role"] == role => {
                let parts = [last["content"].as_str().unwrap_or_default(), &content];
                let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                last["content"] = parts.join("\n\n").into();
            }
            _ => messages.push(json!({"role": role, "content": content})),
        }
        if let Some(last) = messages.last_mut().filter(|_| !answered.is_empty()) {
            last["tool_calls"] = answered.iter().map(|(call, _)| tool_call(call)).collect();
        }
        let result = |(call, result): &(&Call, &str)| json!({"role": "tool", "tool_call_id": call.id, "content": result});
        messages.extend(answered.iter().map(result));
    }
    messages
}

fn content(message: &Message) -> String {
    let files = message.attachments.iter().map(|file| (file.name.clone(), file.text.clone()));
    let text = Some(message.text.clone()).filter(|text| !text.is_empty());
    Prompt { text, files: files.collect(), piped: None }.message()
}

fn tool_call(call: &Call) -> Value {
    json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    fn said(role: &str, text: &str, calls: &Value) -> Message {
        let message = json!({"id": "message1", "role": role, "text": text, "calls": calls});
        serde_json::from_value(message).unwrap()
    }

    #[test]
    fn both_sides_take_turns_and_calls_go_with_their_results() {
        let none = json!([]);
        let calls = json!([
            {"id": "a", "name": "add", "arguments": "{\"x\":1}", "result": "2"},
            {"id": "b", "name": "late", "arguments": "{}"},
        ]);
        let branch = [
            said("user", "Q", &none),
            said("assistant", "", &json!([{"id": "c", "name": "unanswered"}])),
            said("user", "Q2", &none),
            said("assistant", "Let me see.", &none),
            said("assistant", "", &calls),
            said("assistant", "It is 2.", &none),
        ];
        let function = json!({"name": "add", "arguments": "{\"x\":1}"});
        let expected = [
            json!({"role": "user", "content": "Q\n\nQ2"}),
            json!({"role": "assistant", "content": "Let me see.", "tool_calls": [{"id": "a", "type": "function", "function": function}]}),
            json!({"role": "tool", "tool_call_id": "a", "content": "2"}),
            json!({"role": "assistant", "content": "It is 2."}),
        ];
        assert_eq!(messages(&branch), expected);
    }
}
