//! How a prompt gets into a session: what is cached stays, the rest is computed in chunks.
//!
//! Chunks are cut from the first token that is not cached, by the engine's chunk length alone. That makes their boundaries, and
//! with them the bits of fast mode, whose kernels depend on a chunk's length, the same whatever else runs meanwhile.

use super::{OnFull, Session};
use crate::prefix::common_prefix;
use crate::{Error, Result};
use hob_model::Wanted;
use std::ops::ControlFlow;

/// How far a prefill is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Tokens computed so far.
    pub done: usize,
    /// Tokens to compute.
    pub total: usize,
}

/// What a prefill did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefilled {
    /// Tokens whose keys and values were there already.
    pub cached: usize,
    /// Tokens computed now.
    pub computed: usize,
    /// Tokens dropped because the context was full.
    pub dropped: usize,
}

/// A prompt on its way into a session.
#[derive(Debug)]
pub(crate) struct Prefill {
    ids: Vec<u32>,
    cached: usize,
    dropped: usize,
    done: usize,
}

impl Prefill {
    /// What it does in all.
    pub fn outcome(&self) -> Prefilled {
        Prefilled { cached: self.cached, computed: self.total(), dropped: self.dropped }
    }

    /// Tokens to compute.
    fn total(&self) -> usize {
        self.ids.len() - self.cached
    }

    /// Tokens still to compute.
    pub fn left(&self) -> usize {
        self.total() - self.done
    }

    fn progress(&self) -> Progress {
        Progress { done: self.done, total: self.total() }
    }
}

impl Session {
    /// Makes the sequence equal to `ids` and computes what is not cached, in chunks; afterwards the next token's scores
    /// are ready. `progress` is told after every chunk and may stop the run; what is computed by then stays cached.
    ///
    /// # Errors
    /// [`Error::PromptTooLong`] unless the session shifts, [`Error::Stopped`], or a token the model does not have.
    pub fn prefill(
        &mut self,
        ids: &[u32],
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Prefilled> {
        let prefill = self.begin_prefill(ids)?;
        self.finish_prefill(prefill, progress)
    }

    /// Whether a prompt of `len` tokens can be taken at all.
    ///
    /// # Errors
    /// As [`Session::prefill`].
    pub(crate) fn check_prompt(&self, len: usize) -> Result<()> {
        if !self.engine.model().spec().is_generative() {
            return Err(Error::WrongKind {
                is: "is an encoder that only makes embeddings",
                wanted: "generating text",
            });
        }
        let limit = self.config.context;
        match self.config.on_full {
            _ if len == 0 => Err(Error::EmptyPrompt),
            OnFull::Error if len >= limit => Err(Error::PromptTooLong { found: len, limit }),
            _ => Ok(()),
        }
    }

    /// Cuts the sequence to what it shares with `ids`; the rest is computed by [`Session::continue_prefill`].
    ///
    /// # Errors
    /// As [`Session::prefill`]; then nothing changes.
    pub(crate) fn begin_prefill(&mut self, ids: &[u32]) -> Result<Prefill> {
        self.check_prompt(ids.len())?;
        self.forget_ahead();
        let limit = self.config.context;
        let kept = match self.config.on_full {
            OnFull::Shift { keep } if ids.len() >= limit => shift(ids, keep, limit),
            _ => ids.to_vec(),
        };
        let dropped = ids.len() - kept.len();
        self.dropped += dropped;
        let cached = self.rewind_to_common(&kept);
        Ok(Prefill { ids: kept, cached, dropped, done: 0 })
    }

    /// Tokens of the next chunk; zero when none is left.
    pub(crate) fn next_chunk(&self, prefill: &Prefill) -> usize {
        prefill.left().min(self.engine.config().prefill_chunk.max(1))
    }

    /// Computes the next chunk. After the last one the next token's scores are ready and the prompt is remembered.
    ///
    /// # Errors
    /// What the model refuses.
    pub(crate) fn continue_prefill(&mut self, prefill: &mut Prefill) -> Result<Progress> {
        prefill.done += self.compute_chunk(&prefill.ids)?;
        if prefill.left() == 0 {
            self.engine.with_prefixes(|p| p.insert(&self.tokens, &self.kv));
        }
        Ok(prefill.progress())
    }

    /// Makes the sequence equal to `ids` by computing at most one chunk; `false` while there is more to compute. Unlike
    /// [`Session::prefill`] it lets nobody remember the result.
    ///
    /// # Errors
    /// As [`Session::prefill`].
    pub(crate) fn follow(&mut self, ids: &[u32]) -> Result<bool> {
        let held = self.tokens.len();
        let goes_on = held > 0
            && ids.len() > held
            && common_prefix(&self.tokens, ids) == held
            && self.engine.is_long(ids.len()) == self.kv.is_long_context();
        if goes_on {
            self.check_prompt(ids.len())?;
        } else {
            self.begin_prefill(ids)?;
        }
        self.compute_chunk(ids)?;
        Ok(self.tokens.len() == ids.len())
    }

    /// Computes the next chunk of `ids`, of which the sequence is the beginning; with the last one the next token's scores.
    /// Returns its length.
    fn compute_chunk(&mut self, ids: &[u32]) -> Result<usize> {
        let rest = &ids[self.tokens.len()..];
        let chunk = &rest[..rest.len().min(self.engine.config().prefill_chunk.max(1))];
        let wanted = if chunk.len() == rest.len() { Wanted::Last } else { Wanted::Nothing };
        self.logits = self.run(chunk, wanted)?;
        self.used_rows = 0;
        self.tokens.extend_from_slice(chunk);
        Ok(chunk.len())
    }

    /// Computes all chunks that are left.
    pub(super) fn finish_prefill(
        &mut self,
        mut prefill: Prefill,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Prefilled> {
        while self.next_chunk(&prefill) > 0 {
            let now = self.continue_prefill(&mut prefill)?;
            if progress(now).is_break() && now.done < now.total {
                return Err(Error::Stopped);
            }
        }
        Ok(prefill.outcome())
    }

    /// Cuts the cache to the longest beginning of `ids` that is held here or remembered by the engine. At least the last
    /// token of `ids` is left to compute. Returns the length of the beginning.
    fn rewind_to_common(&mut self, ids: &[u32]) -> usize {
        let reusable = &ids[..ids.len() - 1];
        let long = self.engine.is_long(ids.len());
        let mut own = common_prefix(&self.tokens, reusable);
        if long != self.kv.is_long_context() || !self.kv.truncate(own) {
            own = 0;
        }
        let remembered = self.engine.with_prefixes(|p| p.find(reusable, own, long));
        self.kv = match remembered {
            Some(kv) => kv,
            None if own > 0 => std::mem::replace(&mut self.kv, self.engine.empty_kv(0)),
            None => self.engine.empty_kv(ids.len()),
        };
        self.tokens.clear();
        self.tokens.extend_from_slice(&ids[..self.kv.len()]);
        self.logits.clear();
        self.used_rows = 0;
        self.kv.len()
    }
}

/// The first `keep` tokens and the most recent ones, leaving half of the room beyond `keep` free.
fn shift(ids: &[u32], keep: usize, limit: usize) -> Vec<u32> {
    let keep = keep.min(limit / 2);
    let recent = (limit - keep) / 2;
    [&ids[..keep], &ids[ids.len() - recent.min(ids.len() - keep)..]].concat()
}

#[cfg(test)]
mod tests {
    use super::shift;

    #[test]
    fn shifting_keeps_the_beginning_and_the_recent_half() {
        let ids: Vec<u32> = (0..20).collect();
        assert_eq!(shift(&ids, 4, 20), [0, 1, 2, 3, 12, 13, 14, 15, 16, 17, 18, 19]);
        assert_eq!(shift(&ids, 0, 8), [16, 17, 18, 19]);
        assert!(shift(&ids, 1000, 8).len() < 8);
    }
}
