//! What an answer took, with the way it is known.

use crate::{CORE_WATTS, PUBLISHED, Range, estimated_wh};
use std::fmt;

const JOULES_PER_WH: f64 = 3600.0;

/// How a figure is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// A counter of this machine was read.
    Measured,
    /// From the time at work and what makers say of their processors.
    Estimated,
    /// Somebody published it of answers of that kind; nothing of this one is known.
    Assumed,
}

impl Method {
    /// One word for people and programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Estimated => "estimated",
            Self::Assumed => "assumed",
        }
    }
}

/// What joules are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The processors of a machine, whatever used them.
    Processor,
    /// All of it, its display as well.
    Computer,
    /// The cores that computed.
    Cores,
    /// A prompt to a model elsewhere.
    Prompt,
}

impl Scope {
    /// In words.
    fn words(self) -> &'static str {
        match self {
            Self::Processor => "the whole processor, whatever used it",
            Self::Computer => "the whole computer, whatever used it",
            Self::Cores => "the cores at work",
            Self::Prompt => "one prompt",
        }
    }
}

/// Joules, how they are known, and what they are the joules of.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// How they are known.
    pub method: Method,
    /// At least and at most; the same where a counter was read and nobody else's answer was computed meanwhile.
    pub joules: Range,
    /// What they are of.
    pub scope: Scope,
    /// Of what, by whom, in words.
    pub about: String,
}

impl Account {
    /// What a counter counted: all of it while an answer was computed (high), and in the time in which no other answer was
    /// (low). What of the rest belongs to which answer can't be known: they share passes over the same weights.
    pub fn measured(counter: &str, scope: Scope, joules: Range) -> Self {
        let about = format!("{counter}: {}{}", scope.words(), shared(joules));
        Self { method: Method::Measured, joules, scope, about }
    }

    /// What so many cores take in a time at work: all of it while an answer was computed (high), and the part in which no other
    /// answer was (low).
    pub fn estimated(seconds: Range, cores: usize) -> Self {
        let cores = cores.max(1);
        let watts = CORE_WATTS.times(cores as f64);
        let joules = |seconds, bound: fn(Range) -> f64| bound(estimated_wh(seconds, watts)) * JOULES_PER_WH;
        let joules =
            Range { low: joules(seconds.low, |wh| wh.low), high: joules(seconds.high, |wh| wh.high) };
        let (low, high) = (CORE_WATTS.low, CORE_WATTS.high);
        let noun = if cores == 1 { "core" } else { "cores" };
        let about = format!(
            "the time at work of {cores} {noun} at {low} to {high} W each, without memory, display and losses{}",
            shared(seconds)
        );
        Self { method: Method::Estimated, joules, scope: Scope::Cores, about }
    }

    /// What a model elsewhere takes for a prompt, as far as that is published of any.
    pub fn assumed() -> Self {
        let all = PUBLISHED.iter().map(|one| one.wh);
        let wh = all.reduce(Range::around).unwrap_or(Range::exact(0.0));
        let whose: Vec<String> =
            PUBLISHED.iter().map(|one| format!("{} ({})", one.whose, one.year)).collect();
        let about = format!(
            "published for one prompt: {}; long prompts and thoughts take more, and nothing is known of this one",
            whose.join(", ")
        );
        Self { method: Method::Assumed, joules: wh.times(JOULES_PER_WH), scope: Scope::Prompt, about }
    }

    /// The two together, where one request was computed in several parts; the words of the first stand for both. `None` where they
    /// are not known in the same way or not the joules of the same: such a sum would be neither.
    #[must_use]
    pub fn plus(self, other: &Self) -> Option<Self> {
        let are_alike = self.method == other.method && self.scope == other.scope;
        are_alike.then(|| Self { joules: self.joules.plus(other.joules), ..self })
    }
}

/// Says why a low bound is lower.
fn shared(range: Range) -> &'static str {
    if range.low < range.high {
        "; other answers were computed at the same time, so it is what was used without them to all that was used"
    } else {
        ""
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}: {})", Figure(self.joules, "J"), self.method.name(), self.about)
    }
}

/// A figure with its unit, and two digits that count: more would say more than is known.
#[derive(Clone, Copy, Debug)]
pub struct Figure(pub Range, pub &'static str);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let two = |value: f64| {
            let digits = if value > 0.0 { (1 - value.log10().floor() as i32).max(0) as usize } else { 0 };
            format!("{value:.digits$}")
        };
        let Self(Range { low, high }, unit) = *self;
        if low == high {
            write!(f, "{} {unit}", two(low))
        } else {
            write!(f, "{} to {} {unit}", two(low), two(high))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_two_digits_and_both_bounds() {
        assert_eq!(Figure(Range { low: 0.00123, high: 1.26 }, "Wh").to_string(), "0.0012 to 1.3 Wh");
        assert_eq!(Figure(Range::exact(240.0), "Wh").to_string(), "240 Wh");
        assert_eq!(Figure(Range::exact(0.0), "J").to_string(), "0 J");
    }

    #[test]
    fn every_account_says_how_it_is_known() {
        let alone = Account::measured("RAPL, package-0", Scope::Processor, Range::exact(31.0));
        assert_eq!(
            alone.to_string(),
            "31 J (measured: RAPL, package-0: the whole processor, whatever used it)"
        );
        let shared = Account::measured("battery BAT0", Scope::Computer, Range { low: 10.0, high: 31.0 });
        assert!(shared.about.contains("the whole computer") && shared.about.contains("other answers"));
        let time = Account::estimated(Range::exact(2.0), 4);
        assert_eq!(time.joules, Range { low: 12.0, high: 84.8 });
        assert!(time.to_string().starts_with("12 to 85 J (estimated: the time at work of 4 cores"), "{time}");
        assert!(!time.about.contains("other answers"));
        // Less of the time was its own: only the low bound falls.
        let shared = Account::estimated(Range { low: 0.5, high: 2.0 }, 4);
        assert_eq!(shared.joules, Range { low: 3.0, high: 84.8 });
        assert!(shared.about.contains("other answers"));
    }

    #[test]
    fn what_is_assumed_spans_what_was_published_and_names_it() {
        let assumed = Account::assumed();
        assert_eq!(assumed.method, Method::Assumed);
        for one in PUBLISHED {
            let joules = one.wh.times(JOULES_PER_WH);
            assert!(assumed.joules.low <= joules.low && joules.high <= assumed.joules.high, "{one:?}");
            assert!(assumed.about.contains(one.whose), "{one:?}");
        }
        assert!(assumed.joules.low < assumed.joules.high);
    }

    #[test]
    fn sums_keep_bounds_and_are_of_one_kind() {
        let measured = |scope, joules| Account::measured("c", scope, Range::exact(joules));
        let (one, other) = (measured(Scope::Processor, 1.0), Account::estimated(Range::exact(1.0), 1));
        assert_eq!(one.clone().plus(&other), None);
        assert_eq!(one.clone().plus(&measured(Scope::Computer, 1.0)), None);
        assert_eq!(one.plus(&measured(Scope::Processor, 2.0)), Some(measured(Scope::Processor, 3.0)));
        let twice = other.clone().plus(&other).unwrap();
        assert_eq!((twice.method, twice.joules), (Method::Estimated, other.joules.times(2.0)));
    }
}
