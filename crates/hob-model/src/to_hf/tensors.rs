//! Where each tensor goes in a checkpoint, and what changes on the way.

use super::refused;
use crate::Error;
use crate::names::HfNames;
use crate::spec::ModelSpec;
use crate::to_gguf::heads_of;
use hob_kernels::RopeLayout;

/// Where checkpoints of plain language models keep everything but the head.
const PREFIX: &str = "model.";

/// One tensor of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckpointTensor {
    /// Its name there.
    pub name: String,
    /// Our name of it.
    pub ours: String,
    /// Outermost first, the same in both.
    pub shape: Vec<usize>,
    /// What changes on the way.
    pub change: Change,
}

impl CheckpointTensor {
    /// Rows that [`Change`] counts: those of a matrix, the numbers of a vector.
    pub fn rows(&self) -> usize {
        match &self.shape[..] {
            [len] => *len,
            shape => shape[..shape.len().saturating_sub(1)].iter().product(),
        }
    }
}

/// What changes in a tensor on the way into a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// Nothing.
    Nothing,
    /// Of each head, the first `turning` rows go from pairs that stand beside each other to halves: `0, 2, ... | 1, 3, ...`.
    PairsToHalves {
        /// Heads whose rows follow each other.
        heads: usize,
        /// Rows of each that turn.
        turning: usize,
    },
    /// This is added to each number.
    Add(f32),
}

impl Change {
    /// Which of our `rows` rows stands at `row` of the checkpoint's. It holds for packed codes and their scales as for numbers.
    pub fn source_row(self, row: usize, rows: usize) -> usize {
        let Change::PairsToHalves { heads, turning } = self else { return row };
        let (head, half) = (rows / heads, turning / 2);
        let at = row % head;
        let within = match at {
            _ if at < half => 2 * at,
            _ if at < 2 * half => 2 * (at - half) + 1,
            _ => at,
        };
        row - at + within
    }

    /// The checkpoint's numbers from ours: `values` are all of the tensor, `rows` as [`CheckpointTensor::rows`] counts them.
    pub fn apply(self, values: &mut [f32], rows: usize) {
        match self {
            Change::Nothing => {}
            Change::Add(x) => values.iter_mut().for_each(|v| *v += x),
            Change::PairsToHalves { .. } if rows > 0 => {
                let (ours, width) = (values.to_vec(), values.len() / rows);
                for (row, out) in values.chunks_exact_mut(width.max(1)).enumerate() {
                    out.copy_from_slice(&ours[self.source_row(row, rows) * width..][..width]);
                }
            }
            Change::PairsToHalves { .. } => {}
        }
    }
}

/// The tensors of `spec` in a checkpoint that is read as `read`.
pub(super) fn tensors(
    spec: &ModelSpec,
    read: &ModelSpec,
    names: &HfNames,
) -> Result<Vec<CheckpointTensor>, Error> {
    let turns = spec.rope_layout != read.rope_layout;
    if turns && spec.rope_layout != RopeLayout::Adjacent {
        return Err(refused("its heads' halves would have to be pairs"));
    }
    if turns && spec.layers.iter().any(|layer| layer.attention.qk_norm.is_some()) {
        return Err(refused("norms of heads whose rows stand in another order"));
    }
    let turning = spec.ropes.first().map_or(0, |rope| rope.width);
    // A checkpoint that stores its norms minus something stores all of them so, and norms are the only vectors with that name.
    let offset = |spec: &ModelSpec| spec.final_norm.map_or(0.0, |norm| norm.weight_offset);
    let added = offset(spec) - offset(read);
    let change = |name: &str, shape: &[usize]| match heads_of(spec, name) {
        Some(heads) if turns => Change::PairsToHalves { heads, turning },
        _ if added != 0.0 && shape.len() == 1 && name.ends_with(".weight") => Change::Add(added),
        _ => Change::Nothing,
    };
    let place = |tensor: crate::spec::TensorSpec| CheckpointTensor {
        name: names.tensor(&tensor.name, PREFIX),
        change: change(&tensor.name, &tensor.shape),
        ours: tensor.name,
        shape: tensor.shape,
    };
    Ok(spec.tensors().into_iter().map(place).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_become_halves() {
        // Two heads of six rows, of which four turn; rows of one number.
        let change = Change::PairsToHalves { heads: 2, turning: 4 };
        let mut values = [0.0, 2.0, 1.0, 3.0, 4.0, 5.0, 10.0, 12.0, 11.0, 13.0, 14.0, 15.0];
        change.apply(&mut values, 12);
        assert_eq!(values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0]);
        // Rows of two numbers.
        let mut values = [0.0, 0.5, 2.0, 2.5, 1.0, 1.5, 3.0, 3.5];
        Change::PairsToHalves { heads: 1, turning: 4 }.apply(&mut values, 4);
        assert_eq!(values, [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]);
        Change::Add(-1.0).apply(&mut values[..1], 1);
        assert_eq!(values[0], -1.0);
    }
}
