//! Everything together: files of the user, the router, the redactor, the gate.

use crate::answer::{Limits, Live, Source};
use crate::ask::{Sending, caps};
use crate::book::{Book, Written, no_target};
use crate::breaker::Breaker;
use crate::events::Events;
use crate::folders;
use crate::learned::Learned;
use crate::plan::Outgoing;
use crate::stops::Stops;
use crate::twice::{Claim, Ticket, Twice};
use crate::{
    Answering, Doubted, Error, KeyFrom, Mode, Plan, Question, Repair, Target, Told, Waiting, Way, Wish,
};
use hob_egress::{Egress, Entry, Hash, Period, Purpose, Response, Secret, Verified};
use hob_privacy::{Answer, Detector, Draft, Label, Reach, Rules, Terms, clear};
use hob_router::{Corrections, Policy, Request, Router, Scorer, Spent};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Tokens that an answer needs at least to be of use.
const ANSWER_TOKENS_MIN: u64 = 16;
/// Characters of a token, about.
const TOKEN_CHARS: usize = 4;
/// Characters of a value that tell something of it.
const PART_CHARS: usize = 3;
/// Characters at the end of a text in which a part is looked for.
const PART_CHARS_MAX: usize = 512;
/// Tokens of the answer to a test.
const TEST_TOKENS: u64 = 16;
/// Longest answer in one piece.
const WHOLE_BYTES_MAX: u64 = 16 << 20;

/// Makes a gate that may reach the places of a policy.
pub type Connect = Box<dyn Fn(hob_egress::Policy) -> Result<Egress, String> + Send + Sync>;
/// Finds the key of a target.
pub type FindKey = Box<dyn Fn(&str, &KeyFrom) -> Result<Secret, String> + Send + Sync>;

/// What comes from above.
pub struct Setup {
    /// The data folder, where targets, mode and policy are.
    pub folder: PathBuf,
    /// How the gate is set up.
    pub connect: Connect,
    /// Where keys are.
    pub key: FindKey,
    /// Time since any fixed moment.
    pub clock: fn() -> Duration,
    /// A number that is another one each time.
    pub seed: fn() -> u64,
}

/// The way to bigger models. Clones share it.
#[derive(Clone)]
pub struct Cloud(Arc<Inner>);

struct Inner {
    setup: Setup,
    book: Book,
    ready: Mutex<Option<Arc<Ready>>>,
    breakers: Mutex<HashMap<String, Arc<Mutex<Breaker>>>>,
    twice: Arc<Twice>,
    learned: Learned,
}

/// What was made of the user's files.
struct Ready {
    written: Written,
    targets: BTreeMap<String, Target>,
    router: Router,
    detector: Detector,
    egress: Egress,
}

impl Ready {
    fn policy(&self) -> &Policy {
        self.router.policy()
    }

    fn target(&self, name: &str) -> Result<&Target, Error> {
        self.targets.get(name).ok_or_else(|| no_target(name, self.targets.keys().cloned().collect()))
    }
}

impl Cloud {
    /// The way as the files of the user say; they are read for each question.
    pub fn new(setup: Setup) -> Self {
        let book = Book::new(setup.folder.clone());
        Self(Arc::new(Inner {
            setup,
            book,
            ready: Mutex::default(),
            breakers: Mutex::default(),
            twice: Arc::default(),
            learned: Learned::default(),
        }))
    }

    pub(crate) fn learned(&self) -> &Learned {
        &self.0.learned
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0.setup.folder
    }

    /// Whether anything may leave.
    ///
    /// # Errors
    /// The file that says so cannot be read.
    pub fn mode(&self) -> Result<Mode, Error> {
        self.0.book.mode()
    }

    /// Says whether anything may leave.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn set_mode(&self, mode: Mode) -> Result<(), Error> {
        self.0.book.set_mode(mode)
    }

    /// Where the policy is, or would be.
    pub fn policy_path(&self) -> PathBuf {
        self.0.book.policy_path()
    }

    /// The policy that holds.
    ///
    /// # Errors
    /// It makes no sense.
    pub fn policy(&self) -> Result<Policy, Error> {
        let written = self.0.book.read()?;
        policy(&self.0.book, &written, &self.0.book.targets(&written)?)
    }

    /// Where a file really lies whose text a question will be about. Whoever reads one for a target asks here first; `home`
    /// is what `~` means.
    ///
    /// # Errors
    /// [`Error::PrivateFolder`], or it cannot be known where the file or a private folder is.
    pub fn may_read(&self, file: &Path, home: Option<&Path>) -> Result<PathBuf, Error> {
        folders::may_read(file, &self.policy()?.privacy.private_folders, home)
    }

    /// The targets by name.
    ///
    /// # Errors
    /// A file that makes no sense.
    pub fn targets(&self) -> Result<BTreeMap<String, Target>, Error> {
        self.0.book.targets(&self.0.book.read()?)
    }

    /// Adds a target; `key` is kept beside it for nobody else to read.
    ///
    /// # Errors
    /// It cannot be, or is there.
    pub fn add(&self, name: &str, target: &Target, key: Option<&str>) -> Result<(), Error> {
        let book = &self.0.book;
        let mut target = target.clone();
        if key.is_some() {
            target.key = Some(KeyFrom::File(book.key_path(name)));
        }
        book.add(name, &target)?;
        key.map_or(Ok(()), |key| book.keep_key(name, key).map(|_| ()))
    }

    /// Takes one away.
    ///
    /// # Errors
    /// It is not there.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        self.0.book.remove(name)
    }

    /// What was spent today and this month, by one target or all of them, in dollars, and the bytes that left.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub fn spent(&self, target: Option<&str>) -> Result<(Spent, u64), Error> {
        let ready = self.ready()?;
        let spent = |period| ready.egress.ledger().spent(target, period).map_err(hob_egress::Error::from);
        let (day, month) = (spent(Period::Day)?, spent(Period::Month)?);
        let dollars = |micro: u64| micro as f64 / 1e6;
        Ok((Spent { day: dollars(day.cost_micro), month: dollars(month.cost_micro) }, month.bytes))
    }

    /// Reads the ledger of what left.
    ///
    /// # Errors
    /// It is not whole.
    pub fn ledger(&self, visit: &mut dyn FnMut(&Entry, Hash)) -> Result<Verified, Error> {
        let ready = self.ready()?;
        ready.egress.ledger().read(visit).map_err(|error| hob_egress::Error::from(error).into())
    }

    /// Reads what came after `place`.
    ///
    /// # Errors
    /// That is not whole, or it is not the ledger of which `place` was one.
    pub fn ledger_on(
        &self,
        place: &mut hob_egress::Place,
        visit: &mut dyn FnMut(&Entry, Hash),
    ) -> Result<Verified, Error> {
        let ready = self.ready()?;
        ready.egress.ledger().read_on(place, visit).map_err(|error| hob_egress::Error::from(error).into())
    }

    /// What would happen to a question. Sends nothing. `ask` hears the kinds that the user wants to be asked about.
    ///
    /// # Errors
    /// Why it can neither stay nor go: a target that is not there, something private that is not let through, a policy, a
    /// ledger or a list of words that cannot be read.
    pub fn plan(
        &self,
        wish: &Wish<'_>,
        ask: &mut dyn FnMut(Label, &BTreeSet<&str>) -> Answer,
    ) -> Result<Plan, Error> {
        let mode = self.mode()?;
        match (&wish.way, mode) {
            (Way::Named(_), Mode::Offline) => return Err(Error::Offline),
            (Way::Router, Mode::Offline | Mode::Ask) | (Way::Advice, Mode::Offline) => {
                return Ok(Plan::stays(Told::mode(mode)));
            }
            _ => {}
        }
        let ready = self.ready()?;
        let told = match &wish.way {
            Way::Named(name) => {
                let target = ready.target(name)?;
                let expected = ready.policy().answer_tokens.min(target.answer_tokens);
                let written = wish.question.max_tokens.map_or(expected, |wanted| wanted.min(expected));
                let micro = target.cost_micro(read_tokens(wish.question), written);
                Told { dollars: micro as f64 / 1e6, ..Told::named(name, target) }
            }
            Way::Router | Way::Advice => routed(&ready, wish, self.corrections()?)?,
        };
        let Some(name) = told.target.clone() else { return Ok(Plan::stays(told)) };
        let target = ready.target(&name)?.clone();
        let outgoing = outgoing(&ready, name, target, wish, ask)?;
        Ok(Plan { told, outgoing: Some(outgoing) })
    }

    /// Sends what was planned and gives the answer from its first byte. Of a plan that stays: nothing.
    ///
    /// # Errors
    /// Nothing was sent, or nothing came back.
    pub fn begin(&self, plan: Plan) -> Result<Option<Answering>, Error> {
        self.begin_while(plan, &())
    }

    /// The same as long as somebody waits for it, who hears what leaves.
    ///
    /// # Errors
    /// As [`Cloud::begin`], and [`Error::HungUp`].
    pub fn begin_while(&self, plan: Plan, waiting: &dyn Waiting) -> Result<Option<Answering>, Error> {
        let Some(outgoing) = plan.outgoing else { return Ok(None) };
        outgoing.need_answers()?;
        self.may(&outgoing)?;
        // Another place under the same name is somebody else.
        let whose = format!("{} {}", outgoing.name, outgoing.target.address);
        let key = (whose, Hash::of(outgoing.cleared.bytes()));
        let ticket = match outgoing.is_fresh {
            true => None,
            false => match self.0.twice.claim(key, self.0.setup.clock, &|| waiting.is_wanted()) {
                Claim::Unwanted => return Err(Error::HungUp),
                Claim::Known(parts) => {
                    let source = Source::Remembered(parts.iter().cloned().collect());
                    return Ok(Some(answering(source, outgoing)));
                }
                Claim::Mine(ticket) => Some(ticket),
            },
        };
        let purpose = if outgoing.repair.is_some() { Purpose::Repair } else { Purpose::Ask };
        let response = self.send(&outgoing, purpose, waiting)?;
        let live = self.live(response, ticket, &outgoing.name)?;
        Ok(Some(answering(Source::Live(Box::new(live)), outgoing)))
    }

    /// Asks a target something short, to see whether it answers; gives the answer's text.
    ///
    /// # Errors
    /// It does not.
    pub fn test(&self, name: &str) -> Result<(String, Answering), Error> {
        if self.mode()? == Mode::Offline {
            return Err(Error::Offline);
        }
        let ready = self.ready()?;
        let target = ready.target(name)?.clone();
        let question = Question { max_tokens: Some(TEST_TOKENS), ..Question::of("Reply with the word ok.") };
        let wish = Wish { is_fresh: true, ..Wish::new(&question, Way::Named(name.to_owned())) };
        let outgoing = outgoing(&ready, name.to_owned(), target, &wish, &mut |_, _| Answer::Refuse)?;
        let response = self.send(&outgoing, Purpose::Test, &())?;
        let live = self.live(response, None, name)?;
        let mut answering = answering(Source::Live(Box::new(live)), outgoing);
        let mut said = String::new();
        while let Some(event) = answering.next()? {
            if let crate::Event::Text(text) | crate::Event::Thought(text) = event {
                said.push_str(&text);
            }
        }
        Ok((said, answering))
    }

    /// Whether what was planned may be sent now: the mode or a file may have changed since, and advice is not to be followed
    /// by itself.
    fn may(&self, outgoing: &Outgoing) -> Result<Arc<Ready>, Error> {
        match (self.mode()?, &outgoing.way) {
            (Mode::Offline, _) => return Err(Error::Offline),
            (_, Way::Named(_)) | (Mode::Hybrid, Way::Router) => {}
            (mode, _) => return Err(Error::NotHybrid { mode }),
        }
        let ready = self.ready()?;
        if ready.written == outgoing.written { Ok(ready) } else { Err(Error::Changed) }
    }

    fn send(&self, outgoing: &Outgoing, purpose: Purpose, waiting: &dyn Waiting) -> Result<Response, Error> {
        let (name, ready) = (&outgoing.name, self.may(outgoing)?);
        let key = outgoing.target.key.as_ref().map(|from| (self.0.setup.key)(name, from)).transpose();
        let key = key.map_err(|found| Error::Key { target: name.clone(), found })?;
        let breaker = Arc::clone(self.breakers().entry(name.clone()).or_default());
        Sending {
            egress: &ready.egress,
            name,
            target: &outgoing.target,
            key,
            body: &outgoing.cleared,
            caps: &outgoing.caps,
            cost_max_micro: outgoing.cost_max_micro,
            purpose,
            breaker: &breaker,
            clock: self.0.setup.clock,
            seed: (self.0.setup.seed)(),
            may: &|| if waiting.is_wanted() { self.may(outgoing).map(drop) } else { Err(Error::HungUp) },
            waiting,
            limit_micro: outgoing.limit_micro,
        }
        .send()
    }

    fn live(&self, mut response: Response, ticket: Option<Ticket>, name: &str) -> Result<Live, Error> {
        let kind = response.header("content-type").unwrap_or_default();
        let whole =
            if kind.starts_with("application/json") { Some(whole(&mut response, name)?) } else { None };
        let (events, parts, clock) = (Events::default(), Vec::new(), self.0.setup.clock);
        Ok(Live { response, ticket, events, whole, parts, clock, began: clock() })
    }

    fn breakers(&self) -> MutexGuard<'_, HashMap<String, Arc<Mutex<Breaker>>>> {
        self.0.breakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the files say, made anew only where one of them changed.
    fn ready(&self) -> Result<Arc<Ready>, Error> {
        let inner = &self.0;
        let written = inner.book.read()?;
        let mut ready = inner.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = ready.as_ref().filter(|ready| ready.written == written) {
            return Ok(Arc::clone(ready));
        }
        let targets = inner.book.targets(&written)?;
        let policy = policy(&inner.book, &written, &targets)?;
        let mut places = hob_egress::Policy::default();
        targets.values().try_for_each(|target| target.allow(&mut places))?;
        let egress = (inner.setup.connect)(places).map_err(|found| Error::Gate { found })?;
        let wrong = |found: String| Error::File { path: inner.book.policy_path(), found };
        let terms = Terms::new(policy.privacy.words.iter().map(String::as_str));
        let reach = if policy.privacy.all_unknown { Reach::Unknown } else { Reach::Known };
        let detector = Detector::new(terms.map_err(|error| wrong(error.to_string()))?).reaching(reach);
        let router = Router::new(Scorer::built_in(), policy, None);
        let made = Arc::new(Ready { written, targets, router, detector, egress });
        *ready = Some(Arc::clone(&made));
        Ok(made)
    }
}

/// The policy with the targets that there are.
fn policy(book: &Book, written: &Written, targets: &BTreeMap<String, Target>) -> Result<Policy, Error> {
    let routed = targets.iter().map(|(name, target)| target.routed(name)).collect();
    let text = written.policy.as_deref().unwrap_or_default();
    Policy::with_targets(text, routed)
        .map_err(|error| Error::File { path: book.policy_path(), found: error.to_string() })
}

/// What the router says.
fn routed(ready: &Ready, wish: &Wish<'_>, corrections: Arc<Corrections>) -> Result<Told, Error> {
    let prompt = wish.question.prompt();
    let label = if wish.is_private { hob_router::Label::Private } else { hob_router::Label::Open };
    let mut request = Request::new(&prompt, label);
    request.needs = hob_router::Needs {
        tokens: Some(read_tokens(wish.question)),
        answer_tokens: wish.question.max_tokens,
        tools: wish.question.offered().next().is_some(),
        images: false,
        task: wish.task.clone(),
        local: wish.local,
        confidence: wish.confidence.clone(),
        corrections: Some(corrections),
    };
    let spent = |period| {
        let spent = ready.egress.ledger().spent(None, period).map_err(hob_egress::Error::from)?;
        Ok::<f64, Error>(spent.cost_micro as f64 / 1e6)
    };
    let spent = Spent { day: spent(Period::Day)?, month: spent(Period::Month)? };
    let decision = match &wish.written {
        None => ready.router.decide(&request, spent),
        Some(Doubted { estimate, tokens }) if wish.question.repair.is_some() => {
            ready.router.repair(&request, spent, estimate.clone(), *tokens)
        }
        Some(Doubted { estimate, tokens }) => {
            ready.router.reconsider(&request, spent, estimate.clone(), *tokens)
        }
    };
    Ok(Told::routed(&decision, label))
}

/// Tokens of a question, about.
fn read_tokens(question: &Question) -> u64 {
    question.chars().div_ceil(TOKEN_CHARS) as u64
}

/// A question as it would be sent: cleared, within limits, with the most that it can cost.
fn outgoing(
    ready: &Ready,
    name: String,
    target: Target,
    wish: &Wish<'_>,
    ask: &mut dyn FnMut(Label, &BTreeSet<&str>) -> Answer,
) -> Result<Outgoing, Error> {
    let question = wish.question;
    let (read, context) = (read_tokens(question), target.context);
    let room = context.saturating_sub(read);
    if room < ANSWER_TOKENS_MIN {
        return Err(Error::TooLong { target: name, needed: read + ANSWER_TOKENS_MIN, context });
    }
    let wanted = question.max_tokens.unwrap_or(target.answer_tokens);
    let max_tokens = wanted.min(target.answer_tokens).min(room).max(1);
    let mut draft: Draft = target.protocol.draft(&target, question, max_tokens)?;
    if wish.is_private {
        draft.mark_private();
    }
    let rules = rules(&target, ready.policy());
    let mut vault = wish.known.cloned().unwrap_or_default();
    let mut asked = Vec::new();
    let mut hear = |label, values: &BTreeSet<&str>| match wish.consent {
        Some(consent) => consent.hear(&name, label, values, &mut asked),
        None => ask(label, values),
    };
    let cleared = clear(&draft, &ready.detector, &rules, &mut vault, &mut hear)?;
    let written = question.begun.as_ref().or(question.repair.as_ref().map(|repair| &repair.text));
    if let Some(written) = written.filter(|_| target.redact) {
        let words = ready.policy().privacy.words.iter().map(String::as_str);
        let mut hidden = vault.entries().map(|(_, value)| value).chain(words);
        if hidden.any(|value| stops_inside(written, value)) {
            return Err(Error::InsideHidden);
        }
    }
    // No token has less than a byte.
    let cost_max_micro = target.cost_micro(cleared.bytes().len() as u64, max_tokens);
    let budget = &ready.policy().budget;
    let most = cost_max_micro as f64 / 1e6;
    if let Some(limit) = budget.request.filter(|limit| most > *limit) {
        return Err(Error::Dear { target: name, most, limit });
    }
    let repair = question.repair.clone();
    let repair = repair.map(|repair| Repair { places: cleared.marked().to_vec(), ..repair });
    // What is hidden belongs to a place as a whole, so that places may have grown.
    if repair.as_ref().is_some_and(|repair| !hob_router::are_few(&repair.text, &repair.places)) {
        return Err(Error::Spread);
    }
    Ok(Outgoing {
        caps: caps(&name, &target, budget),
        name,
        target,
        cleared,
        asked,
        vault,
        max_tokens,
        cost_max_micro,
        has_schema: question.has_schema(),
        repair,
        stops: Stops::new(&question.stop),
        is_fresh: wish.is_fresh,
        way: wish.way.clone(),
        written: ready.written.clone(),
        limit_micro: budget.request.map(|dollars| (dollars * 1e6).floor() as u64),
    })
}

/// Whether `text` ends with a part of `value` from its start: the redactor knows whole values only. Letters and digits count alone,
/// since a model writes a number in groups that was typed without.
fn stops_inside(text: &str, value: &str) -> bool {
    let plain = |c: &char| c.is_alphanumeric();
    let value: Vec<char> = value.chars().filter(plain).flat_map(char::to_lowercase).collect();
    // Its end, the last letter first, with whether nothing of a word stands before each.
    let mut end: Vec<(char, bool)> = Vec::new();
    for c in text.chars().rev().take(PART_CHARS_MAX) {
        match (plain(&c), end.last_mut()) {
            (true, _) => end.extend(c.to_lowercase().map(|c| (c, false))),
            (false, Some(last)) => last.1 = true,
            (false, None) => {}
        }
    }
    if let Some(last) = end.last_mut() {
        last.1 = true;
    }
    (PART_CHARS..value.len()).any(|length| {
        let is_start = |(k, c): (usize, &char)| end.get(length - 1 - k).is_some_and(|(found, _)| found == c);
        end.get(length - 1).is_some_and(|(_, begins)| *begins)
            && value[..length].iter().enumerate().all(is_start)
    })
}

/// What is hidden from a target. Where the user lets one of the organisation's see everything, what is blocked stays blocked.
fn rules(target: &Target, policy: &Policy) -> Rules {
    let rules = policy.privacy.rules();
    if target.redact {
        return rules;
    }
    use hob_privacy::Mode::{Allow, Block};
    let by_label = rules.by_label.into_iter().filter(|(_, mode)| *mode == Block).collect();
    Rules { otherwise: if rules.otherwise == Block { Block } else { Allow }, by_label }
}

fn answering(source: Source, outgoing: Outgoing) -> Answering {
    let limits = Limits {
        max_tokens: outgoing.max_tokens,
        cost_max_micro: outgoing.cost_max_micro,
        read_max: outgoing.cleared.bytes().len() as u64,
    };
    let whose = (outgoing.name, outgoing.target);
    let form = (outgoing.has_schema, outgoing.stops);
    Answering::new(source, whose, outgoing.vault, limits, form).about(outgoing.repair)
}

/// An answer in one piece.
fn whole(response: &mut Response, name: &str) -> Result<String, Error> {
    let text = response.text()?;
    if text.len() as u64 > WHOLE_BYTES_MAX {
        let found = format!("an answer longer than {WHOLE_BYTES_MAX} bytes");
        return Err(Error::Protocol { target: name.to_owned(), found });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::stops_inside;

    #[test]
    fn half_a_value_at_the_end_is_seen() {
        for (text, value, is) in [
            ("We call it Project Falcon ", "Project Falcon Heavy", true),
            ("We call it project falcon heavy", "Project Falcon Heavy", false),
            ("pay to DE89 3704 ", "DE89 3704 0044 0532 0130 00", true),
            ("They went to the ", "The Hague", true),
            ("IBAN: DE89 3704 0044 ", "DE89370400440532013000", true),
            ("call +49 151 ", "+4915112345678", true),
            ("the plan Project\nFalcon\n", "Project Falcon Heavy", true),
            ("a theme", "Themes of the year", true),
            ("an anathema", "Themistokles", false),
            ("So we ", "We are", false),
            ("", "Rome", false),
        ] {
            assert_eq!(stops_inside(text, value), is, "{text:?} {value:?}");
        }
    }
}
