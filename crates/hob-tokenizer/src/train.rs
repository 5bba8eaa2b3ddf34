//! Learning a byte-level BPE vocabulary from text: the most frequent pair of neighbours becomes a token, again and again.
//!
//! Source: Sennrich, Haddow and Birch, arXiv:1508.07909, over bytes as in GPT-2. Ties go to the pair whose tokens are older,
//! so the same text gives the same vocabulary whatever its order of documents.

use crate::Error;
use crate::alphabet;
use crate::split::{Split, preset};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};
use std::ops::Range;

/// Longest token, in bytes: longer ones are ornaments of one file.
const TOKEN_BYTES_MAX: usize = 32;

type Pair = (u32, u32);

/// Counts the pieces of texts, then learns a vocabulary from them.
#[derive(Debug)]
pub struct BpeTrainer {
    splits: Vec<Split>,
    words: HashMap<Box<[u8]>, u64>,
}

/// A learned vocabulary, in the alphabet that GGUF files and `tokenizer.json` use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainedBpe {
    /// The 256 bytes, then what merges made, then the special tokens.
    pub tokens: Vec<String>,
    /// `left right`, in order of rank.
    pub merges: Vec<String>,
    /// How many tokens at the end are special.
    pub special: usize,
}

impl BpeTrainer {
    /// A trainer that cuts text as the pre-tokenizer `pre` (a name of GGUF files, such as `smollm`).
    ///
    /// # Errors
    /// An unknown name.
    pub fn new(pre: &str) -> Result<Self, Error> {
        Ok(Self { splits: preset(pre)?.splits, words: HashMap::new() })
    }

    /// Counts the pieces of `text`.
    pub fn add(&mut self, text: &str) {
        for piece in pieces(&self.splits, text) {
            let bytes = &text.as_bytes()[piece];
            match self.words.get_mut(bytes) {
                Some(count) => *count += 1,
                None => _ = self.words.insert(bytes.into(), 1),
            }
        }
    }

    /// Learns a vocabulary of at most `size` tokens, `special` at its end included; fewer where the text has no more pairs.
    ///
    /// # Errors
    /// A size that has no room for the 256 bytes and the special tokens.
    pub fn train(self, size: usize, special: &[&str]) -> Result<TrainedBpe, Error> {
        let merges_max = size.checked_sub(256 + special.len()).ok_or_else(|| Error::Field {
            field: "vocabulary size",
            expected: "room for 256 bytes and the special tokens",
            found: size.to_string(),
        })?;
        let mut merger = Merger::new(self.words);
        while merger.merges.len() < merges_max && merger.step() {}
        let spelled = |token: &[u8]| alphabet::encode(token);
        let of = |id: u32| spelled(&merger.tokens[id as usize]);
        Ok(TrainedBpe {
            merges: merger.merges.iter().map(|&(a, b)| format!("{} {}", of(a), of(b))).collect(),
            tokens: merger
                .tokens
                .iter()
                .map(|t| spelled(t))
                .chain(special.iter().map(|s| (*s).to_owned()))
                .collect(),
            special: special.len(),
        })
    }
}

fn pieces(splits: &[Split], text: &str) -> Vec<Range<usize>> {
    let mut pieces: Vec<Range<usize>> = std::iter::once(0..text.len()).collect();
    for split in splits {
        let mut next = Vec::with_capacity(pieces.len());
        pieces.drain(..).for_each(|piece| split.run(text, piece, &mut next));
        pieces = next;
    }
    pieces
}

/// A distinct piece: its tokens so far and how often it occurs.
struct Word {
    tokens: Vec<u32>,
    count: i64,
}

struct Merger {
    tokens: Vec<Vec<u8>>,
    merges: Vec<Pair>,
    words: Vec<Word>,
    counts: HashMap<Pair, i64>,
    /// Words a pair may be in.
    places: HashMap<Pair, HashSet<u32>>,
    /// May hold counts that have changed since; those are looked up again when they come to the top.
    heap: BinaryHeap<(i64, Reverse<Pair>)>,
}

impl Merger {
    fn new(words: HashMap<Box<[u8]>, u64>) -> Self {
        let mut merger = Self {
            tokens: (0..=255u8).map(|b| vec![b]).collect(),
            merges: Vec::new(),
            words: Vec::with_capacity(words.len()),
            counts: HashMap::new(),
            places: HashMap::new(),
            heap: BinaryHeap::new(),
        };
        // Order decides nothing, but a fixed one makes runs comparable.
        for (bytes, count) in words.into_iter().collect::<BTreeMap<_, _>>() {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            let word = Word { tokens: bytes.iter().map(|b| u32::from(*b)).collect(), count };
            let index = merger.words.len() as u32;
            for pair in word.tokens.windows(2) {
                let pair = (pair[0], pair[1]);
                *merger.counts.entry(pair).or_default() += count;
                merger.places.entry(pair).or_default().insert(index);
            }
            merger.words.push(word);
        }
        merger.heap = merger.counts.iter().map(|(pair, count)| (*count, Reverse(*pair))).collect();
        merger
    }

    /// Makes the most frequent pair a token; false when no pair occurs twice.
    fn step(&mut self) -> bool {
        while let Some((count, Reverse(pair))) = self.heap.pop() {
            let now = self.counts.get(&pair).copied().unwrap_or(0);
            if now != count {
                if now > 0 {
                    self.heap.push((now, Reverse(pair)));
                }
                continue;
            }
            if count < 2 {
                return false;
            }
            let token = [self.tokens[pair.0 as usize].as_slice(), &self.tokens[pair.1 as usize]].concat();
            if token.len() > TOKEN_BYTES_MAX {
                self.counts.remove(&pair);
                continue;
            }
            self.merge(pair, token);
            return true;
        }
        false
    }

    fn merge(&mut self, pair: Pair, token: Vec<u8>) {
        let id = self.tokens.len() as u32;
        self.tokens.push(token);
        self.merges.push(pair);
        let mut changed = HashSet::new();
        for index in self.places.remove(&pair).unwrap_or_default() {
            let word = &mut self.words[index as usize];
            let merged = merged(&word.tokens, pair, id);
            for (tokens, sign) in [(&word.tokens, -word.count), (&merged, word.count)] {
                for near in tokens.windows(2).map(|p| (p[0], p[1])) {
                    *self.counts.entry(near).or_default() += sign;
                    changed.insert(near);
                    if sign > 0 {
                        self.places.entry(near).or_default().insert(index);
                    }
                }
            }
            word.tokens = merged;
        }
        for near in changed {
            match self.counts.get(&near) {
                Some(0) => _ = self.counts.remove(&near),
                Some(count) => self.heap.push((*count, Reverse(near))),
                None => {}
            }
        }
    }
}

/// `tokens` with every `pair`, from the left, replaced by `id`.
fn merged(tokens: &[u32], pair: Pair, id: u32) -> Vec<u32> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if at + 1 < tokens.len() && (tokens[at], tokens[at + 1]) == pair {
            out.push(id);
            at += 2;
        } else {
            out.push(tokens[at]);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EncodeOptions, GgufVocab, Tokenizer};

    fn train(text: &str, size: usize) -> TrainedBpe {
        let mut trainer = BpeTrainer::new("smollm").unwrap();
        trainer.add(text);
        trainer.train(size, &["<|end|>"]).unwrap()
    }

    /// What the definition says, counted anew for every merge.
    fn plain(text: &str, merges: usize) -> Vec<String> {
        let pieces = pieces(&preset("smollm").unwrap().splits, text);
        let mut words: Vec<Vec<u32>> =
            pieces.into_iter().map(|p| text.as_bytes()[p].iter().map(|b| u32::from(*b)).collect()).collect();
        let mut tokens: Vec<Vec<u8>> = (0..=255).map(|b| vec![b]).collect();
        let mut out = Vec::new();
        for _ in 0..merges {
            let mut counts: BTreeMap<Pair, usize> = BTreeMap::new();
            words
                .iter()
                .for_each(|w| w.windows(2).for_each(|p| *counts.entry((p[0], p[1])).or_default() += 1));
            let best = counts.into_iter().max_by_key(|(pair, count)| (*count, Reverse(*pair)));
            let Some((pair, 2..)) = best else { break };
            out.push(format!(
                "{} {}",
                alphabet::encode(&tokens[pair.0 as usize]),
                alphabet::encode(&tokens[pair.1 as usize])
            ));
            let id = tokens.len() as u32;
            tokens.push([tokens[pair.0 as usize].clone(), tokens[pair.1 as usize].clone()].concat());
            words.iter_mut().for_each(|w| *w = merged(w, pair, id));
        }
        out
    }

    const TEXT: &str =
        "the cat sat on the mat, and the other cats sat there; that cat saw 1234 thin mats. aaaaaaa aaaa aaa";

    #[test]
    fn merges_are_those_of_the_definition() {
        let trained = train(TEXT, 256 + 40 + 1);
        assert_eq!(trained.merges, plain(TEXT, 40));
        let merges = trained.merges.len();
        assert!(merges > 10, "{merges}");
        assert_eq!(trained.tokens.len(), 256 + merges + 1);
        assert_eq!((trained.tokens[256 + merges].as_str(), trained.special), ("<|end|>", 1));
        assert_eq!(train(TEXT, 256 + 5 + 1).merges, plain(TEXT, 5));
    }

    #[test]
    fn the_vocabulary_reads_back_and_text_survives() {
        let trained = train(TEXT, 300);
        let types: Vec<i32> =
            (0..trained.tokens.len()).map(|i| if i == trained.tokens.len() - 1 { 3 } else { 1 }).collect();
        let tokenizer = Tokenizer::from_gguf(GgufVocab {
            model: "gpt2",
            pre: Some("smollm"),
            tokens: trained.tokens.iter().map(String::as_bytes).collect(),
            token_types: Some(types),
            merges: Some(trained.merges.iter().map(String::as_bytes).collect()),
            ..GgufVocab::default()
        })
        .unwrap();
        let text = "the cats — über 77\n\n<|end|>";
        let ids = tokenizer.encode(text, EncodeOptions { add_special: false, parse_special: true });
        assert_eq!(tokenizer.decode(&ids, false), text);
        assert_eq!(ids.last(), Some(&(trained.tokens.len() as u32 - 1)));
        assert!(ids.len() < text.len() - 8);
    }

    #[test]
    fn text_without_pairs_and_sizes_without_room() {
        assert_eq!(train("", 1000).tokens.len(), 257);
        assert!(BpeTrainer::new("smollm").unwrap().train(256, &["<|end|>"]).is_err());
        assert!(BpeTrainer::new("no such").is_err());
    }
}
