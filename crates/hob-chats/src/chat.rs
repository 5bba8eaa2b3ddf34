//! A conversation without its messages.

use crate::error::{Error, bytes, finite, time};
use crate::{Id, Tool, ToolChoice, limits, tools};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A conversation without its messages. Times are milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// Its name among all conversations.
    pub id: Id,
    /// What people see.
    pub title: String,
    /// Whether a person named it; then no message renames it.
    #[serde(default)]
    pub is_named: bool,
    /// Whether it must be answered on this machine, whatever else is allowed.
    #[serde(default)]
    pub is_private: bool,
    /// The folder in which it lies.
    #[serde(default)]
    pub folder: Option<String>,
    /// When it began. What was kept first stays.
    pub created: i64,
    /// When something was last said.
    pub updated: i64,
    /// The last message of the branch that is shown.
    #[serde(default)]
    pub leaf: Option<Id>,
    /// What it asks of models.
    #[serde(default)]
    pub settings: Settings,
}

/// What a conversation asks of models.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The model that answers; `None` leaves the choice to whoever asks.
    pub model: Option<String>,
    /// Instructions that stand before it.
    pub system: String,
    /// Whether a thinking model thinks first; `None` is its own default.
    pub think: Option<bool>,
    /// Whether the oldest messages may be dropped when the context is full.
    pub may_drop: bool,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// A JSON schema that answers follow, with its members in the order in which they are to be written.
    pub schema: Option<Map<String, Value>>,
    /// Functions that the model may call.
    pub tools: Vec<Tool>,
    /// Whether it calls them.
    pub tool_choice: ToolChoice,
}

/// How tokens are drawn; what is `None` is left to the model's publisher.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs, reason = "named as samplers name them")]
pub struct Sampling {
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_k: Option<u64>,
    pub min_p: Option<f64>,
    pub repeat_penalty: Option<f64>,
    pub max_tokens: Option<u64>,
    pub seed: Option<u64>,
}

impl Chat {
    /// Whether it may be kept.
    ///
    /// # Errors
    /// [`Error::Field`] names what is too large or makes no sense.
    pub fn check(&self) -> Result<(), Error> {
        bytes("title", &self.title, limits::TITLE_BYTES_MAX)?;
        if self.title.trim().is_empty() {
            return Err(Error::Field { field: "title", expected: "some words".into(), found: "none".into() });
        }
        bytes("folder", self.folder.as_deref().unwrap_or_default(), limits::FOLDER_BYTES_MAX)?;
        bytes("settings.system", &self.settings.system, limits::SYSTEM_BYTES_MAX)?;
        bytes("settings.model", self.settings.model.as_deref().unwrap_or_default(), limits::MODEL_BYTES_MAX)?;
        let Sampling { temperature, top_p, min_p, repeat_penalty, .. } = &self.settings.sampling;
        let drawn = [temperature, top_p, min_p, repeat_penalty].map(|value| value.unwrap_or(0.0));
        finite("settings.sampling", &drawn)?;
        tools::check_settings(self.settings.schema.as_ref(), &self.settings.tools)?;
        time("created", self.created)?;
        time("updated", self.updated)
    }
}
