//! Parameters as one vector: drawn anew, or read from a model file.

use crate::{Error, Network};
use hob_base::Random;
use hob_format::{Dtype, ModelFiles, Tensor};
use hob_model::spec::{NormKind, TensorSpec};
use hob_model::{Config, HfNames, families};
use hob_quant::{TensorType, dequantize_row};
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
        for layer in &self.layers {
            let weight = 1.0 / (layer.scale * (layer.head_dim as f32).sqrt()).sqrt();
            // Scores begin with a deviation of 1, also where nothing but these norms scales them.
            if (weight - 1.0).abs() > 1e-3 {
                let norms = [&layer.q_norm, &layer.k_norm].into_iter().flatten();
                norms.for_each(|norm| params[norm.weight.clone()].fill(weight));
            }
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
        let open = Opened::new(files)?;
        // Checkpoints of some families hold norm weights minus one; GGUF files hold the sum, and so do we.
        let offset = match open.names {
            None => 0.0,
            Some(_) => {
                self.spec.final_norm.filter(|n| n.kind == NormKind::Rms).map_or(0.0, |n| n.weight_offset)
            }
        };
        let mut params = vec![0.0; stretch.len()];
        let within = |range: &Range<usize>| stretch.start <= range.start && range.end <= stretch.end;
        for (wanted, range) in self.layout.iter().filter(|(_, range)| within(range)) {
            let tensor = open.tensor(wanted)?;
            let wrong = |found: String| wrong(tensor, wanted, found);
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

    /// Rows of the matrix of `width` columns that stands at `place`.
    fn read_rows(
        &self,
        files: &ModelFiles,
        place: &Range<usize>,
        width: usize,
        rows: &[usize],
    ) -> Result<Vec<f32>, Error> {
        let mut all = self.layout.iter();
        let (wanted, _) = all.find(|(_, range)| range == place).expect("a tensor of the layout");
        let open = Opened::new(files)?;
        let tensor = open.tensor(wanted)?;
        let wrong = |found: String| wrong(tensor, wanted, found);
        let ty = block_type(tensor).map_err(wrong)?;
        let row_bytes =
            ty.row_bytes(width).ok_or_else(|| wrong(format!("rows of no whole blocks of {ty}")))?;
        let mut numbers = vec![0.0; rows.len() * width];
        for (row, to) in rows.iter().zip(numbers.chunks_exact_mut(width)) {
            dequantize_row(ty, &tensor.bytes[row * row_bytes..][..row_bytes], to);
        }
        tensor.bytes.release();
        finite(&numbers).map_err(wrong)?;
        Ok(numbers)
    }
}

/// A model's files, whose tensors are found by our names.
struct Opened<'a> {
    config: Config<'a>,
    names: Option<(&'static HfNames, &'static str)>,
}

impl<'a> Opened<'a> {
    fn new(files: &'a ModelFiles) -> Result<Self, Error> {
        let config = Config::new(files)?;
        let family = families::find(&config)?;
        let names = (!config.is_gguf()).then(|| (family.names, family.names.prefix(config.tensors())));
        Ok(Self { config, names })
    }

    fn tensor(&self, wanted: &TensorSpec) -> Result<&Tensor, Error> {
        let name = self.names.map_or(wanted.name.clone(), |(n, prefix)| n.tensor(&wanted.name, prefix));
        let expected = format!("{:?} numbers", wanted.shape);
        let missing = || Error::Tensor { name: name.clone(), expected, found: "no such tensor".into() };
        let tensor = self.config.tensors().get(&name).ok_or_else(missing)?;
        match tensor.elements() == wanted.shape.iter().product::<usize>() {
            true => Ok(tensor),
            false => Err(wrong(tensor, wanted, format!("{:?}", tensor.shape))),
        }
    }
}

fn wrong(tensor: &Tensor, wanted: &TensorSpec, found: String) -> Error {
    Error::Tensor { name: tensor.name.clone(), expected: format!("{:?} numbers", wanted.shape), found }
}

/// Where a model's parameters come from, a stretch of whole tensors at a time.
pub trait Source {
    /// The numbers at `stretch` of the layout.
    ///
    /// # Errors
    /// As [`Network::read`].
    fn numbers(&self, stretch: Range<usize>) -> Result<Cow<'_, [f32]>, Error>;

    /// Some rows of the matrix of `width` columns that stands at `tensor`, one after the other.
    ///
    /// # Errors
    /// As [`Network::read`].
    fn rows(&self, tensor: &Range<usize>, width: usize, rows: &[usize]) -> Result<Vec<f32>, Error>;
}

/// All of them, in memory.
impl Source for &[f32] {
    fn numbers(&self, stretch: Range<usize>) -> Result<Cow<'_, [f32]>, Error> {
        Ok(Cow::Borrowed(&self[stretch]))
    }

    fn rows(&self, tensor: &Range<usize>, width: usize, rows: &[usize]) -> Result<Vec<f32>, Error> {
        Ok(rows.iter().flat_map(|r| &self[tensor.start + r * width..][..width]).copied().collect())
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

    fn rows(&self, tensor: &Range<usize>, width: usize, rows: &[usize]) -> Result<Vec<f32>, Error> {
        self.network.read_rows(self.files, tensor, width, rows)
    }
}

fn decode(tensor: &Tensor, to: &mut [f32]) -> Result<(), String> {
    dequantize_row(block_type(tensor)?, &tensor.bytes, to);
    finite(to)
}

fn block_type(tensor: &Tensor) -> Result<TensorType, String> {
    match tensor.dtype {
        Dtype::Block(ty) if ty.can_dequantize() => Ok(ty),
        other => Err(format!("numbers of type {other}")),
    }
}

fn finite(numbers: &[f32]) -> Result<(), String> {
    match numbers.iter().find(|x| !x.is_finite()) {
        Some(x) => Err(format!("{x} among its numbers")),
        None => Ok(()),
    }
}
