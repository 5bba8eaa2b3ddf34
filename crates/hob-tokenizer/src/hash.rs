//! Two small hash tables: token text to id, and pair of ids to merge.
//!
//! Both keep only 4-byte slots and look the key up in the vocabulary itself, because a 262 144-token vocabulary with
//! half a million merges has to fit in a few megabytes and build in milliseconds.

use crate::Error;

/// Longest run of occupied slots that honest keys could ever cause; a vocabulary made to collide ends here.
const PROBES_MAX: usize = 2048;

/// Largest number of tokens: a slot spends 24 bits on the id.
pub(crate) const TOKENS_MAX: usize = (1 << 24) - 2;

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(state: u64, word: u64) -> u64 {
    let product = u128::from(state ^ word) * u128::from(MULTIPLIER);
    (product as u64) ^ ((product >> 64) as u64)
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut state = MULTIPLIER ^ bytes.len() as u64;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        state = mix(state, u64::from_le_bytes(word.try_into().expect("chunks_exact gives eight bytes")));
    }
    let mut last = [0u8; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    mix(mix(state, u64::from_le_bytes(last)), 0)
}

fn slot_count(entries: usize) -> usize {
    (entries * 2).next_power_of_two().max(16)
}

fn collides() -> Error {
    Error::Vocabulary {
        expected: "token texts that spread over a hash table",
        found: format!("more than {PROBES_MAX} tokens on neighbouring slots"),
    }
}

/// Token text to id. The texts themselves stay in the vocabulary, which every call passes in as `text_of`.
#[derive(Debug, Default)]
pub(crate) struct TextIndex {
    /// 8 bits of the hash, then `id + 1`; 0 is free.
    slots: Vec<u32>,
}

impl TextIndex {
    pub(crate) fn with_capacity(entries: usize) -> Self {
        Self { slots: vec![0; slot_count(entries)] }
    }

    /// Adds `id` under `text`; the first id of a text stays.
    pub(crate) fn insert<'v>(
        &mut self,
        text: &[u8],
        id: u32,
        text_of: impl Fn(u32) -> &'v [u8],
    ) -> Result<(), Error> {
        let (mut slot, tag) = self.place(text);
        for _ in 0..PROBES_MAX {
            let entry = self.slots[slot];
            if entry == 0 {
                self.slots[slot] = tag | (id + 1);
                return Ok(());
            }
            if entry & 0xFF00_0000 == tag && text_of((entry & 0x00FF_FFFF) - 1) == text {
                return Ok(());
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        Err(collides())
    }

    /// The slot where a look-up of `text` begins.
    pub(crate) fn slot_of(&self, text: &[u8]) -> u32 {
        self.place(text).0 as u32
    }

    /// Turns slots into the ids that stand there, in a loop whose memory accesses overlap.
    pub(crate) fn guess(&self, slots: &mut [u32]) {
        for slot in slots {
            let entry = self.slots.get(*slot as usize).copied().unwrap_or(0);
            *slot = (entry & 0x00FF_FFFF).saturating_sub(1);
        }
    }

    pub(crate) fn get<'v>(&self, text: &[u8], text_of: impl Fn(u32) -> &'v [u8]) -> Option<u32> {
        if self.slots.is_empty() {
            return None;
        }
        let (mut slot, tag) = self.place(text);
        loop {
            let entry = self.slots[slot];
            if entry == 0 {
                return None;
            }
            let id = (entry & 0x00FF_FFFF).wrapping_sub(1);
            if entry & 0xFF00_0000 == tag && text_of(id) == text {
                return Some(id);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    fn place(&self, text: &[u8]) -> (usize, u32) {
        let hash = hash_bytes(text);
        ((hash >> 8) as usize & self.slots.len().wrapping_sub(1), (hash as u32 & 0xFF) << 24)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u32>()
    }
}

/// Merge rules: a pair of ids to its rank (position in the list) and the id of the merged token.
#[derive(Debug, Default)]
pub(crate) struct PairTable {
    pairs: Vec<[u32; 3]>,
    /// `index + 1` into `pairs`; 0 is free.
    slots: Vec<u32>,
}

impl PairTable {
    pub(crate) fn with_capacity(entries: usize) -> Self {
        Self { pairs: Vec::with_capacity(entries), slots: vec![0; slot_count(entries)] }
    }

    /// Appends the rule `left right -> merged`, ranked after all earlier ones; the first rule of a pair stays.
    pub(crate) fn push(&mut self, left: u32, right: u32, merged: u32) -> Result<(), Error> {
        let mut slot = self.place(left, right);
        for _ in 0..PROBES_MAX {
            let entry = self.slots[slot];
            if entry == 0 {
                self.pairs.push([left, right, merged]);
                self.slots[slot] = self.pairs.len() as u32;
                return Ok(());
            }
            if self.pairs[entry as usize - 1][..2] == [left, right] {
                return Ok(());
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        Err(collides())
    }

    /// Begins the memory accesses that adding these pairs waits for; the result means nothing.
    pub(crate) fn approach(&self, pairs: &[[u32; 3]]) -> u32 {
        pairs.iter().fold(0, |seen, pair| seen ^ self.slots[self.place(pair[0], pair[1])])
    }

    /// Rank (lower merges first) and merged id of a pair.
    pub(crate) fn get(&self, left: u32, right: u32) -> Option<(u32, u32)> {
        let mut slot = self.place(left, right);
        loop {
            let entry = self.slots[slot];
            if entry == 0 {
                return None;
            }
            let [l, r, merged] = self.pairs[entry as usize - 1];
            if l == left && r == right {
                return Some((entry - 1, merged));
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    /// The rules in order: left, right, merged.
    pub(crate) fn pairs(&self) -> &[[u32; 3]] {
        &self.pairs
    }

    fn place(&self, left: u32, right: u32) -> usize {
        mix(MULTIPLIER, u64::from(left) << 32 | u64::from(right)) as usize & (self.slots.len() - 1)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u32>() + self.pairs.capacity() * size_of::<[u32; 3]>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_all_lengths_are_found_and_others_are_not() {
        let texts: Vec<Vec<u8>> = (0..300usize).map(|n| vec![b'x'; n]).collect();
        let mut index = TextIndex::with_capacity(texts.len());
        for (id, text) in texts.iter().enumerate() {
            index.insert(text, id as u32, |id| &texts[id as usize]).unwrap();
        }
        for (id, text) in texts.iter().enumerate() {
            assert_eq!(index.get(text, |id| &texts[id as usize]), Some(id as u32));
        }
        assert_eq!(index.get(b"y", |id| &texts[id as usize]), None);
        assert_eq!(TextIndex::default().get(b"", |_| &[]), None);
    }

    #[test]
    fn pairs_keep_their_rank_and_order_matters() {
        let mut table = PairTable::with_capacity(3);
        table.push(1, 2, 10).unwrap();
        table.push(2, 1, 11).unwrap();
        table.push(1, 2, 99).unwrap();
        assert_eq!(table.get(1, 2), Some((0, 10)));
        assert_eq!(table.get(2, 1), Some((1, 11)));
        assert_eq!(table.get(3, 3), None);
    }
}
