//! Training with the numbers that a file will hold: the file's own quantiser rounds the weights before every pass, and
//! gradients go to the weights behind them as if nothing had been rounded (the straight-through estimator, Bengio et al.,
//! arXiv:1308.3432). What is written later are the very blocks that the last pass saw.

use crate::{Error, Layout};
use hob_format::{GgufLayout, GgufWriter, Metadata};
use hob_quant::{TensorType, dequantize_row, quantize_row};
use std::collections::BTreeMap;
use std::path::Path;
use std::thread;

/// The type that each tensor has in the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    types: Vec<TensorType>,
}

impl Storage {
    /// `ty` for all matrices whose rows are whole blocks of it, F32 for the rest.
    pub fn uniform(layout: &Layout, ty: TensorType) -> Self {
        Self::of(layout, &BTreeMap::new(), ty)
    }

    /// The type of each matrix by name, `other` for those without; F32 for what no block fits, and for vectors.
    pub fn of(layout: &Layout, types: &BTreeMap<String, TensorType>, other: TensorType) -> Self {
        let ty = |(tensor, _): (&hob_model::spec::TensorSpec, _)| {
            let ty = types.get(&tensor.name).copied().unwrap_or(other);
            let fits = tensor.shape.len() > 1 && ty.row_bytes(width(&tensor.shape)).is_some();
            if fits { ty } else { TensorType::F32 }
        };
        Self { types: layout.iter().map(ty).collect() }
    }

    /// The tensors' types in the layout's order.
    pub fn types(&self) -> &[TensorType] {
        &self.types
    }

    /// Sets `to` to what the file would hold of `params`.
    ///
    /// # Errors
    /// [`Error::Tensor`] for a number that its type cannot hold.
    pub fn round(
        &self,
        layout: &Layout,
        params: &[f32],
        to: &mut [f32],
        threads: usize,
    ) -> Result<(), Error> {
        to.copy_from_slice(params);
        for (&ty, (tensor, range)) in self.types.iter().zip(layout.iter()) {
            if ty == TensorType::F32 {
                continue;
            }
            let width = width(&tensor.shape);
            let to = &mut to[range];
            let share = (to.len() / width).div_ceil(threads.max(1)).max(1) * width;
            let rows = |rows: &mut [f32]| {
                let mut bytes = vec![0; ty.row_bytes(width).expect("a type that fits was chosen")];
                rows.chunks_exact_mut(width).try_for_each(|row| {
                    quantize_row(ty, row, &mut bytes)?;
                    dequantize_row(ty, &bytes, row);
                    Ok(())
                })
            };
            let rows = &rows;
            let done: Result<(), hob_quant::Error> = thread::scope(|scope| {
                let parts: Vec<_> =
                    to.chunks_mut(share).map(|part| scope.spawn(move || rows(part))).collect();
                parts.into_iter().try_for_each(|part| part.join().expect("rounding does not panic"))
            });
            done.map_err(|e| unfit(&tensor.name, ty, &e))?;
        }
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
        let mut file = GgufLayout::new(metadata.clone());
        for (&ty, (tensor, _)) in self.types.iter().zip(layout.iter()) {
            file.tensor(&tensor.name, ty, &tensor.shape);
        }
        let mut writer = GgufWriter::create(path, &file)?;
        for (&ty, (tensor, range)) in self.types.iter().zip(layout.iter()) {
            writer.begin(&tensor.name)?;
            let width = width(&tensor.shape);
            let mut bytes = vec![0; ty.row_bytes(width).expect("a type that fits was chosen")];
            for row in params[range].chunks_exact(width) {
                quantize_row(ty, row, &mut bytes).map_err(|e| unfit(&tensor.name, ty, &e))?;
                writer.write(&bytes)?;
            }
        }
        Ok(writer.finish()?)
    }
}

fn width(shape: &[usize]) -> usize {
    shape[shape.len() - 1]
}

fn unfit(name: &str, ty: TensorType, error: &hob_quant::Error) -> Error {
    Error::Tensor {
        name: name.to_owned(),
        expected: format!("numbers that {ty} can hold"),
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
            let types = BTreeMap::from([("blk.0.ffn_down.weight".to_owned(), TensorType::Q5_1)]);
            let storage = Storage::of(&layout, &types, ty);
            let mut seen = vec![0.0; params.len()];
            storage.round(&layout, &params, &mut seen, 2).unwrap();
            assert_ne!(seen, params);
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a.gguf");
            storage.write(&path, &tiny(), &layout, &params).unwrap();
            let ModelFiles::Gguf(file) = hob_format::open(&path).unwrap() else { panic!("a GGUF file") };
            for (tensor, range) in layout.iter() {
                let stored = file.tensors.get(&tensor.name).unwrap();
                let hob_format::Dtype::Block(ty) = stored.dtype else { panic!("a block type") };
                let mut decoded = vec![0.0; range.len()];
                dequantize_row(ty, &stored.bytes, &mut decoded);
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
            induction: false,
        };
        shape.describe(&mut metadata);
        metadata
    }
}
