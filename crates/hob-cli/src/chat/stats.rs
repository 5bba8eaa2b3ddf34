//! Figures about a turn, for people and for programs.

use super::turn::Turn;
use hob::{FinishReason, LanguageModel, TokenLogprob};
use hob_base::Bytes;
use hob_server::stats::kept_energy;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What the figures are about.
pub struct Facts<'a> {
    /// The model.
    pub model: &'a LanguageModel,
    /// When the wait for the first token began: process start, or the end of the user's line.
    pub since: Instant,
    /// Tokens the conversation may hold, and why.
    pub context: crate::context::Context,
    /// Tokens the conversation holds now.
    pub used: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// Tokens a second; nothing for no time.
fn rate(tokens: usize, time: Duration) -> Option<f64> {
    (tokens > 0 && !time.is_zero()).then(|| tokens as f64 / time.as_secs_f64())
}

/// A few lines for people.
pub fn lines(turn: &Turn, facts: &Facts<'_>) -> String {
    let per_second = |rate: Option<f64>| rate.map_or(String::new(), |r| format!(", {r:.1} tokens/s"));
    let p = turn.prefilled;
    let prefill = per_second(rate(p.computed, turn.prefill));
    let decode = per_second(decode_rate(turn));
    let s = turn.reply.speculation;
    let by_model = if s.model_drafted == 0 {
        String::new()
    } else {
        format!(" (by the draft model {} and {})", s.model_drafted, s.model_accepted)
    };
    let guesses = if s.drafted == 0 {
        String::new()
    } else {
        format!(
            "guessed      {} tokens, {} of them right{by_model}, {} steps\n",
            s.drafted, s.accepted, s.steps
        )
    };
    let first = turn.first.map_or("none".to_string(), |at| milliseconds(at - facts.since));
    let engine = facts.model.engine();
    let memory = hob_eval::memory_use().map_or(String::new(), |m| {
        let (peak, own) = (Bytes(m.resident_peak), Bytes(m.resident_anonymous));
        format!("\nmemory       {peak} at most, {own} of it now beyond mapped files")
    });
    let energy = turn.energy.as_ref().map_or(String::new(), |energy| format!("energy       {energy}\n"));
    format!(
        "prompt       {} tokens: {} cached, {} computed{prefill}\n\
         answer       {} tokens{decode}\n{guesses}{energy}\
         first token  {first}\n\
         context      {} used of {}\n\
         seed         {}\n\
         compute      {}, {} threads, {}{memory}",
        p.cached + p.computed,
        p.cached,
        p.computed,
        turn.reply.tokens,
        facts.used,
        facts.context,
        facts.seed,
        crate::open::compute_name(engine.config().compute),
        engine.config().threads,
        engine.cpu().isa(),
    )
}

/// The figures that are kept with an answer.
pub fn kept(turn: &Turn, since: Instant) -> hob_chats::Stats {
    let p = turn.prefilled;
    hob_chats::Stats {
        prompt_tokens: (p.cached + p.computed) as u64,
        cached_tokens: p.cached as u64,
        answer_tokens: turn.reply.tokens as u64,
        dropped_tokens: turn.dropped as u64,
        per_second: decode_rate(turn).unwrap_or(0.0),
        first_token_ms: turn.first.map_or(0.0, |at| (at - since).as_secs_f64() * 1e3),
        queue_ms: 0.0,
        elsewhere: None,
        repaired: None,
        energy: turn.energy.as_ref().map(kept_energy),
    }
}

fn milliseconds(time: Duration) -> String {
    format!("after {:.1} ms", time.as_secs_f64() * 1e3)
}

/// The first token comes with the prompt, so it does not count.
fn decode_rate(turn: &Turn) -> Option<f64> {
    rate(turn.reply.tokens.saturating_sub(1), turn.decode)
}

/// The whole turn as one document.
pub fn document(turn: &Turn, facts: &Facts<'_>) -> anyhow::Result<Value> {
    let (p, s) = (turn.prefilled, turn.reply.speculation);
    let mut document = json!({
        "text": turn.reply.text,
        "finish": finish(turn),
        "seed": facts.seed,
        "context": facts.context.positions,
        "tokens": {
            "cached": p.cached, "computed": p.computed, "dropped": turn.dropped,
            "answer": turn.reply.tokens, "used": facts.used,
        },
        "speculation": {
            "steps": s.steps, "rounds": s.rounds, "drafted": s.drafted, "accepted": s.accepted,
            "model_drafted": s.model_drafted, "model_accepted": s.model_accepted,
        },
        "seconds": {
            "first_token": turn.first.map(|at| (at - facts.since).as_secs_f64()),
            "prefill": turn.prefill.as_secs_f64(), "decode": turn.decode.as_secs_f64(),
        },
        "tokens_per_second": { "prefill": rate(p.computed, turn.prefill), "decode": decode_rate(turn) },
        "memory": hob_eval::memory_use(),
        "energy": turn.energy.as_ref().map(kept_energy),
    });
    if !turn.reply.thought.is_empty() {
        document["thought"] = turn.reply.thought.clone().into();
    }
    if !turn.reply.logprobs.is_empty() {
        let entries =
            turn.reply.logprobs.iter().map(|l| logprob(facts.model, l)).collect::<anyhow::Result<Vec<_>>>();
        document["logprobs"] = entries?.into();
    }
    Ok(document)
}

fn finish(turn: &Turn) -> &'static str {
    match turn.reply.finish {
        Some(FinishReason::Stop) => "stop",
        Some(FinishReason::Length) => "length",
        Some(FinishReason::ContextFull) => "context_full",
        None => "interrupted",
    }
}

fn logprob(model: &LanguageModel, l: &TokenLogprob) -> anyhow::Result<Value> {
    let tokenizer = model.tokenizer()?;
    let token = |id: u32, logprob: f32| {
        let bytes = tokenizer.token_bytes(id).unwrap_or_default();
        json!({"id": id, "token": String::from_utf8_lossy(&bytes), "bytes": &*bytes, "logprob": logprob})
    };
    let mut entry = token(l.id, l.logprob);
    entry["top"] = l.top.iter().map(|&(id, logprob)| token(id, logprob)).collect();
    Ok(entry)
}
