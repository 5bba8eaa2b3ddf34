//! A sequence of tokens with its cache, and the scores of the token that comes next.

use crate::prefix::common_prefix;
use crate::{Engine, Error, Result};
use hob_model::{SequenceKv, Step, Wanted};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

/// How long a session may grow, and what happens then.
#[derive(Clone, Copy, Debug)]
pub struct SessionConfig {
    /// Positions of the context.
    pub context: usize,
    /// What to do when they are used up.
    pub on_full: OnFull,
}

/// What happens when the context is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// A prompt that does not fit is an error; an answer that reaches the end stops, and says so.
    Error,
    /// The first `keep` tokens stay, the older half of the others goes, and the rest is computed anew.
    Shift {
        /// Tokens at the beginning that always stay.
        keep: usize,
    },
}

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

/// A growing sequence of tokens.
pub struct Session {
    engine: Arc<Engine>,
    config: SessionConfig,
    tokens: Vec<u32>,
    kv: SequenceKv,
    /// Computed after `tokens` but not part of the sequence: what the next tokens may be. In `kv`, too.
    ahead: VecDeque<u32>,
    /// Scores after the last token and after each of those ahead, `[rows, V]`; the first `used_rows` are history.
    logits: Vec<f32>,
    used_rows: usize,
    dropped: usize,
}

impl Session {
    pub(crate) fn new(engine: Arc<Engine>, config: SessionConfig) -> Self {
        let kv = engine.empty_kv(0);
        Self {
            engine,
            config,
            tokens: Vec::new(),
            kv,
            ahead: VecDeque::new(),
            logits: Vec::new(),
            used_rows: 0,
            dropped: 0,
        }
    }

    /// The engine it runs on.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// All tokens so far.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The limits it was opened with.
    pub fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// Tokens that were dropped to make room, in all.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Bytes of keys and values held.
    pub fn kv_bytes(&self) -> usize {
        self.kv.bytes()
    }

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
        if !self.engine.model().spec().is_generative() {
            return Err(Error::WrongKind {
                is: "is an encoder that only makes embeddings",
                wanted: "generating text",
            });
        }
        self.forget_ahead();
        let Some((_, before_last)) = ids.split_last() else { return Err(Error::EmptyPrompt) };
        let limit = self.config.context;
        let shifted;
        let ids = match self.config.on_full {
            _ if ids.len() < limit => ids,
            OnFull::Error => return Err(Error::PromptTooLong { found: ids.len(), limit }),
            OnFull::Shift { keep } => {
                shifted = shift(ids, keep, limit);
                &shifted
            }
        };
        let dropped = before_last.len() + 1 - ids.len();
        self.dropped += dropped;
        let cached = self.rewind_to_common(ids);
        let computed = self.compute(ids, cached, progress)?;
        self.engine.with_prefixes(|p| p.insert(&self.tokens, &self.kv));
        Ok(Prefilled { cached, computed, dropped })
    }

    /// Appends a token and computes the scores of the next.
    ///
    /// # Errors
    /// [`Error::PromptTooLong`] when the context is full and the session does not shift; then nothing changes.
    pub fn push(&mut self, id: u32) -> Result<()> {
        self.push_ahead(id, &[])
    }

    /// [`Session::push`] that also computes the scores after each token of `draft`, a guess at what comes next. As long as
    /// the guess comes true, the following pushes cost nothing; the part that does not is forgotten. Tokens of `draft` beyond
    /// [`Session::ahead_max`] are left out, and all of them where `id` itself was guessed before.
    ///
    /// # Errors
    /// As [`Session::push`].
    pub fn push_ahead(&mut self, id: u32, draft: &[u32]) -> Result<()> {
        if self.is_ahead(id) {
            self.ahead.pop_front();
            self.tokens.push(id);
            self.used_rows += 1;
            return Ok(());
        }
        self.forget_ahead();
        let next = self.tokens.len() + 1;
        let moved = next >= self.config.context || self.engine.is_long(next) != self.kv.is_long_context();
        if moved {
            let ids = [&self.tokens[..], &[id]].concat();
            return self.prefill(&ids, &mut |_| ControlFlow::Continue(())).map(drop);
        }
        let draft = &draft[..draft.len().min(self.ahead_max(draft.len()))];
        self.run(&[&[id], draft].concat(), Wanted::All)?;
        self.ahead.extend(draft);
        self.tokens.truncate(next);
        Ok(())
    }

    /// Whether `id` as the next token is computed already.
    pub fn is_ahead(&self, id: u32) -> bool {
        self.ahead.front() == Some(&id)
    }

    /// How many guessed tokens, at most `wanted`, fit behind one more token without the sequence being moved.
    pub fn ahead_max(&self, wanted: usize) -> usize {
        let next = self.tokens.len() + 1;
        let model = self.engine.model();
        let positions = model.spec().embedding.positions.unwrap_or(usize::MAX);
        let fits = |&count: &usize| {
            let end = next + count;
            end < self.config.context
                && end <= positions
                && self.engine.is_long(end) == self.engine.is_long(next)
        };
        (1..=wanted).take_while(fits).last().unwrap_or(0)
    }

    /// Scores of the next token, `[V]`, if the last token has been computed.
    pub fn logits(&self) -> Option<&[f32]> {
        let vocab = self.engine.model().spec().vocab;
        (!self.logits.is_empty()).then(|| &self.logits[self.used_rows * vocab..][..vocab])
    }

    /// Whether one more token would need a full context to be shifted or refused.
    pub fn is_full(&self) -> bool {
        self.tokens.len() + 1 >= self.config.context && self.config.on_full == OnFull::Error
    }

    /// Lets the engine remember the sequence as it stands for later prompts that begin alike.
    pub fn remember(&mut self) {
        self.forget_ahead();
        self.engine.with_prefixes(|p| p.insert(&self.tokens, &self.kv));
    }

    /// Cuts from the cache what was computed but did not come true.
    fn forget_ahead(&mut self) {
        if self.ahead.is_empty() {
            return;
        }
        self.ahead.clear();
        // Windows let go of pages before a step, by what its first token sees; so every later position can be returned to.
        assert!(self.kv.truncate(self.tokens.len()), "a step's own positions can be cut");
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

    fn compute(
        &mut self,
        ids: &[u32],
        cached: usize,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<usize> {
        let new = &ids[cached..];
        let mut done = 0;
        for chunk in new.chunks(self.engine.config().prefill_chunk.max(1)) {
            let last = done + chunk.len() == new.len();
            self.run(chunk, if last { Wanted::Last } else { Wanted::Nothing })?;
            done += chunk.len();
            if progress(Progress { done, total: new.len() }).is_break() && !last {
                return Err(Error::Stopped);
            }
        }
        Ok(done)
    }

    fn run(&mut self, tokens: &[u32], wanted: Wanted) -> Result<()> {
        let (model, cpu) = (self.engine.model(), self.engine.cpu());
        let hidden = model.forward(cpu, &mut [Step { tokens, kv: &mut self.kv, wanted }], None)?;
        self.tokens.extend_from_slice(tokens);
        self.used_rows = 0;
        self.logits = if hidden.is_empty() { Vec::new() } else { model.logits(cpu, &hidden) };
        Ok(())
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
