//! What tests of several files need: engines over the shared models, prompts, a grammar.

#![allow(clippy::unwrap_used, reason = "a test stops where its set-up fails")]

use hob_engine::constraint::{Constraint, ConstraintFactory, Grammar, Limits, VocabToken};
use hob_engine::speculation::{PromptLookup, Speculation, VERIFY_TOKENS_MAX, VerifyCosts};
use hob_engine::{Engine, EngineConfig};
use hob_model::Model;
use std::path::Path;
use std::sync::Arc;

/// An engine over a model of the shared folder that remembers no prompts; `None` where the folder is not there.
pub fn engine(path: &str, change: impl FnOnce(&mut EngineConfig)) -> Option<Arc<Engine>> {
    let model = load(path)?;
    let mut config = EngineConfig { threads: 2, prefix_bytes_max: 0, ..EngineConfig::default() };
    change(&mut config);
    Some(Engine::new(model, config))
}

/// A model of the shared folder; `None` where the folder is not there.
pub fn load(path: &str) -> Option<Model> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    if !path.exists() {
        eprintln!("SKIPPED: no fixtures at {}", path.display());
        return None;
    }
    Some(Model::load(&hob_format::open(&path).unwrap()).unwrap())
}

/// Guesses at every opportunity, right or wrong.
pub fn eager() -> Speculation {
    let costs = VerifyCosts { relative: [0.5; VERIFY_TOKENS_MAX] };
    let lookup = PromptLookup { match_min: 1, ..PromptLookup::default() };
    Speculation { lookup: Some(lookup), costs: Some(costs), draft: None }
}

/// A prompt with repetitions, so that there is something to guess from.
pub fn prompt(count: usize) -> Vec<u32> {
    (0..count).map(|i| (i % 23 * 17 + i / 23 % 3) as u32 % 300 + 5).collect()
}

/// Words of three letters for tokens, so that a regular expression says which tokens may follow which.
pub fn constraint(vocab: usize, regex: &str) -> Constraint {
    let letter = |n: usize| b'a' + (n % 26) as u8;
    let words = move || {
        (0..vocab)
            .map(|i| VocabToken { bytes: vec![letter(i / 676), letter(i / 26), letter(i)], special: i == 2 })
            .collect()
    };
    ConstraintFactory::new(words, vec![2]).compile(&Grammar::Regex(regex.into()), &Limits::default()).unwrap()
}
