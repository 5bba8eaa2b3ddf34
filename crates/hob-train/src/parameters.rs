//! Parameters as one vector: drawn anew, or read from a model file.

use crate::{Error, Network};
use hob_base::Random;
use hob_format::{Dtype, ModelFiles, Tensor};
use hob_model::spec::NormKind;
use hob_model::{Config, families};
use hob_quant::dequantize_row;
use std::borrow::Cow;
use std::ops::Range;

/// Standard deviation of fresh weights; those that write to the residual stream get less, the more layers there are.
const DEVIATION: f32 = 0.02;

impl Network {
    /// Fresh parameters: normal weights, norms of one, biases of zero. The same seed gives the same numbers.
    pub fn fresh(&self, seed: u64) -> Vec<f32> {
        let mut params = vec![0.0; self.layout.len()];
        let deeper = DEVIATION / (2.0 * self.spec.layers.len() as f32).sqrt();
        for (stream, (tensor, range)) in self.layout.iter().enumerate() {
            let to = &mut params[range];
            if tensor.shape.len() < 2 {
                to.fill(if tensor.name.ends_with(".bias") { 0.0 } else { 1.0 });
                continue;
            }
            let writes = tensor.name.contains("attn_output") || tensor.name.contains("ffn_down");
            let deviation = if writes { deeper } else { DEVIATION };
            let mut random = Random::new(seed, stream as u64);
            to.iter_mut().for_each(|x| *x = deviation * random.normal());
        }
        params
    }

    /// The parameters in a model file of this description, decoded to f32.
    ///
    /// # Errors
    /// [`Error::Tensor`] for one that is missing, has another shape or cannot be decoded.
    pub fn read(&self, files: &ModelFiles) -> Result<Vec<f32>, Error> {
        self.read_stretch(files, 0..self.layout.len(), false)
    }

    /// Those of whole tensors that stand at `stretch` of the layout; with `release` the memory goes that reading the files took.
    fn read_stretch(
        &self,
        files: &ModelFiles,
        stretch: Range<usize>,
        release: bool,
    ) -> Result<Vec<f32>, Error> {
        let config = Config::new(files)?;
        let table = config.tensors();
        let family = families::find(&config)?;
        let names = (!config.is_gguf()).then(|| (family.names, family.names.prefix(table)));
        // Checkpoints of some families hold norm weights minus one; GGUF files hold the sum, and so do we.
        let offset = match names {
            None => 0.0,
            Some(_) => {
                self.spec.final_norm.filter(|n| n.kind == NormKind::Rms).map_or(0.0, |n| n.weight_offset)
            }
        };
        let mut params = vec![0.0; stretch.len()];
        let within = |range: &Range<usize>| stretch.start <= range.start && range.end <= stretch.end;
        for (wanted, range) in self.layout.iter().filter(|(_, range)| within(range)) {
            let name = names.map_or(wanted.name.clone(), |(n, prefix)| n.tensor(&wanted.name, prefix));
            let wrong = |found: String| Error::Tensor {
                name: name.clone(),
                expected: format!("{:?} numbers", wanted.shape),
                found,
            };
            let tensor = table.get(&name).ok_or_else(|| wrong("no such tensor".into()))?;
            if tensor.elements() != range.len() {
                return Err(wrong(format!("{:?}", tensor.shape)));
            }
            let to = &mut params[range.start - stretch.start..range.end - stretch.start];
            decode(tensor, to).map_err(wrong)?;
            if release {
                tensor.bytes.release();
            }
            if offset != 0.0 && wanted.shape.len() == 1 && wanted.name.ends_with(".weight") {
                to.iter_mut().for_each(|x| *x += offset);
            }
        }
        Ok(params)
    }
}

/// Where a model's parameters come from, a stretch of whole tensors at a time.
pub trait Source {
    /// The numbers at `stretch` of the layout.
    ///
    /// # Errors
    /// As [`Network::read`].
    fn numbers(&self, stretch: Range<usize>) -> Result<Cow<'_, [f32]>, Error>;
}

/// All of them, in memory.
impl Source for &[f32] {
    fn numbers(&self, stretch: Range<usize>) -> Result<Cow<'_, [f32]>, Error> {
        Ok(Cow::Borrowed(&self[stretch]))
    }
}

/// A model's files, decoded anew whenever a stretch is asked for.
pub struct FileSource<'a> {
    /// The model's plan.
    pub network: &'a Network,
    /// Its files.
    pub files: &'a ModelFiles,
}

impl Source for FileSource<'_> {
    fn numbers(&self, stretch: Range<usize>) -> Result<Cow<'_, [f32]>, Error> {
        Ok(Cow::Owned(self.network.read_stretch(self.files, stretch, true)?))
    }
}

fn decode(tensor: &Tensor, to: &mut [f32]) -> Result<(), String> {
    match tensor.dtype {
        Dtype::Block(ty) if ty.can_dequantize() => {
            dequantize_row(ty, &tensor.bytes, to);
            match to.iter().find(|x| !x.is_finite()) {
                Some(x) => Err(format!("{x} among its numbers")),
                None => Ok(()),
            }
        }
        other => Err(format!("numbers of type {other}")),
    }
}
