//! Constraints over a small vocabulary whose token bytes are known.

mod bench_data;
mod bombs;
mod distinct;
mod gbnf;
mod schemas;
mod walks;

use serde_json::Value;

use super::*;
use crate::sampling::Rng;
use crate::{Error, Result};

/// Tokens of more than one byte, some crossing the borders of JSON tokens and of characters.
const MERGES: [&str; 28] = [
    "{\"",
    "\":",
    "\", \"",
    "\"}",
    "[[",
    "]]",
    "},{",
    "true",
    "false",
    "null",
    "  ",
    "\n  ",
    "10",
    "00",
    "-1",
    "1.",
    "e+",
    "the",
    "ab",
    "abc",
    "\\n",
    "\\u00",
    "é",
    "漢字",
    "\u{1F600}",
    "a\"",
    "\": \"",
    ",\"",
];
const EOS: u32 = 256 + MERGES.len() as u32;
/// A second end token, a control token, a duplicate of `a`, and a token that stands for nothing.
const EOS_2: u32 = EOS + 1;
const TOOL: u32 = EOS + 2;
const DUPLICATE_A: u32 = EOS + 3;
const NOTHING: u32 = EOS + 4;

fn vocab() -> Vec<VocabToken> {
    let plain = |bytes: Vec<u8>| VocabToken { bytes, special: false };
    let special = |name: &str| VocabToken { bytes: name.as_bytes().to_vec(), special: true };
    let mut all: Vec<_> = (0..=255u8).map(|b| plain(vec![b])).collect();
    all.extend(MERGES.iter().map(|m| plain(m.as_bytes().to_vec())));
    all.extend([special("<|end|>"), special("<|end_of_turn|>"), special("<|tool|>")]);
    all.extend([plain(b"a".to_vec()), plain(vec![])]);
    all
}

fn factory() -> &'static ConstraintFactory {
    static FACTORY: std::sync::OnceLock<ConstraintFactory> = std::sync::OnceLock::new();
    FACTORY.get_or_init(|| ConstraintFactory::new(vocab, vec![EOS, EOS_2]))
}

fn compile(grammar: &Grammar) -> Result<Constraint> {
    factory().compile(grammar, &Limits::default())
}

fn schema(value: Value) -> Result<Constraint> {
    compile(&Grammar::json_schema(value))
}

fn bytes_of(id: u32) -> Vec<u8> {
    vocab()[id as usize].bytes.clone()
}

/// Whether a constraint accepts exactly this text and then the end.
fn accepts(constraint: &Constraint, text: &[u8]) -> bool {
    let mut c = constraint.clone();
    text.iter().all(|b| c.accept(u32::from(*b)).is_ok()) && c.accept(EOS).is_ok()
}

/// A text drawn under the mask. After `patience` tokens the walk prefers whatever closes the text: the end where it is
/// allowed, then closing bytes.
fn walk(constraint: &Constraint, seed: u64, patience: usize) -> Vec<u8> {
    let table = vocab();
    let mut c = constraint.clone();
    let mut rng = Rng::new(seed);
    let mut text = Vec::new();
    for step in 0..patience * 20 {
        let mask = c.mask().unwrap_or_else(|e| panic!("{e} after {:?}", String::from_utf8_lossy(&text)));
        let allowed: Vec<u32> = mask.iter().collect();
        assert!(!allowed.is_empty(), "dead end after {:?}", String::from_utf8_lossy(&text));
        assert_eq!(allowed.contains(&EOS), c.can_end().unwrap());
        let closing = [EOS, u32::from(b'"'), u32::from(b'}'), u32::from(b']'), u32::from(b'0')];
        let preferred = closing.iter().find(|id| step > patience && allowed.contains(id));
        let id = preferred.copied().unwrap_or_else(|| allowed[rng.next_u64() as usize % allowed.len()]);
        c.accept(id).unwrap();
        if c.is_finished() {
            assert_eq!(c.mask().unwrap().allowed_count(), 0);
            return text;
        }
        text.extend_from_slice(&table[id as usize].bytes);
    }
    panic!("no end after {:?}", String::from_utf8_lossy(&text));
}

/// Whether the text is JSON. Numbers may exceed what an f64 holds, which serde_json reports as an error of its own.
fn is_json(text: &[u8]) -> bool {
    match serde_json::from_slice::<Value>(text) {
        Ok(_) => true,
        Err(e) => e.to_string().starts_with("number out of range"),
    }
}

#[test]
fn shared_between_threads() {
    fn sendable<T: Send>() {}
    fn shareable<T: Sync>() {}
    sendable::<Constraint>();
    sendable::<ConstraintFactory>();
    shareable::<ConstraintFactory>();
}

#[test]
fn the_vocabulary_is_read_late_and_checked() {
    let lazy = ConstraintFactory::new(|| panic!("read too early"), vec![0]);
    drop(lazy);
    let compiled = |vocab: fn() -> Vec<VocabToken>, eos| {
        ConstraintFactory::new(vocab, eos).compile(&Grammar::Regex("a".into()), &Limits::default())
    };
    let broken = [compiled(Vec::new, vec![0]), compiled(vocab, vec![]), compiled(vocab, vec![NOTHING + 1])];
    for result in broken {
        assert!(matches!(result, Err(Error::Vocabulary { .. })), "{result:?}");
    }
}

#[test]
fn long_and_odd_tokens_are_left_out() {
    let vocab = || {
        let plain = |bytes: Vec<u8>| VocabToken { bytes, special: false };
        vec![
            plain(vec![b'a'; 1000]),
            plain(vec![0xff]),
            plain(b"a".to_vec()),
            plain(vec![]),
            plain(b"\xffa".to_vec()),
        ]
    };
    let factory = ConstraintFactory::new(vocab, vec![3]);
    let mut c = factory.compile(&Grammar::Regex("a*".into()), &Limits::default()).unwrap();
    assert_eq!(c.mask().unwrap().iter().collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn a_mask_offers_every_spelling() {
    let mut c = compile(&Grammar::Regex("abc|漢字!".into())).unwrap();
    let allowed: Vec<_> = c.mask().unwrap().iter().map(bytes_of).collect();
    let mut expected = vec![b"a".to_vec(), b"a".to_vec(), b"ab".to_vec(), b"abc".to_vec()];
    expected.extend(["漢字".as_bytes().to_vec(), "漢".as_bytes()[..1].to_vec()]);
    let sorted = |mut v: Vec<Vec<u8>>| {
        v.sort();
        v
    };
    assert_eq!(sorted(allowed), sorted(expected));
    c.accept(DUPLICATE_A).unwrap();
    assert_eq!(c.forced_bytes(), b"bc");
}

#[test]
fn refusals_change_nothing() {
    let mut c = compile(&Grammar::Regex("ab?".into())).unwrap();
    for id in [u32::from(b'x'), EOS, EOS_2, TOOL, NOTHING, NOTHING + 1, u32::MAX] {
        assert_eq!(c.accept(id), Err(Error::TokenNotAllowed { id, position: 0 }));
    }
    c.accept(u32::from(b'a')).unwrap();
    assert!(c.can_end().unwrap() && !c.must_end() && !c.is_finished());
    c.accept(u32::from(b'b')).unwrap();
    assert!(c.must_end());
    assert_eq!(c.mask().unwrap().iter().collect::<Vec<_>>(), [EOS, EOS_2]);
    assert!(matches!(c.accept(u32::from(b'b')), Err(Error::TokenNotAllowed { position: 2, .. })));
    c.accept(EOS_2).unwrap();
    assert!(c.is_finished());
    assert!(matches!(c.accept(EOS), Err(Error::TokenNotAllowed { position: 3, .. })));
}

#[test]
fn rollback_and_clones_return_to_the_same_mask() {
    let start =
        schema(serde_json::json!({"type": "object", "properties": {"a": {"type": "integer"}}})).unwrap();
    for seed in 0..20 {
        let text = walk(&start, seed, 30);
        let mut c = start.clone();
        let mut masks = Vec::new();
        for &b in &text {
            masks.push(c.mask().unwrap().clone());
            c.accept(u32::from(b)).unwrap();
        }
        c.accept(EOS).unwrap();
        c.rollback(1).unwrap();
        assert!(c.can_end().unwrap() && !c.is_finished());
        for (n, mask) in masks.iter().enumerate().rev() {
            c.rollback(1).unwrap();
            assert_eq!(c.mask().unwrap(), mask, "at {n} of {:?}", String::from_utf8_lossy(&text));
        }
        assert!(c.rollback(1).is_err());
    }
}
