//! Whether JSON from a user is a conversation or a list of tools, before a template trips over it.

use anyhow::bail;
use serde_json::Value;

/// Roles that every template gets to see; whether it likes them is its own business.
const ROLES: [&str; 5] = ["system", "developer", "user", "assistant", "tool"];

/// Checks that `messages` have roles and contents. Other roles than the usual are allowed where `template`, the source of
/// a chat template, names them.
pub fn check_messages(messages: &[Value], template: Option<&str>) -> anyhow::Result<()> {
    if messages.is_empty() {
        bail!("expected at least one message, found none");
    }
    for (index, message) in messages.iter().enumerate() {
        let at = format!("message {} of {}", index + 1, messages.len());
        let Some(role) = message["role"].as_str() else {
            bail!("{at}: expected a role such as \"user\", found {}", found(&message["role"]));
        };
        let is_named =
            |source: &str| source.contains(&format!("'{role}'")) || source.contains(&format!("\"{role}\""));
        if !ROLES.contains(&role) && !template.is_some_and(is_named) {
            bail!("{at}: expected one of the roles {}, found {role:?}", ROLES.join(", "));
        }
        // A turn that only calls tools, or only brings their results, needs no words.
        let may_be_silent = message.get("tool_calls").or(message.get("tool_responses")).is_some();
        let is_content = match &message["content"] {
            Value::String(_) => true,
            Value::Array(parts) => parts.iter().all(|part| part["type"].is_string()),
            Value::Null => may_be_silent,
            _ => false,
        };
        if !is_content {
            let what = found(&message["content"]);
            bail!("{at}: expected \"content\" to be a text or a list of parts with types, found {what}");
        }
    }
    Ok(())
}

/// Checks that `tools` are functions with names, as in `{"type": "function", "function": {"name": ...}}`.
pub fn check_tools(tools: &[Value]) -> anyhow::Result<()> {
    for (index, tool) in tools.iter().enumerate() {
        let is_function = tool.get("type").is_none_or(|kind| kind == "function");
        if !is_function || !tool["function"]["name"].is_string() {
            bail!(
                "tool {} of {}: expected {{\"type\": \"function\", \"function\": {{\"name\": ...}}}}, found {}",
                index + 1,
                tools.len(),
                found(tool)
            );
        }
    }
    Ok(())
}

/// What stands there instead, in a few words.
fn found(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Array(_) => "an array".into(),
        Value::Object(object) => {
            let keys: Vec<String> = object.keys().take(4).map(|key| format!("{key:?}")).collect();
            if keys.is_empty() {
                "an empty object".into()
            } else {
                format!("an object with {}", keys.join(", "))
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problem(messages: Value, template: Option<&str>) -> String {
        let result = check_messages(messages.as_array().unwrap(), template);
        result.err().map(|e| e.to_string()).unwrap_or_default()
    }

    #[test]
    fn messages_need_a_known_role_and_content() {
        let user = json!({"role": "user", "content": "Hi"});
        assert_eq!(problem(json!([user, {"role": "assistant", "tool_calls": []}]), None), "");
        assert_eq!(problem(json!([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]), None), "");
        assert!(problem(json!([]), None).contains("at least one message"));
        assert!(
            problem(json!([user, {"content": "Hi"}]), None).starts_with("message 2 of 2: expected a role")
        );
        assert!(problem(json!([{"role": "user"}]), None).contains("\"content\""));
        assert!(problem(json!([{"role": "user", "content": 5}]), None).ends_with("found 5"));
        let bogus = json!([{"role": "bogus", "content": "Hi"}]);
        assert!(problem(bogus.clone(), Some("{{ 'user' }}")).ends_with("found \"bogus\""));
        assert_eq!(problem(bogus, Some("{% if role == 'bogus' %}")), "");
    }

    #[test]
    fn tools_are_functions_with_names() {
        assert!(check_tools(&[json!({"type": "function", "function": {"name": "add"}})]).is_ok());
        for wrong in
            [json!({}), json!({"name": "add"}), json!({"type": "retrieval", "function": {"name": "add"}})]
        {
            assert!(check_tools(&[wrong]).is_err());
        }
        let error = check_tools(&[json!({"name": "add"})]).unwrap_err().to_string();
        assert!(error.ends_with("found an object with \"name\""), "{error}");
    }
}
