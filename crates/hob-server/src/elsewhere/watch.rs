//! An answer of a model of this machine that is watched while it is written, and goes to a bigger model when it becomes doubtful.
//!
//! The first tokens are held back: what is doubtful there is answered elsewhere as if nothing had been written. Later the reader has
//! seen the beginning, and the bigger model goes on with it. Until that model has begun, the answer here is written on, and where
//! nobody can be asked it goes on as if nothing had happened.

use super::repair::{Draft, Why};
use super::{Before, Wanted, Went, speak, stays};
use crate::App;
use crate::ask::{self, Ask, Input, Running};
use crate::engine::Told;
use crate::problem::{Kind, Problem};
use hob::{LanguageModel, Piece};
use hob_cloud::{Cloud, Doubted};
use hob_router::{Estimate, Handover, LIKELIEST_TOKENS, Watch};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a stream that has not begun waits for the first tokens: clients give up on servers that say nothing. They are held
/// back after that as well, but headers are out and say that the answer is written here.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// How long another model may take to begin, or to write places of an answer anew.
const WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest part of a word that waits for its end: not all scripts put blanks between words.
const WORD_BYTES_MAX: usize = 48;

/// An answer that may go elsewhere after all.
pub struct Watched {
    cloud: Cloud,
    wanted: Wanted,
    handover: Handover,
    watch: Watch,
    /// What the user's corrections say of such a question, in log-odds.
    corrections: f64,
}

impl Watched {
    /// Of a request that stays because the local answer suffices; nothing where the policy says nothing about answers that are
    /// being written, or nothing is known of this model's. Reads files.
    pub(super) fn new(cloud: Cloud, wanted: Wanted) -> Option<Self> {
        let confidence = wanted.confidence.clone()?;
        let handover = cloud.policy().ok()?.handover?;
        let prompt = wanted.question.prompt();
        let corrections = cloud.corrections().ok()?.evidence(&prompt);
        let watch = Watch::new(confidence, &prompt);
        Some(Self { cloud, wanted, handover, watch, corrections })
    }

    /// The probability with the user's word in it, as the router will see it.
    fn corrected(&self, estimate: &Estimate) -> f64 {
        hob_router::moved(estimate.suffices, self.corrections)
    }

    /// Begins the answer here. When this returns, the first tokens are there, or another model has begun, or it takes long.
    ///
    /// # Errors
    /// As [`ask::begin`].
    pub async fn begin(self, app: &App, ask: Ask) -> Result<Running, Problem> {
        let mut quiet = ask.clone();
        quiet.sampling.logprobs = Some(LIKELIEST_TOKENS);
        let mut here = ask::begin_here(app, quiet).await?;
        here.of_many = Some(Arc::clone(&app.visit));
        let (to, told) = mpsc::unbounded_channel();
        let mut reading = Reading::new(self, &ask, &here, to);
        let patience = tokio::time::sleep(SILENCE_MAX);
        tokio::pin!(patience);
        while reading.is_holding() {
            let event = tokio::select! {
                event = here.next() => event,
                () = &mut patience, if ask.is_streamed => break,
            };
            let Some((_, told)) = event else { break };
            let Some(estimate) = reading.take(told) else { continue };
            if ask.is_streamed && reading.can_repair(&estimate) {
                // Whoever reads it while it is written sees all of it first.
                reading.doubt = Some(estimate);
                // Its end was heard here and not there.
                here.left = 1;
                break;
            }
            if !reading.repair(app, &ask, &estimate).await
                && reading.is_below(&estimate)
                && let Some(there) = reading.hand_over(app, &ask, estimate).await
            {
                match whole(app, &ask, there).await {
                    Some(there) => return Ok(there),
                    // It is not bought a second time.
                    None => reading.is_watched = false,
                }
            }
        }
        if reading.is_over && reading.doubt.is_none() {
            // It is heard again from here.
            here.early = reading.held.into_iter().map(|told| (0, told)).collect();
            here.left = 1;
            return Ok(here);
        }
        let early = std::mem::take(&mut here.early);
        let rest = std::mem::replace(&mut here.told, told);
        tokio::spawn(reading.run(app.clone(), ask, early, rest));
        Ok(here)
    }
}

/// An answer from elsewhere. One that nobody could go on with where it breaks off, and that is read as a whole, is heard to its
/// end first: `None` where it breaks off, and then there is still the one here.
async fn whole(app: &App, ask: &Ask, mut there: Running) -> Option<Running> {
    let has_tools = matches!(&ask.input, Input::Chat(talk) if talk.choice.is_some());
    if ask.is_streamed || !has_tools && ask.grammar.is_none() {
        return Some(there);
    }
    let mut events = VecDeque::new();
    while let Some((choice, told)) = there.next().await {
        if let Told::Failed(problem) = told {
            app.visit.went(stays(app, &problem.message));
            return None;
        }
        events.push_back((choice, told));
    }
    (there.early, there.left) = (events, 1);
    Some(there)
}

/// A watched answer on its way to the reader.
struct Reading {
    watched: Watched,
    /// Who could not be asked once is not asked again for the same answer.
    is_watched: bool,
    /// Tokens before the reader sees the first.
    hold: u64,
    /// Whether the model has instructions of its own that never left: what it wrote may quote them.
    has_instructions: bool,
    held: VecDeque<Told>,
    is_over: bool,
    /// The model and the request, where a complete answer may be repaired.
    repairs: Option<(LanguageModel, Ask)>,
    /// A complete answer that may be asked about in places.
    draft: Option<Draft>,
    /// How doubtful a complete answer is that is shown first, and asked about then.
    doubt: Option<Estimate>,
    shown: Shown,
    to: mpsc::UnboundedSender<(usize, Told)>,
}

impl Reading {
    fn new(watched: Watched, ask: &Ask, here: &Running, to: mpsc::UnboundedSender<(usize, Told)>) -> Self {
        // Of an answer that is read as a whole nothing is seen before its end.
        let hold = if ask.is_streamed { watched.handover.hold } else { u64::MAX };
        let settings = here.lease.as_ref().map(|lease| &lease.listed.settings);
        let has_instructions =
            settings.is_some_and(|s| s.system.is_some() || s.jinja().is_some() || !s.messages.is_empty());
        // What most readers have seen cannot be changed any more, and instructions that never left might be quoted.
        let can_change = !ask.is_streamed || ask.takes_repairs;
        let may_repair = watched.handover.repair.is_some() && can_change && !has_instructions;
        let repairs = here.lease.as_ref().filter(|_| may_repair).map(|lease| {
            let mut ask = ask.clone();
            ask.follow(&lease.listed.settings);
            (lease.model.clone(), ask)
        });
        let (held, shown, is_watched) = (VecDeque::new(), Shown::default(), true);
        Self {
            watched,
            is_watched,
            hold,
            has_instructions,
            held,
            is_over: false,
            repairs,
            draft: None,
            doubt: None,
            shown,
            to,
        }
    }

    fn is_holding(&self) -> bool {
        self.is_watched && !self.is_over && self.watched.watch.tokens() < self.hold
    }

    /// Takes the next event; gives what is too doubtful.
    fn take(&mut self, mut told: Told) -> Option<Estimate> {
        let watch = &mut self.watched.watch;
        let estimate = match &told {
            Told::Token { logprob: Some(token), .. } => watch.push(token.logprob, &token.top),
            Told::Ended { .. } => watch.end(),
            _ => None,
        };
        self.is_over = matches!(told, Told::Ended { .. } | Told::Failed(_));
        if let (Told::Ended { reply, .. }, Some((model, ask))) = (&told, &self.repairs) {
            self.draft = Draft::of(model, ask, reply);
        }
        without_logprobs(&mut told);
        self.held.push_back(told);
        estimate.filter(|estimate| self.is_watched && (self.is_below(estimate) || self.can_repair(estimate)))
    }

    /// Whether the answer is too doubtful to stay.
    fn is_below(&self, estimate: &Estimate) -> bool {
        self.watched.corrected(estimate) < self.watched.handover.below
    }

    /// Whether it is complete, doubtful as a whole and doubted in few places.
    fn can_repair(&self, estimate: &Estimate) -> bool {
        let below = self.watched.handover.repair.unwrap_or(0.0);
        self.draft.is_some() && self.watched.corrected(estimate) < below
    }

    /// Passes the answer on, until its end or until another model goes on with it.
    async fn run(
        mut self,
        app: App,
        ask: Ask,
        mut early: VecDeque<(usize, Told)>,
        mut rest: mpsc::UnboundedReceiver<(usize, Told)>,
    ) {
        loop {
            if let Some(estimate) = self.doubt.take() {
                return self.repair_shown(&app, &ask, &estimate).await;
            }
            if !self.is_holding() && !self.show() {
                return;
            }
            let event = match early.pop_front() {
                Some(event) => Some(event),
                None => tokio::select! {
                    event = rest.recv() => event,
                    // Who asked has gone: dropping the receiver ends the answer.
                    () = self.to.closed() => return,
                },
            };
            let Some((_, told)) = event else { return };
            let Some(estimate) = self.take(told) else { continue };
            if self.can_repair(&estimate) {
                self.doubt = Some(estimate);
                continue;
            }
            // What was written up to here is seen, but for what is held back still.
            if (self.shown.is_any && !self.show()) || !self.can_go(&ask) {
                continue;
            }
            let to = self.to.clone();
            let there = tokio::select! {
                there = self.hand_over(&app, &ask, estimate) => there,
                () = to.closed() => return,
            };
            if let Some(there) = there {
                drop(rest);
                return listen(there, &self.to).await;
            }
        }
    }

    /// Shows what was held back. `false`: there is nothing more to come, or nobody to see it.
    fn show(&mut self) -> bool {
        while let Some(told) = self.held.pop_front() {
            if !self.shown.pass(told, &self.to) {
                return false;
            }
        }
        !self.is_over
    }

    /// Whether another model can go on with what the reader has seen.
    fn can_go(&self, ask: &Ask) -> bool {
        let said = &self.shown.text;
        let is_at_word = said.is_empty() || said.ends_with(char::is_whitespace) && !self.has_instructions;
        is_at_word
            && !(self.shown.is_any && self.is_over)
            && speak::can_go_on(ask, said, self.shown.has_calls)
    }

    /// Asks about the places of a complete answer that are doubted, and puts what is written there into it. `false`: it is not for
    /// that. Where it is and something fails, it stays, and the receipt says why.
    async fn repair(&mut self, app: &App, ask: &Ask, estimate: &Estimate) -> bool {
        let can = self.can_repair(estimate);
        let Some(draft) = self.draft.take().filter(|_| can) else { return false };
        self.is_watched = false;
        let wanted = self.doubted(app, ask, estimate.clone()).await;
        let (to, places, seen) = (self.to.clone(), draft.places(), ask.is_streamed);
        let going = move |target: &str| {
            if seen {
                let _ = to.send((0, Told::Asking { by: target.to_owned(), places }));
            }
        };
        let asked = draft.repair(app, self.watched.cloud.clone(), wanted, going, seen);
        match in_time(WAIT_MAX, asked, Why::Failed).await {
            Ok(text) => self.put(text),
            Err(Why::Stays) => {}
            Err(Why::Failed(problem)) => app.visit.went(stays(app, &problem.message)),
        }
        true
    }

    /// Shows a complete answer up to its end, has its places repaired, and ends it. The receipt tells what stands there instead.
    async fn repair_shown(mut self, app: &App, ask: &Ask, estimate: &Estimate) {
        let Some(mut ended) = self.held.pop_back() else { return };
        if let Told::Ended { pieces, .. } = &mut ended {
            let pieces = std::mem::take(pieces);
            self.held.push_back(Told::Token { logprob: None, pieces });
        }
        while let Some(told) = self.held.pop_front() {
            if !self.shown.pass(told, &self.to) {
                return;
            }
        }
        if !self.shown.flush(&self.to) {
            return;
        }
        self.held.push_back(ended);
        let to = self.to.clone();
        tokio::select! {
            _ = self.repair(app, ask, estimate) => {}
            // Who asked has gone, or does not want to wait: that hangs up.
            () = to.closed() => return,
        }
        self.show();
    }

    /// Puts a text in the place of that of the complete answer; what is shown already is not said a second time.
    fn put(&mut self, text: String) {
        self.held.retain(|told| !matches!(told, Told::Token { .. }));
        if let Some(Told::Ended { pieces, reply, .. }) = self.held.back_mut() {
            if !self.shown.is_any {
                *pieces = vec![Piece::Text(text.clone())];
            }
            reply.text = text;
        }
    }

    /// What is wanted of another model, now that it is known what the answer is worth.
    async fn doubted(&self, app: &App, ask: &Ask, estimate: Estimate) -> Wanted {
        let mut wanted = self.watched.wanted.clone();
        // Its conversation may have been moved to a private folder meanwhile.
        wanted.is_private |= super::is_private(app, &ask.leave).await.unwrap_or(true);
        wanted.written = Some(Doubted { estimate, tokens: self.watched.watch.tokens() });
        wanted
    }

    /// Asks elsewhere, with what was said here already. `None`: it stays, and the receipt says why.
    async fn hand_over(&mut self, app: &App, ask: &Ask, estimate: Estimate) -> Option<Running> {
        let mut wanted = self.doubted(app, ask, estimate).await;
        let (watched, tokens) = (&self.watched, self.watched.watch.tokens());
        let said = self.shown.text.clone();
        if !said.trim().is_empty() {
            wanted.question.begun = Some(said.clone());
            let left = |all: u64| all.saturating_sub(tokens).max(1);
            wanted.question.max_tokens = wanted.question.max_tokens.map(left);
        }
        let note = match self.shown.is_any {
            true => format!("the first {tokens} tokens were written on this machine"),
            false => format!("{tokens} tokens were written on this machine first and are not shown"),
        };
        let before = Before { said, note: Some(note) };
        let asked = super::begin(app, watched.cloud.clone(), ask, wanted, before);
        match in_time(WAIT_MAX, asked, |problem| problem).await {
            Ok(Went::There(running)) => return Some(*running),
            Ok(_) => {}
            Err(problem) => app.visit.went(stays(app, &problem.message)),
        }
        self.is_watched = false;
        None
    }
}

/// What comes of asking, unless it takes too long.
async fn in_time<T, E>(
    limit: Duration,
    asked: impl Future<Output = Result<T, E>>,
    late: impl FnOnce(Problem) -> E,
) -> Result<T, E> {
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| {
        let message = format!("nobody answered within {} seconds", limit.as_secs());
        Err(late(Problem::new(Kind::Upstream, message)))
    })
}

/// Passes on what another model says.
async fn listen(mut there: Running, to: &mpsc::UnboundedSender<(usize, Told)>) {
    loop {
        let event = tokio::select! {
            event = there.next() => event,
            () = to.closed() => return,
        };
        let Some(event) = event else { return };
        if to.send(event).is_err() {
            return;
        }
    }
}

/// Takes away what only the watch asked for.
fn without_logprobs(told: &mut Told) {
    match told {
        Told::Token { logprob, .. } => *logprob = None,
        Told::Ended { reply, .. } => reply.logprobs.clear(),
        Told::Accepted | Told::Asking { .. } | Told::Failed(_) => {}
    }
}

/// What the reader has seen, text as far as whole words go.
#[derive(Default)]
struct Shown {
    text: String,
    /// The beginning of a word.
    waiting: String,
    has_calls: bool,
    /// Whether there was anything to see.
    is_any: bool,
}

impl Shown {
    /// Passes an event on, but for a word that has not ended. `false`: nobody listens.
    fn pass(&mut self, mut told: Told, to: &mpsc::UnboundedSender<(usize, Told)>) -> bool {
        match &mut told {
            Told::Token { pieces, .. } => {
                let taken = std::mem::take(pieces);
                taken.into_iter().for_each(|piece| self.piece(piece, pieces));
                self.is_any |= !pieces.is_empty();
            }
            Told::Ended { pieces, .. } if !self.waiting.is_empty() => {
                pieces.insert(0, Piece::Text(std::mem::take(&mut self.waiting)));
            }
            _ => {}
        }
        to.send((0, told)).is_ok()
    }

    /// Shows what waits for the end of its word: there is no more of it. `false`: nobody listens.
    fn flush(&mut self, to: &mpsc::UnboundedSender<(usize, Told)>) -> bool {
        let mut pieces = Vec::new();
        self.words(self.waiting.len(), &mut pieces);
        // What has no blank in it was not seen before.
        self.is_any |= !pieces.is_empty();
        to.send((0, Told::Token { logprob: None, pieces })).is_ok()
    }

    fn piece(&mut self, piece: Piece, shown: &mut Vec<Piece>) {
        let Piece::Text(text) = piece else {
            // What stood before it is seen before it.
            let end = self.waiting.len();
            self.words(end, shown);
            self.has_calls |= matches!(piece, Piece::Call(_));
            return shown.push(piece);
        };
        self.waiting.push_str(&text);
        let blank = self.waiting.char_indices().rev().find(|(_, c)| c.is_whitespace());
        match blank {
            Some((at, c)) => self.words(at + c.len_utf8(), shown),
            None if self.waiting.len() > WORD_BYTES_MAX => self.words(self.waiting.len(), shown),
            None => {}
        }
    }

    /// Shows what waits, up to `end`.
    fn words(&mut self, end: usize, shown: &mut Vec<Piece>) {
        let rest = self.waiting.split_off(end);
        let whole = std::mem::replace(&mut self.waiting, rest);
        if !whole.is_empty() {
            self.text.push_str(&whole);
            shown.push(Piece::Text(whole));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;
    use hob::ToolCall;

    fn token(pieces: Vec<Piece>) -> Told {
        Told::Token { logprob: None, pieces }
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.into())
    }

    #[tokio::test]
    async fn what_takes_too_long_is_given_up() {
        let said = |problem: Problem| problem.message;
        let quick = in_time(Duration::from_secs(60), async { Ok::<_, String>(7) }, said).await;
        let late = in_time(Duration::ZERO, std::future::pending::<Result<u8, String>>(), said).await;
        assert_eq!(quick, Ok(7));
        assert_eq!(late, Err("nobody answered within 0 seconds".into()));
    }

    #[test]
    fn words_are_shown_whole_and_before_what_follows_them() {
        let (to, mut told) = mpsc::unbounded_channel();
        let mut shown = Shown::default();
        let call = Piece::Call(ToolCall { name: "look".into(), arguments: serde_json::Map::new() });
        let long = "x".repeat(WORD_BYTES_MAX + 1);
        for pieces in
            [vec![text("Let me ch")], vec![text("eck it.")], vec![call.clone()], vec![text(&long)], vec![]]
        {
            assert!(shown.pass(token(pieces), &to));
        }
        let mut seen = Vec::new();
        while let Ok((_, told)) = told.try_recv() {
            let Told::Token { pieces, .. } = told else { panic!("a token") };
            seen.extend(pieces);
        }
        assert_eq!(seen, [text("Let me "), text("check "), text("it."), call, text(&long)]);
        assert!(shown.has_calls && shown.text.ends_with('x'));
        // A text without blanks is seen when there is no more of it, and is seen then.
        let mut whole = Shown::default();
        assert!(whole.pass(token(vec![text("{\"a\":\"b\"}")]), &to) && !whole.is_any);
        assert!(whole.flush(&to) && whole.is_any);
        drop(told);
        assert!(!shown.pass(token(vec![]), &to));
    }
}
