//! Guesses what follows, and learns from what became of its guesses.

use super::gain::Record;
use super::lookup::NgramIndex;
use super::{PromptLookup, SpeculationStats, VERIFY_TOKENS_MAX};

/// Matching tokens from which a match belongs to the next class.
const CLASSES: [usize; 2] = [5, 10];

/// Prompt look-up for one sequence. Tell it every token, in order, and ask it before every forward pass.
#[derive(Clone, Debug)]
pub struct Drafter {
    options: PromptLookup,
    index: NgramIndex,
    records: [Record; CLASSES.len() + 1],
    open: Option<Round>,
    stats: SpeculationStats,
}

/// A guess whose fate is not known yet.
#[derive(Clone, Debug)]
struct Round {
    class: usize,
    draft: Vec<u32>,
    accepted: usize,
}

impl Drafter {
    /// A drafter that has seen nothing. Options out of range are taken to its end.
    pub fn new(options: PromptLookup) -> Self {
        let match_min = options.match_min.max(1);
        let index = NgramIndex::new(match_min, options.match_max.max(match_min));
        let options = PromptLookup { draft_max: options.draft_max.min(VERIFY_TOKENS_MAX - 1), ..options };
        Self { options, index, records: Default::default(), open: None, stats: SpeculationStats::default() }
    }

    /// Takes in a token of the sequence: each prompt token, then each token that was chosen.
    pub fn accept(&mut self, id: u32) {
        self.index.push(id);
        let Some(round) = &mut self.open else { return };
        let right = round.draft.get(round.accepted) == Some(&id);
        round.accepted += usize::from(right);
        self.stats.accepted += usize::from(right);
        if !right || round.accepted == round.draft.len() {
            self.close();
        }
    }

    /// What may follow, for the forward pass that comes next; empty where a guess would not pay. At most `max` tokens, and
    /// no more than `fits` says of those that are shown to it: tokens that cannot be chosen anyway.
    pub fn draft(&mut self, max: usize, fits: impl FnOnce(&[u32]) -> usize) -> Vec<u32> {
        self.close();
        self.stats.steps += 1;
        let Some(found) = self.index.find() else { return Vec::new() };
        let class = CLASSES.iter().filter(|from| found.len >= **from).count();
        let count = self.records[class].plan(&self.options.costs, max.min(self.options.draft_max));
        let mut draft = self.index.follow(found.place, count);
        let fitting = if draft.is_empty() { 0 } else { fits(&draft) };
        if fitting < draft.len() {
            let pays = self.records[class].pays(&self.options.costs, fitting);
            draft.truncate(if pays { fitting } else { 0 });
        }
        if !draft.is_empty() {
            self.stats.rounds += 1;
            self.stats.drafted += draft.len();
            self.open = Some(Round { class, draft: draft.clone(), accepted: 0 });
        }
        draft
    }

    /// What guessing did so far.
    pub fn stats(&self) -> SpeculationStats {
        self.stats
    }

    fn close(&mut self) {
        if let Some(round) = self.open.take() {
            let record = &mut self.records[round.class];
            record.learn(&self.options.costs, round.accepted, round.draft.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drafter(ids: &[u32]) -> Drafter {
        let mut drafter = Drafter::new(PromptLookup::default());
        ids.iter().for_each(|id| drafter.accept(*id));
        drafter
    }

    #[test]
    fn counts_what_became_of_a_guess() {
        let text: Vec<u32> = (0..40).collect();
        let mut drafter = drafter(&[&text[..], &[7, 8, 9]].concat());
        let draft = drafter.draft(15, <[u32]>::len);
        assert_eq!(draft[..2], [10, 11]);
        drafter.accept(10);
        drafter.accept(99);
        drafter.accept(11);
        let stats = drafter.stats();
        let expected = SpeculationStats { steps: 1, rounds: 1, drafted: draft.len(), accepted: 1 };
        assert_eq!(stats, expected);
    }

    #[test]
    fn a_guess_keeps_to_its_limits() {
        let text: Vec<u32> = (0..40).chain([7, 8, 9]).collect();
        assert_eq!(drafter(&text).draft(2, <[u32]>::len), [10, 11]);
        assert!(drafter(&text).draft(0, <[u32]>::len).is_empty());
        assert!(drafter(&text).draft(15, |_| 0).is_empty());
        assert!(drafter(&text[..42]).draft(15, <[u32]>::len).is_empty(), "two tokens are no match");
    }
}
