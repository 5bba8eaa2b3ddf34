//! A request, and the one thing that lets it leave.
//!
//! An [`Escalation`](crate::Escalation) can only be made from a [`Movable`], and a `Movable` only from a request that is not private.
//! Both have private fields: no score, rule or policy, and no code outside of this crate, finds a way round that.

use crate::confidence::Confidence;
use crate::corrections::Corrections;
use crate::policy::LocalModel;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Whether a request may ever leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// It stays, whatever anything says.
    Private,
    /// It may leave where the policy allows it.
    Open,
}

/// What a request asks of whoever answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Needs {
    /// Tokens of the conversation so far and the prompt; estimated from its characters where they are not known.
    pub tokens: Option<u64>,
    /// Longest answer that is wanted, where the request says so.
    pub answer_tokens: Option<u64>,
    /// Whether tools are offered.
    pub tools: bool,
    /// Whether there are images.
    pub images: bool,
    /// What kind of task it is, if anybody said so.
    pub task: Option<String>,
    /// What the local model can, where that is known better than the policy says it.
    pub local: Option<LocalModel>,
    /// When the local model's answers are right, where that was learned.
    pub confidence: Option<Arc<Confidence>>,
    /// What the user thought of earlier decisions.
    pub corrections: Option<Arc<Corrections>>,
}

/// Dollars spent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Today.
    pub day: f64,
    /// This month.
    pub month: f64,
}

/// A prompt on its way to an answer.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    prompt: &'a str,
    label: Label,
    /// What it asks for.
    pub needs: Needs,
}

/// Characters of a token in English, about.
const CHARACTERS: u64 = 4;

impl<'a> Request<'a> {
    /// A request. Its label is set once and for all.
    pub fn new(prompt: &'a str, label: Label) -> Self {
        Self { prompt, label, needs: Needs::default() }
    }

    /// What is asked.
    pub fn prompt(&self) -> &'a str {
        self.prompt
    }

    /// Whether it may ever leave.
    pub fn label(&self) -> Label {
        self.label
    }

    /// Its tokens, or an estimate.
    pub fn tokens(&self) -> u64 {
        self.needs.tokens.unwrap_or_else(|| (self.prompt.chars().count() as u64).div_ceil(CHARACTERS))
    }

    /// The leave to move it; a private request has none.
    pub fn movable(&self) -> Option<Movable<'_>> {
        match self.label {
            Label::Private => None,
            Label::Open => Some(Movable { request: self }),
        }
    }
}

/// A request that is not private. Nothing outside of this file can make one:
///
/// ```compile_fail,E0451
/// use hob_router::{Label, Movable, Request};
/// let request = Request::new("my diary", Label::Private);
/// let movable = Movable { request: &request };
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Movable<'a> {
    request: &'a Request<'a>,
}

impl<'a> Movable<'a> {
    /// The request.
    pub fn request(&self) -> &'a Request<'a> {
        self.request
    }
}
