//! What asking about the places that a model doubts could mend, beside two ways to spend as many characters otherwise.

use super::draft::Draft;
use super::learn::Example;
use hob_base::Random;
use serde::Serialize;

/// Probabilities below which a complete answer is asked about.
const BELOW: [f64; 5] = [0.3, 0.5, 0.7, 0.9, 1.0];
/// Draws of places by chance, for a mean.
const DRAWS: u64 = 20;

/// What was found, of answers whose known one is a whole text.
#[derive(Clone, Debug, Serialize)]
pub struct Mended {
    /// Such answers.
    pub examples: usize,
    /// Share of right ones.
    pub right: f64,
    /// Share of wrong answers with few places to ask about.
    pub wrong_with_places: f64,
    /// Share of wrong answers with a place in which the known answer says something else.
    pub wrong_found: f64,
    /// Share of the characters of wrong answers that are asked about.
    pub wrong_asked: f64,
    /// The same of right answers.
    pub right_asked: f64,
    /// What asking about complete answers below a probability could do.
    pub table: Vec<MendedLine>,
}

/// Asking about complete answers below a probability.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MendedLine {
    /// The probability.
    pub below: f64,
    /// Share of the answers that are asked about.
    pub answers: f64,
    /// Share of the characters of all answers that are sent with the questions.
    pub sent: f64,
    /// Share of the characters of all answers that may be written anew.
    pub asked: f64,
    /// Share of right answers once whoever knows the answers wrote in the doubted places and nowhere else.
    pub places: f64,
    /// The same for as many characters in as many places by chance.
    pub chance: f64,
    /// The same for as many characters of whole answers, the most doubted first.
    pub whole: f64,
}

/// `said` is what each answer was given at its end, by a curve that had not seen it.
pub(super) fn mended(examples: &[Example], said: &[Option<f64>], seed: u64) -> Option<Mended> {
    let of = |(one, said): (&'_ Example, &Option<f64>)| Some((one.draft.clone()?, one.right, (*said)?));
    let all: Vec<(Draft, bool, f64)> = examples.iter().zip(said).filter_map(of).collect();
    if all.is_empty() {
        return None;
    }
    let of =
        |right: bool| all.iter().filter(move |(_, is_right, _)| *is_right == right).map(|(draft, ..)| draft);
    let wrong = of(false).count() as f64;
    let asked = |right: bool| {
        let chars: usize = of(right).map(Draft::chars).sum();
        of(right).map(Draft::asked_chars).sum::<usize>() as f64 / chars.max(1) as f64
    };
    let share =
        |is: &dyn Fn(&Draft) -> bool| of(false).filter(|draft| is(draft)).count() as f64 / wrong.max(1.0);
    Some(Mended {
        examples: all.len(),
        right: 1.0 - wrong / all.len() as f64,
        wrong_with_places: share(&|draft| draft.asked.contains(&true)),
        wrong_found: share(&Draft::is_found),
        wrong_asked: asked(false),
        right_asked: asked(true),
        table: BELOW.into_iter().map(|below| line(below, &all, seed)).collect(),
    })
}

fn line(below: f64, all: &[(Draft, bool, f64)], seed: u64) -> MendedLine {
    let goes = |(draft, _, said): &&(Draft, bool, f64)| *said < below && draft.asked.contains(&true);
    let asked: usize = all.iter().filter(goes).map(|(draft, ..)| draft.asked_chars()).sum();
    let sent: usize = all.iter().filter(goes).map(|(draft, ..)| draft.chars()).sum();
    let chars: usize = all.iter().map(|(draft, ..)| draft.chars()).sum();
    let right = all.iter().filter(|(_, right, _)| *right).count();
    let share = |count: f64| count / all.len() as f64;
    let mended = |mends: &mut dyn FnMut(&Draft) -> bool| {
        let wrong = all.iter().filter(goes).filter(|(_, right, _)| !right);
        (right + wrong.filter(|(draft, ..)| mends(draft)).count()) as f64
    };
    let chance = |draw: u64| {
        let mut random = Random::new(seed, 1 << 20 | draw);
        mended(&mut |draft| {
            // The same lengths and distances, begun somewhere else.
            let mut asked = draft.asked.clone();
            let by = random.index(asked.len().max(1));
            asked.rotate_left(by);
            draft.is_mended(&asked)
        })
    };
    MendedLine {
        below,
        answers: share(all.iter().filter(goes).count() as f64),
        sent: sent as f64 / chars.max(1) as f64,
        asked: asked as f64 / chars.max(1) as f64,
        places: share(mended(&mut |draft| draft.is_mended(&draft.asked))),
        chance: share((0..DRAWS).map(chance).sum::<f64>() / DRAWS as f64),
        whole: share((right + replaced(all, asked)) as f64),
    }
}

/// Wrong answers that are replaced where whole ones are, the most doubted first, as long as there are characters left.
fn replaced(all: &[(Draft, bool, f64)], mut chars: usize) -> usize {
    let mut order: Vec<&(Draft, bool, f64)> = all.iter().collect();
    order.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut wrong = 0;
    for (draft, right, _) in order {
        if draft.chars() > chars {
            break;
        }
        chars -= draft.chars();
        wrong += usize::from(!right);
    }
    wrong
}
