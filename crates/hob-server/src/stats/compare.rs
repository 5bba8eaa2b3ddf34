//! What as many answers would have taken elsewhere, by what is published and by an open formula.

use super::{Known, Tally};
use hob_energy::{PUBLISHED, Range, Served, Verdict, request_wh};
use std::fmt;

/// A large model as EcoLogits takes GPT-4o to be, in a good data centre and an ordinary one.
pub const LARGE: Served = Served {
    active: Range { low: 44.0, high: 132.0 },
    total: Range::exact(440.0),
    pue: Range { low: 1.1, high: 1.2 },
};

/// A figure of others beside what answers here took.
#[derive(Clone, Debug)]
pub struct Compared {
    /// Whose model, by whom.
    pub whose: &'static str,
    /// Watt-hours of one prompt; nothing where they follow from the tokens.
    pub each: Option<Range>,
    /// Watt-hours of as many answers as there were here.
    pub wh: Range,
    /// When it was published.
    pub year: u16,
    /// What it is a figure of.
    pub scope: &'static str,
    /// Where.
    pub source: &'static str,
    /// What answers here took beside that.
    pub here: Beside,
}

/// What answers here took beside a figure of others: what a counter gave and what was estimated, each by itself. Nothing where
/// nothing can be said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    /// Of answers that were measured.
    pub measured: Option<Verdict>,
    /// Of those that were estimated.
    pub estimated: Option<Verdict>,
}

impl Beside {
    /// `less`, `more` or `unclear`, where all that is known says the same; where one says more, it is more.
    pub fn word(&self) -> Option<&'static str> {
        let word = |verdict: &Verdict| match verdict {
            Verdict::Less(_) => "less",
            Verdict::More(_) => "more",
            Verdict::Unclear { .. } => "unclear",
        };
        let mut words = [&self.measured, &self.estimated].into_iter().flatten().map(word);
        let first = words.next()?;
        let other = words.next().unwrap_or(first);
        Some(match (first, other) {
            ("more", _) | (_, "more") => "more",
            ("less", "less") => "less",
            _ => "unclear",
        })
    }
}

impl fmt::Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.measured, &self.estimated) {
            (Some(one), None) | (None, Some(one)) => write!(f, "{one}"),
            (Some(measured), Some(estimated)) => {
                write!(f, "measured: {measured}; estimated: {estimated}")
            }
            (None, None) => Ok(()),
        }
    }
}

/// Each figure beside the answers of this machine.
pub fn compared(all: &Tally) -> Vec<Compared> {
    let here = &all.here;
    let beside = |of: &dyn Fn(f64) -> Range| {
        let verdict = |known: Known| known.whole_wh.compared(of(known.answers as f64));
        Beside { measured: verdict(here.measured), estimated: verdict(here.estimated) }
    };
    let published = PUBLISHED.iter().map(|one| {
        let of = |answers: f64| one.wh.times(answers);
        let (whose, each, year, scope, source) = (one.whose, Some(one.wh), one.year, one.scope, one.source);
        let wh = of(here.answers as f64);
        Compared { whose, each, wh, year, scope, source, here: beside(&of) }
    });
    // The formula goes by tokens, and those are not told apart by how the energy is known: each way has its share of them.
    let of = |tokens: f64| request_wh(LARGE, tokens);
    let tokens = here.answer_tokens as f64;
    let each = tokens / (here.answers.max(1) as f64);
    let formula = Compared {
        whose: "a large model, by the formula of EcoLogits",
        each: None,
        wh: of(tokens),
        year: 2025,
        scope: "an upper scenario: 440 billion parameters of which 44 to 132 are used, a guess at GPT-4o",
        source: "EcoLogits 0.11.3",
        here: beside(&|answers| of(answers * each)),
    };
    published.chain([formula]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hob_chats::Stats;

    #[test]
    fn answers_elsewhere_are_not_compared_with_themselves() {
        let mut days = super::super::Days::default();
        let power = super::super::Power::of_cores(4);
        let stats = Stats { answer_tokens: 100, per_second: 10.0, ..Stats::default() };
        days.answer("a", &stats, power);
        let there = Some(hob_chats::Elsewhere::default());
        days.answer("a", &Stats { elsewhere: there, ..stats }, power);
        let rows = compared(&days.all);
        assert_eq!(rows.len(), PUBLISHED.len() + 1);
        for (row, one) in rows.iter().zip(PUBLISHED) {
            assert_eq!((row.wh, row.source), (one.wh, one.source), "one answer here, one prompt there");
        }
        assert!(rows.iter().all(|row| row.here.word().is_some() && row.year >= 2025));
        assert!(compared(&Tally::default()).iter().all(|row| row.here.word().is_none()));
    }
    #[test]
    fn what_was_measured_and_what_was_estimated_are_compared_each_by_itself() {
        let range = |low, high| Range { low, high };
        let less = || Verdict::Less(range(2.0, 3.0));
        let beside = |measured, estimated| Beside { measured, estimated };
        let both = beside(Some(less()), Some(Verdict::More(range(1.5, 4.0))));
        assert_eq!(both.word(), Some("more"));
        let said = "measured: 2.0 to 3.0 times less here; estimated: 1.5 to 4.0 times MORE here";
        assert_eq!(both.to_string(), said);
        assert_eq!(beside(None, Some(less())).to_string(), less().to_string());
        let unclear = Verdict::Unclear { less: 2.0, more: 2.0 };
        assert_eq!(beside(Some(less()), Some(unclear)).word(), Some("unclear"));
        assert_eq!(
            (beside(Some(less()), Some(less())).word(), Beside::default().word()),
            (Some("less"), None)
        );
        // A thousandth of what is published measured, a thousand times that estimated.
        let mut all = Tally::default();
        let wh = PUBLISHED[0].wh;
        (all.here.answers, all.here.answer_tokens) = (4, 400);
        // Parts of answers of others are in the sum and no answers of this machine.
        all.here.measured = Known { answers: 1, wh: wh.times(1e6), whole_wh: wh.times(1e-3) };
        all.here.estimated = Known { answers: 3, wh: wh.times(3e3), whole_wh: wh.times(3e3) };
        let row = &compared(&all)[0];
        assert!(matches!(&row.here.measured, Some(Verdict::Less(times)) if times.high > 900.0), "{row:?}");
        assert!(matches!(&row.here.estimated, Some(Verdict::More(times)) if times.high > 900.0), "{row:?}");
        assert_eq!(row.wh, wh.times(4.0));
    }
}
