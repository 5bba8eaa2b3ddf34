//! Calls of tools: what may be called, how a model writes it, and telling calls from the text around them.
//!
//! Nothing here knows models by name: [`CallForm::find`] lets a model's own template write calls and reads off how it
//! does. The grammar (`grammar.rs`) then leaves an answer no other form, so that arguments always fit their schema, and
//! the splitter (`splitter.rs`) takes the calls out of the text as it arrives.

mod form;
mod grammar;
mod splitter;

pub(crate) use form::CallForm;
pub(crate) use splitter::{CallPart, CallSplitter};

use crate::Error;
use serde_json::{Map, Value, json};

/// Longest name of a tool, in bytes; the OpenAI interface allows 64.
const NAME_BYTES_MAX: usize = 256;

/// A model wants a tool to be called.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// The tool.
    pub name: String,
    /// What to call it with.
    pub arguments: Map<String, Value>,
}

/// Whether an answer calls tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// If the model wants to.
    Auto,
    /// In any case.
    Required,
    /// In any case, and this one.
    Named(String),
}

/// A tool as far as an answer's form depends on it.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub name: String,
    pub parameters: Value,
    /// Its schema is to be enforced in full, or refused.
    pub strict: bool,
}

/// Tools that an answer may call.
#[derive(Clone, Debug)]
pub struct Calling {
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: ToolChoice,
    /// Whether it may call several at once.
    pub(crate) parallel: bool,
}

impl Calling {
    /// Takes tools in the OpenAI shape.
    ///
    /// # Errors
    /// [`Error::Tool`] for a tool without a usable name, or a choice that is not among them.
    pub fn new(tools: &[Value], choice: ToolChoice, parallel: bool) -> Result<Self, Error> {
        let tools = tools
            .iter()
            .enumerate()
            .map(|(index, tool)| parse(index, tool))
            .collect::<Result<Vec<_>, _>>()?;
        if let ToolChoice::Named(name) = &choice
            && !tools.iter().any(|tool| tool.name == *name)
        {
            let found = format!("no tool named {:?}", shortened(name));
            return Err(Error::Tool {
                index: 0,
                expected: "the tool that the answer has to call among the tools",
                found,
            });
        }
        Ok(Self { tools, choice, parallel })
    }

    /// The same with any object as the arguments of tools that are not strict; `None` where all are.
    pub(crate) fn relaxed(&self) -> Option<Self> {
        let mut relaxed = self.clone();
        let mut loose: Vec<&mut Tool> = relaxed.tools.iter_mut().filter(|tool| !tool.strict).collect();
        loose.iter_mut().for_each(|tool| tool.parameters = json!({"type": "object"}));
        (!loose.is_empty()).then_some(relaxed)
    }
}

fn parse(index: usize, tool: &Value) -> Result<Tool, Error> {
    let wrong = |expected, found: &str| Err(Error::Tool { index, expected, found: shortened(found) });
    let function = tool.get("function").unwrap_or(tool);
    let name = match function.get("name") {
        Some(Value::String(name)) if !name.is_empty() && name.len() <= NAME_BYTES_MAX => name.clone(),
        Some(name) => return wrong("a name of 1 to 256 bytes", &name.to_string()),
        None => return wrong("a function with a name", "none"),
    };
    let parameters = match function.get("parameters") {
        None | Some(Value::Null) => json!({"type": "object", "properties": {}}),
        Some(parameters @ Value::Object(_)) => parameters.clone(),
        Some(other) => return wrong("a JSON schema as parameters", &other.to_string()),
    };
    let strict = function.get("strict").and_then(Value::as_bool).unwrap_or(false);
    Ok(Tool { name, parameters, strict })
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}
