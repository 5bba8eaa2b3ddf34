//! What as many answers would have taken elsewhere, by what is published and by an open formula.

use super::Tally;
use hob_energy::{PUBLISHED, Range, Served, Verdict, request_wh};

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
    /// What answers here took beside that; nothing where nothing can be said.
    pub verdict: Option<Verdict>,
}

/// Each figure beside the answers of this machine.
pub fn compared(all: &Tally) -> Vec<Compared> {
    let here = &all.here;
    let published = PUBLISHED.iter().map(|one| {
        let wh = one.wh.times(here.answers as f64);
        let (whose, each, year, scope, source) = (one.whose, Some(one.wh), one.year, one.scope, one.source);
        Compared { whose, each, wh, year, scope, source, verdict: here.wh.compared(wh) }
    });
    let wh = request_wh(LARGE, here.answer_tokens as f64);
    let formula = Compared {
        whose: "a large model, by the formula of EcoLogits",
        each: None,
        wh,
        year: 2025,
        scope: "an upper scenario: 440 billion parameters of which 44 to 132 are used, a guess at GPT-4o",
        source: "EcoLogits 0.11.3",
        verdict: here.wh.compared(wh),
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
        assert!(rows.iter().all(|row| row.verdict.is_some() && row.year >= 2025));
        assert!(compared(&Tally::default()).iter().all(|row| row.verdict.is_none()));
    }
}
