//! A message of a conversation.

use crate::error::{Error, bytes, finite, time};
use crate::{Call, Id, limits, tools};
use serde::{Deserialize, Serialize};

/// A message; those of a conversation form a tree, as editing and answering anew keep what was there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// Its name within the conversation.
    pub id: Id,
    /// What it follows; `None` begins the conversation. It never changes.
    #[serde(default)]
    pub parent: Option<Id>,
    /// Who speaks. It never changes.
    pub role: Role,
    /// What is said.
    #[serde(default)]
    pub text: String,
    /// What a thinking model thought before.
    #[serde(default)]
    pub thought: String,
    /// Text files that go with it.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// When it was begun, in milliseconds since 1970.
    #[serde(default)]
    pub created: i64,
    /// How it stands.
    #[serde(default)]
    pub state: State,
    /// Why there is no whole answer.
    #[serde(default)]
    pub error: Option<Trouble>,
    /// The model that answered.
    #[serde(default)]
    pub model: Option<String>,
    /// Why the answer ended.
    #[serde(default)]
    pub finish: Option<Finish>,
    /// What the answer took.
    #[serde(default)]
    pub stats: Option<Stats>,
    /// How long the model thought, in milliseconds.
    #[serde(default)]
    pub thought_ms: Option<i64>,
    /// The functions that the answer called.
    #[serde(default)]
    pub calls: Vec<Call>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A person.
    User,
    /// A model.
    Assistant,
}

/// How a message stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is whole.
    #[default]
    Done,
    /// It grows. When nothing grows any more, whoever wrote it has gone meanwhile.
    Running,
    /// A person ended it.
    Stopped,
    /// It broke off.
    Failed,
}

/// Why an answer ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model had said everything.
    Stop,
    /// It reached the longest answer that was allowed, or the end of the context.
    Length,
    /// It called tools.
    ToolCalls,
}

/// A text file that goes with a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// The file's name.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// Why an answer failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// What happened.
    pub message: String,
    /// What to do about it.
    #[serde(default)]
    pub advice: Option<String>,
}

/// What an answer took.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stats {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of it that were remembered.
    pub cached_tokens: u64,
    /// Tokens of the answer.
    pub answer_tokens: u64,
    /// Oldest tokens that were left out.
    pub dropped_tokens: u64,
    /// Tokens of the answer a second.
    pub per_second: f64,
    /// Milliseconds until the first of them.
    pub first_token_ms: f64,
    /// Milliseconds of waiting for others.
    pub queue_ms: f64,
    /// What left this machine for it; nothing where a model here answered.
    pub elsewhere: Option<Elsewhere>,
    /// Places that a model elsewhere wrote anew in an answer of a model here.
    pub repaired: Option<Repaired>,
    /// What this machine took for it, in energy; nothing where nobody looked.
    pub energy: Option<Energy>,
}

/// Joules, never as one number where two are known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Energy {
    /// How they are known.
    pub method: Method,
    /// What they are of.
    pub scope: Scope,
    /// It was this at least.
    pub joules_low: f64,
    /// It was this at most.
    pub joules_high: f64,
    /// Of what these are the joules, and by whom.
    pub about: String,
}

/// How joules are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A counter was read.
    Measured,
    /// From the time at work.
    #[default]
    Estimated,
    /// Published of others of the kind.
    Assumed,
}

/// What joules are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// All processors, whatever used them.
    Processor,
    /// The whole computer.
    Computer,
    /// The cores that computed.
    #[default]
    Cores,
    /// A prompt to a model elsewhere.
    Prompt,
}

/// An answer of a model elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Elsewhere {
    /// The user's name of it.
    pub target: String,
    /// Bytes that were sent.
    pub sent_bytes: u64,
    /// Values that were hidden in them.
    pub hidden: u64,
    /// What it cost.
    pub dollars: f64,
    /// The entry of the ledger.
    pub ledger_entry: Option<u64>,
    /// What happened on the way.
    pub note: Option<String>,
    /// What a model elsewhere takes for an answer, as far as that is published.
    pub energy: Option<Energy>,
}

/// An answer of a model here with places that a model elsewhere was asked about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Repaired {
    /// Who was asked, and what left for it.
    pub left: Elsewhere,
    /// How many places were asked about.
    pub asked: u64,
    /// Those that say something else now.
    pub places: Vec<Place>,
}

/// A place of a text that says something else than the model here wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Place {
    /// Characters of the text before it.
    pub start: u64,
    /// The same with those in it.
    pub end: u64,
    /// What stood there.
    pub before: String,
}

impl Elsewhere {
    fn check(&self) -> Result<(), Error> {
        bytes("stats.elsewhere.target", &self.target, limits::MODEL_BYTES_MAX)?;
        let note = self.note.as_deref().unwrap_or_default();
        bytes("stats.elsewhere.note", note, limits::TROUBLE_BYTES_MAX)?;
        self.energy.as_ref().map_or(Ok(()), Energy::check)?;
        finite("stats.elsewhere", &[self.dollars])
    }
}

impl Repaired {
    /// Where the places are is for who shows them to judge: the text may have been changed since.
    fn check(&self) -> Result<(), Error> {
        if self.places.len() > limits::PLACES_MAX {
            let (expected, found) =
                (format!("at most {} places", limits::PLACES_MAX), self.places.len().to_string());
            return Err(Error::Field { field: "stats.repaired", expected, found });
        }
        let before: usize = self.places.iter().map(|place| place.before.len()).sum();
        if before > limits::TEXT_BYTES_MAX {
            let (expected, found) =
                (format!("at most {} bytes together", limits::TEXT_BYTES_MAX), before.to_string());
            return Err(Error::Field { field: "stats.repaired.before", expected, found });
        }
        self.left.check()
    }
}

impl Energy {
    fn check(&self) -> Result<(), Error> {
        bytes("stats.energy.about", &self.about, limits::TROUBLE_BYTES_MAX)?;
        finite("stats.energy", &[self.joules_low, self.joules_high])?;
        if 0.0 <= self.joules_low && self.joules_low <= self.joules_high {
            return Ok(());
        }
        let found = format!("{} to {}", self.joules_low, self.joules_high);
        Err(Error::Field {
            field: "stats.energy",
            expected: "joules from 0 on, the lower first".into(),
            found,
        })
    }
}

impl Message {
    /// Whether it may be kept.
    ///
    /// # Errors
    /// [`Error::Field`] names what is too large or makes no sense.
    pub fn check(&self) -> Result<(), Error> {
        bytes("text", &self.text, limits::TEXT_BYTES_MAX)?;
        bytes("thought", &self.thought, limits::TEXT_BYTES_MAX)?;
        bytes("model", self.model.as_deref().unwrap_or_default(), limits::MODEL_BYTES_MAX)?;
        if let Some(Trouble { message, advice }) = &self.error {
            bytes("error.message", message, limits::TROUBLE_BYTES_MAX)?;
            bytes("error.advice", advice.as_deref().unwrap_or_default(), limits::TROUBLE_BYTES_MAX)?;
        }
        self.check_attachments()?;
        tools::check_calls(&self.calls)?;
        time("created", self.created)?;
        time("thought_ms", self.thought_ms.unwrap_or(0))?;
        let stats = self.stats.as_ref();
        let figures =
            stats.map_or([0.0; 3], |stats| [stats.per_second, stats.first_token_ms, stats.queue_ms]);
        finite("stats", &figures)?;
        let tokens = stats.map_or(0, |stats| stats.prompt_tokens.max(stats.answer_tokens));
        if tokens > limits::TOKENS_MAX {
            let expected = format!("at most {} tokens", limits::TOKENS_MAX);
            return Err(Error::Field { field: "stats", expected, found: tokens.to_string() });
        }
        if let Some(energy) = stats.and_then(|stats| stats.energy.as_ref()) {
            energy.check()?;
        }
        if let Some(repaired) = stats.and_then(|stats| stats.repaired.as_ref()) {
            repaired.check()?;
        }
        stats.and_then(|stats| stats.elsewhere.as_ref()).map_or(Ok(()), Elsewhere::check)
    }

    fn check_attachments(&self) -> Result<(), Error> {
        let count = self.attachments.len();
        let sum: usize = self.attachments.iter().map(|file| file.text.len()).sum();
        let wrong = |expected: String, found: String| Error::Field { field: "attachments", expected, found };
        if count > limits::ATTACHMENTS_MAX {
            return Err(wrong(format!("at most {} files", limits::ATTACHMENTS_MAX), count.to_string()));
        }
        if sum > limits::ATTACHMENTS_BYTES_MAX {
            let expected = format!("at most {} bytes together", limits::ATTACHMENTS_BYTES_MAX);
            return Err(wrong(expected, sum.to_string()));
        }
        let mut names = self.attachments.iter();
        names.try_for_each(|file| bytes("attachments.name", &file.name, limits::NAME_BYTES_MAX))
    }
}
