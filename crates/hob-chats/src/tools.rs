//! What a conversation asks of answers beyond words: the form of a JSON schema, and functions that the model calls.

use crate::error::{Error, bytes};
use crate::limits;
use crate::rows::as_json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// What it is called by.
    pub name: String,
    /// What it does, for the model.
    #[serde(default)]
    pub description: String,
    /// A JSON schema of its arguments, an object; empty where it takes none.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Whether its arguments follow that schema even where parts of it can only be refused otherwise.
    #[serde(default)]
    pub strict: bool,
}

/// Whether functions are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// They are not offered.
    None,
    /// As the model likes.
    #[default]
    Auto,
    /// An answer calls at least one.
    Required,
}

/// A call that an answer made. What came of it is kept with it: the answer after it follows this message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// What the result is told for.
    pub id: String,
    /// The function.
    pub name: String,
    /// Its arguments: JSON, as the model wrote it.
    #[serde(default)]
    pub arguments: String,
    /// What came of it; `None` where nobody has said so yet.
    #[serde(default)]
    pub result: Option<String>,
}

/// Whether these may be kept.
///
/// # Errors
/// [`Error::Field`] names what is too large.
pub(crate) fn check_settings(schema: Option<&Map<String, Value>>, tools: &[Tool]) -> Result<(), Error> {
    if let Some(schema) = schema {
        bytes("settings.schema", &as_json(schema), limits::SCHEMA_BYTES_MAX)?;
    }
    count("settings.tools", tools.len())?;
    for tool in tools {
        named("settings.tools.name", &tool.name)?;
        bytes("settings.tools.description", &tool.description, limits::SCHEMA_BYTES_MAX)?;
        bytes("settings.tools.parameters", &as_json(&tool.parameters), limits::SCHEMA_BYTES_MAX)?;
    }
    Ok(())
}

/// Whether these may be kept.
///
/// # Errors
/// As [`check_settings`].
pub(crate) fn check_calls(calls: &[Call]) -> Result<(), Error> {
    count("calls", calls.len())?;
    for call in calls {
        named("calls.id", &call.id)?;
        named("calls.name", &call.name)?;
        bytes("calls.arguments", &call.arguments, limits::CALL_BYTES_MAX)?;
        bytes("calls.result", call.result.as_deref().unwrap_or_default(), limits::CALL_BYTES_MAX)?;
    }
    Ok(())
}

impl Call {
    /// How much of a page of messages it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.arguments.len() + self.result.as_ref().map_or(0, String::len)
    }
}

fn count(field: &'static str, found: usize) -> Result<(), Error> {
    if found > limits::TOOLS_MAX {
        let expected = format!("at most {}", limits::TOOLS_MAX);
        return Err(Error::Field { field, expected, found: found.to_string() });
    }
    Ok(())
}

fn named(field: &'static str, name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Error::Field { field, expected: "a name".into(), found: "none".into() });
    }
    bytes(field, name, limits::TOOL_NAME_BYTES_MAX)
}
