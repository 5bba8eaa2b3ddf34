//! How far a child's predictions are from its parent's.

use hob_kernels::Cpu;
use hob_train::data::Sequences;
use hob_train::{Batch, Goal, Network, Workspace};
use serde::Serialize;

/// A mean with its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measure {
    /// Mean, in nats per token.
    pub mean: f64,
    /// Its standard error, over sequences.
    pub error: f64,
}

/// Divergence of a child from its parent in every sequence of a text, in nats per token.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergences(Vec<f64>);

impl Divergences {
    /// Those of the second model from the first over `text`, in sequences of `sequence` tokens.
    pub fn new(
        cpu: &Cpu,
        [(network, parent), (narrow, child)]: [(&Network, &[f32]); 2],
        text: &Sequences,
        sequence: usize,
    ) -> Self {
        let [mut teacher, mut student] = [Workspace::new(true), Workspace::new(true)];
        let weights = vec![1.0; sequence];
        let one = |start: usize| {
            let range = start..start + sequence;
            let documents: Vec<usize> = text.documents[range.clone()].iter().map(|d| d - start).collect();
            let batch = Batch { tokens: &text.tokens[range], documents: &documents, sequence };
            network.forward(cpu, parent, &batch, &mut teacher);
            narrow.forward(cpu, child, &batch, &mut student);
            let goal = Goal::Teacher { network, params: parent, work: &teacher };
            narrow.loss(cpu, child, &mut student, goal, &weights).mean()
        };
        Self((0..text.tokens.len()).step_by(sequence).map(one).collect())
    }

    /// The mean.
    pub fn measure(&self) -> Measure {
        measure(self.0.iter().copied())
    }

    /// How much further these are than `other`, on the same text: sequence by sequence, so that what makes a sequence hard for
    /// both does not count as doubt.
    pub fn beyond(&self, other: &Self) -> Measure {
        debug_assert_eq!(self.0.len(), other.0.len());
        measure(self.0.iter().zip(&other.0).map(|(a, b)| a - b))
    }
}

fn measure(values: impl ExactSizeIterator<Item = f64> + Clone) -> Measure {
    let count = values.len().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    Measure { mean, error: (variance / count).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_share_is_no_doubt() {
        let (a, b) = (Divergences(vec![1.0, 5.0, 9.0]), Divergences(vec![0.5, 4.5, 8.5]));
        assert_eq!(a.beyond(&b), Measure { mean: 0.5, error: 0.0 });
        let m = a.measure();
        assert!(m.mean == 5.0 && (m.error - (16.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(Divergences(vec![]).measure(), Measure { mean: 0.0, error: 0.0 });
    }
}
