//! What every interface comes to: an answer is wanted of a model, in this form, within these limits.

use crate::App;
use crate::clock;
use crate::elsewhere::{self, Went};
use crate::engine::{KeepAlive, Lease, Order, Told};
use crate::limits;
use crate::problem::{Kind, Problem};
use crate::visit::Visit;
use hob::{
    AnswerOptions, Calling, Conversation, Grammar, LanguageModel, OnFull, Piece, Prepared, Prompt, Reply,
    SamplerConfig, SessionConfig, ToolChoice, Usage, Window,
};
use hob_chats::Id;
use hob_cloud::Consent;
use hob_engine::sampling::TokenLogprob;
use hob_store::Settings;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::mpsc;

/// A request for answers.
#[derive(Clone)]
pub struct Ask {
    /// The model, as the request calls it.
    pub model: String,
    /// What is continued.
    pub input: Input,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Longest answer.
    pub max_tokens: Option<usize>,
    /// Texts that end it.
    pub stop: Vec<String>,
    /// A grammar that it follows.
    pub grammar: Option<Grammar>,
    /// How many are wanted.
    pub choices: usize,
    /// How long the model stays afterwards.
    pub keep_alive: Option<KeepAlive>,
    /// Positions of the context.
    pub context: Option<usize>,
    /// Whether the oldest text is dropped when the context is full. It is an error or an end otherwise.
    pub may_drop: bool,
    /// What it says about models elsewhere.
    pub leave: Leave,
    /// Whether the answer is read while it is written.
    pub is_streamed: bool,
    /// Whether who reads it like that can put another text in its place at its end.
    pub takes_repairs: bool,
}

/// What a request says about models elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Leave {
    /// It never leaves this machine, whatever else holds.
    pub is_private: bool,
    /// The conversation that it belongs to; where that is private or lies in a private folder, it stays.
    pub chat: Option<Id>,
    /// The folder in which that lies, or will.
    pub folder: Option<String>,
    /// The router is not asked about it.
    pub stays: bool,
    /// Somebody waits to be asked about values that the policy wants to be asked about: the request is refused until then.
    pub can_ask: bool,
    /// What was said about such values.
    pub consent: Consent,
    /// Another answer is wanted than the one of a moment ago.
    pub is_fresh: bool,
    /// What kind of task it is, for rules of the policy.
    pub task: Option<String>,
}

impl Leave {
    /// Goes on with a conversation in which this was said before: what must not leave of it must not leave later.
    pub fn go_on_from(&mut self, before: Self) {
        self.is_private |= before.is_private;
        // Only one conversation can be looked up.
        self.is_private |= before.chat.is_some() && self.chat.is_some() && before.chat != self.chat;
        self.is_private |= before.folder.is_some() && self.folder.is_some() && before.folder != self.folder;
        self.chat = self.chat.take().or(before.chat);
        self.folder = self.folder.take().or(before.folder);
    }
}

/// What is continued.
#[derive(Clone)]
pub enum Input {
    /// A conversation.
    Chat(Box<Talk>),
    /// A text.
    Text(String),
    /// Token ids.
    Ids(Vec<u32>),
}

/// A conversation with what may be said next.
#[derive(Clone, Default)]
pub struct Talk {
    /// Messages and tools.
    pub conversation: Conversation,
    /// Whether tools are called; `None`: not at all.
    pub choice: Option<ToolChoice>,
    /// Whether several are called at once.
    pub parallel: bool,
    /// Whether the last message is gone on with.
    pub is_continued: bool,
}

impl Ask {
    /// A request for one answer with everything at its default.
    pub fn new(model: &str, input: Input) -> Self {
        Self {
            model: model.to_owned(),
            input,
            sampling: Sampling::default(),
            max_tokens: None,
            stop: Vec::new(),
            grammar: None,
            choices: 1,
            keep_alive: None,
            context: None,
            may_drop: false,
            leave: Leave::default(),
            is_streamed: false,
            takes_repairs: false,
        }
    }
}

impl Ask {
    /// Takes what came with the model where the request says nothing.
    pub fn follow(&mut self, settings: &Settings) {
        if settings.is_empty() {
            return;
        }
        let wishes = settings.wishes();
        let given = std::mem::take(&mut self.sampling);
        self.sampling = Sampling {
            seed: given.seed.or(wishes.seed),
            temperature: given.temperature.or(wishes.temperature),
            top_k: given.top_k.or(wishes.top_k),
            top_p: given.top_p.or(wishes.top_p),
            min_p: given.min_p.or(wishes.min_p),
            typical_p: given.typical_p.or(wishes.typical_p),
            repeat_penalty: given.repeat_penalty.or(wishes.repeat_penalty),
            repeat_last_n: given.repeat_last_n.or(wishes.repeat_last_n),
            presence_penalty: given.presence_penalty.or(wishes.presence_penalty),
            frequency_penalty: given.frequency_penalty.or(wishes.frequency_penalty),
            ..given
        };
        self.max_tokens = self.max_tokens.or(wishes.max_tokens);
        if self.stop.is_empty() {
            self.stop = wishes.stop;
        }
        if let Input::Chat(talk) = &mut self.input {
            begin_with(&mut talk.conversation.messages, settings);
        }
    }
}

/// Puts what a model's conversations begin with before the messages: its instructions, unless there are others, and its
/// examples.
pub fn begin_with(messages: &mut Vec<Value>, settings: &Settings) {
    let is_system = |message: &Value| message["role"] == "system" || message["role"] == "developer";
    if let Some(system) = settings.system.as_ref().filter(|text| !text.is_empty())
        && !messages.iter().any(is_system)
    {
        messages.insert(0, json!({"role": "system", "content": system}));
    }
    let at = messages.iter().take_while(|message| is_system(message)).count();
    let examples = settings.messages.iter().map(|(role, text)| json!({"role": role, "content": text}));
    messages.splice(at..at, examples);
}

/// What a request says about drawing tokens; the rest is as the model's publisher recommends.
#[derive(Clone, Debug, Default)]
pub struct Sampling {
    pub seed: Option<u64>,
    pub temperature: Option<f32>,
    pub top_k: Option<u32>,
    pub top_p: Option<f32>,
    pub min_p: Option<f32>,
    pub typical_p: Option<f32>,
    pub repeat_penalty: Option<f32>,
    pub repeat_last_n: Option<i64>,
    pub presence_penalty: Option<f32>,
    pub frequency_penalty: Option<f32>,
    pub logit_bias: Vec<(u32, f32)>,
    pub logprobs: Option<u32>,
}

impl Sampling {
    fn config(&self, recommended: &SamplerConfig, choice: usize) -> SamplerConfig {
        let base = recommended.clone();
        SamplerConfig {
            // Answers to one prompt differ.
            seed: self.seed.unwrap_or_else(clock::seed).wrapping_add(choice as u64),
            temperature: self.temperature.unwrap_or(base.temperature),
            top_k: self.top_k.unwrap_or(base.top_k),
            top_p: self.top_p.unwrap_or(base.top_p),
            min_p: self.min_p.unwrap_or(base.min_p),
            typical_p: self.typical_p.unwrap_or(base.typical_p),
            repeat_penalty: self.repeat_penalty.unwrap_or(base.repeat_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(base.presence_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(base.frequency_penalty),
            penalty_window: match self.repeat_last_n {
                None => base.penalty_window,
                Some(n) if n < 0 => Window::Whole,
                Some(n) => Window::Last(n as u32),
            },
            logit_bias: self.logit_bias.clone(),
            logprobs: self.logprobs,
            ..base
        }
    }
}

/// Answers that run.
pub struct Running {
    /// The model, which stays as long as they do; none where one elsewhere answers.
    pub lease: Option<Lease>,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Whether the prompt is longer than the context, so that some of it is dropped.
    pub is_cut: bool,
    /// When the request began.
    pub began: std::time::Duration,
    /// Heard before all of them had a place.
    pub early: VecDeque<(usize, Told)>,
    /// What is heard.
    pub told: mpsc::UnboundedReceiver<(usize, Told)>,
    /// Answers that have not ended.
    pub left: usize,
    /// Where several models may have a part in the answer: the request, which counts the tokens of all of them.
    pub of_many: Option<Arc<Visit>>,
}

/// An answer that is complete.
#[derive(Debug)]
pub struct Answered {
    /// What was said.
    pub reply: Box<Reply>,
    /// What it took of the model that ended it; what is told of speed is about that one.
    pub usage: Usage,
    /// What it took of all models that had a part in it, one that broke off or was not shown as well: what interfaces call its usage.
    pub in_all: Usage,
    /// How long it took.
    pub times: crate::engine::runner::Times,
}

impl Running {
    /// The next event and which answer it is about; `None` after the last.
    pub async fn next(&mut self) -> Option<(usize, Told)> {
        if self.left == 0 {
            return None;
        }
        let lost =
            || Told::Failed(Problem::new(Kind::Internal, "the model has stopped in the middle of an answer"));
        let (choice, mut told) = match self.early.pop_front() {
            Some(event) => event,
            None => self.told.recv().await.unwrap_or_else(|| (0, lost())),
        };
        if matches!(told, Told::Ended { .. } | Told::Failed(_)) {
            self.left -= 1;
        }
        if let (Told::Ended { in_all, .. }, Some(visit)) = (&mut told, &self.of_many) {
            let (prompt, answer) = visit.settle().tokens;
            (in_all.prompt, in_all.produced) = (prompt as usize, answer as usize);
        }
        Some((choice, told))
    }

    /// All answers, in their order.
    ///
    /// # Errors
    /// One of them could not go on.
    pub async fn collect(&mut self) -> Result<Vec<Answered>, Problem> {
        let mut all: Vec<(usize, Answered)> = Vec::new();
        while let Some((choice, told)) = self.next().await {
            match told {
                Told::Ended { reply, usage, in_all, times, .. } => {
                    all.push((choice, Answered { reply, usage, in_all, times }))
                }
                Told::Failed(problem) => return Err(problem),
                Told::Accepted | Told::Token { .. } | Told::Asking { .. } => {}
            }
        }
        all.sort_by_key(|(choice, _)| *choice);
        Ok(all.into_iter().map(|(_, answered)| answered).collect())
    }

    /// The model, if it is one of this machine.
    pub fn model(&self) -> Option<&LanguageModel> {
        self.lease.as_ref().map(|lease| &lease.model)
    }
}

/// A part of an answer on its way to a client.
pub enum Heard {
    /// Pieces, with the log-probability of the token that brought them.
    Pieces(Vec<Piece>, Option<TokenLogprob>),
    /// The end.
    Ended(Vec<Piece>, Answered),
    /// It could not go on.
    Failed(Problem),
}

impl Heard {
    /// What a client has to be told; nothing for tokens whose text is held back.
    pub fn of(told: Told) -> Option<Self> {
        match told {
            Told::Accepted | Told::Asking { .. } => None,
            Told::Token { pieces, logprob } if pieces.is_empty() && logprob.is_none() => None,
            Told::Token { pieces, logprob } => Some(Self::Pieces(pieces, logprob)),
            Told::Ended { pieces, reply, usage, in_all, times } => {
                Some(Self::Ended(pieces, Answered { reply, usage, in_all, times }))
            }
            Told::Failed(problem) => Some(Self::Failed(problem)),
        }
    }
}

/// Begins the answers, here or elsewhere. When this returns, all of them have a place: the request has been understood.
///
/// # Errors
/// What is wrong with the request, or why it cannot be answered now.
pub async fn begin(app: &App, mut ask: Ask) -> Result<Running, Problem> {
    app.visit.check_budget()?;
    match elsewhere::go(app, &mut ask).await? {
        Went::There(running) => Ok(*running),
        Went::Watched(watched) => watched.begin(app, ask).await,
        Went::Here => begin_here(app, ask).await,
    }
}

/// Begins the answers with a model of this machine.
///
/// # Errors
/// As [`begin`].
pub async fn begin_here(app: &App, mut ask: Ask) -> Result<Running, Problem> {
    let began = clock::now();
    let lease = app.lease(&ask.model, ask.keep_alive).await?;
    ask.follow(&lease.listed.settings);
    if ask.context.is_none() {
        // Nobody asked for this length; where memory does not suffice for it, the usual one has to do.
        ask.context = lease.listed.settings.wishes().context;
        if session(&lease, &ask, app).is_err() {
            ask.context = None;
        }
    }
    let session = session(&lease, &ask, app)?;
    let model = lease.model.clone();
    let choices = ask.choices.max(1);
    let prepared = tokio::task::spawn_blocking(move || prepare(&model, &ask)).await;
    let prepared =
        prepared.map_err(|_| Problem::new(Kind::Internal, "the request could not be prepared"))??;
    let prompt_tokens = prepared.first().map_or(0, Prepared::prompt_tokens);
    let (listener, mut told) = mpsc::unbounded_channel();
    for (choice, prepared) in prepared.into_iter().enumerate() {
        let (listener, visit) = (listener.clone(), Arc::clone(&app.visit));
        lease.runner.order(Order { prepared, session, choice, listener, visit })?;
    }
    drop(listener);
    // The first word about each is whether it has a place.
    let (mut accepted, mut early) = (0, VecDeque::new());
    while accepted < choices {
        match told.recv().await {
            Some((_, Told::Accepted)) => accepted += 1,
            Some((_, Told::Failed(problem))) => return Err(problem),
            Some(other) => early.push_back(other),
            None => return Err(Problem::new(Kind::Internal, "the model has stopped; ask again")),
        }
    }
    let is_cut = prompt_tokens >= session.context;
    let (lease, left, of_many) = (Some(lease), choices, None);
    Ok(Running { lease, prompt_tokens, is_cut, began, early, told, left, of_many })
}

/// How long the text may grow.
fn session(lease: &Lease, ask: &Ask, app: &App) -> Result<SessionConfig, Problem> {
    let fit = lease.fit;
    let context = ask.context.unwrap_or(fit.context);
    let on_full = if ask.may_drop { OnFull::Shift { keep: 4.min(context / 4) } } else { OnFull::Error };
    if context > fit.context {
        let need = crate::engine::fit::bytes(&lease.model, context, 1, 0);
        let max = app.manager.config().memory_max;
        if need > max {
            let (need, max) = (hob_base::Bytes(need), hob_base::Bytes(max));
            let message =
                format!("a context of {context} tokens needs {need} of memory and {max} may be used");
            return Err(Problem::invalid("num_ctx", message).code("insufficient_memory"));
        }
    }
    Ok(SessionConfig { context, on_full })
}

/// Renders, encodes and compiles; work for a thread that may take its time.
fn prepare(model: &LanguageModel, ask: &Ask) -> Result<Vec<Prepared>, Problem> {
    let prompt = prompt(model, &ask.input)?;
    let one = |choice| {
        let options = AnswerOptions {
            sampler: Some(ask.sampling.config(model.recommended_sampling(), choice)),
            grammar: ask.grammar.clone(),
            max_tokens: ask.max_tokens,
            stop: ask.stop.clone(),
            ..AnswerOptions::default()
        };
        Prepared::new(model, &prompt, &options).map_err(Problem::from)
    };
    (0..ask.choices.max(1)).map(one).collect()
}

/// What the model sees of an input.
///
/// # Errors
/// What its template refuses.
pub fn prompt(model: &LanguageModel, input: &Input) -> Result<Prompt, Problem> {
    match input {
        Input::Text(text) => Ok(Prompt::text(model, text)?),
        Input::Ids(ids) => {
            let vocab = model.engine().model().spec().vocab;
            match ids.iter().find(|id| **id as usize >= vocab) {
                Some(id) => Err(Problem::invalid(
                    "prompt",
                    format!("prompt: there is no token {id}, only {vocab} of them"),
                )),
                None => Ok(Prompt::ids(ids.clone())),
            }
        }
        Input::Chat(talk) => chat(model, talk),
    }
}

fn chat(model: &LanguageModel, talk: &Talk) -> Result<Prompt, Problem> {
    if talk.conversation.messages.len() > limits::MESSAGES_MAX {
        let message = format!("messages: expected at most {}", limits::MESSAGES_MAX);
        return Err(Problem::invalid("messages", message));
    }
    if talk.is_continued {
        return Ok(Prompt::continued(model, &talk.conversation)?);
    }
    let tools = talk.conversation.tools.as_deref().filter(|tools| !tools.is_empty());
    let calling = match (tools, &talk.choice) {
        (Some(tools), Some(choice)) => Some(Calling::new(tools, choice.clone(), talk.parallel)?),
        _ => None,
    };
    Ok(Prompt::chat(model, &talk.conversation, calling.as_ref())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Settings {
            system: Some("Be a cat.".into()),
            parameters: vec![pair("temperature", "0.1"), pair("stop", "<end>"), pair("num_predict", "7")],
            messages: vec![pair("user", "Hi"), pair("assistant", "Meow")],
            ..Settings::default()
        }
    }

    fn followed(messages: Vec<Value>, change: impl FnOnce(&mut Ask)) -> Ask {
        let conversation = Conversation { messages, ..Conversation::default() };
        let mut ask = Ask::new("m", Input::Chat(Box::new(Talk { conversation, ..Talk::default() })));
        change(&mut ask);
        ask.follow(&settings());
        ask
    }

    fn contents(ask: &Ask) -> Vec<&str> {
        let Input::Chat(talk) = &ask.input else { return Vec::new() };
        talk.conversation.messages.iter().filter_map(|message| message["content"].as_str()).collect()
    }

    #[test]
    fn a_models_own_settings_come_first() {
        let ask = followed(vec![json!({"role": "user", "content": "Who?"})], |_| {});
        assert_eq!(contents(&ask), ["Be a cat.", "Hi", "Meow", "Who?"]);
        assert_eq!((ask.sampling.temperature, ask.max_tokens), (Some(0.1), Some(7)));
        assert_eq!(ask.stop, ["<end>"]);
    }

    #[test]
    fn a_request_says_otherwise() {
        let messages = vec![
            json!({"role": "system", "content": "Be a dog."}),
            json!({"role": "user", "content": "Who?"}),
        ];
        let ask = followed(messages, |ask| {
            (ask.sampling.temperature, ask.stop) = (Some(1.0), vec!["x".into()]);
        });
        assert_eq!(contents(&ask), ["Be a dog.", "Hi", "Meow", "Who?"]);
        assert_eq!((ask.sampling.temperature, ask.max_tokens), (Some(1.0), Some(7)));
        assert_eq!(ask.stop, ["x"]);
    }
}
