//! Recorded outcomes: lines of JSON with a prompt and how good the answers of a smaller and of a larger model were.

use crate::error::Error;
use crate::features::Features;
use crate::metric::Outcome;
use crate::scorer::{Lesson, hash};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A question whose two answers were judged.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which set of questions it belongs to.
    pub task: String,
    /// The models, the smaller first, where the line names them.
    pub models: Option<[String; 2]>,
    /// The prompt's hash.
    pub hash: u64,
    /// Its characters.
    pub characters: usize,
    /// What it looks like.
    pub features: Features,
    /// How good the answers are.
    pub outcome: Outcome,
    /// Characters of the two answers, where the line says so.
    pub answers: Option<[usize; 2]>,
    /// Whether qualities are shares of right answers, from 0 to 1.
    pub is_share: bool,
}

#[derive(Deserialize)]
struct Line {
    task: Option<String>,
    prompt: Option<String>,
    turns: Option<Vec<String>>,
    weak: Option<String>,
    strong: Option<String>,
    weak_correct: Option<bool>,
    strong_correct: Option<bool>,
    judge_scores: Option<BTreeMap<String, Vec<[f64; 2]>>>,
    models: Option<BTreeMap<String, Graded>>,
}

#[derive(Deserialize)]
struct Graded {
    score: f64,
    #[serde(default)]
    generated_chars: usize,
}

/// The task of lines with grades of several models, which do not name one.
const UNNAMED: &str = "routerarena";

impl Row {
    /// The outcome that a line of a file tells.
    ///
    /// # Errors
    /// [`Error::Outcome`] with what is missing.
    pub fn from_json(line: &str) -> Result<Self, Error> {
        let wrong = |what: String| Error::Outcome(what);
        let line: Line = serde_json::from_str(line).map_err(|e| wrong(e.to_string()))?;
        let first_turn = line.turns.as_ref().and_then(|turns| turns.first());
        let prompt = line.prompt.as_ref().or(first_turn);
        let prompt = prompt.ok_or_else(|| wrong("there is neither `prompt` nor `turns`".into()))?;
        let named = line.weak.clone().zip(line.strong.clone()).map(|(w, s)| [w, s]);
        let (models, outcome, answers, is_share) =
            match (line.weak_correct, line.strong_correct, &line.judge_scores, &line.models) {
                (Some(weak), Some(strong), ..) => {
                    let share = |right: bool| f64::from(u8::from(right));
                    (named, Outcome { weak: share(weak), strong: share(strong) }, None, true)
                }
                (_, _, Some(judged), _) => {
                    let [weak, strong] = two(judged, |turns: &Vec<[f64; 2]>| {
                        turns.iter().map(|turn| turn[1]).sum::<f64>() / turns.len().max(1) as f64
                    })?;
                    let names = Some([weak.0, strong.0]);
                    (names, Outcome { weak: weak.1, strong: strong.1 }, None, false)
                }
                (_, _, _, Some(graded)) => {
                    let [weak, strong] = two(graded, |g: &Graded| g.score)?;
                    let of = |name: &str| graded.get(name).map_or(0, |g| g.generated_chars);
                    let answers = Some([of(&weak.0), of(&strong.0)]);
                    let is_share = [weak.1, strong.1].iter().all(|v| (0.0..=1.0).contains(v));
                    (Some([weak.0, strong.0]), Outcome { weak: weak.1, strong: strong.1 }, answers, is_share)
                }
                _ => {
                    return Err(wrong(
                    "there are neither `weak_correct` and `strong_correct` nor `judge_scores` nor `models`"
                        .into(),
                ));
                }
            };
        if !outcome.weak.is_finite() || !outcome.strong.is_finite() {
            return Err(wrong("a quality is no number".into()));
        }
        Ok(Self {
            task: line.task.unwrap_or_else(|| UNNAMED.into()),
            models,
            hash: hash(prompt),
            characters: prompt.chars().count(),
            features: Features::of(prompt),
            outcome,
            answers,
            is_share,
        })
    }

    /// The outcome as something to learn from.
    pub fn lesson(&self) -> Lesson {
        let of = |quality: f64| quality.clamp(0.0, 1.0) as f32;
        Lesson { features: self.features, local: of(self.outcome.weak), larger: of(self.outcome.strong) }
    }
}

/// Names and qualities of exactly two models, in the order of their names; [`crate::evaluate`] finds the better one.
fn two<T>(all: &BTreeMap<String, T>, quality: impl Fn(&T) -> f64) -> Result<[(String, f64); 2], Error> {
    let found: Vec<(String, f64)> = all.iter().map(|(name, v)| (name.clone(), quality(v))).collect();
    let count = found.len();
    <[(String, f64); 2]>::try_from(found)
        .map_err(|_| Error::Outcome(format!("expected answers of two models, found {count}")))
}
