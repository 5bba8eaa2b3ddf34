//! Which tokens a step may choose.

/// A bitset over token ids; bit `id % 32` of word `id / 32` is set when the token is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMask {
    words: Vec<u32>,
    len: usize,
}

impl TokenMask {
    /// A mask over `len` tokens that allows none of them.
    pub fn none(len: usize) -> Self {
        Self { words: vec![0; len.div_ceil(32)], len }
    }

    /// A mask over `len` tokens that allows all of them.
    pub fn all(len: usize) -> Self {
        let mut mask = Self { words: vec![u32::MAX; len.div_ceil(32)], len };
        mask.clear_tail();
        mask
    }

    /// A mask over `len` tokens that allows those in `ids`. Panics if an id is not below `len`.
    pub fn from_ids(len: usize, ids: impl IntoIterator<Item = u32>) -> Self {
        let mut mask = Self::none(len);
        ids.into_iter().for_each(|id| mask.allow(id));
        mask
    }

    /// Replaces the content by `words`; missing words are zero, bits past `len` are dropped.
    pub(crate) fn copy_words(&mut self, words: &[u32]) {
        let n = self.words.len().min(words.len());
        self.words[..n].copy_from_slice(&words[..n]);
        self.words[n..].fill(0);
        self.clear_tail();
    }

    fn clear_tail(&mut self) {
        if let (Some(last), rest @ 1..) = (self.words.last_mut(), self.len % 32) {
            *last &= (1 << rest) - 1;
        }
    }

    /// How many tokens the mask speaks about.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the mask speaks about no token at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many tokens are allowed.
    pub fn allowed_count(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether `id` is allowed; false past the end.
    pub fn is_allowed(&self, id: u32) -> bool {
        self.words.get(id as usize / 32).is_some_and(|w| w >> (id % 32) & 1 == 1)
    }

    /// Allows `id`. Panics if it is not below `len`.
    pub fn allow(&mut self, id: u32) {
        assert!((id as usize) < self.len, "token {id} is outside a mask of {} tokens", self.len);
        self.words[id as usize / 32] |= 1 << (id % 32);
    }

    /// Takes `id` out; nothing changes past the end.
    pub(crate) fn forbid(&mut self, id: u32) {
        if let Some(word) = self.words.get_mut(id as usize / 32) {
            *word &= !(1 << (id % 32));
        }
    }

    /// The allowed ids, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(i, &word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(i as u32 * 32 + bit)
            })
        })
    }

    /// Sets the logits of tokens that are not allowed, and of those past the mask's end, to negative infinity.
    pub(super) fn apply(&self, logits: &mut [f32]) {
        let covered = self.len.min(logits.len());
        for (chunk, &word) in logits[..covered].chunks_mut(32).zip(&self.words) {
            match word {
                u32::MAX => {}
                0 => chunk.fill(f32::NEG_INFINITY),
                _ => {
                    for (bit, logit) in chunk.iter_mut().enumerate() {
                        *logit = if word >> bit & 1 == 1 { *logit } else { f32::NEG_INFINITY };
                    }
                }
            }
        }
        logits[covered..].fill(f32::NEG_INFINITY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_where_they_belong() {
        let mut mask = TokenMask::from_ids(70, [0, 31, 32, 69]);
        assert_eq!(mask.iter().collect::<Vec<_>>(), [0, 31, 32, 69]);
        assert_eq!(mask.allowed_count(), 4);
        assert!(!mask.is_allowed(70) && !mask.is_allowed(u32::MAX));
        mask.copy_words(&[u32::MAX; 9]);
        assert_eq!(mask, TokenMask::all(70));
        mask.copy_words(&[2]);
        assert_eq!(mask.iter().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn applying_removes_what_is_not_allowed() {
        let mask = TokenMask::from_ids(40, [3, 39]);
        let mut logits = vec![1.0f32; 45];
        mask.apply(&mut logits);
        let kept: Vec<_> = (0..45).filter(|&i| logits[i] == 1.0).collect();
        assert_eq!(kept, [3, 39]);
    }
}
