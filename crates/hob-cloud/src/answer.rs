//! An answer as it arrives, with what was hidden put back.

use crate::events::Events;
use crate::protocol::{Part, is_answer};
use crate::question::object;
use crate::stops::Stops;
use crate::twice::{PARTS_MAX, Ticket};
use crate::{Error, Protocol, Repair, Target};
use hob_egress::Response;
use hob_privacy::{Restorer, Vault, restore};
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of an answer for each token that was asked for: fewer than tokens have in any language, so that an answer beyond it
/// has more tokens than were asked for.
const TOKEN_BYTES: u64 = 8;
/// Tokens over what was asked for that are let pass: counts differ a little.
const SLACK_TOKENS: u64 = 16;
/// Longest answer that is remembered for who asks the same again, in bytes.
const KEPT_BYTES_MAX: u64 = 1 << 20;
/// How long an answer may take as a whole.
const ANSWER_TIME: Duration = Duration::from_secs(30 * 60);
/// Calls of tools in one answer.
const CALLS_MAX: usize = 128;

/// Who waits for an answer.
pub trait Waiting {
    /// Whether it is still wanted; asked before each time that the question is sent.
    fn is_wanted(&self) -> bool {
        true
    }

    /// The question stands in the ledger, as this entry, and leaves now; more than once where it is tried again.
    fn leaves(&self, _entry: u64) {}

    /// What was said to leave last never did: nobody could be reached.
    fn stayed(&self) {}
}

/// Nobody in particular.
impl Waiting for () {}

/// A piece of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Of the answer.
    Text(String),
    /// Of what was thought before it.
    Thought(String),
    /// A tool is to be called.
    Call(Call),
}

/// A tool that is to be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The tool.
    pub name: String,
    /// What to call it with.
    pub arguments: Map<String, Value>,
}

/// A call whose arguments are still coming.
struct Calling {
    index: u64,
    id: Option<String>,
    name: String,
    arguments: String,
}

impl Calling {
    /// Whether this is said of the same call once more, and not of another one with the same index.
    fn goes_on(&self, id: Option<&str>, name: &str) -> bool {
        self.name == name && id.is_none_or(|id| self.id.as_deref() == Some(id))
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// It was complete.
    #[default]
    Stop,
    /// It was as long as was asked for.
    Length,
    /// The target would not go on.
    Refused,
}

/// Tokens as the target counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read.
    pub read: u64,
    /// Written.
    pub written: u64,
}

/// Tokens as far as the target told them.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    read: Option<u64>,
    written: Option<u64>,
}

impl Told {
    fn whole(self) -> Option<Usage> {
        Some(Usage { read: self.read?, written: self.written? })
    }
}

/// What an answer came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Why it ended.
    pub finish: Finish,
    /// What it took, where the target told.
    pub usage: Option<Usage>,
    /// What it cost, in millionths of a dollar; the most that it can have cost where the target did not tell.
    pub cost_micro: u64,
}

/// What a question was sent with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Tokens that were asked for.
    pub max_tokens: u64,
    /// Most that it can cost.
    pub cost_max_micro: u64,
    /// Most tokens that it can have: no token has less than a byte.
    pub read_max: u64,
}

/// Where parts come from.
pub(crate) enum Source {
    /// The network.
    Live(Box<Live>),
    /// The memory of the last minute.
    Remembered(VecDeque<Part>),
}

/// A stream that is being read.
pub(crate) struct Live {
    pub response: Response,
    pub ticket: Option<Ticket>,
    pub events: Events,
    /// The body, where the target answers in one piece.
    pub whole: Option<String>,
    /// What came, for who asks the same again.
    pub parts: Vec<Part>,
    pub clock: fn() -> Duration,
    /// When it began.
    pub began: Duration,
}

/// An answer on its way. Dropping it hangs up.
pub struct Answering {
    source: Source,
    target: Target,
    name: String,
    max_tokens: u64,
    cost_max_micro: u64,
    read_max: u64,
    has_schema: bool,
    /// The answer of which places were asked about.
    repair: Option<Repair>,
    stops: Stops,
    vault: Arc<Vault>,
    text: Option<Restorer<Arc<Vault>>>,
    thought: Option<Restorer<Arc<Vault>>>,
    calls: Vec<Calling>,
    ready: VecDeque<Event>,
    finish: Option<Finish>,
    usage: Option<Told>,
    bytes: u64,
    is_over: bool,
    /// Whether it came to its own end.
    is_complete: bool,
    /// Whether anybody wants it still.
    is_wanted: Option<Box<dyn Fn() -> bool + Send>>,
}

impl Answering {
    pub(crate) fn new(
        source: Source,
        (name, target): (String, Target),
        vault: Vault,
        Limits { max_tokens, cost_max_micro, read_max }: Limits,
        (has_schema, stops): (bool, Stops),
    ) -> Self {
        let vault = Arc::new(vault);
        Self {
            source,
            target,
            name,
            max_tokens,
            cost_max_micro,
            read_max,
            has_schema,
            repair: None,
            stops,
            // An answer with a schema is a document: what is put back has to be as JSON writes it.
            text: Some(Restorer::new(if has_schema {
                Arc::new(vault.escaped())
            } else {
                Arc::clone(&vault)
            })),
            thought: Some(Restorer::new(Arc::clone(&vault))),
            vault,
            calls: Vec::new(),
            ready: VecDeque::new(),
            finish: None,
            usage: None,
            bytes: 0,
            is_over: false,
            is_complete: false,
            is_wanted: None,
        }
    }

    /// The same about places of this answer.
    pub(crate) fn about(mut self, repair: Option<Repair>) -> Self {
        self.repair = repair;
        self
    }

    pub(crate) fn repair(&self) -> Option<&Repair> {
        self.repair.as_ref()
    }

    /// Hangs up as soon as `is_wanted` says no; it is asked whenever something came, be it nothing to show.
    pub fn while_wanted(&mut self, is_wanted: impl Fn() -> bool + Send + 'static) {
        self.is_wanted = Some(Box::new(is_wanted));
    }

    /// The user's name of the target.
    pub fn target(&self) -> &str {
        &self.name
    }

    /// The entry of the ledger; none for an answer that was remembered, for which nothing left.
    pub fn entry(&self) -> Option<u64> {
        match &self.source {
            Source::Live(live) => Some(live.response.entry()),
            Source::Remembered(_) => None,
        }
    }

    /// Leaves placeholders in the answer's text, for who reads it as something else than words. To be called before the first
    /// piece is taken.
    pub fn leave_hidden(&mut self) {
        self.text = Some(Restorer::new(Arc::default()));
    }

    /// What placeholders in the answer stand for.
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The next piece; `None` at the end, after which [`Answering::ended`] says what it came to.
    ///
    /// # Errors
    /// The network, the target, or an answer beyond what was asked for.
    #[expect(clippy::should_implement_trait, reason = "what ends it may be an error")]
    pub fn next(&mut self) -> Result<Option<Event>, Error> {
        while self.ready.is_empty() && !self.is_over {
            self.read()?;
        }
        Ok(self.ready.pop_front())
    }

    /// Most tokens that were read for it, as long as the target has not told.
    pub fn read_max(&self) -> u64 {
        self.read_max
    }

    /// Bytes that came so far of text, thoughts and calls.
    pub fn said_bytes(&self) -> u64 {
        self.bytes
    }

    /// What it came to.
    pub fn ended(&self) -> Ended {
        let is_live = matches!(self.source, Source::Live(_));
        // Half of what a target tells is nothing, and what it tells is not believed beyond what was asked for.
        let usage = self.usage.filter(|_| self.is_complete).and_then(Told::whole).map(|told| Usage {
            read: told.read.min(self.read_max),
            written: told.written.min(self.max_tokens.saturating_add(SLACK_TOKENS)),
        });
        let told = usage.map(|usage| self.target.cost_micro(usage.read, usage.written));
        let most = self.cost_max_micro;
        let cost_micro = if is_live { told.unwrap_or(most).min(most) } else { 0 };
        Ended { finish: self.finish.unwrap_or_default(), usage, cost_micro }
    }

    /// Reads until something is ready.
    fn read(&mut self) -> Result<(), Error> {
        if self.is_wanted.as_ref().is_some_and(|is_wanted| !is_wanted()) {
            return Err(Error::HungUp);
        }
        if let Source::Live(live) = &self.source
            && (live.clock)().saturating_sub(live.began) > ANSWER_TIME
        {
            return Err(Error::TooSlow { target: self.name.clone(), minutes: ANSWER_TIME.as_secs() / 60 });
        }
        let (parts, is_end) = match &mut self.source {
            Source::Remembered(parts) => (parts.pop_front().into_iter().collect(), parts.is_empty()),
            Source::Live(live) => live.read(self.target.protocol, &self.name)?,
        };
        for part in parts {
            if self.is_over {
                break;
            }
            if let Source::Live(live) = &mut self.source
                && live.parts.len() < PARTS_MAX
            {
                live.parts.push(part.clone());
            }
            self.take(part)?;
        }
        if is_end && !self.is_over {
            self.end()?;
        }
        Ok(())
    }

    fn take(&mut self, part: Part) -> Result<(), Error> {
        match part {
            Part::Text(text) => self.say(&text)?,
            Part::Thought(text) => {
                self.count(&text)?;
                let shown = self.thought.as_mut().map(|thought| thought.push(&text)).unwrap_or_default();
                self.ready.extend(Some(shown).filter(|text| !text.is_empty()).map(Event::Thought));
            }
            Part::Call { index, id, name } => {
                self.count(&name)?;
                let last = self.calls.iter().rfind(|call| call.index == index);
                if !last.is_some_and(|call| call.goes_on(id.as_deref(), &name)) {
                    if self.calls.len() == CALLS_MAX {
                        return Err(self.protocol("too many calls of tools"));
                    }
                    self.calls.push(Calling { index, id, name, arguments: String::new() });
                }
            }
            Part::Arguments { index, text } => {
                match self.calls.iter_mut().rfind(|call| call.index == index) {
                    // The tool that stands for a schema: what it is called with is the answer.
                    Some(call) if self.has_schema && is_answer(&call.name) => self.say(&text)?,
                    Some(call) => {
                        call.arguments.push_str(&text);
                        self.count(&text)?;
                    }
                    None => return Err(self.protocol("arguments of a call that has not begun")),
                }
            }
            Part::Tokens { read, written } => {
                let so_far = self.usage.unwrap_or_default();
                self.usage = Some(Told { read: read.or(so_far.read), written: written.or(so_far.written) });
            }
            Part::Finish(finish) => self.finish = Some(finish),
            Part::Failed(message) => {
                let (target, status) = (self.name.clone(), 500);
                return Err(Error::Status { target, status, message, after: None });
            }
            Part::Done => {
                self.finish.get_or_insert_default();
                self.end()?;
            }
        }
        Ok(())
    }

    fn say(&mut self, text: &str) -> Result<(), Error> {
        self.count(text)?;
        let restored = self.text.as_mut().map(|restorer| restorer.push(text)).unwrap_or_default();
        self.show(&restored);
        Ok(())
    }

    /// Shows text up to a stop. What follows would be paid for and not be read, so nothing more is asked for.
    fn show(&mut self, text: &str) {
        let (shown, is_end) = self.stops.push(text);
        self.ready.extend(Some(shown).filter(|text| !text.is_empty()).map(Event::Text));
        if is_end {
            self.finish = Some(Finish::Stop);
            self.is_over = true;
        }
    }

    /// Stops an answer that has more tokens than were asked for: what it can cost was judged by those.
    fn count(&mut self, text: &str) -> Result<(), Error> {
        self.bytes += text.len() as u64;
        let tokens = self.max_tokens.saturating_add(SLACK_TOKENS);
        if self.bytes > tokens.saturating_mul(TOKEN_BYTES) {
            return Err(Error::Budget { target: self.name.clone(), tokens: self.max_tokens });
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        if self.finish.is_none() {
            return Err(Error::BrokenOff { target: self.name.clone() });
        }
        self.is_over = true;
        self.is_complete = true;
        let rest = |restorer: Option<Restorer<Arc<Vault>>>| {
            restorer.map(Restorer::finish).filter(|text| !text.is_empty())
        };
        self.ready.extend(rest(self.thought.take()).map(Event::Thought));
        if let Some(text) = rest(self.text.take()) {
            self.show(&text);
        }
        let held = self.stops.finish();
        self.ready.extend(Some(held).filter(|text| !text.is_empty()).map(Event::Text));
        for Calling { name, arguments, .. } in std::mem::take(&mut self.calls) {
            if self.has_schema && is_answer(&name) {
                continue;
            }
            let Some(arguments) = object(&arguments) else {
                return Err(self.protocol("arguments of a call that are no JSON object"));
            };
            let arguments = arguments
                .into_iter()
                .map(|(name, value)| (restore(&name, &self.vault), restored(value, &self.vault)));
            self.ready.push_back(Event::Call(Call { name, arguments: arguments.collect() }));
        }
        let ended = self.ended();
        if let Source::Live(live) = &mut self.source {
            live.response.cost(ended.cost_micro);
            if live.parts.len() < PARTS_MAX
                && self.bytes <= KEPT_BYTES_MAX
                && let Some(ticket) = live.ticket.take()
            {
                ticket.keep(std::mem::take(&mut live.parts), (live.clock)());
            }
        }
        Ok(())
    }

    fn protocol(&self, found: &str) -> Error {
        Error::Protocol { target: self.name.clone(), found: found.to_owned() }
    }
}

impl Live {
    /// The next parts, and whether nothing follows.
    fn read(&mut self, protocol: Protocol, target: &str) -> Result<(Vec<Part>, bool), Error> {
        let wrong = |found: String| Error::Protocol { target: target.to_owned(), found };
        if let Some(whole) = self.whole.take() {
            return Ok((protocol.read_whole(&whole).map_err(wrong)?, true));
        }
        let mut buffer = [0; 8192];
        let read = self.response.read(&mut buffer)?;
        let data = match read {
            0 => self.events.finish().map(|data| data.into_iter().collect()),
            read => self.events.push(&buffer[..read]),
        };
        let mut parts = Vec::new();
        for data in data.map_err(|error| wrong(error.what().to_owned()))? {
            parts.extend(protocol.read(&data).map_err(wrong)?);
        }
        Ok((parts, read == 0))
    }
}

/// A value with placeholders put back in all of its texts.
fn restored(value: Value, vault: &Vault) -> Value {
    match value {
        Value::String(text) => Value::String(restore(&text, vault)),
        Value::Array(list) => list.into_iter().map(|value| restored(value, vault)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (restore(&name, vault), restored(value, vault))).collect()
        }
        other => other,
    }
}
