//! The head and the loss together, a few rows at a time, so that the logits of a batch never exist all at once.

use crate::layout::{Numbers, Sink};
use crate::network::Network;
use crate::pass::{Batch, Heard, Listen, Seen, Use, Watch, Workspace};
use crate::ranges::round_to_step;
use hob_base::Random;
use hob_kernels::{Buffer, Cpu, MatrixMut, MatrixView, Sum, Target};

/// Bytes of logits that exist at a time (twice that with a teacher), unless these are fewer rows than [`ROWS_MIN`].
const LOGITS_BYTES: usize = 8 << 20;

/// Rows that are multiplied with the head at least: it is read anew for every product.
const ROWS_MIN: usize = 128;

/// What the tokens of a batch are trained towards.
#[derive(Clone, Copy)]
pub enum Goal<'a> {
    /// The token that follows each, `[T]`.
    Next(&'a [u32]),
    /// Tokens drawn from the model's own distribution, by this seed. The squares of these gradients are the curvature of the
    /// divergence from this very model (Fisher's information).
    Own(u64),
    /// The distribution of another model with the same vocabulary, whose last forward pass was over the same batch.
    Teacher {
        /// Its plan.
        network: &'a Network,
        /// Its parameters.
        params: &'a [f32],
        /// What its forward pass left.
        work: &'a Workspace,
    },
}

/// The sum of losses over tokens and what they weigh.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Loss {
    /// `sum of weight * loss`.
    pub sum: f64,
    /// `sum of weight`.
    pub weight: f64,
}

impl Loss {
    /// Loss per unit of weight, in nats; 0 where nothing was weighed.
    pub fn mean(self) -> f64 {
        if self.weight == 0.0 { 0.0 } else { self.sum / self.weight }
    }
}

impl std::ops::AddAssign for Loss {
    fn add_assign(&mut self, other: Self) {
        self.sum += other.sum;
        self.weight += other.weight;
    }
}

impl Network {
    /// The loss of what [`Network::forward`] left in `work`, `weights[t]` times that of token `t`.
    pub fn loss(
        &self,
        cpu: &Cpu,
        params: &[f32],
        work: &mut Workspace,
        goal: Goal<'_>,
        weights: &[f32],
    ) -> Loss {
        self.head(cpu, Numbers::all(params), None, work, goal, weights, None)
    }

    /// As [`Network::loss`], and adds the gradient of `sum of weight * loss` by every parameter to `grads`.
    pub fn train(
        &self,
        cpu: &Cpu,
        params: &[f32],
        grads: &mut [f32],
        batch: &Batch<'_>,
        work: &mut Workspace,
        (goal, weights): (Goal<'_>, &[f32]),
    ) -> Loss {
        let mut grads = Sink(Some(grads));
        let loss = self.head(cpu, Numbers::all(params), Some(&mut grads), work, goal, weights, None);
        self.backward(cpu, params, &mut grads, batch, work, None);
        loss
    }

    /// As [`Network::train`], without gradients by parameters; `watch` hears what every matrix saw.
    pub fn watch(
        &self,
        cpu: &Cpu,
        params: &[f32],
        batch: &Batch<'_>,
        work: &mut Workspace,
        (goal, weights): (Goal<'_>, &[f32]),
        watch: &dyn Fn(Seen<'_>),
    ) -> Loss {
        let mut none = Sink(None);
        let loss = self.head(cpu, Numbers::all(params), Some(&mut none), work, goal, weights, Some(watch));
        self.backward(cpu, params, &mut none, batch, work, Some(watch));
        loss
    }

    #[allow(clippy::too_many_arguments, reason = "the common part of three public functions")]
    pub(crate) fn head(
        &self,
        cpu: &Cpu,
        params: Numbers<'_>,
        mut grads: Option<&mut Sink<'_>>,
        work: &mut Workspace,
        goal: Goal<'_>,
        weights: &[f32],
        watch: Option<Watch<'_>>,
    ) -> Loss {
        let (d, vocab) = (self.spec.hidden, self.spec.vocab);
        let Workspace { hidden, d_hidden, .. } = work;
        assert_eq!(hidden.len(), weights.len() * d, "one weight per token of the forward pass");
        if grads.is_some() {
            d_hidden.clear();
            d_hidden.resize(hidden.len(), 0.0);
        }
        // Rows that weigh nothing (prompts, padding) cost nothing.
        let wanted: Vec<usize> = (0..weights.len()).filter(|t| weights[*t] != 0.0).collect();
        let mut total = Loss::default();
        for rows in wanted.chunks(self.logits_rows()) {
            let mut x = gather(cpu, hidden, d, rows);
            let mut logits = self.logits(cpu, params, &mut x, rows.len());
            let capped = self.softcap.map(|_| cpu.copy(&logits));
            let weights: Vec<f32> = rows.iter().map(|t| weights[*t]).collect();
            let mut losses = vec![0.0; rows.len()];
            match goal {
                Goal::Next(targets) => {
                    let targets: Vec<u32> = rows.iter().map(|t| targets[*t]).collect();
                    cpu.loss_grad(&mut logits, vocab, Target::Tokens(&targets), &weights, &mut losses);
                }
                Goal::Own(seed) => {
                    let draw = |(t, z): (&usize, &[f32])| draw(z, Random::new(seed, *t as u64).unit());
                    let targets: Vec<u32> = rows.iter().zip(logits.chunks_exact(vocab)).map(draw).collect();
                    cpu.loss_grad(&mut logits, vocab, Target::Tokens(&targets), &weights, &mut losses);
                }
                Goal::Teacher { network, params, work } => {
                    let mut x = gather(cpu, &work.hidden, network.spec.hidden, rows);
                    let teacher = network.logits(cpu, Numbers::all(params), &mut x, rows.len());
                    cpu.loss_grad(&mut logits, vocab, Target::Logits(&teacher), &weights, &mut losses);
                }
            }
            total += Loss {
                sum: losses.iter().zip(&weights).map(|(l, w)| f64::from(*l) * f64::from(*w)).sum(),
                weight: weights.iter().map(|w| f64::from(*w)).sum(),
            };
            let Some(grads) = grads.as_deref_mut() else { continue };
            if let (Some(cap), Some(capped)) = (self.softcap, capped) {
                logits.iter_mut().zip(&*capped).for_each(|(g, z)| *g *= 1.0 - (z / cap) * (z / cap));
            }
            if let Some(watch) = watch {
                let what = Use::Product { inputs: d, x: &x, dy: &logits };
                watch(Seen { weight: &self.head.weight, what });
            }
            let dz = MatrixView::new(&logits, rows.len(), vocab);
            if let Some(to) = grads.at(&self.head.weight) {
                let to = MatrixMut::new(to, vocab, d);
                cpu.gemm(dz.transposed(), MatrixView::new(&x, rows.len(), d), to, Sum::Add, self.precision);
            }
            let weight = MatrixView::new(params.at(&self.head.weight), vocab, d);
            cpu.gemm(dz, weight, MatrixMut::new(&mut x, rows.len(), d), Sum::Replace, self.precision);
            for (row, dx) in rows.iter().zip(x.chunks_exact(d)) {
                d_hidden[row * d..][..d].copy_from_slice(dx);
            }
        }
        total
    }

    /// Says what goes through the head for all rows of what it sees.
    pub(crate) fn listen_head(&self, cpu: &Cpu, params: Numbers<'_>, hidden: &[f32], listen: Listen<'_>) {
        let (d, weight) = (self.spec.hidden, &self.head.weight);
        for x in hidden.chunks(self.logits_rows() * d) {
            let logits = self.scores(cpu, params, x, x.len() / d);
            listen(Heard { weight, inputs: d, x, y: &logits });
        }
    }

    /// Rows whose logits exist at a time.
    fn logits_rows(&self) -> usize {
        (LOGITS_BYTES / 4 / self.spec.vocab).max(ROWS_MIN)
    }

    /// Scores of the next token for `rows` rows of what the head sees, which become what it makes of them.
    fn logits(&self, cpu: &Cpu, params: Numbers<'_>, x: &mut [f32], rows: usize) -> Buffer<f32> {
        let steps = self.steps(&self.head.weight);
        round_to_step(cpu, x, steps.input);
        let mut logits = self.scores(cpu, params, x, rows);
        round_to_step(cpu, &mut logits, steps.output);
        if let Some(cap) = self.softcap {
            cpu.softcap(&mut logits, cap);
        }
        logits
    }

    /// The product alone.
    fn scores(&self, cpu: &Cpu, params: Numbers<'_>, x: &[f32], rows: usize) -> Buffer<f32> {
        let (d, vocab) = (self.spec.hidden, self.spec.vocab);
        let mut logits = cpu.buffer(rows * vocab);
        let weight = MatrixView::new(params.at(&self.head.weight), vocab, d).transposed();
        let to = MatrixMut::new(&mut logits, rows, vocab);
        cpu.gemm(MatrixView::new(x, rows, d), weight, to, Sum::Replace, self.precision);
        logits
    }
}

fn gather(cpu: &Cpu, from: &[f32], width: usize, rows: &[usize]) -> Buffer<f32> {
    let mut to = cpu.buffer(rows.len() * width);
    for (row, to) in rows.iter().zip(to.chunks_exact_mut(width)) {
        to.copy_from_slice(&from[row * width..][..width]);
    }
    to
}

/// The token at which the probabilities of scores `z`, summed in order, pass `at` (0 to 1).
fn draw(z: &[f32], at: f64) -> u32 {
    let top = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |z: &f32| f64::from((z - top).exp());
    let mut left = at * z.iter().map(weight).sum::<f64>();
    let found = z.iter().position(|z| {
        left -= weight(z);
        left < 0.0
    });
    found.unwrap_or(z.len() - 1) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_drawn_as_often_as_they_are_likely() {
        let z = [0.0f32, 2f32.ln(), f32::NEG_INFINITY, 0.0];
        let mut counts = [0; 4];
        (0..4000u64).for_each(|i| counts[draw(&z, Random::new(1, i).unit()) as usize] += 1);
        assert_eq!(counts[2], 0);
        assert!((900..1100).contains(&counts[0]) && (1900..2100).contains(&counts[1]), "{counts:?}");
    }
}
