//! Names of people, companies and places, streets and what people do: what has no form of its own.
//!
//! A linear model over a sequence of tokens: every feature of a token votes for each tag, every tag for the next, and the best
//! sequence wins (Viterbi). It is learned as Collins's averaged perceptron ("Discriminative training methods for hidden Markov
//! models", 2002). Features fall into a fixed number of buckets, so that no word of the text it learned from is kept.

mod features;
mod learn;
mod openers;
mod tokens;

use crate::{Finding, Label, Sure};
pub use features::LISTS;
use features::features;
pub use learn::{Example, Lesson};
pub(crate) use tokens::{Token, tokens};

/// What the tagger tells apart. A tag is the beginning or the inside of one of them, or nothing.
pub(crate) const KINDS: [Label; 9] = [
    Label::Person,
    Label::Organisation,
    Label::Place,
    Label::Address,
    Label::Nationality,
    Label::Title,
    Label::Date,
    Label::Age,
    Label::PostCode,
];

/// Number of tags: nothing, and two for each kind.
const TAGS: usize = 1 + 2 * KINDS.len();

/// Votes that nothing has to have more than something: a name that is missed costs more than a word that is hidden.
const REACH: f32 = 3.0;

/// First bytes of a file.
const MAGIC: &[u8; 8] = b"hobtag01";

/// A trained tagger.
#[derive(Clone)]
pub struct Tagger {
    buckets: u32,
    /// What a step of a weight is worth.
    scale: f32,
    /// Votes of features, `[buckets, TAGS]`.
    votes: Vec<i8>,
    /// Votes of a tag for the next, `[TAGS, TAGS]`.
    next: Vec<f32>,
}

/// A file that is no tagger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a tagger of this version, found something else or a part of one")]
pub struct NoTagger;

impl Tagger {
    /// The one that is built in; `cargo xtask tagger` makes it.
    ///
    /// # Panics
    /// Never: a test reads it.
    pub fn built_in() -> Self {
        Self::from_bytes(include_bytes!("tagger.bin")).expect("the built-in tagger is whole")
    }

    /// Reads what [`Tagger::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`NoTagger`] for everything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoTagger> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(NoTagger)?;
        let (head, rest) = rest.split_at_checked(8 + 4 * TAGS * TAGS).ok_or(NoTagger)?;
        let words: Vec<[u8; 4]> = head.chunks_exact(4).map(|w| [w[0], w[1], w[2], w[3]]).collect();
        let (buckets, scale) = (u32::from_le_bytes(words[0]), f32::from_le_bytes(words[1]));
        if buckets == 0 || u64::from(buckets) * TAGS as u64 != rest.len() as u64 || !scale.is_finite() {
            return Err(NoTagger);
        }
        let next = words[2..].iter().map(|w| f32::from_le_bytes(*w)).collect();
        Ok(Self { buckets, scale, votes: rest.iter().map(|b| b.cast_signed()).collect(), next })
    }

    /// As a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(self.buckets.to_le_bytes());
        bytes.extend(self.scale.to_le_bytes());
        self.next.iter().for_each(|v| bytes.extend(v.to_le_bytes()));
        bytes.extend(self.votes.iter().map(|v| v.cast_unsigned()));
        bytes
    }

    /// What is named in `text`, where rules found `rules`.
    pub fn find(&self, text: &str, rules: &[Finding]) -> Vec<Finding> {
        let tokens = tokens(text);
        let features = features(text, &tokens, rules, self.buckets);
        let mut emitted: Vec<f32> = features.iter().flat_map(|f| self.emit(f)).collect();
        emitted.iter_mut().step_by(TAGS).for_each(|v| *v -= REACH);
        let mut found = spans(&tokens, &best_path(&emitted, &self.next));
        openers::without_openers(text, &tokens, &mut found);
        found
    }

    fn emit(&self, features: &[u32]) -> [f32; TAGS] {
        let mut sums = [0i32; TAGS];
        for f in features {
            let votes = &self.votes[*f as usize * TAGS..][..TAGS];
            sums.iter_mut().zip(votes).for_each(|(sum, v)| *sum += i32::from(*v));
        }
        sums.map(|sum| sum as f32 * self.scale)
    }
}

/// The tags with the highest sum of votes; an inside follows its own beginning or inside only.
fn best_path(emitted: &[f32], next: &[f32]) -> Vec<usize> {
    let steps = emitted.len() / TAGS;
    let mut from = vec![0u8; emitted.len()];
    let mut sums = [0.0f32; TAGS];
    for step in 0..steps {
        let votes = &emitted[step * TAGS..][..TAGS];
        let mut now = [f32::NEG_INFINITY; TAGS];
        for tag in 0..TAGS {
            for before in 0..TAGS {
                let may_follow =
                    if step == 0 { before == 0 && !is_inside(tag) } else { follows(tag, before) };
                let sum = sums[before] + next[before * TAGS + tag];
                if may_follow && sum > now[tag] {
                    now[tag] = sum;
                    from[step * TAGS + tag] = before as u8;
                }
            }
            now[tag] += votes[tag];
        }
        sums = now;
    }
    let mut tag = (0..TAGS).max_by(|a, b| sums[*a].total_cmp(&sums[*b])).unwrap_or(0);
    let mut path = vec![0; steps];
    for step in (0..steps).rev() {
        path[step] = tag;
        tag = usize::from(from[step * TAGS + tag]);
    }
    path
}

fn is_inside(tag: usize) -> bool {
    tag > 0 && tag.is_multiple_of(2)
}

fn follows(tag: usize, before: usize) -> bool {
    !is_inside(tag) || before == tag || before + 1 == tag
}

/// Tags as places in the text.
fn spans(tokens: &[Token], path: &[usize]) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for (token, tag) in tokens.iter().zip(path) {
        match (tag, found.last_mut()) {
            (0, _) => {}
            (tag, Some(last)) if is_inside(*tag) => last.range.end = token.range.end,
            (tag, _) => found.push(Finding {
                range: token.range.clone(),
                label: KINDS[(tag - 1) / 2],
                sure: Sure::Likely,
                by: "tagger",
            }),
        }
    }
    found
}
