//! The places where a chat template may be.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::mapping::Mapping;
use crate::{Error, json};

/// Largest template; the longest in use have 20 kB.
const TEMPLATE_BYTES_MAX: u64 = 1 << 20;

#[derive(Default)]
pub(super) struct Templates {
    pub(super) default: Option<String>,
    pub(super) named: BTreeMap<String, String>,
}

/// `chat_template.jinja` wins over `chat_template.json`, which wins over the tokenizer configuration.
pub(super) fn find(dir: &Path, tokenizer_config: Option<&Value>) -> Result<Templates, Error> {
    let file = dir.join("tokenizer_config.json").display().to_string();
    let mut templates = tokenizer_config
        .and_then(|c| c.get("chat_template"))
        .map_or(Ok(Templates::default()), |v| of_value(&file, v))?;
    let path = dir.join("chat_template.json");
    let json = json::read_optional::<Value>(&path, json::CONFIG_BYTES_MAX, "{\"chat_template\": ...}")?;
    if let Some(value) = json.as_ref().and_then(|json| json.get("chat_template")) {
        templates = of_value(&path.display().to_string(), value)?;
    }
    let path = dir.join("chat_template.jinja");
    if path.is_file() {
        templates.default = Some(read_text(&path)?);
    }
    Ok(templates)
}

/// A template, or a list of `{"name", "template"}` of which one is called `default`.
fn of_value(file: &str, value: &Value) -> Result<Templates, Error> {
    let mut templates = Templates::default();
    let wrong = |found: &str| {
        Error::malformed(file, "chat_template", "a string, or a list of {name, template}", found)
    };
    match value {
        Value::Null => {}
        Value::String(text) => templates.default = Some(limited(file, text)?),
        Value::Array(list) => {
            for item in list {
                let field = |key: &str| item.get(key).and_then(Value::as_str);
                let (Some(name), Some(text)) = (field("name"), field("template")) else {
                    return Err(wrong("a list item without name and template"));
                };
                let text = limited(file, text)?;
                if name == "default" {
                    templates.default = Some(text);
                } else {
                    templates.named.insert(name.to_owned(), text);
                }
            }
        }
        _ => return Err(wrong("another JSON value")),
    }
    Ok(templates)
}

fn limited(file: &str, text: &str) -> Result<String, Error> {
    check_length(file, text.len())?;
    Ok(text.to_owned())
}

fn read_text(path: &Path) -> Result<String, Error> {
    let file = path.display().to_string();
    let bytes = Mapping::open(path)?.bytes();
    check_length(&file, bytes.len())?;
    String::from_utf8(bytes.to_vec()).map_err(|e| {
        let found = format!("byte {} that is not", e.utf8_error().valid_up_to());
        Error::malformed(&file, "template", "UTF-8 text", found)
    })
}

fn check_length(file: &str, bytes: usize) -> Result<(), Error> {
    let (found, limit) = (bytes as u64, TEMPLATE_BYTES_MAX);
    if found > limit {
        return Err(Error::Limit { file: file.to_owned(), what: "bytes of chat template", found, limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_places_win() {
        let dir = tempfile::tempdir().unwrap();
        let config = serde_json::json!({"chat_template": [
            {"name": "default", "template": "a"}, {"name": "tool_use", "template": "t"}]});
        let found = find(dir.path(), Some(&config)).unwrap();
        assert_eq!((found.default.as_deref(), found.named["tool_use"].as_str()), (Some("a"), "t"));

        std::fs::write(dir.path().join("chat_template.json"), r#"{"chat_template": "b"}"#).unwrap();
        assert_eq!(find(dir.path(), Some(&config)).unwrap().default.as_deref(), Some("b"));
        std::fs::write(dir.path().join("chat_template.jinja"), "c").unwrap();
        assert_eq!(find(dir.path(), Some(&config)).unwrap().default.as_deref(), Some("c"));
    }

    #[test]
    fn other_values_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        for bad in
            [serde_json::json!({"chat_template": 3}), serde_json::json!({"chat_template": [{"name": "x"}]})]
        {
            assert!(find(dir.path(), Some(&bad)).is_err(), "{bad}");
        }
        let none = serde_json::json!({"chat_template": null});
        assert!(find(dir.path(), Some(&none)).unwrap().default.is_none());
    }
}
