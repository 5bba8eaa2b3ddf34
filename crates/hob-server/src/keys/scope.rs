//! What a key may be used for.

use crate::described::Shape;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A part of the server that a key opens. What is open to every key (which models there are, what the machine is) has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Answers and continuations, in every interface.
    Chat,
    /// Vectors of texts, and ranking by them.
    Embeddings,
    /// Fetching, making, copying and removing models.
    Models,
    /// The conversations that are kept.
    History,
    /// What the server counts.
    Metrics,
    /// Keys, and what was asked for when.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Chat, Self::Embeddings, Self::Models, Self::History, Self::Metrics, Self::Admin];

    /// What a key opens when nothing is said.
    pub const DEFAULT: [Self; 2] = [Self::Chat, Self::Embeddings];

    /// One word for people and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
            Self::Models => "models",
            Self::History => "history",
            Self::Metrics => "metrics",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            format!("expected one of {all}, found {:?}", text.chars().take(40).collect::<String>())
        })
    }
}

impl Shape for Scope {
    fn schema(_named: &mut Map<String, Value>) -> Value {
        json!({"type": "string", "enum": Self::ALL.map(Self::name)})
    }
}
