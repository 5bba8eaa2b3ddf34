//! Guesses what follows, and learns from what became of its guesses.

use super::costs::{VERIFY_TOKENS_MAX, VerifyCosts};
use super::gain::{GAIN_MIN, Record};
use super::lookup::{Match, NgramIndex};
use super::model::DraftModel;
use super::{PromptLookup, Speculation, SpeculationStats};
use crate::Session;

/// Matching tokens from which a match belongs to the next class.
const CLASSES: [usize; 2] = [5, 10];

/// Guesses for one sequence. Tell it every token, in order, and ask it before every forward pass.
pub struct Drafter {
    lookup: Option<Lookup>,
    model: Option<DraftModel>,
    /// Costs to reckon with instead of the engine's.
    given: Option<VerifyCosts>,
    /// Those of the latest guess.
    costs: VerifyCosts,
    open: Option<Round>,
    stats: SpeculationStats,
}

/// Prompt look-up.
struct Lookup {
    draft_max: usize,
    index: NgramIndex,
    records: [Record; CLASSES.len() + 1],
}

/// A guess whose fate is not known yet.
struct Round {
    by: Guesser,
    draft: Vec<u32>,
    accepted: usize,
}

/// Who made a guess.
#[derive(Clone, Copy)]
enum Guesser {
    /// Look-up, with a match of this class.
    Lookup(usize),
    /// The draft model.
    Model,
}

impl Lookup {
    fn new(options: PromptLookup) -> Self {
        let match_min = options.match_min.max(1);
        let index = NgramIndex::new(match_min, options.match_max.max(match_min));
        let draft_max = options.draft_max.min(VERIFY_TOKENS_MAX - 1);
        Self { draft_max, index, records: Default::default() }
    }

    /// The match of the last tokens with its class, and the gain to expect of a guess from there.
    fn find(&self, costs: &VerifyCosts, max: usize) -> Option<(Match, usize, f32)> {
        let found = self.index.find()?;
        let class = CLASSES.iter().filter(|from| found.len >= **from).count();
        let (_, gain) = self.records[class].best(costs, max.min(self.draft_max));
        Some((found, class, gain))
    }

    fn guess(&mut self, found: Match, class: usize, costs: &VerifyCosts, max: usize) -> Vec<u32> {
        let count = self.records[class].plan(costs, max.min(self.draft_max));
        self.index.follow(found.place, count)
    }
}

impl Drafter {
    /// A drafter for `session` that has been told nothing; `None` where `speculation` guesses nothing. Options out of range
    /// are taken to its end.
    pub fn new(speculation: &Speculation, session: &Session) -> Option<Self> {
        let lookup = speculation.lookup.map(Lookup::new);
        let model = speculation.draft.as_ref().map(|draft| DraftModel::new(draft, session));
        (lookup.is_some() || model.is_some()).then(|| Self {
            lookup,
            model,
            given: speculation.costs,
            costs: VerifyCosts::default(),
            open: None,
            stats: SpeculationStats::default(),
        })
    }

    /// Takes in a token of the sequence: each prompt token, then each token that was chosen.
    pub fn accept(&mut self, id: u32) {
        self.lookup.iter_mut().for_each(|l| l.index.push(id));
        let Some(round) = &mut self.open else { return };
        let right = round.draft.get(round.accepted) == Some(&id);
        round.accepted += usize::from(right);
        self.stats.accepted += usize::from(right);
        self.stats.model_accepted += usize::from(right && matches!(round.by, Guesser::Model));
        if !right || round.accepted == round.draft.len() {
            self.close();
        }
    }

    /// What may follow `id`, the token that `session` is about to compute; empty where a guess would not pay. At most `max`
    /// tokens, and no more than `fits` says of those that are shown to it: tokens that cannot be chosen anyway.
    pub fn draft(
        &mut self,
        session: &Session,
        id: u32,
        max: usize,
        fits: impl FnOnce(&[u32]) -> usize,
    ) -> Vec<u32> {
        self.close();
        self.stats.steps += 1;
        if max == 0 {
            return Vec::new();
        }
        let Some(costs) = self.given.or_else(|| session.engine().step_costs()) else { return Vec::new() };
        self.costs = costs;
        let Some((by, mut draft)) = self.guess(session, id, max) else { return Vec::new() };
        let fitting = fits(&draft).min(draft.len());
        if fitting < draft.len() {
            let pays = match (by, &self.lookup) {
                (Guesser::Lookup(class), Some(l)) => l.records[class].pays(&self.costs, fitting),
                _ => true,
            };
            draft.truncate(if pays { fitting } else { 0 });
        }
        if let (Guesser::Model, true, Some(model)) = (by, draft.is_empty(), &mut self.model) {
            // It took its time all the same.
            model.learn(0, 0, &self.costs);
        }
        if !draft.is_empty() {
            self.stats.rounds += 1;
            self.stats.drafted += draft.len();
            self.stats.model_drafted += if matches!(by, Guesser::Model) { draft.len() } else { 0 };
            self.open = Some(Round { by, draft: draft.clone(), accepted: 0 });
        }
        draft
    }

    /// What guessing did so far.
    pub fn stats(&self) -> SpeculationStats {
        self.stats
    }

    /// Lets the draft model's engine remember the sequence for later ones that begin alike.
    pub fn remember(&mut self) {
        self.model.iter_mut().for_each(DraftModel::remember);
    }

    /// The guess of whoever promises more. Look-up costs nothing to ask, so it also guesses where the model is not sure.
    fn guess(&mut self, session: &Session, id: u32, max: usize) -> Option<(Guesser, Vec<u32>)> {
        let (costs, single) = (self.costs, session.engine().step_time());
        let found = self.lookup.as_ref().and_then(|l| l.find(&costs, max));
        let promised = found.map_or(0.0, |(_, _, gain)| gain).max(GAIN_MIN);
        let mut by_model = |model: &mut DraftModel| {
            let text = [session.tokens(), &[id]].concat();
            let draft = model.guess(&text, max.min(VERIFY_TOKENS_MAX - 1), &costs, single);
            (!draft.is_empty()).then_some((Guesser::Model, draft))
        };
        let first = self.model.as_mut().filter(|m| m.gain() > promised);
        let was_asked = first.is_some();
        if let Some(guess) = first.and_then(&mut by_model) {
            return Some(guess);
        }
        if let Some((found, class, _)) = found
            && let Some(lookup) = &mut self.lookup
        {
            let draft = lookup.guess(found, class, &costs, max);
            if !draft.is_empty() {
                return Some((Guesser::Lookup(class), draft));
            }
        }
        let model = self.model.as_mut().filter(|_| !was_asked)?;
        if model.may_probe() { by_model(model) } else { None }
    }

    fn close(&mut self) {
        let Some(round) = self.open.take() else { return };
        match (round.by, &mut self.lookup, &mut self.model) {
            (Guesser::Lookup(class), Some(lookup), _) => {
                lookup.records[class].learn(&self.costs, round.accepted, round.draft.len());
            }
            (Guesser::Model, _, Some(model)) => model.learn(round.accepted, round.draft.len(), &self.costs),
            _ => {}
        }
    }
}
