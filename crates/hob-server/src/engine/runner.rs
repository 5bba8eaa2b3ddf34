//! The thread on which a model answers: it takes orders in between two steps, and lets go of those nobody listens to.

use crate::clock;
use crate::energy::Mark;
use crate::limits;
use crate::metrics::Metrics;
use crate::problem::{Kind, Problem};
use crate::visit::{Computing, Visit};
use hob::Pooling;
use hob::{
    AnswerEvent, Answers, JobId, LanguageModel, Piece, Prepared, Reply, SchedulerConfig, SessionConfig, Usage,
};
use hob_engine::sampling::TokenLogprob;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// An answer that is wanted.
pub struct Order {
    /// The answer, ready to begin.
    pub prepared: Prepared,
    /// How long its text may grow.
    pub session: SessionConfig,
    /// Which of the answers to one request it is.
    pub choice: usize,
    /// Who listens. What waits here is bounded by the length of the answer.
    pub listener: mpsc::UnboundedSender<(usize, Told)>,
    /// The request that it belongs to, which is told what it takes.
    pub visit: Arc<Visit>,
}

/// What a listener hears.
#[derive(Debug)]
pub enum Told {
    /// The order stands; it runs, or waits in the queue.
    Accepted,
    /// A token was drawn.
    Token {
        /// Its log-probability, if it was asked for.
        logprob: Option<TokenLogprob>,
        /// What was decided by it; often nothing.
        pieces: Vec<Piece>,
    },
    /// All of its text is told, and a larger model is asked about places of it before it ends. Only who takes repairs hears of it.
    Asking {
        /// Who is asked.
        by: String,
        /// About how many places.
        places: usize,
    },
    /// The answer is complete. Nothing follows.
    Ended {
        /// What was still held back.
        pieces: Vec<Piece>,
        /// The whole.
        reply: Box<Reply>,
        /// What it took of the model that ended it.
        usage: Usage,
        /// What it took of all models that had a part in it.
        in_all: Usage,
        /// How long it took.
        times: Times,
    },
    /// There will be no more of it. Nothing follows.
    Failed(Problem),
}

/// How long the parts of an answer took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Until its prompt was begun.
    pub queue: Duration,
    /// From there to the first token.
    pub prompt: Duration,
    /// From the first token to the last.
    pub predicted: Duration,
}

enum Command {
    Answer(Box<Order>),
    Embed { texts: Vec<Vec<u32>>, reply: oneshot::Sender<Result<Vec<Vec<f32>>, Problem>> },
}

/// What a model is doing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Doing {
    /// Answers that run.
    pub running: usize,
    /// Answers that wait.
    pub waiting: usize,
    /// Bytes of keys and values.
    pub kv_bytes: usize,
}

/// The way to a model's thread. The thread ends when the last of these is gone.
pub struct Runner {
    commands: Sender<Command>,
    doing: Arc<Mutex<Doing>>,
}

impl Runner {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(model: LanguageModel, parallel: usize, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let (commands, receive) = channel();
        let doing = Arc::<Mutex<Doing>>::default();
        let chunk = model.engine().config().prefill_chunk;
        let config = SchedulerConfig {
            running_max: parallel,
            waiting_max: limits::WAITING_MAX,
            prefill_tokens: chunk,
        };
        let thread = Thread {
            answers: Answers::new(model, config),
            listeners: BTreeMap::new(),
            doing: Arc::clone(&doing),
            metrics,
        };
        std::thread::Builder::new().name("hob-model".into()).spawn(move || thread.run(&receive))?;
        Ok(Self { commands, doing })
    }

    /// Hands an order over; its listener hears what became of it.
    ///
    /// # Errors
    /// The thread has ended.
    pub fn order(&self, order: Order) -> Result<(), Problem> {
        self.commands.send(Command::Answer(Box::new(order))).map_err(|_| ended())
    }

    /// The vectors of texts.
    ///
    /// # Errors
    /// What the model cannot do.
    pub async fn embed(&self, texts: Vec<Vec<u32>>) -> Result<Vec<Vec<f32>>, Problem> {
        let (reply, receive) = oneshot::channel();
        self.commands.send(Command::Embed { texts, reply }).map_err(|_| ended())?;
        receive.await.map_err(|_| ended())?
    }

    /// What it is doing.
    pub fn doing(&self) -> Doing {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ended() -> Problem {
    Problem::new(Kind::Internal, "the model has stopped; ask again, and it is loaded anew")
}

struct Thread {
    answers: Answers,
    listeners: BTreeMap<JobId, Listener>,
    doing: Arc<Mutex<Doing>>,
    metrics: Arc<Metrics>,
}

struct Listener {
    choice: usize,
    visit: Arc<Visit>,
    /// Tokens that the visit was told of.
    wrote: usize,
    to: mpsc::UnboundedSender<(usize, Told)>,
    ordered: Duration,
    begun: Option<Duration>,
    first: Option<Duration>,
    /// That it is computed, from its begin on.
    computing: Option<Computing>,
}

/// A step as its answers see it.
struct Step<'a> {
    metrics: &'a Metrics,
    /// When what is computed now was begun.
    since: Duration,
    /// The same for the meter, where somebody waits to be begun.
    mark: Option<Mark>,
}

impl Step<'_> {
    /// Something was computed; what is next begins now.
    fn went_on(&mut self) {
        self.since = clock::now();
        self.mark = self.mark.map(|_| self.metrics.meter().mark());
    }
}

impl Thread {
    fn run(mut self, commands: &Receiver<Command>) {
        loop {
            if self.answers.is_idle() {
                let Ok(command) = commands.recv() else { return };
                self.take(command);
            }
            while let Ok(command) = commands.try_recv() {
                self.take(command);
            }
            self.let_go();
            let metrics = &self.metrics;
            let listeners = &mut self.listeners;
            let work = metrics.work();
            // Reading a counter takes its time: only where somebody waits for it.
            let waits = listeners.values().any(|listener| listener.computing.is_none());
            let mark = waits.then(|| metrics.meter().mark());
            let mut step = Step { metrics, since: clock::now(), mark };
            let stepped = self.answers.step(clock::now(), &mut |id, event| {
                let Some(listener) = listeners.get_mut(&id) else { return };
                let is_token = matches!(event, AnswerEvent::Token { .. });
                if listener.hear(event, &step) {
                    listeners.remove(&id);
                }
                // Tokens of all answers come of one pass; prompts are computed one after the other.
                if !is_token {
                    step.went_on();
                }
            });
            drop(work);
            self.metrics.steps(stepped);
            self.tell_doing();
        }
    }

    fn tell_doing(&self) {
        let load = self.answers.load();
        let kv_bytes = self.answers.kv_bytes();
        let doing = Doing { running: load.running, waiting: load.waiting, kv_bytes };
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = doing;
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Answer(order) => self.begin(*order),
            Command::Embed { texts, reply } if !reply.is_closed() => {
                let engine = self.answers.model().engine();
                // Models that generate have no pooling of their own; the mean is what others take of them.
                let pooling = engine.model().pooling().unwrap_or(Pooling::Mean);
                let meter = self.metrics.meter();
                // No answer, but company for those that run.
                let span = meter.begin(meter.mark());
                let work = self.metrics.work();
                let vectors = engine.embed_many(&texts, Some(pooling));
                drop(work);
                drop(span);
                let _ = reply.send(vectors.map_err(|error| hob::Error::from(error).into()));
            }
            Command::Embed { .. } => {}
        }
    }

    fn begin(&mut self, order: Order) {
        let Order { prepared, session, choice, listener: to, visit } = order;
        let prompt = prepared.prompt_tokens();
        match self.answers.submit(prepared, session) {
            Ok(id) => {
                let _ = to.send((choice, Told::Accepted));
                visit.read(prompt);
                let ordered = clock::now();
                let (begun, first, computing) = (None, None, None);
                let listener = Listener { choice, visit, wrote: 0, to, ordered, begun, first, computing };
                self.listeners.insert(id, listener);
            }
            Err(error) => {
                let _ = to.send((choice, Told::Failed(error.into())));
            }
        }
        self.tell_doing();
    }

    /// Ends answers whose listeners have gone.
    fn let_go(&mut self) {
        let gone = self.listeners.iter().filter(|(_, listener)| listener.to.is_closed());
        let gone: Vec<JobId> = gone.map(|(id, _)| *id).collect();
        for id in gone {
            self.answers.cancel(id);
            self.listeners.remove(&id);
            self.metrics.cancelled();
        }
    }
}

impl Listener {
    /// Passes an event on. `true` when it was the last.
    fn hear(&mut self, event: AnswerEvent, step: &Step<'_>) -> bool {
        let (now, metrics) = (clock::now(), step.metrics);
        if let (None, Some(mark)) = (&self.computing, step.mark) {
            // The first that is heard of an answer comes after something of it was computed.
            self.begun = Some(step.since);
            self.computing = Some(self.visit.compute(metrics.meter(), mark));
        }
        let (told, is_last) = match event {
            AnswerEvent::Prefill { .. } => return false,
            AnswerEvent::Token { logprob, pieces, .. } => {
                if self.first.is_none() {
                    self.first = Some(now);
                    metrics.first_token(now.saturating_sub(self.ordered));
                }
                self.wrote(1);
                metrics.drew();
                (Told::Token { logprob, pieces }, false)
            }
            AnswerEvent::Ended { pieces, reply, usage } => {
                let times = self.times(now);
                metrics.answered(&usage, times);
                // The token that ends an answer is told of by no event.
                self.wrote(usage.produced.saturating_sub(self.wrote));
                // Before its listener hears of the end, which tells what it took.
                self.computing = None;
                (Told::Ended { pieces, reply, usage, in_all: usage, times }, true)
            }
            AnswerEvent::Failed(error) => {
                metrics.failed();
                (Told::Failed(error.into()), true)
            }
        };
        let _ = self.to.send((self.choice, told));
        is_last
    }

    fn wrote(&mut self, tokens: usize) {
        self.wrote += tokens;
        self.visit.wrote(tokens);
    }

    fn times(&self, now: Duration) -> Times {
        let first = self.first.unwrap_or(now);
        let begun = self.begun.unwrap_or(first).min(first);
        Times {
            queue: begun.saturating_sub(self.ordered),
            prompt: first.saturating_sub(begun),
            predicted: now.saturating_sub(first),
        }
    }
}
