//! A complete answer of this machine, and a bigger model that is asked about the few places in it that the local model doubts.
//!
//! What comes back changes these places alone. Whatever fails on the way, the answer is the one from here, to the byte.

use super::receipt::Instead;
use super::{Wanted, speak};
use crate::App;
use crate::ask::Ask;
use crate::problem::{Kind, Problem};
use hob::{FinishReason, Grammar, LanguageModel, Reply};
use hob_cloud::{Answering, Cloud, Error, Repaired};
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedSender;

/// An answer that could be asked about, and what has to hold for it afterwards.
pub(super) struct Draft {
    model: LanguageModel,
    grammar: Option<Grammar>,
    stop: Vec<String>,
    text: String,
    places: Vec<Range<usize>>,
}

impl Draft {
    /// Of a complete answer; nothing where doubt sits nowhere, or in more than a few places.
    pub(super) fn of(model: &LanguageModel, ask: &Ask, reply: &Reply) -> Option<Self> {
        // Half a document follows no schema, whatever is written in it.
        let is_half = ask.grammar.is_some() && reply.finish == Some(FinishReason::Length);
        if is_half || hob_privacy::has_marks(&reply.text) {
            return None;
        }
        let tokens: Vec<_> = model.placed(reply)?.into_iter().map(|one| (one.range, one.logprob)).collect();
        let places = hob_router::places(&reply.text, &tokens, ask.grammar.is_some())?;
        let (model, grammar, text) = (model.clone(), ask.grammar.clone(), reply.text.clone());
        Some(Self { model, grammar, stop: ask.stop.clone(), text, places })
    }

    /// How many places are asked about.
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// Asks about the places, and gives the answer as it is to be read. `going` is told who is asked; a reader that has `seen` the
    /// answer is told in the receipt what stands there instead.
    ///
    /// # Errors
    /// Why it stays as it was written here. What left is told in the receipt all the same.
    pub(super) async fn repair(
        self,
        app: &App,
        cloud: Cloud,
        mut wanted: Wanted,
        going: impl FnOnce(&str) + Send + 'static,
        seen: bool,
    ) -> Result<String, Why> {
        wanted.question = wanted.question.repairing(hob_cloud::Repair {
            text: self.text.clone(),
            places: self.places.clone(),
            is_document: self.grammar.is_some(),
        });
        let visit = Arc::clone(&app.visit);
        let hear = move |mut answering: Answering, to: &UnboundedSender<Result<Repaired, Error>>| {
            let listener = to.clone();
            answering.while_wanted(move || !listener.is_closed());
            let repaired = answering.repaired();
            speak::account(&answering, &visit, 0);
            // The ledger has the outcome before anybody hears of it.
            drop(answering);
            let _ = to.send(repaired);
        };
        let (receipt, told) = super::sent(app, cloud, wanted, going, hear).await.map_err(Why::Failed)?;
        app.visit.went(receipt.clone());
        let Some(mut told) = told else { return Err(Why::Stays) };
        let lost = || Problem::new(Kind::Internal, "the thread that asks elsewhere has stopped");
        let repaired = told.recv().await.ok_or_else(|| Why::Failed(lost()))?;
        let repaired = repaired.map_err(|error| Why::Failed(super::problem_to(&app.visit, &error)))?;
        let text = repaired.text.clone();
        let fits = tokio::task::spawn_blocking(move || self.takes(&text)).await;
        fits.map_err(|_| Why::Failed(lost()))?.map_err(Why::Failed)?;
        app.visit.went(receipt.repaired(&repaired, seen.then(|| Instead::of(&repaired))));
        Ok(repaired.text)
    }

    /// Whether the answer is still what the request asks for.
    fn takes(&self, text: &str) -> Result<(), Problem> {
        let wrong = |found: &str| {
            let message = format!("with its edits the answer {found}");
            Err(Problem::new(Kind::Upstream, message))
        };
        if self.stop.iter().any(|stop| !stop.is_empty() && text.contains(stop.as_str())) {
            return wrong("would have a text in it that ends answers");
        }
        match &self.grammar {
            Some(grammar) if !self.model.satisfies(grammar, text)? => {
                wrong("would not follow the schema of the request")
            }
            _ => Ok(()),
        }
    }
}

/// Why an answer stays as it is.
pub(super) enum Why {
    /// Nobody is asked, as the receipt says.
    Stays,
    /// Something failed.
    Failed(Problem),
}
