//! A prompt as a vector of its words, for finding prompts like it. No model is asked: words and pairs of words are counted at places
//! that their hashes choose, with a sign so that collisions cancel on average (Weinberger et al., "Feature Hashing for Large
//! Scale Multitask Learning", 2009).

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Likeness counts with this power: near ones speak for far more than those that merely share some words.
pub(crate) const NEARNESS: i32 = 4;

/// Numbers of a vector.
const WIDTH: usize = 512;

/// Words that are looked at: what a prompt asks for stands at its ends, so half of them are its first and half its last.
const WORDS_MAX: usize = 2048;

/// What the largest number of a vector becomes.
const SCALE: f32 = 127.0;

/// A prompt's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct WordVector {
    numbers: Vec<i8>,
    length: f32,
}

impl WordVector {
    /// That of a prompt.
    pub fn of(prompt: &str) -> Self {
        let words = words(prompt);
        // In one order, so that the sums are the same each time.
        let mut counts: BTreeMap<u64, f32> = BTreeMap::new();
        let mut count = |hash: u64| *counts.entry(hash).or_default() += 1.0;
        for (i, word) in words.iter().enumerate() {
            count(crate::hash(word));
            if let Some(next) = words.get(i + 1) {
                count(crate::hash(&format!("{word} {next}")));
            }
        }
        let mut sums = vec![0.0f32; WIDTH];
        for (hash, n) in counts {
            let mixed = mixed(hash);
            let sign = if mixed & 1 == 0 { 1.0 } else { -1.0 };
            // A word said ten times does not say ten times as much.
            sums[(mixed >> 1) as usize % WIDTH] += sign * n.sqrt();
        }
        let most = sums.iter().fold(0.0f32, |most, v| most.max(v.abs())).max(f32::MIN_POSITIVE);
        Self::new(sums.iter().map(|v| (v / most * SCALE).round() as i8).collect())
    }

    fn new(numbers: Vec<i8>) -> Self {
        let squares: i64 = numbers.iter().map(|v| i64::from(*v).pow(2)).sum();
        Self { numbers, length: (squares as f32).sqrt() }
    }

    /// The cosine of the angle between two: 1 for the same words, about 0 for none in common.
    pub fn likeness(&self, other: &Self) -> f32 {
        let dot: i32 =
            self.numbers.iter().zip(&other.numbers).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum();
        let lengths = self.length * other.length;
        if lengths > 0.0 { dot as f32 / lengths } else { 0.0 }
    }
}

/// Short texts leave FNV-1a's bits badly mixed; this is the last step of SplitMix64 (Steele, Lea and Flood, 2014).
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ hash >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ hash >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ hash >> 31
}

/// Words in small letters, digits and other signs one by one: of a long prompt the first and the last.
fn words(prompt: &str) -> Vec<String> {
    let mut kept = Kept::default();
    let mut word = String::new();
    for c in prompt.chars() {
        if c.is_alphabetic() || c == '\'' {
            word.extend(c.to_lowercase());
            continue;
        }
        if !word.is_empty() {
            kept.push(std::mem::take(&mut word));
        }
        if !c.is_whitespace() {
            kept.push(c.to_string());
        }
    }
    if !word.is_empty() {
        kept.push(word);
    }
    kept.first.extend(kept.last);
    kept.first
}

/// The first and the last words; those between are let go as they come.
#[derive(Default)]
struct Kept {
    first: Vec<String>,
    last: VecDeque<String>,
}

impl Kept {
    fn push(&mut self, word: String) {
        if self.first.len() < WORDS_MAX / 2 {
            return self.first.push(word);
        }
        if self.last.len() >= WORDS_MAX / 2 {
            self.last.pop_front();
        }
        self.last.push_back(word);
    }
}

impl From<WordVector> for String {
    fn from(vector: WordVector) -> Self {
        vector.numbers.iter().map(|v| format!("{:02x}", v.cast_unsigned())).collect()
    }
}

impl TryFrom<String> for WordVector {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digit = |pair: &[u8; 2]| {
            let text = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(text, 16).ok().map(u8::cast_signed)
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let numbers: Option<Vec<i8>> = pairs.iter().map(digit).collect();
        match numbers {
            Some(numbers) if numbers.len() == WIDTH && rest.is_empty() => Ok(Self::new(numbers)),
            _ => {
                Err(format!("expected {WIDTH} numbers of two hexadecimal digits, found {} bytes", text.len()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prompts_of_one_kind_are_alike() {
        let of = WordVector::of;
        let (rome, oslo) =
            (of("How far is it from Rome to the sea?"), of("How far is it from Oslo to the sea?"));
        let other = of("Write a poem about autumn leaves.");
        assert!(rome.likeness(&oslo) > 0.6 && rome.likeness(&other) < 0.3);
        assert!((rome.likeness(&of("how FAR is it from rome to the sea?")) - 1.0).abs() < 1e-3);
        assert_eq!(of("").likeness(&rome), 0.0);
        let long =
            |middle: &str| of(&format!("first {}{middle} {}last", "a ".repeat(1500), "b ".repeat(1500)));
        assert_eq!(long("c"), long("d"));
    }

    proptest! {
        #[test]
        fn any_text_has_a_vector_that_a_file_can_hold(text in any::<String>()) {
            let vector = WordVector::of(&text);
            prop_assert!(vector.likeness(&vector).is_finite());
            prop_assert_eq!(WordVector::try_from(String::from(vector.clone())), Ok(vector));
        }

        #[test]
        fn other_texts_are_refused(text in "[0-9a-zäö]{0,40}") {
            prop_assert!(WordVector::try_from(text).is_err());
        }
    }
}
