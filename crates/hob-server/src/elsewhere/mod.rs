//! Requests that a bigger model elsewhere answers, where the user's mode, policy and redactor let them go. What comes back
//! looks to the interfaces like an answer of this machine; where it went and what left is told in headers.
//!
//! Everything that can refuse or fail before the first word leads back to the local model, and after it too: what was said so
//! far is gone on with here. Only a request that names a target fails with it.

pub mod native;
mod question;
mod receipt;
mod repair;
mod speak;
mod watch;

pub use receipt::Receipt;

use crate::App;
use crate::ask::{self, Ask, Input, Leave, Running};
use crate::chats;
use crate::clock;
use crate::engine::Told;
use crate::keys::Scope;
use crate::problem::{Kind, Problem};
use crate::visit::Visit;
use hob::Piece;
use hob_cloud::{Answering, Cloud, Consent, Doubted, Error, Mode, Question, Waiting, Way, Wish};
use hob_privacy::Answer;
use hob_router::{Confidence, LocalModel};
use serde_json::json;
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// What names of targets begin with where a model is asked for; it may be left out where no model has the name.
pub const PREFIX: &str = "cloud/";
/// The model that is whichever the router chooses.
pub const AUTO: &str = "auto";

/// What is said of a question with values about which nobody has been asked.
const UNANSWERED: &str = "unanswered";
/// How programs answer for them.
const HOW_TO_ANSWER: &str = "`asks` of POST /hob/v1/cloud/plan lists the values with ids, and the request says \"hob\": \
    {\"answers\": {ID: \"hide\", \"show\" or \"refuse\"}}";

/// Where an answer comes from.
pub enum Went {
    /// A model here.
    Here,
    /// A model here, which is watched: it may go elsewhere after all.
    Watched(Box<watch::Watched>),
    /// One elsewhere.
    There(Box<Running>),
}

/// Sends a request elsewhere if it may and should go there.
///
/// # Errors
/// A target was named and cannot be asked.
pub async fn go(app: &App, ask: &mut Ask) -> Result<Went, Problem> {
    let Some(cloud) = app.cloud.clone() else { return Ok(Went::Here) };
    let named = named(app, &cloud, &ask.model);
    let is_auto = ask.model == AUTO && app.manager.find(AUTO).is_err();
    if is_auto {
        ask.model = app.default_name();
    }
    let is_hybrid = cloud.mode().is_ok_and(|mode| mode == Mode::Hybrid);
    let way = match named {
        Some(name) => Way::Named(name),
        // A word that decides nothing costs nothing: no question is made of what stays anyway.
        None if is_hybrid && !ask.leave.stays => Way::Router,
        None => return Ok(Went::Here),
    };
    let asked = match wanted(app, &cloud, ask, way.clone()).await {
        Ok(wanted) => begin(app, cloud, ask, wanted, Before::default()).await,
        Err(why) => Err(why),
    };
    match (asked, way) {
        (Ok(went), _) => Ok(went),
        (Err(problem), Way::Named(_)) => Err(problem),
        (Err(problem), _) if ask.leave.can_ask && problem.code == Some(UNANSWERED) => Err(problem),
        (Err(problem), _) => {
            app.visit.went(stays(app, &problem.message));
            Ok(Went::Here)
        }
    }
}

/// The target that a request names.
fn named(app: &App, cloud: &Cloud, model: &str) -> Option<String> {
    if let Some(name) = model.strip_prefix(PREFIX) {
        return Some(name.to_owned());
    }
    let is_here = model == AUTO || app.manager.find(model).is_ok();
    (!is_here && cloud.targets().is_ok_and(|targets| targets.contains_key(model))).then(|| model.to_owned())
}

/// Whether who asks may be answered elsewhere.
fn may_ask(visit: &Visit) -> bool {
    visit.key().is_none_or(|key| key.cloud && !key.private)
}

/// Whether who asks may learn the names, addresses and prices of models elsewhere: who may ask them, and who runs the machine.
pub fn may_be_named(visit: &Visit) -> bool {
    may_ask(visit) || visit.opens(Scope::Admin)
}

/// The models elsewhere that who asks may name.
pub fn models(app: &App) -> Vec<String> {
    let Some(cloud) = app.cloud.as_ref().filter(|_| may_ask(&app.visit)) else { return Vec::new() };
    match cloud.mode() {
        Ok(Mode::Ask | Mode::Hybrid) => {
            let targets = cloud.targets().unwrap_or_default();
            targets.into_keys().map(|name| format!("{PREFIX}{name}")).collect()
        }
        _ => Vec::new(),
    }
}

/// The question that a request is, where it is one that another model could answer.
fn may_go(app: &App, ask: &Ask) -> Result<hob_cloud::Question, Problem> {
    if app.visit.key().is_some_and(|key| !key.cloud) {
        let message = "this key is not for models elsewhere; `hob key add --cloud` makes one that is";
        return Err(Problem::new(Kind::Forbidden, message).code("cloud_not_allowed"));
    }
    question::of(ask)
}

/// What is wanted of models elsewhere, with what is known for deciding about it.
async fn wanted(app: &App, cloud: &Cloud, ask: &Ask, way: Way) -> Result<Wanted, Problem> {
    let question = may_go(app, ask)?;
    let confidence = if way == Way::Router { confidence(app, cloud, &ask.model).await? } else { None };
    Ok(Wanted {
        question,
        way,
        is_private: is_private(app, &ask.leave).await?,
        local: local(app, &ask.model),
        confidence,
        written: None,
        task: ask.leave.task.clone(),
        is_fresh: ask.leave.is_fresh,
        consent: ask.leave.consent.clone(),
    })
}

/// Whether it may never leave: the request says so, its key, its conversation or the folder of that.
async fn is_private(app: &App, leave: &Leave) -> Result<bool, Problem> {
    let is_said = leave.is_private || app.visit.key().is_some_and(|key| key.private);
    Ok(is_said || chats::must_stay(app, leave).await?)
}

/// What the thread that asks says before the answer.
enum Begun {
    Stays(Receipt),
    Goes(Receipt),
    Failed(Error),
}

/// A receipt of what stays after all. What had left is told all the same.
fn stays(app: &App, reason: &str) -> Receipt {
    let Receipt { bytes, hidden, entry, .. } = app.visit.receipt().unwrap_or_default();
    Receipt { bytes, hidden, entry, ..Receipt::stays("fallback", reason) }
}

/// What this machine said of an answer before another model was asked.
#[derive(Clone, Default)]
struct Before {
    said: String,
    /// For the receipt.
    note: Option<String>,
}

/// Asks as it is wanted; what was said before stands before the answer.
async fn begin(app: &App, cloud: Cloud, ask: &Ask, wanted: Wanted, before: Before) -> Result<Went, Problem> {
    let began = clock::now();
    let is_routed = wanted.way == Way::Router;
    let visit = Arc::clone(&app.visit);
    let hear = move |answering: Answering, to: &_| speak::speak(answering, to, &visit, began);
    let (receipt, told) = sent(app, cloud.clone(), wanted.clone(), |_| {}, hear).await?;
    let Some(told) = told else {
        let suffices = receipt.why == "suffices";
        app.visit.went(receipt);
        let watch = move || if suffices { watch::Watched::new(cloud, wanted) } else { None };
        let watched = tokio::task::spawn_blocking(watch).await.ok().flatten();
        return Ok(watched.map_or(Went::Here, |watched| Went::Watched(Box::new(watched))));
    };
    app.visit.went(Receipt { note: before.note.clone(), ..receipt });
    let told = if is_routed { continued(app, ask, told, before) } else { told };
    let running = Running {
        lease: None,
        prompt_tokens: 0,
        is_cut: false,
        began,
        early: VecDeque::new(),
        told,
        left: 1,
        of_many: is_routed.then(|| Arc::clone(&app.visit)),
    };
    Ok(Went::There(Box::new(running)))
}

/// Sends what is wanted, and has `hear` listen to the answer on a thread of its own; what that tells is received. Of what stays
/// there is a receipt and nothing to hear. `going` is told who is asked when the question leaves.
async fn sent<T: Send + 'static>(
    app: &App,
    cloud: Cloud,
    wanted: Wanted,
    going: impl FnOnce(&str) + Send + 'static,
    hear: impl FnOnce(Answering, &mpsc::UnboundedSender<T>) + Send + 'static,
) -> Result<(Receipt, Option<mpsc::UnboundedReceiver<T>>), Problem> {
    let place = Arc::clone(&app.elsewhere).try_acquire_owned();
    let place = place.map_err(|_| {
        let message = "as many models elsewhere are being asked as may be at a time; try again in a moment";
        Problem::new(Kind::Overloaded, message)
    })?;
    let (tell, begun) = oneshot::channel();
    let (to, told) = mpsc::unbounded_channel();
    let visit = Arc::clone(&app.visit);
    // The gate is blocking on purpose, and so is this thread as long as the answer lasts.
    tokio::task::spawn_blocking(move || {
        let _place = place;
        let Some(answering) = open(&cloud, &wanted, &visit, going, tell) else { return };
        hear(answering, &to);
    });
    let lost = |_| Problem::new(Kind::Internal, "the thread that asks elsewhere has stopped");
    match begun.await.map_err(lost)? {
        Begun::Stays(receipt) => Ok((receipt, None)),
        Begun::Goes(receipt) => Ok((receipt, Some(told))),
        Begun::Failed(error) => Err(problem_to(&app.visit, &error)),
    }
}

/// What is wanted, for another thread.
#[derive(Clone)]
struct Wanted {
    question: Question,
    way: Way,
    is_private: bool,
    local: Option<LocalModel>,
    confidence: Option<Arc<Confidence>>,
    written: Option<Doubted>,
    task: Option<String>,
    is_fresh: bool,
    consent: Consent,
}

/// Plans, tells what comes of it, and gives an answer that has begun. About kinds for which the user wants to be asked the
/// request says something, or it does not leave.
fn open(
    cloud: &Cloud,
    wanted: &Wanted,
    visit: &Visit,
    going: impl FnOnce(&str),
    tell: oneshot::Sender<Begun>,
) -> Option<Answering> {
    let wish = Wish {
        is_private: wanted.is_private,
        local: wanted.local,
        confidence: wanted.confidence.clone(),
        written: wanted.written.clone(),
        task: wanted.task.clone(),
        is_fresh: wanted.is_fresh,
        consent: Some(&wanted.consent),
        ..Wish::new(&wanted.question, wanted.way.clone())
    };
    let plan = match cloud.plan(&wish, &mut |_, _| Answer::Refuse) {
        Ok(plan) => plan,
        Err(error) => {
            let _ = tell.send(Begun::Failed(error));
            return None;
        }
    };
    let mut receipt = Receipt::of(&plan);
    let asker =
        Asker { tell: &tell, visit, receipt: &receipt, times: Cell::new(0), going: Cell::new(Some(going)) };
    let begun = cloud.begin_while(plan, &asker);
    let times = asker.times.get();
    let (begun, answering) = match begun {
        Ok(None) => (Begun::Stays(receipt), None),
        Ok(Some(answering)) => {
            // What was tried again has left again; what comes from memory has not.
            receipt.entry = answering.entry();
            receipt.bytes *= times.max(1);
            (Begun::Goes(receipt), Some(answering))
        }
        Err(error) => (Begun::Failed(error), None),
    };
    // Where nobody waits any more, the answer is hung up on.
    tell.send(begun).ok().and(answering)
}

/// Who waits for the answer to a question that is on its way. What leaves is told in the receipt at once: no answer may come of it.
struct Asker<'a, F> {
    tell: &'a oneshot::Sender<Begun>,
    visit: &'a Visit,
    receipt: &'a Receipt,
    /// How often it has left.
    times: Cell<u64>,
    /// Who is told the first time.
    going: Cell<Option<F>>,
}

impl<F: FnOnce(&str)> Waiting for Asker<'_, F> {
    fn is_wanted(&self) -> bool {
        !self.tell.is_closed()
    }

    fn leaves(&self, entry: u64) {
        self.times.set(self.times.get() + 1);
        let Receipt { bytes, hidden, .. } = self.receipt;
        self.visit.left(bytes * self.times.get(), hidden, Some(entry));
        if let (Some(going), Some(target)) = (self.going.take(), &self.receipt.target) {
            going(target);
        }
    }

    fn stayed(&self) {
        self.times.set(self.times.get() - 1);
        let Receipt { bytes, hidden, .. } = self.receipt;
        match self.times.get() {
            0 => self.visit.left(0, &BTreeMap::new(), None),
            times => self.visit.left(bytes * times, hidden, self.visit.receipt().and_then(|one| one.entry)),
        }
    }
}

/// What the local model can, as far as that is known without loading it.
fn local(app: &App, model: &str) -> Option<LocalModel> {
    let listed = app.manager.find(model).ok()?;
    let loaded = app.manager.loaded().into_iter().find(|loaded| loaded.listed.name == listed.name);
    let known = app.manager.known(&listed);
    let trained = known.as_ref().map(|known| known.context.min(hob::ChatOptions::DEFAULT_CONTEXT));
    let context = loaded.map(|loaded| loaded.fit.context).or(trained)?;
    Some(LocalModel { context: context as u64, tools: true, images: false })
}

/// When the answers of a model of this machine are right, if that was learned.
async fn confidence(app: &App, cloud: &Cloud, model: &str) -> Result<Option<Arc<Confidence>>, Problem> {
    if !cloud.knows_answers() {
        return Ok(None);
    }
    // Of a name that no model here has, nothing is known.
    if app.find(model).is_err() {
        return Ok(None);
    }
    let fingerprint = app.manager.fingerprint(model).await?;
    let cloud = cloud.clone();
    let read = tokio::task::spawn_blocking(move || cloud.confidence(&fingerprint)).await;
    let read =
        read.map_err(|_| Problem::new(Kind::Internal, "what is known of answers could not be read"))?;
    read.map_err(|error| problem_to(&app.visit, &error))
}

/// What comes after what was said here, and where it breaks off, what the local model adds to it.
fn continued(
    app: &App,
    ask: &Ask,
    mut there: mpsc::UnboundedReceiver<(usize, Told)>,
    before: Before,
) -> mpsc::UnboundedReceiver<(usize, Told)> {
    let (to, told) = mpsc::unbounded_channel();
    let (app, ask) = (app.clone(), ask.clone());
    tokio::spawn(async move {
        // Models write the blanks again at which the other stopped.
        let mut tail = blanks_after(&before.said);
        let mut so_far = speak::SoFar::after(&before.said);
        loop {
            let event = tokio::select! {
                event = there.recv() => event,
                // Who asked has gone: dropping the receiver hangs up.
                () = to.closed() => return,
            };
            let Some((choice, mut told)) = event else { return };
            add_to(&mut told, &before.said, "", &mut tail);
            so_far.hear(&told);
            match told {
                Told::Failed(problem) if speak::can_go_on(&ask, &so_far.text, so_far.has_calls) => {
                    go_on_here(&app, ask, so_far, problem, &to).await;
                    return;
                }
                told => {
                    if to.send((choice, told)).is_err() {
                        return;
                    }
                }
            }
        }
    });
    told
}

/// The local model goes on with what was said so far.
async fn go_on_here(
    app: &App,
    mut ask: Ask,
    so_far: speak::SoFar,
    problem: Problem,
    to: &mpsc::UnboundedSender<(usize, Told)>,
) {
    if let (Input::Chat(talk), false) = (&mut ask.input, so_far.text.is_empty()) {
        talk.conversation.messages.push(json!({"role": "assistant", "content": so_far.text}));
        talk.is_continued = true;
    }
    ask.max_tokens = ask.max_tokens.map(|tokens| tokens.saturating_sub(so_far.tokens()).max(1));
    // Templates may leave out the blanks at the end, and the model then writes them again.
    let mut tail = blanks_after(&so_far.text);
    let note = format!("{}; this machine went on", problem.message);
    app.visit.noted(&note);
    let mut here = match ask::begin_here(app, ask).await {
        Ok(running) => running,
        Err(_) => return drop(to.send((0, Told::Failed(problem)))),
    };
    loop {
        let event = tokio::select! {
            event = here.next() => event,
            () = to.closed() => return,
        };
        let Some((choice, mut told)) = event else { return };
        add_to(&mut told, &so_far.text, &so_far.thought, &mut tail);
        if to.send((choice, told)).is_err() {
            return;
        }
    }
}

/// Makes what one model says follow what another said and thought before, which ended with the blanks in `tail`.
fn add_to(told: &mut Told, said: &str, thought: &str, tail: &mut String) {
    if let Told::Token { pieces, .. } | Told::Ended { pieces, .. } = told {
        pieces.iter_mut().for_each(|piece| without_blanks(piece, tail));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
    }
    if let Told::Ended { reply, .. } = told {
        let again = again(&blanks_after(said), &reply.text);
        reply.text.replace_range(..again, said);
        reply.thought.insert_str(0, thought);
    }
}

/// The blanks at the end of a text.
fn blanks_after(text: &str) -> String {
    text[text.trim_end().len()..].to_owned()
}

/// Bytes at the start of a text that say again what a text with these blanks ended with. Line breaks and indentation beyond that
/// are meant.
fn again(tail: &str, text: &str) -> usize {
    tail.char_indices().map(|(at, _)| &tail[at..]).find(|end| text.starts_with(end)).map_or(0, str::len)
}

/// Takes away what a piece says again of the blanks before it; `tail` is what may still be said again.
fn without_blanks(piece: &mut Piece, tail: &mut String) {
    let Piece::Text(text) = piece else { return };
    let length = again(tail, text);
    text.replace_range(..length, "");
    // A word, or a blank that is another, is where the new text begins.
    let rest = if text.is_empty() { tail.len() - length } else { 0 };
    tail.truncate(rest);
}

/// A failure in words for who asks. What is wrong with the user's files is told with lines of them and with paths; a key that only
/// chats has no business with words and folders that are private.
pub fn problem_to(visit: &Visit, error: &Error) -> Problem {
    let told = problem(error);
    let is_of_files = matches!(
        error,
        Error::File { .. }
            | Error::Io { .. }
            | Error::Key { .. }
            | Error::Gate { .. }
            | Error::PrivateFolder { .. }
    );
    if !is_of_files || visit.opens(Scope::Admin) {
        return told;
    }
    let message = "what is set on this machine for models elsewhere cannot be used, so nothing is sent; whoever runs it learns more \
        from `hob cloud list`";
    Problem { message: message.to_owned(), ..told }
}

/// A failure in the words of the interfaces.
fn problem(error: &Error) -> Problem {
    let kind = match error.kind() {
        "no_target" => Kind::NotFound,
        "privacy_mode" | "private" | "offline" => Kind::Forbidden,
        "too_long" => Kind::Invalid,
        "budget" => Kind::Spent,
        "resting" => Kind::Overloaded,
        "network" | "target" => Kind::Upstream,
        // A file of the user's that makes no sense, a key that is not where it should be.
        _ => Kind::Conflict,
    };
    let after = match error {
        Error::Resting { seconds, .. } => Some(*seconds),
        Error::Status { after, .. } => *after,
        _ => None,
    };
    let message = match error {
        Error::Unanswered { .. } => format!("{error}; {HOW_TO_ANSWER}"),
        error => error.to_string(),
    };
    Problem { retry_after: after, ..Problem::new(kind, message).code(error.kind()) }
}
