//! Answers beside the description that the server gives of itself.

use crate::client::Running;
use serde_json::Value;
use std::collections::BTreeSet;

/// What `/hob/v1/openapi.json` says.
pub struct Document(pub Value);

impl Document {
    pub fn of(server: &Running) -> Self {
        Self(server.get("/hob/v1/openapi.json").ok())
    }

    /// The schema of an answer in JSON; null where it is none.
    pub fn schema(&self, method: &str, path: &str) -> &Value {
        let operation = &self.0["paths"][path][method];
        assert!(operation.is_object(), "{method} {path} is not described");
        &operation["responses"]["200"]["content"]["application/json"]["schema"]
    }

    /// Whether an answer is as described, to the last member.
    pub fn check(&self, method: &str, path: &str, answer: &Value) {
        assert!(self.fits(self.schema(method, path), answer), "{method} {path}: {answer}");
    }

    /// Whether `value` is as `schema` says; the keywords are those that `described!` and the shapes beside it write.
    pub fn fits(&self, schema: &Value, value: &Value) -> bool {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.fits(self.0.pointer(reference.trim_start_matches('#')).unwrap(), value);
        }
        if let Some(choices) = schema["anyOf"].as_array() {
            return choices.iter().any(|choice| self.fits(choice, value));
        }
        let all = |value: &Value| value.as_array().cloned();
        match schema["type"].as_str().unwrap() {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_u64() || value.is_i64(),
            "number" => value.is_number(),
            "string" if schema["enum"].is_array() => schema["enum"].as_array().unwrap().contains(value),
            "string" => value.is_string(),
            "array" => all(value).is_some_and(|all| all.iter().all(|one| self.fits(&schema["items"], one))),
            "object" if schema["properties"].is_null() => value.is_object(),
            _ => {
                let properties = schema["properties"].as_object().unwrap();
                let Some(found) = value.as_object() else { return false };
                properties.keys().collect::<BTreeSet<_>>() == found.keys().collect()
                    && found.iter().all(|(key, value)| self.fits(&properties[key], value))
            }
        }
    }
}
