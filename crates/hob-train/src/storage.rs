//! Training with the numbers that a file will hold: the file's own quantiser rounds the weights before every pass, and
//! gradients go to the weights behind them as if nothing had been rounded (the straight-through estimator, Bengio et al.,
//! arXiv:1308.3432). What is written later are the very blocks that the last pass saw.

use crate::{Error, Layout, in_threads, write_file};
use hob_format::Metadata;
use hob_model::spec::TensorSpec;
use hob_quant::{RowFormat, TensorType, has_codebook};
use std::borrow::Cow;
use std::path::Path;

/// How each tensor is stored in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    formats: Vec<RowFormat>,
    /// Blocks of each tensor that were last computed with; empty before.
    blocks: Vec<Vec<u8>>,
    /// Whether new blocks begin with the scales of the old ones.
    keeps_scales: bool,
    /// How often was rounded.
    turn: usize,
}

/// Which tensors are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// All.
    Every,
    /// All but those of settled codebook types whose turn it is not: finding entries takes longer than a step of training,
    /// so each has its turn in one of four.
    Turn,
}

/// Steps in which every tensor of a codebook type is rounded once.
const TURNS: usize = 4;

impl Storage {
    /// `ty` for all matrices whose rows are whole blocks of it, F32 for the rest.
    pub fn uniform(layout: &Layout, ty: TensorType) -> Self {
        let fits = |tensor: &TensorSpec| tensor.shape.len() > 1 && ty.row_bytes(width(tensor)).is_some();
        let format = |tensor: &TensorSpec| RowFormat::from(if fits(tensor) { ty } else { TensorType::F32 });
        let formats = layout.iter().map(|(tensor, _)| format(tensor)).collect();
        Self { formats, blocks: Vec::new(), keeps_scales: false, turn: 0 }
    }

    /// Tensors, in the layout's order, that are stored already: their scales move on from where they are, as
    /// [`RowFormat::requantize_row`] does it, and are not searched again. Weights that are what the blocks hold are stored as they are.
    pub fn settled(tensors: impl IntoIterator<Item = (RowFormat, Vec<u8>)>) -> Self {
        let (formats, blocks) = tensors.into_iter().unzip();
        Self { formats, blocks, keeps_scales: true, turn: 0 }
    }

    /// The tensors' formats in the layout's order.
    pub fn formats(&self) -> &[RowFormat] {
        &self.formats
    }

    /// The blocks that were last computed with, in the layout's order.
    pub fn blocks(&self) -> &[Vec<u8>] {
        &self.blocks
    }

    /// The blocks of tensor `i`, whose numbers are `w`.
    fn store(&self, i: usize, tensor: &TensorSpec, w: &[f32], threads: usize) -> Result<Vec<u8>, Error> {
        let (format, width) = (self.formats[i], width(tensor));
        let row_bytes = format.row_bytes(width).expect("a format that fits was chosen");
        let count = w.len() / width;
        let (mut bytes, store): (_, fn(_, &_, &mut _) -> _) = match self.keeps_scales {
            true => (self.blocks[i].clone(), RowFormat::requantize_row),
            false => (vec![0; count * row_bytes], RowFormat::quantize_row),
        };
        let rows = count.div_ceil(threads.max(1)).max(1);
        let parts = w.chunks(rows * width).zip(bytes.chunks_mut(rows * row_bytes));
        in_threads(parts, |(w, bytes)| {
            let mut rows = w.chunks_exact(width).zip(bytes.chunks_exact_mut(row_bytes));
            rows.try_for_each(|(row, bytes)| store(format, row, bytes))
        })
        .map_err(|e| unfit(&tensor.name, format, &e))?;
        Ok(bytes)
    }

    /// Whether tensor `i` need not be rounded now.
    fn waits(&self, i: usize, due: Due) -> bool {
        let is_slow =
            self.keeps_scales && matches!(self.formats[i], RowFormat::Blocks(ty) if has_codebook(ty));
        due == Due::Turn && is_slow && self.turn > 0 && !(self.turn + i).is_multiple_of(TURNS)
    }

    /// Sets those tensors of `to` that are `due` to what the file would hold of `params`: [`Storage::blocks`] from now on.
    /// `to` is what it was set to before.
    ///
    /// # Errors
    /// [`Error::Tensor`] for a number that its type cannot hold.
    pub fn round(
        &mut self,
        layout: &Layout,
        params: &[f32],
        to: &mut [f32],
        threads: usize,
        due: Due,
    ) -> Result<(), Error> {
        self.blocks.resize(self.formats.len(), Vec::new());
        for (i, (tensor, range)) in layout.iter().enumerate() {
            if self.waits(i, due) {
                continue;
            }
            let (format, width) = (self.formats[i], width(tensor));
            let bytes = self.store(i, tensor, &params[range.clone()], threads)?;
            let count = range.len() / width;
            let rows = count.div_ceil(threads.max(1)).max(1);
            let parts = to[range].chunks_mut(rows * width).zip(bytes.chunks(bytes.len() / count * rows));
            in_threads(parts, |(to, bytes)| {
                format.dequantize(width, bytes, to);
                Ok::<_, Error>(())
            })?;
            self.blocks[i] = bytes;
        }
        self.turn += 1;
        Ok(())
    }

    /// Writes `params` as a GGUF file, which appears when it is complete.
    ///
    /// # Errors
    /// Whatever the file system refuses; [`Error::Tensor`] for a number that its type cannot hold.
    pub fn write(
        &self,
        path: &Path,
        metadata: &Metadata,
        layout: &Layout,
        params: &[f32],
    ) -> Result<(), Error> {
        let places: Vec<_> = layout.iter().collect();
        write_file(path, metadata, layout, &self.formats, &mut |i| {
            let (tensor, range) = &places[i];
            Ok(Cow::Owned(self.store(i, tensor, &params[range.clone()], 1)?))
        })
    }
}

fn width(tensor: &TensorSpec) -> usize {
    tensor.shape[tensor.shape.len() - 1]
}

fn unfit(name: &str, format: RowFormat, error: &hob_quant::Error) -> Error {
    Error::Tensor {
        name: name.to_owned(),
        expected: format!("numbers that {format} can hold"),
        found: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hob_base::Random;
    use hob_format::ModelFiles;

    #[test]
    fn the_file_holds_what_training_saw() {
        let spec = crate::describe(&tiny(), 40, true).unwrap();
        let layout = Layout::new(&spec);
        let mut random = Random::new(1, 1);
        let params: Vec<f32> = (0..layout.len()).map(|_| 0.1 * random.normal()).collect();
        for ty in [TensorType::Q4_0, TensorType::Q8_0, TensorType::IQ4_NL, TensorType::BF16] {
            let mut storage = Storage::uniform(&layout, ty);
            let mut seen = vec![0.0; params.len()];
            storage.round(&layout, &params, &mut seen, 2, Due::Every).unwrap();
            assert_ne!(seen, params);
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.gguf");
            storage.write(&path, &tiny(), &layout, &params).unwrap();
            let ModelFiles::Gguf(file) = hob_format::open(&path).unwrap() else { panic!("a GGUF file") };
            for (tensor, range) in layout.iter() {
                let stored = file.tensors.get(&tensor.name).unwrap();
                let hob_format::Dtype::Block(ty) = stored.dtype else { panic!("a block type") };
                let mut decoded = vec![0.0; range.len()];
                hob_quant::dequantize_row(ty, &stored.bytes, &mut decoded);
                assert_eq!(decoded, seen[range], "{} as {ty}", tensor.name);
                assert_eq!(ty == TensorType::F32, tensor.shape.len() < 2);
            }
        }
    }

    fn tiny() -> Metadata {
        let mut metadata = Metadata::new("tiny");
        let shape = crate::recipe::Shape {
            name: "tiny".into(),
            architecture: "qwen3".into(),
            layers: 1,
            hidden: 64,
            ffn: 96,
            heads: 2,
            kv_heads: 1,
            head_dim: 32,
            context: 64,
            rope_base: 10_000.0,
            tied: true,
            ..Default::default()
        };
        shape.describe(&mut metadata);
        metadata
    }
}
