//! A local model's answer, judged while it is written, for `hob route explain --answer`.

use crate::cloud;
use crate::open::{self, RunArgs};
use anyhow::{anyhow, bail};
use hob::{AnswerOptions, ChatOptions, LanguageModel, SamplerConfig};
use hob_router::{
    Confidence, Decision, Estimate, LIKELIEST_TOKENS, Label, Request, Router, Spent, Watch, places,
};
use serde_json::{Value, json};
use std::fmt::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Longest answer.
const TOKENS_MAX: usize = 512;

/// A model with what is known of its answers.
pub struct Known {
    model: LanguageModel,
    pub confidence: Arc<Confidence>,
}

/// An answer, and what would become of it.
pub struct Written<'a> {
    text: String,
    stages: Vec<(u64, Decision<'a>)>,
    /// Who would be asked about places of the complete answer, and which these are.
    repair: Option<(Decision<'a>, Vec<String>)>,
}

impl Known {
    /// The model at `path`.
    pub fn of(path: &Path, run: &RunArgs) -> anyhow::Result<Self> {
        let model = open::model(path, run)?;
        let known = cloud::open()?.confidence(&model.fingerprint())?;
        let path = path.display();
        let confidence = known.ok_or_else(|| {
            anyhow!(
                "when {path} is right is not known; `hob route calibrate {path} --file QUESTIONS` finds out"
            )
        })?;
        Ok(Self { model, confidence })
    }

    /// Lets it answer, and asks the router at each stage.
    pub fn written<'a>(
        self,
        router: &'a Router,
        request: &'a Request<'a>,
        spent: Spent,
    ) -> anyhow::Result<Written<'a>> {
        let Some(handover) = router.policy().handover else {
            bail!(
                "the policy does not say when an answer is handed over; give it handover = {{ below = 0.3 }}"
            );
        };
        let mut chat = self.model.chat(ChatOptions::default());
        chat.say(request.prompt());
        let mut options = AnswerOptions {
            sampler: Some(SamplerConfig { logprobs: Some(LIKELIEST_TOKENS), ..SamplerConfig::greedy() }),
            max_tokens: Some(TOKENS_MAX),
            ..AnswerOptions::default()
        };
        let reply = chat.answer(&mut options)?.finish()?;
        let mut watch = Watch::new(self.confidence, request.prompt());
        let mut judged: Vec<(u64, Estimate)> = Vec::new();
        for token in &reply.logprobs {
            let estimate = watch.push(token.logprob, &token.top);
            judged.extend(estimate.map(|estimate| (watch.tokens(), estimate)));
        }
        let end = watch.end();
        judged.extend(end.clone().map(|estimate| (watch.tokens(), estimate)));
        let decide = |(tokens, estimate)| (tokens, router.reconsider(request, spent, estimate, tokens));
        let stages = judged.into_iter().map(decide).collect();
        let repair = match (end, self.model.placed(&reply), handover.repair) {
            (Some(estimate), Some(tokens), Some(_)) => {
                let tokens: Vec<_> = tokens.into_iter().map(|one| (one.range, one.logprob)).collect();
                let places = places(&reply.text, &tokens, false);
                let texts = |places: Vec<Range<usize>>| {
                    places.into_iter().map(|place| reply.text[place].to_owned()).collect()
                };
                let decision = router.repair(request, spent, estimate, watch.tokens());
                places.map(|places| (decision, texts(places)))
            }
            _ => None,
        };
        Ok(Written { text: reply.text, stages, repair })
    }
}

impl Written<'_> {
    pub fn to_json(&self, label: Label) -> Value {
        let stage = |(tokens, decision): &(u64, Decision<'_>)| {
            let mut stage = decision.to_json(label);
            stage["tokens"] = (*tokens).into();
            stage
        };
        let repair = self.repair.as_ref().map(|(decision, places)| {
            let mut repair = decision.to_json(label);
            repair["places"] = json!(places);
            repair
        });
        let stages: Vec<Value> = self.stages.iter().map(stage).collect();
        json!({"text": self.text, "stages": stages, "repair": repair})
    }

    pub fn described(&self) -> anyhow::Result<String> {
        let mut text = format!("\nthe answer here: {}\n\n", crate::out::harmless(self.text.trim()));
        for (tokens, decision) in &self.stages {
            let goes = matches!(decision.route, hob_router::Route::Escalate(_));
            let verdict = if goes { "would go on elsewhere" } else { "stays" };
            writeln!(text, "{tokens:>6} tokens: {verdict}: {}", decision.reason)?;
        }
        if let Some((decision, places)) = &self.repair {
            let goes = matches!(decision.route, hob_router::Route::Escalate(_));
            let verdict = if goes { "would be asked about" } else { "stay" };
            let places: Vec<String> =
                places.iter().map(|place| crate::out::harmless(place).to_string()).collect();
            writeln!(text, "read as a whole or on the page, these places {verdict}: {}", places.join(" | "))?;
        }
        Ok(text)
    }
}
