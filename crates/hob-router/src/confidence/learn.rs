//! Learning from a model's answers to questions with known ones.

use super::report::{self, Report};
use super::{
    Confidence, Draft, EXAMPLES_MAX, Judge, Remembered, STAGES, Stage, VERSION, evidence, row, seen,
};
use crate::course::{Course, SIGNAL_COUNT};
use crate::error::Error;
use crate::logistic;
use crate::scorer::{Scale, moments};
use crate::vector::WordVector;
use hob_base::Random;

/// Fewest answers to learn from.
pub const EXAMPLES_MIN: usize = 100;

/// Fewest answers that reach a stage, for it to be learned.
const LEAST_OF_STAGE: usize = 40;

/// Questions as alike as this are the same.
const SAME: f32 = 0.9999;

/// Fewest right ones, and fewest wrong ones, also at a stage.
const LEAST_OF_EACH: usize = 10;

/// Parts into which answers are cut, to judge each by a curve that has not seen it.
const FOLDS: usize = 5;

/// How small weights are held.
const RIDGE: f64 = 1.0;

/// A question and how it was answered.
#[derive(Clone, Debug)]
pub struct Example {
    pub(super) words: WordVector,
    pub(super) seen: [f64; 2],
    /// The signals at those stages that were reached.
    reached: Vec<(Stage, [f64; SIGNAL_COUNT])>,
    course: Course,
    /// Whether the answer was right.
    pub right: bool,
    /// The answer beside the known one, where that is a whole text: for measuring what could be mended in places.
    pub draft: Option<Draft>,
}

impl Example {
    /// A question that has not been answered.
    pub fn new(prompt: &str, scale: &Scale) -> Self {
        let (words, seen) = (WordVector::of(prompt), seen(prompt, scale));
        Self { words, seen, reached: Vec::new(), course: Course::default(), right: false, draft: None }
    }

    /// Takes a token of the answer, as [`Course::push`] does.
    pub fn push(&mut self, logprob: f32, likeliest: &[(u32, f32)]) {
        self.course.push(logprob, likeliest);
        let stage = Stage::After(self.course.tokens());
        if STAGES.contains(&stage) {
            self.reached.push((stage, self.course.signals()));
        }
    }

    /// Tokens of the answer.
    pub fn tokens(&self) -> u64 {
        self.course.tokens()
    }

    /// The signals at a stage; none where the answer ended before.
    fn row(&self, stage: Stage, evidence: f64) -> Option<Vec<f64>> {
        let course = match stage {
            Stage::Before => [0.0; SIGNAL_COUNT],
            Stage::After(_) => self.reached.iter().find(|(at, _)| *at == stage)?.1,
            Stage::End => self.course.signals(),
        };
        let of_prompt = [evidence, self.seen[0], self.seen[1]];
        Some(row(&of_prompt, &course, self.tokens(), stage))
    }
}

/// What each answer was given at each stage by those who had not seen it, stage by stage.
pub(super) type Said = Vec<Vec<Option<f64>>>;

impl Confidence {
    /// Learns from the answers of `model`, and says how good that is on answers that were held back.
    ///
    /// # Errors
    /// [`Error::TooFew`] for fewer than 100 answers, [`Error::OneSided`] where nearly all are right or nearly all wrong.
    pub fn learn(
        model: &str,
        scale: Scale,
        examples: &[Example],
        seed: u64,
    ) -> Result<(Self, Report), Error> {
        let examples = &examples[..examples.len().min(EXAMPLES_MAX)];
        if examples.len() < EXAMPLES_MIN {
            return Err(Error::TooFew { least: EXAMPLES_MIN, found: examples.len() });
        }
        let right = examples.iter().filter(|example| example.right).count();
        let one_sided = || Error::OneSided { least: 2 * LEAST_OF_EACH, right, of: examples.len() };
        if right.min(examples.len() - right) < 2 * LEAST_OF_EACH {
            return Err(one_sided());
        }
        let share = right as f64 / examples.len() as f64;
        let likeness = Likeness::of(examples);
        let said = held_back(examples, &likeness, share, seed);
        // One part has nearly all of the right answers, or of the wrong ones.
        if said[0].iter().all(Option::is_none) {
            return Err(one_sided());
        }
        let all: Vec<usize> = (0..examples.len()).collect();
        let evidence: Vec<f64> = all.iter().map(|i| likeness.evidence(*i, &all, examples, share)).collect();
        let learn = |(stage, said): (Stage, &Vec<Option<f64>>)| {
            // What could not be measured is not used either.
            let is_measured = said.iter().any(Option::is_some);
            let judge = Judge::learn(stage, examples, &evidence, &all);
            if is_measured { judge } else { Judge::nothing(stage) }
        };
        let judges = STAGES.into_iter().zip(&said).map(learn).collect();
        let remembered = examples.iter().zip(&said[0]).map(|(example, said)| Remembered {
            words: example.words.clone(),
            right: example.right,
            said: said.unwrap_or(share),
        });
        let remembered = remembered.collect();
        let made =
            Self { version: VERSION, model: model.to_owned(), right: share, scale, judges, remembered };
        Ok((made, report::report(examples, &said, seed)))
    }
}

/// What curves say of answers that they have not learned from.
fn held_back(examples: &[Example], likeness: &Likeness, share: f64, seed: u64) -> Said {
    let parts = likeness.parts(seed);
    let mut said = vec![vec![None; examples.len()]; STAGES.len()];
    for fold in 0..FOLDS {
        let part = |out: bool| -> Vec<usize> {
            (0..examples.len()).filter(|i| (parts[*i] == fold) == out).collect()
        };
        let (known, fresh) = (part(false), part(true));
        let evidence: Vec<f64> =
            (0..examples.len()).map(|i| likeness.evidence(i, &known, examples, share)).collect();
        for (stage, said) in STAGES.into_iter().zip(&mut said) {
            let judge = Judge::learn(stage, examples, &evidence, &known);
            for i in &fresh {
                let row = examples[*i].row(stage, evidence[*i]).filter(|_| !judge.weights.is_empty());
                said[*i] = row.map(|row| judge.probability(&row));
            }
        }
    }
    for (stage, said) in STAGES.into_iter().zip(&mut said) {
        // A stage that one part could not learn is not measured at all.
        let reaches = |i: usize| examples[i].row(stage, 0.0).is_some();
        if (0..examples.len()).any(|i| reaches(i) && said[i].is_none()) {
            said.fill(None);
        }
    }
    said
}

impl Judge {
    /// One that says nothing.
    fn nothing(stage: Stage) -> Self {
        Self { stage, mean: Vec::new(), deviation: Vec::new(), weights: Vec::new() }
    }

    /// Learns from the examples at `known` that reach `stage`; nothing where too few do.
    fn learn(stage: Stage, examples: &[Example], evidence: &[f64], known: &[usize]) -> Self {
        let row = |i: &usize| Some((examples[*i].row(stage, evidence[*i])?, examples[*i].right));
        let (rows, right): (Vec<Vec<f64>>, Vec<bool>) = known.iter().filter_map(row).unzip();
        let is_right = right.iter().filter(|right| **right).count();
        if rows.len() < LEAST_OF_STAGE || is_right.min(rows.len() - is_right) < LEAST_OF_EACH {
            return Self::nothing(stage);
        }
        let width = super::width(stage);
        let scales: Vec<[f64; 2]> =
            (0..width).map(|column| moments(rows.iter().map(move |row| row[column]))).collect();
        let (mean, deviation) = scales.into_iter().map(|[mean, deviation]| (mean, deviation)).unzip();
        let mut judge = Self { stage, mean, deviation, weights: Vec::new() };
        let placed: Vec<Vec<f64>> = rows.iter().map(|row| judge.placed(row)).collect();
        let targets: Vec<f64> = right.into_iter().map(|right| f64::from(u8::from(right))).collect();
        judge.weights = logistic::fit(&placed, &targets, RIDGE);
        judge
    }
}

/// How alike any two questions are.
struct Likeness {
    cells: Vec<f32>,
    count: usize,
}

impl Likeness {
    fn of(examples: &[Example]) -> Self {
        let count = examples.len();
        let mut cells = vec![1.0; count * count];
        for i in 0..count {
            for j in 0..i {
                let likeness = examples[i].words.likeness(&examples[j].words);
                (cells[i * count + j], cells[j * count + i]) = (likeness, likeness);
            }
        }
        Self { cells, count }
    }

    fn of_two(&self, i: usize, j: usize) -> f32 {
        self.cells[i * self.count + j]
    }

    /// A part for each question, by chance; the same question asked twice is in one part.
    fn parts(&self, seed: u64) -> Vec<usize> {
        let mut random = Random::new(seed, 11);
        let mut parts: Vec<usize> = Vec::with_capacity(self.count);
        for i in 0..self.count {
            let same = (0..i).find(|j| self.of_two(i, *j) >= SAME);
            parts.push(same.map_or_else(|| random.index(FOLDS), |j| parts[j]));
        }
        parts
    }

    /// What those at `known` say of the question at `i`. The same question does not speak for itself.
    fn evidence(&self, i: usize, known: &[usize], examples: &[Example], right: f64) -> f64 {
        let near = known.iter().filter(|j| **j != i && self.of_two(i, **j) < SAME);
        evidence(near.map(|j| (self.of_two(i, *j), examples[*j].right)).collect(), right).0
    }
}
