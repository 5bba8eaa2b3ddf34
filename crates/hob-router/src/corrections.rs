//! Where the user sent a question on that the router had left here, or the other way round: similar questions are judged
//! accordingly.

use crate::error::Error;
use crate::scorer::{Estimate, Signal};
use crate::vector::{NEARNESS, WordVector};
use serde::{Deserialize, Serialize};

/// What a file of this version says.
const VERSION: u32 = 1;

/// Corrections that are remembered: the latest.
const CORRECTIONS_MAX: usize = 1024;

/// Corrections that speak for a question, the nearest, and how near they have to be: those that merely share some words are many, and
/// would add up.
const NEIGHBOURS: usize = 5;
const LIKENESS_MIN: f32 = 0.5;

/// How many corrections of the very same question no correction weighs as much as. One of the same question moves a probability
/// of one half to .17, or to .83.
const PRIOR: f64 = 0.25;

/// A question that the user had answered elsewhere, or here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Correction {
    words: WordVector,
    suffices: bool,
}

/// The corrections of a user, the latest last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Corrections {
    version: u32,
    corrections: Vec<Correction>,
}

impl Default for Corrections {
    /// None.
    fn default() -> Self {
        Self { version: VERSION, corrections: Vec::new() }
    }
}

impl Corrections {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.corrections.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.corrections.is_empty()
    }

    /// Remembers that the local answer to `prompt` suffices, or that it does not. What was said of the very same words before
    /// no longer holds.
    pub fn remember(&mut self, prompt: &str, suffices: bool) {
        let words = WordVector::of(prompt);
        self.corrections.retain(|one| one.words != words);
        if self.corrections.len() >= CORRECTIONS_MAX {
            self.corrections.remove(0);
        }
        self.corrections.push(Correction { words, suffices });
    }

    /// What they say of a prompt, in log-odds of the local answer sufficing: 0 where none is near.
    pub fn evidence(&self, prompt: &str) -> f64 {
        if self.is_empty() {
            return 0.0;
        }
        let words = WordVector::of(prompt);
        let likeness = |one: &Correction| (words.likeness(&one.words), one.suffices);
        let mut near: Vec<(f32, bool)> =
            self.corrections.iter().map(likeness).filter(|(likeness, _)| *likeness >= LIKENESS_MIN).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut sums = [PRIOR; 2];
        for (likeness, suffices) in near.into_iter().take(NEIGHBOURS) {
            sums[usize::from(suffices)] += f64::from(likeness).powi(NEARNESS);
        }
        (sums[1] / sums[0]).ln()
    }

    /// Moves an estimate by what they say, if they do; `steepness` is how much of the log-odds a step of its score is.
    pub(crate) fn correct(&self, prompt: &str, estimate: &mut Estimate, steepness: f64) -> bool {
        let evidence = self.evidence(prompt);
        if evidence == 0.0 {
            return false;
        }
        estimate.suffices = moved(estimate.suffices, evidence);
        let weight = -evidence / steepness;
        estimate.score += weight;
        estimate.signals.push(Signal { name: "your corrections", value: evidence, weight });
        true
    }

    /// As a file.
    ///
    /// # Panics
    /// Never: numbers and texts have a form in JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts")
    }

    /// Reads what [`Corrections::to_json`] wrote.
    ///
    /// # Errors
    /// [`Error::NoCorrections`] for everything else.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let made: Self = serde_json::from_str(text).map_err(|e| Error::NoCorrections(e.to_string()))?;
        match (made.version, made.len()) {
            (VERSION, 0..=CORRECTIONS_MAX) => Ok(made),
            (version, count) => {
                Err(Error::NoCorrections(format!("{count} corrections of version {version}")))
            }
        }
    }
}

/// A probability with this evidence added, in log-odds.
pub fn moved(probability: f64, evidence: f64) -> f64 {
    let odds = (probability / (1.0 - probability).max(f64::MIN_POSITIVE)).ln() + evidence;
    1.0 / (1.0 + (-odds).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Label, Needs, Policy, Request, Router, Scorer, Spent};
    use std::sync::Arc;

    #[test]
    fn similar_questions_are_judged_as_the_user_did() {
        let mut corrections = Corrections::default();
        assert_eq!(corrections.evidence("Draft a contract with Rome."), 0.0);
        corrections.remember("Draft a contract with Rome.", false);
        let same = corrections.evidence("Draft a contract with Rome.");
        let near = corrections.evidence("Draft a contract with Oslo.");
        let far = corrections.evidence("How tall are giraffes when they sleep?");
        assert!(same < -1.5 && near < -0.3 && near > same && far == 0.0, "{same} {near} {far}");
        // The last word holds.
        corrections.remember("Draft a contract with Rome.", true);
        assert!(corrections.evidence("Draft a contract with Rome.") > 1.5 && corrections.len() == 1);
        (0..2000).for_each(|i| corrections.remember(&format!("question number {i} of many"), true));
        assert_eq!(corrections.len(), CORRECTIONS_MAX);
        // Many that share a word or two do not add up.
        assert_eq!(corrections.evidence("Is that one of the many questions that a number answers?"), 0.0);
        assert_eq!(Corrections::from_json(&corrections.to_json()), Ok(corrections));
    }

    #[test]
    fn a_decision_shows_them_among_its_signals() {
        let router = Router::new(Scorer::built_in(), Policy::default(), None);
        let decide = |corrections: &Corrections| {
            let mut request = Request::new("Draft a contract with Rome.", Label::Open);
            request.needs = Needs { corrections: Some(Arc::new(corrections.clone())), ..Needs::default() };
            router.decide(&request, Spent::default()).estimate
        };
        let mut corrections = Corrections::default();
        let before = decide(&corrections);
        corrections.remember("Draft a contract with Rome.", false);
        let after = decide(&corrections);
        assert!(after.suffices < before.suffices - 0.1, "{before:?} {after:?}");
        let sum: f64 = after.signals.iter().map(|signal| signal.weight).sum();
        assert!((sum - after.score).abs() < 1e-9 && after.signals.len() == before.signals.len() + 1);
        // The probability is still that of the score.
        let quiet = Scorer::built_in().suffices(after.score);
        assert!((quiet - after.suffices).abs() < 1e-9, "{quiet} {}", after.suffices);
    }

    #[test]
    fn broken_files_are_refused() {
        for text in
            ["", "{}", "[]", r#"{"version":2,"corrections":[]}"#, r#"{"version":1,"corrections":[{}]}"#]
        {
            assert!(matches!(Corrections::from_json(text), Err(Error::NoCorrections(_))), "{text}");
        }
    }
}
