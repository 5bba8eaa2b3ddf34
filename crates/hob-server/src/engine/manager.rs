//! Which models are in memory: loaded when first asked for, within a budget, and let go when their time has passed or
//! another needs the memory. Every parting has a reason that is told.

use super::fit::{self, Fit, Wanted};
use super::runner::Runner;
use super::{Catalogue, KeepAlive, Lease, Listed, Loaded, Source};
use crate::clock;
use crate::limits;
use crate::metrics::Metrics;
use crate::problem::{Kind, Problem};
use hob::{Description, LanguageModel, Options};
use hob_base::Bytes;
use hob_store::Settings;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Partings that are remembered.
const PARTED_MAX: usize = 32;

/// Models whose descriptions are kept.
const KNOWN_MAX: usize = 1024;

/// How models are held.
#[derive(Clone)]
pub struct ManagerConfig {
    /// How they are opened.
    pub options: Options,
    /// Positions of a context; by default what fits.
    pub context: Option<usize>,
    /// Answers of one model that run at a time.
    pub parallel: usize,
    /// How long they stay when a request does not say.
    pub keep_alive: KeepAlive,
    /// Bytes that all of them may take.
    pub memory_max: u64,
    /// Told when a model comes or goes.
    pub notice: fn(&str),
}

/// Why a model is no longer in memory.
#[derive(Clone, Debug)]
pub struct Parted {
    /// The model.
    pub name: String,
    /// The reason.
    pub reason: String,
}

/// Knows which models are in memory.
pub struct Manager {
    catalogue: Box<dyn Catalogue>,
    config: ManagerConfig,
    metrics: Arc<Metrics>,
    state: Mutex<State>,
    known: Mutex<BTreeMap<(String, i64, u64), Description>>,
    fingerprints: Mutex<BTreeMap<(String, i64, u64), String>>,
    /// One model is loaded at a time, so that the memory it needs is not given away twice.
    loading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    loaded: Vec<Arc<Loaded>>,
    parted: VecDeque<Parted>,
}

impl Manager {
    /// With nothing in memory.
    pub fn new(catalogue: Box<dyn Catalogue>, config: ManagerConfig, metrics: Arc<Metrics>) -> Arc<Self> {
        let (state, known, fingerprints) = (Mutex::default(), Mutex::default(), Mutex::default());
        let loading = tokio::sync::Mutex::new(());
        Arc::new(Self { catalogue, config, metrics, state, known, fingerprints, loading })
    }

    /// The models that can be asked for.
    pub fn catalogue(&self) -> &dyn Catalogue {
        &*self.catalogue
    }

    /// Models in memory.
    pub fn loaded(&self) -> Vec<Arc<Loaded>> {
        self.state().loaded.clone()
    }

    /// The last models that went, and why.
    pub fn parted(&self) -> Vec<Parted> {
        self.state().parted.iter().cloned().collect()
    }

    /// The model that is meant where a request names none: the one in use, else the one that was named first.
    pub fn default_name(&self) -> String {
        let latest = self.loaded().into_iter().max_by_key(|loaded| loaded.last_used());
        latest.map_or_else(|| self.catalogue.default_name(), |loaded| loaded.listed.name.clone())
    }

    /// How models are held.
    pub fn config(&self) -> &ManagerConfig {
        &self.config
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The listed model that a request means.
    ///
    /// # Errors
    /// There is none.
    pub fn find(&self, name: &str) -> Result<Listed, Problem> {
        if name.len() > limits::NAME_BYTES_MAX {
            return Err(Problem::invalid("model", "model: the name is too long"));
        }
        self.catalogue.find(name).ok_or_else(|| {
            let names: Vec<String> =
                self.catalogue.list().into_iter().take(10).map(|listed| listed.name).collect();
            let message = format!("there is no model {name:?} here; there are: {}", names.join(", "));
            Problem {
                param: Some("model".into()),
                ..Problem::new(Kind::NotFound, message).code("model_not_found")
            }
        })
    }

    /// The right to use a model, which is loaded if it has to be.
    ///
    /// # Errors
    /// There is no such model, its files are damaged, or memory does not suffice.
    pub async fn lease(self: &Arc<Self>, name: &str, keep: Option<KeepAlive>) -> Result<Lease, Problem> {
        let listed = self.find(name)?;
        if let Some(lease) = self.lease_loaded(&listed.name, keep) {
            return Ok(lease);
        }
        // A client that goes does not interrupt the loading: the next one is glad of it.
        let manager = Arc::clone(self);
        let loading = tokio::spawn(async move {
            let _one_at_a_time = manager.loading.lock().await;
            match manager.lease_loaded(&listed.name, keep) {
                Some(lease) => Ok(lease),
                None => manager.load(listed, keep).await,
            }
        });
        loading.await.map_err(|_| Problem::new(Kind::Internal, "loading the model failed unexpectedly"))?
    }

    fn lease_loaded(&self, name: &str, keep: Option<KeepAlive>) -> Option<Lease> {
        let state = self.state();
        state.loaded.iter().find(|loaded| loaded.listed.name == name).map(|loaded| loaded.lease(keep, false))
    }

    async fn load(&self, listed: Listed, keep: Option<KeepAlive>) -> Result<Lease, Problem> {
        let began = clock::now();
        let model = self.open(&listed).await?;
        let fit = self.make_room(&listed.name, &model)?;
        let runner = Runner::start(model.clone(), fit.parallel, Arc::clone(&self.metrics))
            .map_err(|error| Problem::new(Kind::Internal, format!("cannot start a thread: {error}")))?;
        let time = clock::now().saturating_sub(began);
        let keep_alive = keep.unwrap_or(self.config.keep_alive);
        let loaded = Arc::new(Loaded::new(listed, model, runner, fit, time, keep_alive));
        let lease = loaded.lease(keep, true);
        (self.config.notice)(&format!(
            "loaded {}: {} for {} answers at a time of up to {} tokens",
            loaded.listed.name,
            Bytes(fit.bytes),
            fit.parallel,
            fit.context
        ));
        self.state().loaded.push(loaded);
        Ok(lease)
    }

    /// Opens a model and keeps in mind what it is.
    async fn open(&self, listed: &Listed) -> Result<LanguageModel, Problem> {
        let (source, settings) = (listed.source.clone(), Arc::clone(&listed.settings));
        let options = self.config.options.clone();
        let opened = tokio::task::spawn_blocking(move || open(&source, &settings, options)).await;
        let model =
            opened.map_err(|_| Problem::new(Kind::Internal, "opening the model failed unexpectedly"))??;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < KNOWN_MAX {
            known.insert(key(listed), model.describe());
        }
        drop(known);
        Ok(model)
    }

    /// What a model is, if it was ever opened.
    pub fn known(&self, listed: &Listed) -> Option<Description> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key(listed)).cloned()
    }

    /// What tells a model's weights from all others. It need not be loaded for that.
    ///
    /// # Errors
    /// There is no such model, or its files are damaged.
    pub async fn fingerprint(&self, name: &str) -> Result<String, Problem> {
        let known = || self.fingerprints.lock().unwrap_or_else(PoisonError::into_inner);
        let listed = self.find(name)?;
        if let Some(found) = known().get(&key(&listed)) {
            return Ok(found.clone());
        }
        // One at a time: opening takes memory for a moment.
        let _one_at_a_time = self.loading.lock().await;
        let (_, model) = self.look(name).await?;
        let found = tokio::task::spawn_blocking(move || model.fingerprint()).await;
        let found = found.map_err(|_| Problem::new(Kind::Internal, "the model could not be looked at"))?;
        let mut known = known();
        if known.len() < KNOWN_MAX {
            known.insert(key(&listed), found.clone());
        }
        Ok(found)
    }

    /// A model to be looked at, not run: it need not be loaded for that.
    ///
    /// # Errors
    /// There is no such model, or its files are damaged.
    pub async fn look(&self, name: &str) -> Result<(Listed, LanguageModel), Problem> {
        let listed = self.find(name)?;
        let loaded = self.loaded().into_iter().find(|loaded| loaded.listed.name == listed.name);
        match loaded {
            Some(loaded) => Ok((listed, loaded.model.clone())),
            None => {
                let model = self.open(&listed).await?;
                Ok((listed, model))
            }
        }
    }

    /// Lets idle models go, longest unused first, until `model` fits.
    fn make_room(&self, name: &str, model: &LanguageModel) -> Result<Fit, Problem> {
        let wanted = Wanted {
            context: self.config.context,
            parallel: self.config.parallel,
            prefix_bytes: self.config.options.prefix_bytes_max as u64,
        };
        let least = fit::fit(model, wanted, 0).map_or_else(|need| need, |fit| fit.bytes);
        // What is wanted in full, if all the memory were free.
        let most = fit::fit(model, wanted, self.config.memory_max);
        loop {
            let taken: u64 = self.loaded().iter().map(|loaded| loaded.fit.bytes).sum();
            let room = self.config.memory_max.saturating_sub(taken);
            let fitting = fit::fit(model, wanted, room);
            if fitting.is_ok() && (fitting == most || self.idlest().is_none()) {
                return fitting.map_err(|_| unreachable_room());
            }
            match self.idlest() {
                Some(idle) => self.part(&idle, &format!("its memory is needed for {name}")),
                None => return Err(self.no_room(name, least, most.is_err())),
            }
        }
    }

    fn idlest(&self) -> Option<Arc<Loaded>> {
        self.loaded().into_iter().filter(|loaded| !loaded.is_in_use()).min_by_key(|loaded| loaded.last_used())
    }

    fn no_room(&self, name: &str, least: u64, never: bool) -> Problem {
        let names: Vec<String> = self.loaded().iter().map(|loaded| loaded.listed.name.clone()).collect();
        let (need, have) = (Bytes(least), Bytes(self.config.memory_max));
        if never {
            let message = format!(
                "{name} needs at least {need} of memory and {have} may be used; take a smaller model, a shorter context \
                 (--ctx), or raise --max-loaded-memory"
            );
            return Problem::invalid("model", message).code("insufficient_memory");
        }
        let message = format!(
            "{name} needs {need} of memory, of {have} most is in use by {}; try again",
            names.join(", ")
        );
        Problem::new(Kind::Overloaded, message).code("insufficient_memory")
    }

    /// Lets a model go that is about to be removed or replaced.
    ///
    /// # Errors
    /// Somebody uses it.
    pub fn release(&self, name: &str, reason: &str) -> Result<(), Problem> {
        let Some(loaded) = self.loaded().into_iter().find(|loaded| loaded.listed.name == name) else {
            return Ok(());
        };
        if loaded.is_in_use() {
            let message = format!("{name} is answering right now; wait for the answer's end, or stop it");
            return Err(Problem::new(Kind::Conflict, message).code("model_in_use"));
        }
        self.part(&loaded, reason);
        Ok(())
    }

    /// What is loaded under this name is not what is kept under it any more.
    pub fn outdate(&self, name: &str) {
        if let Some(loaded) = self.loaded().into_iter().find(|loaded| loaded.listed.name == name) {
            self.part(&loaded, "it was replaced");
        }
    }

    /// Lets a model go. Who still uses it does so to the end.
    pub fn part(&self, loaded: &Arc<Loaded>, reason: &str) {
        let name = loaded.listed.name.clone();
        (self.config.notice)(&format!("unloaded {name}: {reason}"));
        let mut state = self.state();
        state.loaded.retain(|other| !Arc::ptr_eq(other, loaded));
        state.parted.push_back(Parted { name, reason: reason.to_owned() });
        if state.parted.len() > PARTED_MAX {
            state.parted.pop_front();
        }
    }

    /// Lets go of models whose time has passed.
    pub fn tidy(&self) {
        let now = clock::now();
        for loaded in self.loaded().into_iter().filter(|loaded| loaded.is_expired(now)) {
            self.part(&loaded, "nobody used it for as long as it was to be kept");
        }
    }

    /// Runs [`Manager::tidy`] now and then.
    pub async fn keep_tidy(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_millis(250)).await;
            self.tidy();
        }
    }
}

/// A model as it lies there; one that has changed is another.
fn key(listed: &Listed) -> (String, i64, u64) {
    (listed.name.clone(), listed.modified, listed.bytes)
}

fn unreachable_room() -> Problem {
    Problem::new(Kind::Internal, "the model's memory was judged twice, differently")
}

fn open(source: &Source, settings: &Settings, mut options: Options) -> Result<LanguageModel, Problem> {
    let refuse = |error: hob::Error| {
        let message = format!("the model cannot be loaded: {error}");
        Problem::invalid("model", message).code("model_not_loadable")
    };
    if let Some(template) = settings.jinja() {
        options.template = Some(template.to_owned());
    }
    let opened = match source {
        Source::Builtin => hob::builtin().and_then(|files| LanguageModel::new(files, &options)),
        Source::At(path) => LanguageModel::open(path, &options),
    };
    opened.map_err(refuse)
}
