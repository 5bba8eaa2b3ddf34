use std::sync::OnceLock;

use hob_engine::Error;
use hob_engine::constraint::{
    Constraint, ConstraintFactory, Grammar, JsonOptions, JsonWhitespace, Limits, VocabToken,
};

/// Tokens of more than one byte, some of which cross the borders of JSON tokens and of characters.
const LONGER: [&str; 16] = [
    "{\"", "\":", "\", \"", "\"}", "[[", "]]", "true", "null", "  ", "10", "-1", "\\u00", "é", "ab", "root",
    "::=",
];
const EOS: u32 = 256 + LONGER.len() as u32;

/// Tokens accepted after each other.
const STEPS: usize = 12;

/// Below the defaults, so that one input takes milliseconds under the sanitizer.
fn limits() -> Limits {
    Limits {
        source_bytes_max: 4096,
        repeat_max: 1000,
        symbol_count_max: 20_000,
        compile_fuel: 100_000,
        step_fuel: 50_000,
        step_item_count_max: 10_000,
        lexer_state_count_max: 5_000,
        ..Limits::default()
    }
}

/// Compiles the bytes as the kind of grammar that the first byte says, then follows it under its masks.
pub fn json_schema(bytes: &[u8]) {
    static FACTORY: OnceLock<ConstraintFactory> = OnceLock::new();
    let factory = FACTORY.get_or_init(|| {
        // llguidance turns its own panics into errors. libFuzzer's hook would end the process before it can; what
        // nobody catches still ends it.
        drop(std::panic::take_hook());
        ConstraintFactory::new(vocab, vec![EOS])
    });
    let Some((kind, source)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(source);
    let Some(grammar) = grammar(*kind, &text) else { return };
    match factory.compile(&grammar, &limits()) {
        Ok(constraint) => walk(constraint, source),
        Err(Error::Grammar { .. } | Error::GrammarBudget { .. }) => {}
        Err(other) => panic!("compiling failed as {other:?}"),
    }
}

fn vocab() -> Vec<VocabToken> {
    let mut all: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
    all.extend(LONGER.map(|text| text.as_bytes().to_vec()));
    all.push(b"<|end|>".to_vec());
    let token = |(id, bytes)| VocabToken { bytes, special: id == EOS as usize };
    all.into_iter().enumerate().map(token).collect()
}

fn grammar(kind: u8, text: &str) -> Option<Grammar> {
    Some(match kind % 5 {
        0 => Grammar::json_schema_text(text).ok()?,
        1 => Grammar::JsonSchema {
            schema: serde_json::from_str(text).ok()?,
            options: JsonOptions { whitespace: JsonWhitespace::Compact, one_of_as_any_of: true },
        },
        2 => Grammar::Regex(text.to_owned()),
        3 => Grammar::Gbnf(text.to_owned()),
        _ => Grammar::lark(text),
    })
}

/// Accepts allowed tokens, chosen by the input's bytes. A budget may run out on the way; nothing else may go wrong.
fn walk(mut constraint: Constraint, choices: &[u8]) {
    for step in 0..STEPS {
        let _ = constraint.forced_bytes();
        let Ok(mask) = constraint.mask() else { return };
        let mask = mask.clone();
        if constraint.is_finished() {
            assert_eq!(mask.allowed_count(), 0, "nothing follows the end");
            return;
        }
        if mask.allowed_count() == 0 {
            return;
        }
        let choice = choices.get(step).map_or(0, |byte| usize::from(*byte)) % mask.allowed_count();
        let id = mask.iter().nth(choice).expect("below the count");
        if let Some(other) = (0..=EOS).find(|id| !mask.is_allowed(*id)) {
            assert!(constraint.clone().accept(other).is_err(), "token {other} is masked and accepted");
        }
        assert!(!constraint.must_end() || id == EOS);
        let before = constraint.clone();
        match constraint.accept(id) {
            Ok(()) => {}
            Err(Error::ConstraintStopped { .. }) => return,
            Err(other) => panic!("token {id} is in the mask: {other}"),
        }
        take_back(constraint.clone(), before);
    }
}

/// Taking a token back leads to the mask there was before it.
fn take_back(mut after: Constraint, mut before: Constraint) {
    if after.rollback(1).is_err() {
        return;
    }
    if let (Ok(again), Ok(mask)) = (after.mask(), before.mask()) {
        assert!(again.iter().eq(mask.iter()), "another mask after taking a token back");
    }
}
