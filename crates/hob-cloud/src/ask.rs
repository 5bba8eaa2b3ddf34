//! One question on its way: tried again where that may help, given up where it does not.

use crate::breaker::Breaker;
use crate::protocol::complaint;
use crate::{Error, Protocol, Target, Waiting};
use hob_base::Random;
use hob_egress::{Cap, Credential, Egress, Hash, Period, Post, Purpose, Response, Secret};
use hob_privacy::Cleared;
use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How often a question is sent, at most.
const TRIES: u32 = 3;
/// The first wait before it is sent again; each next is twice as long.
const WAIT: Duration = Duration::from_millis(400);
/// Longest wait that a target may ask for. Beyond it the user is better served here.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// Longest answer.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Longest complaint that is read.
const COMPLAINT_BYTES_MAX: usize = 16 << 10;

/// What is sent, and on whose terms.
pub(crate) struct Sending<'a> {
    pub egress: &'a Egress,
    pub name: &'a str,
    pub target: &'a Target,
    pub key: Option<Secret>,
    pub body: &'a Cleared,
    pub caps: &'a [Cap],
    pub cost_max_micro: u64,
    pub purpose: Purpose,
    pub breaker: &'a Mutex<Breaker>,
    pub clock: fn() -> Duration,
    pub seed: u64,
    /// Whether it may still be sent; asked before each try, since the user may say otherwise meanwhile.
    pub may: &'a dyn Fn() -> Result<(), Error>,
    /// Who hears of what leaves.
    pub waiting: &'a dyn Waiting,
    /// Most that the question may cost with all its tries, in millionths.
    pub limit_micro: Option<u64>,
}

impl Sending<'_> {
    /// Sends it until there is an answer, and gives that from its first byte.
    pub fn send(&self) -> Result<Response, Error> {
        let breaker = || self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        breaker().admit((self.clock)()).map_err(|(failures, rest)| Error::Resting {
            target: self.name.to_owned(),
            failures,
            seconds: rest.as_secs().max(1),
        })?;
        let sent = self.tries();
        match &sent {
            Ok(_) => breaker().succeeded(),
            Err(error) if error.is_transient() => breaker().failed((self.clock)()),
            Err(_) => {}
        }
        sent
    }

    fn tries(&self) -> Result<Response, Error> {
        let mut random = Random::new(self.seed, 1);
        // The same for each try, another for the same question tomorrow.
        let once = [self.body.bytes(), &self.seed.to_le_bytes()].concat();
        let once = Hash::of(&once);
        let (mut wait, mut charged) = (WAIT, 0u64);
        for left in (0..TRIES).rev() {
            (self.may)()?;
            let error = match self.once(once) {
                Ok(response) => return Ok(response),
                Err(error) if left == 0 || !error.is_transient() => return Err(error),
                Err(error) => error,
            };
            if !is_free(&error) {
                charged = charged.saturating_add(self.cost_max_micro);
            }
            let next = charged.saturating_add(self.cost_max_micro);
            if self.limit_micro.is_some_and(|limit| next > limit) {
                return Err(error);
            }
            let asked = match &error {
                Error::Status { after: Some(seconds), .. } => Some(Duration::from_secs(*seconds)),
                _ => None,
            };
            if asked.is_some_and(|asked| asked > WAIT_MAX) {
                return Err(error);
            }
            // Many who were refused together do not come back together.
            thread::sleep(asked.unwrap_or_else(|| wait.mul_f64(0.5 + 0.5 * random.unit())));
            wait *= 2;
        }
        unreachable!("the last try returns")
    }

    fn once(&self, once: Hash) -> Result<Response, Error> {
        let address = self.target.endpoint()?;
        let credential = self.key.clone().map(|key| match self.target.protocol {
            Protocol::OpenAi => Credential::Bearer(key),
            Protocol::Anthropic => Credential::ApiKey(key),
        });
        let post = Post {
            address: &address,
            body: self.body,
            credential: credential.as_ref(),
            headers: self.target.protocol.headers(),
            accept: "text/event-stream, application/json",
            target: self.name,
            purpose: self.purpose,
            cost_max_micro: self.cost_max_micro,
            caps: self.caps,
            keep: false,
            once: Some(once),
            bytes_max: ANSWER_BYTES_MAX,
        };
        let stands = Cell::new(false);
        let leaves = |entry| {
            stands.set(true);
            self.waiting.leaves(entry);
        };
        let sent = self.egress.post_while(&post, &leaves);
        let mut response = sent.inspect_err(|error| {
            if stands.get() && error.never_left() {
                self.waiting.stayed();
            }
        })?;
        match response.status() {
            200..=299 => Ok(response),
            status => {
                let after = response.header("retry-after").and_then(|text| text.parse().ok());
                let message = complaint(&beginning(&mut response));
                let error = Error::Status { target: self.name.to_owned(), status, message, after };
                if is_free(&error) {
                    response.cost(0);
                }
                Err(error)
            }
        }
    }
}

/// Whether a failure cost nothing: the target refused before it began. Behind a gateway that gave up, it may have answered.
fn is_free(error: &Error) -> bool {
    match error {
        Error::Status { status, .. } => {
            (400..500).contains(status) && *status != 408 || matches!(status, 503 | 529)
        }
        Error::Egress(error) => error.never_left(),
        _ => false,
    }
}

/// The first bytes of a body, as text. What stops it from being read is of no interest any more.
fn beginning(response: &mut Response) -> String {
    let mut bytes = vec![0; COMPLAINT_BYTES_MAX];
    let mut length = 0;
    while length < bytes.len() {
        match response.read(&mut bytes[length..]) {
            Ok(0) | Err(_) => break,
            Ok(read) => length += read,
        }
    }
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

/// The limits that hold for a target: its own and those of the policy for all of them together.
pub(crate) fn caps(name: &str, target: &Target, budget: &hob_router::Budget) -> Vec<Cap> {
    // Rounded down: a limit is never a little more than was said.
    let micro = |dollars: f64| (dollars * 1e6).floor() as u64;
    let cap = |whose: Option<&str>, period, dollars: Option<f64>, bytes_max| Cap {
        target: whose.map(str::to_owned),
        period,
        bytes_max,
        cost_max_micro: dollars.map(micro),
    };
    let all = [
        cap(None, Period::Day, budget.day, None),
        cap(None, Period::Month, budget.month, None),
        cap(Some(name), Period::Day, target.dollars_day, target.bytes_day),
        cap(Some(name), Period::Month, target.dollars_month, None),
    ];
    all.into_iter().filter(|cap| cap.bytes_max.is_some() || cap.cost_max_micro.is_some()).collect()
}
