//! Reading a list of merges, written as pairs of texts, into rules about ids.
//!
//! A list has up to half a million entries and every entry needs two or three look-ups at random places of tables that
//! exceed the cache, so reading it is most of what opening a model's vocabulary costs. Entries are therefore handled in
//! batches: the memory accesses of a whole batch are begun before the first one is waited for.

use crate::Error;
use crate::added::AddedTokens;
use crate::alphabet;
use crate::hash::PairTable;
use crate::vocab::Vocab;

/// Merges whose look-ups overlap.
const BATCH: usize = 32;

/// Collects merges in the order of the list.
pub(crate) struct MergeReader<'v> {
    vocab: &'v Vocab,
    /// Tokens that ordinary text cannot become, but that a rule may name all the same.
    added: &'v AddedTokens,
    /// Texts are written in the byte alphabet.
    decoded: bool,
    table: PairTable,
    /// Merges before the batch.
    done: usize,
    /// Texts of the batch, and for each merge where its left and its right end.
    texts: Vec<u8>,
    batch: Vec<[usize; 2]>,
    /// The token that the last merge made: lists go through the tokens in order, so it or its successor is the
    /// likely result of the next merge.
    last: u32,
    /// Keeps the early accesses from being dropped as useless.
    seen: u32,
    slots: Vec<u32>,
    rules: Vec<[u32; 3]>,
}

impl<'v> MergeReader<'v> {
    /// `count` merges will follow; it is the number of entries that are really there, not a declared one.
    pub(crate) fn new(vocab: &'v Vocab, added: &'v AddedTokens, decoded: bool, count: usize) -> Self {
        Self {
            vocab,
            added,
            decoded,
            table: PairTable::with_capacity(count),
            done: 0,
            texts: Vec::new(),
            batch: Vec::with_capacity(BATCH),
            last: 0,
            seen: 0,
            slots: Vec::with_capacity(2 * BATCH),
            rules: Vec::with_capacity(BATCH),
        }
    }

    /// Merges read so far.
    pub(crate) fn count(&self) -> usize {
        self.done + self.batch.len()
    }

    pub(crate) fn add(&mut self, left: &[u8], right: &[u8]) -> Result<(), Error> {
        let start = self.texts.len();
        self.append(left);
        let middle = self.texts.len();
        self.append(right);
        self.slots.push(self.vocab.slot_of(&self.texts[start..middle]));
        self.slots.push(self.vocab.slot_of(&self.texts[middle..]));
        self.batch.push([middle, self.texts.len()]);
        if self.batch.len() == BATCH { self.flush() } else { Ok(()) }
    }

    pub(crate) fn finish(mut self) -> Result<PairTable, Error> {
        self.flush()?;
        std::hint::black_box(self.seen);
        Ok(self.table)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.seen ^= u32::from(self.vocab.approach(&mut self.slots));
        self.rules.clear();
        let mut start = 0;
        for at in 0..self.batch.len() {
            let [middle, end] = self.batch[at];
            let left = self.find(at, &self.texts[start..middle])?;
            let right = self.find(at, &self.texts[middle..end])?;
            let both = &self.texts[start..end];
            let is_next = |id: &u32| (*id as usize) < self.vocab.len() && self.vocab.text(*id) == both;
            let merged = match [self.last, self.last + 1].into_iter().find(is_next) {
                Some(id) => id,
                None => self.find(at, both)?,
            };
            self.last = merged;
            self.rules.push([left, right, merged]);
            start = end;
        }
        self.seen ^= self.table.approach(&self.rules);
        for [left, right, merged] in &self.rules {
            self.table.push(*left, *right, *merged)?;
        }
        self.done += self.batch.len();
        self.batch.clear();
        self.texts.clear();
        self.slots.clear();
        Ok(())
    }

    fn find(&self, at: usize, text: &[u8]) -> Result<u32, Error> {
        self.vocab.find(text).or_else(|| self.added.find(text)).ok_or_else(|| Error::UnknownMerge {
            index: self.done + at,
            token: String::from_utf8_lossy(text).chars().take(100).collect(),
        })
    }

    fn append(&mut self, written: &[u8]) {
        if !self.decoded || !alphabet::decode_into(written, &mut self.texts) {
            self.texts.extend_from_slice(written);
        }
    }
}
