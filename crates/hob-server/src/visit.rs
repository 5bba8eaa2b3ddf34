//! One request: who asks, what that allows, and what it comes to.

use crate::App;
use crate::elsewhere::Receipt;
use crate::energy::{Mark, Meter, Span, Taken};
use crate::engine::{KeepAlive, Lease, Listed, Loaded};
use crate::keys::{KeyEntry, Keys, Scope};
use crate::problem::{Kind, Problem};
use crate::stats::kept_energy;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use hob::LanguageModel;
use hob_energy::Account;
use hob_privacy::Label;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A request that is being answered.
#[derive(Default)]
pub struct Visit {
    /// The key of the file that it came with. Without one, whoever was let in may do everything.
    key: Option<Arc<KeyEntry>>,
    keys: Keys,
    prompt: AtomicU64,
    answer: AtomicU64,
    /// Those of the prompt and the answer that models elsewhere read and wrote.
    there: (AtomicU64, AtomicU64),
    /// Those that were counted as they came, about, and that the target did not count.
    over: AtomicU64,
    /// What was told of tokens at the answer's end; who is still at work then does not change that.
    settled: Mutex<Option<Tokens>>,
    /// Millionths of a dollar.
    cost: AtomicU64,
    /// Where it was answered, if that was a question.
    way: Mutex<Option<Receipt>>,
    /// What its answers take on this machine.
    computed: Mutex<Computed>,
}

/// Tokens of prompts and of answers.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// Of all models that had a part.
    pub tokens: (u64, u64),
    /// Of those elsewhere.
    pub there: (u64, u64),
}

/// What the answers to one request take on this machine. They share passes with each other, so that they are one to the meter:
/// what each of them would have used at most would count the same joules once for each.
#[derive(Default)]
struct Computed {
    running: usize,
    span: Option<Span>,
    taken: Option<Taken>,
}

/// An answer that is computed until this goes.
pub struct Computing(Arc<Visit>);

impl Drop for Computing {
    fn drop(&mut self) {
        let mut computed = self.0.computed();
        computed.running -= 1;
        if computed.running == 0
            && let Some(span) = computed.span.take()
        {
            let taken = span.end();
            computed.taken = Some(match computed.taken.take() {
                Some(before) => before.plus(&taken),
                None => taken,
            });
        }
    }
}

impl Visit {
    /// A request that came with this key.
    pub fn new(key: Option<Arc<KeyEntry>>, keys: Keys) -> Self {
        Self { key, keys, ..Self::default() }
    }

    /// The key's name for people.
    pub fn key(&self) -> Option<&KeyEntry> {
        self.key.as_deref()
    }

    /// Whether it comes from who may know what lies behind this part of the server.
    pub fn opens(&self, scope: Scope) -> bool {
        self.key().is_none_or(|key| key.opens(scope))
    }

    /// A prompt was taken on.
    pub fn read(&self, tokens: usize) {
        self.count(&self.prompt, tokens);
    }

    /// Tokens of an answer were drawn. They count as they come: a client that hangs up has used them.
    pub fn wrote(&self, tokens: usize) {
        self.count(&self.answer, tokens);
    }

    /// A model elsewhere has read so many tokens.
    pub fn read_there(&self, tokens: usize) {
        self.there.0.fetch_add(tokens as u64, Relaxed);
        self.read(tokens);
    }

    /// A model elsewhere has written so many.
    pub fn wrote_there(&self, tokens: usize) {
        self.there.1.fetch_add(tokens as u64, Relaxed);
        self.wrote(tokens);
    }

    /// A model elsewhere wrote so many fewer than were counted as they came. The key that asked has used them all the same.
    pub fn wrote_fewer(&self, tokens: usize) {
        self.over.fetch_add(tokens as u64, Relaxed);
    }

    /// The answer has ended; what it took in tokens until then, of whichever models.
    pub fn settle(&self) -> Tokens {
        let ((prompt, answer), over) = (self.tokens(), self.over.load(Relaxed));
        let (read, written) = (self.there.0.load(Relaxed), self.there.1.load(Relaxed));
        let tokens = Tokens {
            tokens: (prompt, answer.saturating_sub(over)),
            there: (read, written.saturating_sub(over)),
        };
        *self.settled.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokens);
        tokens
    }

    /// It was decided where it is answered.
    pub fn went(&self, receipt: Receipt) {
        *self.way() = Some(receipt);
    }

    /// So much has left for it so far, whatever becomes of it.
    pub fn left(&self, bytes: u64, hidden: &BTreeMap<Label, usize>, entry: Option<u64>) {
        let mut way = self.way();
        *way = Some(Receipt { bytes, hidden: hidden.clone(), entry, ..way.take().unwrap_or_default() });
    }

    /// Something happened on the way.
    pub fn noted(&self, note: &str) {
        if let Some(receipt) = self.way().as_mut() {
            receipt.note = Some(note.to_owned());
        }
    }

    /// Where it was answered, if that was a question.
    pub fn receipt(&self) -> Option<Receipt> {
        self.way().clone()
    }

    fn way(&self) -> MutexGuard<'_, Option<Receipt>> {
        self.way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An answer from elsewhere cost this, in millionths of a dollar.
    pub fn cost(&self, micro: u64) {
        self.cost.fetch_add(micro, Relaxed);
    }

    /// An answer, or what this machine adds to one, has been computed since `mark`, and is until what is given goes.
    pub fn compute(self: &Arc<Self>, meter: &Arc<Meter>, mark: Mark) -> Computing {
        let mut computed = self.computed();
        computed.running += 1;
        computed.span.get_or_insert_with(|| meter.begin(mark));
        Computing(Arc::clone(self))
    }

    fn computed(&self) -> MutexGuard<'_, Computed> {
        self.computed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is told of its way in the answer's body, at the answer's end.
    pub fn told(&self) -> Option<Value> {
        let energy = self.computed().taken.as_ref().map(|taken| kept_energy(taken.account()));
        let Some(receipt) = self.receipt() else {
            return energy.map(|energy| json!({"route": "local", "energy": energy}));
        };
        let mut told = receipt.to_json();
        // Where several models may have had a part in it, its usage has both together.
        let settled = *self.settled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Tokens { tokens: all, there }) = settled {
            told["tokens"] = json!({
                "here": {"prompt": all.0.saturating_sub(there.0), "answer": all.1.saturating_sub(there.1)},
                "elsewhere": {"prompt": there.0, "answer": there.1},
            });
        }
        told["dollars"] = (self.cost.load(Relaxed) as f64 / 1e6).into();
        told["energy"] = json!(energy);
        // What was answered from memory took nothing there.
        let is_there = (receipt.target.is_some() || receipt.repaired.is_some()) && receipt.entry.is_some();
        told["energy_elsewhere"] = json!(is_there.then(|| kept_energy(&Account::assumed())));
        Some(told)
    }

    fn count(&self, counter: &AtomicU64, tokens: usize) {
        counter.fetch_add(tokens as u64, Relaxed);
        if let Some(key) = &self.key {
            self.keys.spend(key, tokens as u64);
        }
    }

    /// Tokens of prompts and of answers so far.
    pub fn tokens(&self) -> (u64, u64) {
        (self.prompt.load(Relaxed), self.answer.load(Relaxed))
    }

    /// # Errors
    /// The key has used what it may in a day. An answer that has begun is completed.
    pub fn check_budget(&self) -> Result<(), Problem> {
        self.key.as_ref().map_or(Ok(()), |key| self.keys.check_budget(key))
    }
}

/// What handlers share, with the request that they answer.
impl FromRequestParts<App> for App {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(app.visited(parts.extensions.get()))
    }
}

impl App {
    /// The same for one request.
    pub fn visited(&self, visit: Option<&Arc<Visit>>) -> Self {
        Self { visit: visit.cloned().unwrap_or_default(), ..self.clone() }
    }

    /// Whether who asks may use a model.
    pub fn may_use(&self, listed: &Listed) -> bool {
        let models = self.visit.key().map(|key| key.models.as_slice()).unwrap_or_default();
        let is_meant = |name: &String| {
            *name == listed.name
                || self.manager.catalogue().find(name).is_some_and(|found| found.name == listed.name)
        };
        models.is_empty() || models.iter().any(is_meant)
    }

    /// # Errors
    /// Who asks may not use the model.
    pub fn check_model(&self, listed: &Listed) -> Result<(), Problem> {
        if self.may_use(listed) {
            return Ok(());
        }
        let models = self.visit.key().map(|key| key.models.join(", ")).unwrap_or_default();
        let message = format!("this key may not use {}; it may use {models}", listed.name);
        Err(Problem::new(Kind::Forbidden, message).code("model_not_allowed"))
    }

    /// # Errors
    /// Who asks may not use the model of this name.
    pub fn check_name(&self, name: &str) -> Result<(), Problem> {
        match self.manager.find(name) {
            Ok(listed) => self.check_model(&listed),
            Err(_) if self.visit.key().is_none_or(|key| key.models.is_empty()) => Ok(()),
            Err(problem) => Err(problem),
        }
    }

    /// The models in memory that who asks may use.
    pub fn loaded(&self) -> Vec<Arc<Loaded>> {
        self.manager.loaded().into_iter().filter(|loaded| self.may_use(&loaded.listed)).collect()
    }

    /// The models that who asks may use.
    pub fn models(&self) -> Vec<Listed> {
        self.manager.catalogue().list().into_iter().filter(|listed| self.may_use(listed)).collect()
    }

    /// The model that is meant where a request names none.
    pub fn default_name(&self) -> String {
        let usual = self.manager.default_name();
        let may_use = self.manager.find(&usual).is_ok_and(|listed| self.may_use(&listed));
        let other = || self.models().into_iter().next().map(|listed| listed.name);
        if may_use { usual } else { other().unwrap_or(usual) }
    }

    /// The listed model that a request means.
    ///
    /// # Errors
    /// There is none, or who asks may not use it.
    pub fn find(&self, name: &str) -> Result<Listed, Problem> {
        let listed = self.manager.find(name)?;
        self.check_model(&listed)?;
        Ok(listed)
    }

    /// The right to use a model, which is loaded if it has to be.
    ///
    /// # Errors
    /// Those of [`App::find`], and why it cannot be loaded.
    pub async fn lease(&self, name: &str, keep: Option<KeepAlive>) -> Result<Lease, Problem> {
        self.find(name)?;
        self.manager.lease(name, keep).await
    }

    /// A model to be looked at, not run.
    ///
    /// # Errors
    /// Those of [`App::find`], and damaged files.
    pub async fn look(&self, name: &str) -> Result<(Listed, LanguageModel), Problem> {
        self.find(name)?;
        self.manager.look(name).await
    }
}
