//! Sums over kept answers and over the ledger.

use hob_chats::{Elsewhere, Energy, Method, Scope, Stats};
use hob_egress::{Entry, What};
use hob_energy::{Account, CORE_WATTS, Range, estimated_wh};
use std::collections::BTreeMap;

const JOULES_PER_WH: f64 = 3600.0;
/// Requests whose outcome is waited for; of older ones nobody will hear.
const OPEN_MAX: usize = 4096;

/// What is kept with an answer of what it took.
pub fn kept_energy(Account { method, joules, scope, about }: &Account) -> Energy {
    let method = match method {
        hob_energy::Method::Measured => Method::Measured,
        hob_energy::Method::Estimated => Method::Estimated,
        hob_energy::Method::Assumed => Method::Assumed,
    };
    let scope = match scope {
        hob_energy::Scope::Processor => Scope::Processor,
        hob_energy::Scope::Computer => Scope::Computer,
        hob_energy::Scope::Cores => Scope::Cores,
        hob_energy::Scope::Prompt => Scope::Prompt,
    };
    Energy { method, scope, joules_low: joules.low, joules_high: joules.high, about: about.clone() }
}

/// What this machine draws at work, for answers whose joules no counter gave.
#[derive(Clone, Copy, Debug)]
pub struct Power {
    /// At least and at most.
    pub watts: Range,
    /// Whether its user said so: then it counts more than estimates that were kept with answers.
    pub is_given: bool,
}

impl Power {
    /// What so many cores draw.
    pub fn of_cores(cores: usize) -> Self {
        Self { watts: CORE_WATTS.times(cores.max(1) as f64), is_given: false }
    }
}

/// Answers of this machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Here {
    /// How many.
    pub answers: u64,
    /// Tokens that were read for them.
    pub prompt_tokens: u64,
    /// Tokens that were written.
    pub answer_tokens: u64,
    /// Seconds of computing, without waiting for others.
    pub seconds: f64,
    /// What a counter gave.
    pub measured: Known,
    /// What was estimated from the time at work.
    pub estimated: Known,
    /// Answers of models elsewhere of which a part was computed here. What that took is in the sums above, each in its own.
    pub parts: u64,
}

/// Energy that is known in one way. Sums of what is known in two ways would be known in neither.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Known {
    /// Answers of which it is known in this way.
    pub answers: u64,
    /// Watt-hours, each answer at least and at most. Answers to different requests that were computed at the same time count what
    /// they shared at most once each, so that the high bound may be above what was used.
    pub wh: Range,
    /// The same without parts of answers of models elsewhere: what answers are compared by.
    pub whole_wh: Range,
}

impl Default for Known {
    fn default() -> Self {
        Self { answers: 0, wh: Range::exact(0.0), whole_wh: Range::exact(0.0) }
    }
}

impl Known {
    /// Whether there is anything of it.
    pub fn is_any(&self) -> bool {
        self.answers > 0 || self.wh.high > 0.0
    }
}

/// Answers of models elsewhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct There {
    /// How many.
    pub answers: u64,
    /// Tokens that were read for them.
    pub prompt_tokens: u64,
    /// Tokens that were written.
    pub answer_tokens: u64,
    /// Watt-hours, as far as somebody published them of such answers; those of places that were repaired as well.
    pub wh: Range,
}

/// What left for models elsewhere, by the ledger: answers that are not kept as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Questions.
    pub questions: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Millionths of a dollar.
    pub cost_micro: u64,
}

impl Sent {
    /// What it cost.
    pub fn dollars(&self) -> f64 {
        self.cost_micro as f64 / 1e6
    }

    fn add(&mut self, other: &Self) {
        self.questions += other.questions;
        self.bytes += other.bytes;
        self.cost_micro += other.cost_micro;
    }
}

/// A time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tally {
    /// What was answered here.
    pub here: Here,
    /// What was answered elsewhere.
    pub there: There,
    /// What left.
    pub sent: Sent,
}

impl Default for Tally {
    fn default() -> Self {
        let wh = Range::exact(0.0);
        let (measured, estimated) = (Known::default(), Known::default());
        let (answers, prompt_tokens, answer_tokens, seconds, parts) = (0, 0, 0, 0.0, 0);
        let here = Here { answers, prompt_tokens, answer_tokens, seconds, measured, estimated, parts };
        let there = There { answers: 0, prompt_tokens: 0, answer_tokens: 0, wh };
        Self { here, there, sent: Sent::default() }
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        let (here, from) = (&mut self.here, &other.here);
        here.answers += from.answers;
        here.prompt_tokens += from.prompt_tokens;
        here.answer_tokens += from.answer_tokens;
        here.seconds += from.seconds;
        here.parts += from.parts;
        for (known, from) in [(&mut here.measured, from.measured), (&mut here.estimated, from.estimated)] {
            known.answers += from.answers;
            known.wh = known.wh.plus(from.wh);
            known.whole_wh = known.whole_wh.plus(from.whole_wh);
        }
        let (there, from) = (&mut self.there, &other.there);
        there.answers += from.answers;
        there.prompt_tokens += from.prompt_tokens;
        there.answer_tokens += from.answer_tokens;
        there.wh = there.wh.plus(from.wh);
        self.sent.add(&other.sent);
    }

    fn answer(&mut self, stats: &Stats, power: Power) {
        // What this machine added to an answer that broke off elsewhere is its own, too.
        if stats.elsewhere.is_none() {
            self.here.add(stats, power);
            if let Some(left) = stats.repaired.as_ref().map(|repaired| &repaired.left) {
                self.took_there(left);
            }
            return;
        }
        if let Some(energy) = &stats.energy {
            self.here.parts += 1;
            let known = self.here.known(energy);
            known.wh = known.wh.plus(wh(energy));
        }
        let there = &mut self.there;
        there.answers += 1;
        there.prompt_tokens += stats.prompt_tokens;
        there.answer_tokens += stats.answer_tokens;
        if let Some(left) = &stats.elsewhere {
            self.took_there(left);
        }
    }

    /// What was answered from memory took nothing there.
    fn took_there(&mut self, left: &Elsewhere) {
        if left.ledger_entry.is_some() {
            let assumed = || Account::assumed().joules.times(1.0 / JOULES_PER_WH);
            self.there.wh = self.there.wh.plus(left.energy.as_ref().map_or_else(assumed, wh));
        }
    }
}

impl Here {
    fn add(&mut self, stats: &Stats, power: Power) {
        self.answers += 1;
        self.prompt_tokens += stats.prompt_tokens;
        self.answer_tokens += stats.answer_tokens;
        let written =
            if stats.per_second > 0.0 { stats.answer_tokens as f64 / stats.per_second } else { 0.0 };
        let seconds = written + (stats.first_token_ms - stats.queue_ms).max(0.0) / 1000.0;
        self.seconds += seconds;
        let is_measured = |energy: &&Energy| energy.method == Method::Measured;
        let kept = stats.energy.as_ref().filter(|energy| !power.is_given || is_measured(energy));
        let took = kept.map_or_else(|| estimated_wh(seconds, power.watts), wh);
        let known = match kept {
            Some(energy) => self.known(energy),
            None => &mut self.estimated,
        };
        known.answers += 1;
        known.wh = known.wh.plus(took);
        known.whole_wh = known.whole_wh.plus(took);
    }

    /// The sum that is known in the same way.
    fn known(&mut self, energy: &Energy) -> &mut Known {
        match energy.method {
            Method::Measured => &mut self.measured,
            Method::Estimated | Method::Assumed => &mut self.estimated,
        }
    }
}

fn wh(energy: &Energy) -> Range {
    Range::between(energy.joules_low, energy.joules_high).times(1.0 / JOULES_PER_WH)
}

/// Tallies by day.
#[derive(Clone, Debug, Default)]
pub struct Days {
    /// Each by its name, in which days follow one another.
    pub days: BTreeMap<String, Tally>,
    /// All of them together.
    pub all: Tally,
}

impl Days {
    /// An answer was kept on this day.
    pub fn answer(&mut self, day: &str, stats: &Stats, power: Power) {
        self.change(day, |tally| tally.answer(stats, power));
    }

    /// This left, on the days that the ledger names.
    pub fn left(&mut self, left: &Left) {
        for (day, sent) in &left.days {
            self.change(day, |tally| tally.sent.add(sent));
        }
    }

    /// What another tally has of a day.
    pub fn add(&mut self, day: &str, other: &Tally) {
        self.change(day, |tally| tally.add(other));
    }

    fn change(&mut self, day: &str, change: impl Fn(&mut Tally)) {
        match self.days.get_mut(day) {
            Some(tally) => change(tally),
            None => change(self.days.entry(day.to_owned()).or_default()),
        }
        change(&mut self.all);
    }
}

/// What left day by day, by the ledger.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// Each day by its name.
    pub days: BTreeMap<String, Sent>,
    /// Entries whose outcome is not known: their day, and the most that they can cost.
    open: BTreeMap<u64, (String, u64)>,
}

impl Left {
    /// What left from a day on.
    pub fn since(&self, first: &str) -> Self {
        let days = self.days.range(first.to_owned()..).map(|(day, sent)| (day.clone(), *sent)).collect();
        Self { days, open: BTreeMap::new() }
    }

    /// The ledger has this entry. `day` gives the day of a moment, and nothing for one that does not count.
    pub fn entry(&mut self, entry: &Entry, day: &dyn Fn(i64) -> Option<String>) {
        match &entry.what {
            What::Send(sending) if sending.target.is_some() => {
                let Some(day) = day(entry.time_ms) else { return };
                // As long as it is not known what one cost, it cost the most that it could.
                let (bytes, most) = (sending.bytes, sending.cost_max_micro);
                self.days.entry(day.clone()).or_default().add(&Sent {
                    questions: 1,
                    bytes,
                    cost_micro: most,
                });
                self.open.insert(entry.n, (day, most));
                if self.open.len() > OPEN_MAX {
                    self.open.pop_first();
                }
            }
            What::Outcome(outcome) => {
                let Some((day, most)) = self.open.remove(&outcome.of) else { return };
                let sent = self.days.entry(day).or_default();
                sent.cost_micro = (sent.cost_micro + outcome.cost_micro).saturating_sub(most);
            }
            What::Send(_) | What::Repaired(_) => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;
    use hob_chats::Repaired;

    const POWER: Power = Power { watts: Range { low: 36.0, high: 360.0 }, is_given: false };

    fn stats() -> Stats {
        Stats {
            prompt_tokens: 7,
            answer_tokens: 20,
            per_second: 10.0,
            first_token_ms: 1500.0,
            queue_ms: 1000.0,
            ..Stats::default()
        }
    }

    fn energy(method: Method, low: f64, high: f64) -> Option<Energy> {
        Some(Energy { method, joules_low: low, joules_high: high, ..Energy::default() })
    }

    fn near(range: Range, low: f64, high: f64) -> bool {
        (range.low - low).abs() < 1e-9 && (range.high - high).abs() < 1e-9
    }

    #[test]
    fn waiting_is_no_work_and_unknown_speed_takes_no_time() {
        let mut days = Days::default();
        days.answer("a", &stats(), POWER);
        assert!((days.all.here.seconds - 2.5).abs() < 1e-12);
        assert!(near(days.all.here.estimated.wh, 0.025, 0.25), "{:?}", days.all);
        days.answer("a", &Stats { per_second: 0.0, ..stats() }, POWER);
        assert!((days.all.here.seconds - 3.0).abs() < 1e-12);
        assert_eq!((days.all.here.answers, days.all.here.estimated.answers), (2, 2));
        assert!(!days.all.here.measured.is_any());
    }

    #[test]
    fn what_was_kept_counts_more_than_a_guess_unless_a_person_knows() {
        let kept = |method, low, high| Stats { energy: energy(method, low, high), ..stats() };
        let all = |one: &Stats, power| {
            let mut days = Days::default();
            days.answer("a", one, power);
            days.all.here
        };
        let given = Power { is_given: true, ..POWER };
        let measured = kept(Method::Measured, 36.0, 36.0);
        for power in [POWER, given] {
            assert!(near(all(&measured, power).measured.wh, 0.01, 0.01));
            assert_eq!(
                (all(&measured, power).measured.answers, all(&measured, power).estimated.answers),
                (1, 0)
            );
        }
        let estimated = kept(Method::Estimated, 3.6, 36.0);
        assert!(near(all(&estimated, POWER).estimated.wh, 0.001, 0.01));
        assert!(near(all(&estimated, given).estimated.wh, 0.025, 0.25));
    }

    #[test]
    fn what_is_known_in_two_ways_is_two_sums() {
        let there = Some(Elsewhere { ledger_entry: Some(1), ..Elsewhere::default() });
        let kept = |method, elsewhere: Option<Elsewhere>| Stats {
            energy: energy(method, 36.0, 36.0),
            elsewhere,
            ..stats()
        };
        let mut days = Days::default();
        for method in [Method::Measured, Method::Estimated] {
            days.answer("a", &kept(method, None), POWER);
            // What was handed over after a part of it.
            days.answer("b", &kept(method, there.clone()), POWER);
        }
        let here = days.all.here;
        for known in [here.measured, here.estimated] {
            assert!(near(known.wh, 0.02, 0.02) && known.answers == 1, "{here:?}");
        }
        assert_eq!((here.answers, here.parts, days.all.there.answers), (2, 2, 2));
        let mut again = Days::default();
        days.days.iter().for_each(|(day, tally)| again.add(day, tally));
        assert_eq!((again.days, again.all), (days.days, days.all));
    }

    #[test]
    fn answers_elsewhere_are_no_work_of_this_machine() {
        let there = |entry| Elsewhere { ledger_entry: entry, ..Elsewhere::default() };
        let mut days = Days::default();
        days.answer("a", &Stats { elsewhere: Some(there(Some(1))), ..stats() }, POWER);
        assert_eq!(days.all.here, Tally::default().here);
        assert_eq!((days.all.there.answers, days.all.there.prompt_tokens), (1, 7));
        let assumed = Account::assumed().joules.times(1.0 / 3600.0);
        assert!(near(days.all.there.wh, assumed.low, assumed.high));
        // From memory: nothing was computed.
        days.answer("b", &Stats { elsewhere: Some(there(None)), ..stats() }, POWER);
        assert!(near(days.all.there.wh, assumed.low, assumed.high) && days.all.there.answers == 2);
        // What this machine added to one.
        let added =
            Stats { elsewhere: Some(there(Some(2))), energy: energy(Method::Measured, 3.6, 3.6), ..stats() };
        days.answer("b", &added, POWER);
        assert!(near(days.days["b"].here.measured.wh, 0.001, 0.001));
        assert_eq!(days.days.len(), 2);
        // An answer from here with places from there.
        let repaired = Some(Repaired { left: there(Some(3)), ..Repaired::default() });
        days.answer("c", &Stats { repaired, ..stats() }, POWER);
        let Tally { here, there, .. } = days.days["c"];
        assert!(near(there.wh, assumed.low, assumed.high), "{there:?}");
        assert_eq!((here.answers, there.answers), (1, 0));
    }

    #[test]
    fn what_is_not_known_yet_cost_the_most_that_it_could() {
        let mut left = Left::default();
        let day = |ms: i64| (ms > 0).then(|| format!("day {ms}"));
        let sending = |n: u64, ms: i64, target: Option<&str>| -> Entry {
            serde_json::from_value(serde_json::json!({
                "n": n, "prev": "0".repeat(64), "time_ms": ms, "what": {"send": {
                    "to": "https://a", "path": "/", "method": "POST", "purpose": "ask", "policy": "named",
                    "target": target, "bytes": 100, "cost_max_micro": 50}},
            }))
            .unwrap()
        };
        let outcome = |n: u64, of: u64, cost: u64| -> Entry {
            serde_json::from_value(serde_json::json!({
                "n": n, "prev": "0".repeat(64), "time_ms": 9, "what": {"outcome": {
                    "of": of, "status": 200, "received": 5, "cost_micro": cost}},
            }))
            .unwrap()
        };
        for entry in [
            sending(1, 1, Some("big")),
            sending(2, 2, Some("big")),
            sending(3, 2, None),
            sending(4, 0, Some("big")),
        ] {
            left.entry(&entry, &day);
        }
        let days = |left: &Left| {
            let mut days = Days::default();
            days.left(left);
            days
        };
        assert_eq!(days(&left).all.sent, Sent { questions: 2, bytes: 200, cost_micro: 100 });
        left.entry(&outcome(5, 1, 20), &day);
        left.entry(&outcome(6, 4, 20), &day);
        let days = days(&left);
        assert_eq!(days.all.sent.cost_micro, 70);
        assert_eq!(days.days["day 1"].sent, Sent { questions: 1, bytes: 100, cost_micro: 20 });
    }
}
