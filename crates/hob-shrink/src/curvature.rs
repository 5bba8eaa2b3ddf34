//! The quadratic form of one matrix, and its factors for rounding with feedback.

use crate::Part;
use crate::factor::factor;
use hob_kernels::{Cpu, MatrixMut, MatrixView, Precision, Sum};

/// Part of the diagonal's mean that is added to it at least, so that columns no token used have a weight.
const DAMPING_MIN: f64 = 0.01;

/// How often the addition is made ten times larger before the form is given up.
const TRIES: usize = 6;

/// `cost(e) = 1/2 sum over rows o of rows[o] e[o] form e[o]^T` in nats per token.
#[derive(Clone, Debug)]
struct Term {
    /// `[in, in]`.
    form: Vec<f32>,
    /// `[out]`.
    rows: Vec<f32>,
}

/// What errors in a matrix cost: a sum of forms, one for each way in which the matrix is used.
#[derive(Clone, Debug)]
pub struct Curvature {
    terms: Vec<Term>,
    inputs: usize,
    tokens: usize,
}

/// The form of a row, factored: `form = m diag(weights) m^T` with `m` upper triangular and ones on its diagonal.
///
/// With errors `e[i]` of the columns before `j` settled, the best place for column `j` is `w[j] + sum over i < j of
/// e[i] m[i, j]` (`e = w - q`), and what its own rounding then costs is `weights[j]` times the square. Source: Frantar et
/// al., arXiv:2210.17323, in the form of Chee et al., arXiv:2307.13304.
#[derive(Clone, Debug)]
pub struct Feedback {
    /// `m[i, j]` for `i < j` at `j * in + i`.
    pub transposed: Vec<f32>,
    /// `[in]`.
    pub weights: Vec<f32>,
}

impl Curvature {
    /// The curvature of `part` after `tokens` tokens.
    pub fn new(part: &Part, tokens: usize) -> Self {
        let per_token = 1.0 / tokens.max(1) as f32;
        let mut terms = Vec::new();
        let total: f64 = part.outputs.iter().sum();
        if total > 0.0 {
            terms.push(Term {
                form: part.products.iter().map(|h| h * per_token).collect(),
                rows: part.outputs.iter().map(|s| (s / total) as f32).collect(),
            });
        }
        if let Some(lookups) = &part.lookups {
            terms.push(Term {
                form: lookups.form().into_iter().map(|h| h * per_token).collect(),
                rows: lookups.counts.iter().map(|c| *c as f32 * per_token).collect(),
            });
        }
        Self { terms, inputs: part.inputs, tokens: tokens.max(1) }
    }

    /// Columns.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// What errors `e` (`[rows, in]`) in the rows numbered `numbers` cost, in nats per token.
    pub fn cost(&self, cpu: &Cpu, e: &[f32], numbers: &[usize]) -> f64 {
        let n = self.inputs;
        let mut through = vec![0.0; e.len()];
        let row = |(number, (e, t)): (&usize, (&[f32], &[f32])), term: &Term| {
            let form: f64 = e.iter().zip(t).map(|(e, t)| f64::from(*e) * f64::from(*t)).sum();
            0.5 * f64::from(term.rows[*number]) * form
        };
        let term = |term: &Term| {
            let view = MatrixView::new(e, numbers.len(), n);
            let to = MatrixMut::new(&mut through, numbers.len(), n);
            cpu.gemm(view, MatrixView::new(&term.form, n, n), to, Sum::Replace, Precision::F32);
            let rows = e.chunks_exact(n).zip(through.chunks_exact(n));
            numbers.iter().zip(rows).map(|r| row(r, term)).sum::<f64>()
        };
        self.terms.iter().map(term).sum()
    }

    /// Share of row `o` in what all rows cost, per unit of error.
    pub fn row_weight(&self, o: usize) -> f64 {
        self.terms.iter().map(|t| f64::from(t.rows[o])).sum()
    }

    /// The mean form of a row, factored. `None` when there are numbers in it that are none.
    pub fn feedback(&self, cpu: &Cpu) -> Option<Feedback> {
        let n = self.inputs;
        let mut form = vec![0f32; n * n];
        for term in &self.terms {
            let share = term.rows.iter().map(|r| f64::from(*r)).sum::<f64>() / term.rows.len().max(1) as f64;
            form.iter_mut().zip(&term.form).for_each(|(to, h)| *to += share as f32 * h);
        }
        let mean = (0..n).map(|i| f64::from(form[i * n + i])).sum::<f64>() / n.max(1) as f64;
        // A matrix that nothing depends on is rounded as if all columns mattered alike.
        let unit = if mean > 0.0 { mean } else { 1.0 };
        // A form of few tokens knows their chances as well as the model: what is added grows with columns per token.
        let damping = DAMPING_MIN.max(n as f64 / self.tokens as f64).min(1.0);
        (0..TRIES).find_map(|i| factor(cpu, &form, n, (damping * unit * 10f64.powi(i as i32)) as f32))
    }
}
