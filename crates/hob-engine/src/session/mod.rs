//! A sequence of tokens with its cache, and the scores of the token that comes next.

mod prefill;

pub(crate) use prefill::Prefill;
pub use prefill::{Prefilled, Progress};

use crate::{Engine, Result};
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

/// What appending a token takes.
pub(crate) enum Push {
    /// Nothing: it had been guessed and is part of the sequence now.
    Done,
    /// A step over these tokens, the appended one first.
    Row(Vec<u32>),
    /// The sequence moves (its oldest tokens go, or its rotary frequencies change) and is computed anew.
    Moved(Prefill),
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

    /// Appends a token and computes the scores of the next.
    ///
    /// # Errors
    /// [`crate::Error::PromptTooLong`] when the context is full and the session does not shift; then nothing changes.
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
        match self.plan_push(id, draft)? {
            Push::Done => {}
            Push::Row(row) => {
                let began = self.engine.now();
                let logits = self.run(&row, Wanted::All)?;
                self.engine.learn_step(row.len(), began);
                self.take_row(&row, logits);
            }
            Push::Moved(prefill) => drop(self.finish_prefill(prefill, &mut |_| ControlFlow::Continue(()))?),
        }
        Ok(())
    }

    /// What appending `id`, with a guess behind it, takes. The sequence has `id` only where nothing is left to compute.
    ///
    /// # Errors
    /// As [`Session::push`].
    pub(crate) fn plan_push(&mut self, id: u32, draft: &[u32]) -> Result<Push> {
        if self.is_ahead(id) {
            self.ahead.pop_front();
            self.tokens.push(id);
            self.used_rows += 1;
            return Ok(Push::Done);
        }
        self.forget_ahead();
        let next = self.tokens.len() + 1;
        let moved = next >= self.config.context || self.engine.is_long(next) != self.kv.is_long_context();
        if moved {
            let ids = [&self.tokens[..], &[id]].concat();
            return self.begin_prefill(&ids).map(Push::Moved);
        }
        let draft = &draft[..draft.len().min(self.ahead_max(draft.len()))];
        Ok(Push::Row([&[id], draft].concat()))
    }

    /// The step that computes a row of [`Push::Row`], for a pass that others may share.
    pub(crate) fn step<'a>(&'a mut self, row: &'a [u32]) -> Step<'a> {
        Step { tokens: row, kv: &mut self.kv, wanted: Wanted::All }
    }

    /// Takes in a row that was computed: its first token joins the sequence, the others are ahead. `logits`: `[row, V]`.
    pub(crate) fn take_row(&mut self, row: &[u32], logits: Vec<f32>) {
        self.tokens.push(row[0]);
        self.ahead.extend(&row[1..]);
        self.logits = logits;
        self.used_rows = 0;
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

    /// Pages of keys and values held, by identity, with their bytes.
    pub(crate) fn pages(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.kv.pages()
    }

    /// A copy to be continued and thrown away.
    pub(crate) fn fork(&self) -> Fork {
        Fork { engine: Arc::clone(&self.engine), kv: self.kv.clone() }
    }

    /// Computes `tokens` after the cache's end. Returns the wanted positions' scores, `[rows, V]`.
    fn run(&mut self, tokens: &[u32], wanted: Wanted) -> Result<Vec<f32>> {
        run(&self.engine, &mut self.kv, tokens, wanted)
    }
}

/// The cache of a session as it was, continued on its own. Pages are shared until they are written to.
pub(crate) struct Fork {
    engine: Arc<Engine>,
    kv: SequenceKv,
}

impl Fork {
    /// Appends a token and returns the scores of the next, `[V]`.
    ///
    /// # Errors
    /// A token or a position that the model does not have.
    pub fn push(&mut self, id: u32) -> Result<Vec<f32>> {
        run(&self.engine, &mut self.kv, &[id], Wanted::Last)
    }
}

fn run(engine: &Engine, kv: &mut SequenceKv, tokens: &[u32], wanted: Wanted) -> Result<Vec<f32>> {
    let (model, cpu) = (engine.model(), engine.cpu());
    let hidden = model.forward(cpu, &mut [Step { tokens, kv, wanted }], None)?;
    Ok(if hidden.is_empty() { Vec::new() } else { model.logits(cpu, &hidden) })
}
