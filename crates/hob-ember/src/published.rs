//! Published conversations in the form that Ember is trained on.

use anyhow::{Context, Result};
use hob_train::data::{Document, read_documents};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

/// Characters of a conversation beyond which it is left out: it would not fit into a sequence of training.
const CHARACTERS_MAX: usize = 4000;

/// The conversations of `split`, tools spelled out.
pub fn chats(data: &Path, split: &str) -> Result<Vec<Value>> {
    let path = data.join("chat/sgd_tools.json");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let declared: HashMap<String, Value> = serde_json::from_str(&text)?;
    let mut rows = Vec::new();
    read_documents(&data.join(format!("chat/chat.{split}.jsonl.zst")), &mut |document| {
        if let Document::Chat { messages, tools } = document {
            rows.extend(row(messages, &tools, &declared));
        }
        Ok(true)
    })?;
    Ok(rows)
}

/// One conversation, if it fits and its tools are known.
fn row(messages: Vec<Value>, tools: &[Value], declared: &HashMap<String, Value>) -> Option<Value> {
    let tools: Vec<&Value> = tools.iter().map(|t| declared.get(t.as_str()?)).collect::<Option<_>>()?;
    // Calls of tools that nobody declared teach a model to make tools up.
    let calls = messages.iter().any(|m| m.get("tool_calls").is_some());
    if calls && tools.is_empty() {
        return None;
    }
    let row = json!({"messages": messages, "tools": tools});
    (row.to_string().len() <= CHARACTERS_MAX).then_some(row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_spelled_out_and_what_does_not_fit_is_left_out() {
        let declared = HashMap::from([("A.Find".to_owned(), json!({"name": "A.Find"}))]);
        let say = |text: &str| vec![json!({"role": "user", "content": text})];
        let call = vec![
            json!({"role": "assistant", "content": null, "tool_calls": [{"name": "x", "arguments": {}}]}),
        ];
        let found = row(say("Hi"), &[json!("A.Find")], &declared).expect("a known tool");
        assert_eq!(found["tools"][0]["name"], "A.Find");
        assert!(row(say("Hi"), &[json!("B.Find")], &declared).is_none());
        assert!(row(call, &[], &declared).is_none());
        assert!(row(say(&"long ".repeat(1000)), &[], &declared).is_none());
    }
}
