//! From the tensors of a file to the matrices the decoder multiplies with. Nothing is copied but vectors.

use crate::names::HfNames;
use crate::spec::{ModelSpec, Norm, NormKind};
use crate::stated_bits::StatedBits;
use crate::{Config, Error};
use half::{bf16, f16};
use hob_format::{Dtype, Tensor, TensorTable};
use hob_kernels::{CodeBits, Linear, Matrix, ScaleType, Scales};
use hob_quant::TensorType;
use std::collections::{HashMap, HashSet};

/// A norm with its weights.
#[derive(Clone, Debug)]
pub(crate) struct NormWeights {
    pub norm: Norm,
    pub weight: Vec<f32>,
    pub bias: Option<Vec<f32>>,
}

/// Hands out a file's tensors by their GGUF names, checks their shapes, and remembers which were taken.
pub(crate) struct Binder<'a> {
    table: &'a TensorTable,
    /// Naming of checkpoints; `None` for GGUF files.
    names: Option<(&'static HfNames, &'static str)>,
    shapes: HashMap<String, Vec<usize>>,
    stated_bits: Option<StatedBits>,
    claimed: HashSet<String>,
}

impl<'a> Binder<'a> {
    pub fn new(c: &Config<'a>, names: &'static HfNames, spec: &ModelSpec) -> Result<Self, Error> {
        let table = c.tensors();
        let names = (!c.is_gguf()).then(|| (names, names.prefix(table)));
        let shapes = spec.tensors().into_iter().map(|t| (t.name, t.shape)).collect();
        Ok(Self { table, names, shapes, stated_bits: StatedBits::read(c)?, claimed: HashSet::new() })
    }

    /// Naming of the checkpoint; `None` for GGUF files.
    pub fn names(&self) -> Option<(&'static HfNames, &'static str)> {
        self.names
    }

    /// The file's name for one of ours.
    fn file_name(&self, name: &str) -> String {
        match self.names {
            Some((names, prefix)) => names.tensor(name, prefix),
            None => name.to_string(),
        }
    }

    fn shape(&self, name: &str) -> &[usize] {
        self.shapes.get(name).expect("only tensors of the description are asked for")
    }

    fn take(&mut self, file_name: &str) -> Option<&'a Tensor> {
        let tensor = self.table.get(file_name)?;
        self.claimed.insert(tensor.name.clone());
        Some(tensor)
    }

    /// The tensor as the file stores it, if it is one of numbers and has the shape that the description wants; vectors may be
    /// tables of one row.
    pub fn stored(&mut self, name: &str) -> Result<&'a Tensor, Error> {
        let (file_name, shape) = (self.file_name(name), self.shape(name).to_vec());
        let tensor = self.take(&file_name).ok_or(Error::MissingTensor { name: file_name })?;
        match tensor.dtype {
            Dtype::Block(ty) if !is_code(ty) => {}
            other => return Err(tensor_error(tensor, "numbers".into(), other)),
        }
        if shape.len() > 1 {
            expect_shape(tensor, &shape)?;
        }
        Ok(tensor)
    }

    /// A vector, or a table of one row.
    pub fn vector(&mut self, name: &str) -> Result<Vec<f32>, Error> {
        let (file_name, len) = (self.file_name(name), self.shape(name).iter().product());
        let tensor = self.take(&file_name).ok_or(Error::MissingTensor { name: file_name })?;
        read_vector(tensor, len)
    }

    /// A norm's weight and bias under `stem`, if the description has it.
    pub fn norm(&mut self, stem: &str, norm: Option<Norm>) -> Result<Option<NormWeights>, Error> {
        let Some(norm) = norm else { return Ok(None) };
        let mut weight = self.vector(&format!("{stem}.weight"))?;
        weight.iter_mut().for_each(|w| *w += norm.weight_offset);
        let bias = match norm.kind {
            NormKind::Layer { bias: true } => Some(self.vector(&format!("{stem}.bias"))?),
            _ => None,
        };
        Ok(Some(NormWeights { norm, weight, bias }))
    }

    /// The linear layer under `stem`, with bias and activation ranges where they are.
    pub fn linear(&mut self, stem: &str) -> Result<Linear, Error> {
        let weight = self.matrix(stem)?;
        let bias_name = format!("{stem}.bias");
        let bias = if self.shapes.contains_key(&bias_name) { Some(self.vector(&bias_name)?) } else { None };
        let mut linear = Linear { bias, ..Linear::new(weight) };
        if self.names.is_some() {
            let module = self.module(stem);
            linear.input_scale = self.range(&module, ["input_activation_scale", "input_scale"])?;
            linear.output_scale = self.range(&module, ["output_activation_scale", "output_scale"])?;
        }
        Ok(linear)
    }

    fn module(&self, stem: &str) -> String {
        let name = self.file_name(&format!("{stem}.weight"));
        name.strip_suffix(".weight").unwrap_or(&name).to_string()
    }

    /// A trained activation step; zero means that none was trained.
    fn range(&mut self, module: &str, leaves: [&str; 2]) -> Result<Option<f32>, Error> {
        for leaf in leaves {
            let name = format!("{module}.{leaf}");
            let Some(tensor) = self.take(&name) else { continue };
            let step = read_vector(tensor, 1)?[0];
            return match step {
                0.0 => Ok(None),
                step if step.is_finite() && step > 0.0 => Ok(Some(step)),
                other => Err(Error::Tensor {
                    name,
                    expected: "a step above zero".into(),
                    found: other.to_string(),
                }),
            };
        }
        Ok(None)
    }

    /// The matrix under `stem`; leading axes of experts are folded into rows.
    pub fn matrix(&mut self, stem: &str) -> Result<Matrix, Error> {
        let name = format!("{stem}.weight");
        let shape = self.shape(&name).to_vec();
        let (cols, rows) = (shape[shape.len() - 1], shape[..shape.len() - 1].iter().product::<usize>());
        let module = self.module(stem);
        let packed = [format!("{module}.weight_packed"), format!("{module}.embedding_quantized")];
        for candidate in packed.into_iter().chain([self.file_name(&name)]) {
            let Some(tensor) = self.take(&candidate) else { continue };
            return match tensor.dtype {
                Dtype::Block(ty) if !is_code(ty) => {
                    expect_shape(tensor, &shape)?;
                    Matrix::from_blocks(ty, rows, cols, tensor.bytes.clone())
                        .map_err(|e| tensor_error(tensor, format!("[{rows}, {cols}] weights"), e))
                }
                _ => self.codes(tensor, &module, rows, cols),
            };
        }
        Err(Error::MissingTensor { name: self.file_name(&name) })
    }

    /// Integer codes with a table of scales: the mobile Gemma format in both containers, and compressed-tensors in general.
    fn codes(&mut self, tensor: &'a Tensor, module: &str, rows: usize, cols: usize) -> Result<Matrix, Error> {
        let stored = tensor.bytes.len() / rows.max(1);
        // A row's width in bytes tells its codes' width, whatever words they are packed in.
        let fits = |b: &CodeBits| b.row_bytes(cols) == stored && tensor.shape.first() == Some(&rows);
        let bits =
            [CodeBits::Two, CodeBits::Four, CodeBits::Eight].into_iter().find(fits).ok_or_else(|| {
                tensor_error(
                    tensor,
                    format!("[{rows}, {cols}] codes of 2, 4 or 8 bits"),
                    format!("{:?}", tensor.shape),
                )
            })?;
        if let Some(stated) =
            self.stated_bits.as_ref().and_then(|s| s.of(module)).filter(|&s| s != bits.bits() as u64)
        {
            let found = format!("rows of {stored} bytes, which are {}-bit codes", bits.bits());
            return Err(tensor_error(tensor, format!("{stated}-bit codes, as config.json states"), found));
        }
        let plain = tensor.dtype == Dtype::Block(TensorType::I8);
        let bytes = match bits {
            // Packed 8-bit codes are stored plus 128. The kernels take signed bytes: this one form is copied.
            CodeBits::Eight if !plain => tensor.bytes.iter().map(|b| b ^ 0x80).collect::<Vec<u8>>().into(),
            _ => tensor.bytes.clone(),
        };
        if self.table.get(&format!("{module}.weight_zero_point")).is_some() {
            return Err(tensor_error(tensor, "symmetric codes".into(), "codes with zero points"));
        }
        self.check_packed_shape(module, rows, cols)?;
        let names = [format!("{module}.weight_scale"), format!("{module}.embedding_scale")];
        let scale = names.iter().find_map(|name| self.take(name));
        let scale = scale.ok_or_else(|| Error::MissingTensor { name: names[0].clone() })?;
        let ty = match scale.dtype {
            Dtype::Block(TensorType::F32) => ScaleType::F32,
            Dtype::Block(TensorType::F16) => ScaleType::F16,
            Dtype::Block(TensorType::BF16) => ScaleType::BF16,
            other => return Err(tensor_error(scale, "float scales".into(), other)),
        };
        let groups = scale.shape.iter().skip(1).product::<usize>();
        let scales = Scales { bytes: scale.bytes.clone(), ty, groups };
        Matrix::from_codes(bits, rows, cols, bytes, scales)
            .map_err(|e| tensor_error(scale, format!("a [{rows}, groups] table for {cols} columns"), e))
    }

    /// compressed-tensors states the unpacked shape beside the words.
    fn check_packed_shape(&mut self, module: &str, rows: usize, cols: usize) -> Result<(), Error> {
        let Some(tensor) = self.take(&format!("{module}.weight_shape")) else { return Ok(()) };
        let stated: Vec<i64> = tensor
            .bytes
            .chunks_exact(8)
            .map(|b| i64::from_le_bytes(b.try_into().expect("chunks of eight")))
            .collect();
        if stated == [rows as i64, cols as i64] {
            return Ok(());
        }
        Err(tensor_error(tensor, format!("[{rows}, {cols}]"), format!("{stated:?}")))
    }

    /// Fails if the file has weights that the description leaves out.
    pub fn finish(self, spec: &ModelSpec) -> Result<(), Error> {
        // Layers that borrow keys and values may still carry their own; pre-computed rotary factors were read as settings.
        let borrowed: Vec<String> = spec
            .layers
            .iter()
            .enumerate()
            .filter(|(_, l)| l.attention.kv != crate::spec::KvSource::Own)
            .flat_map(|(i, _)| ["attn_k", "attn_v", "attn_k_norm"].map(|n| format!("blk.{i}.{n}.weight")))
            .map(|name| self.file_name(&name))
            .map(|name| name.strip_suffix(".weight").map_or(name.clone(), |module| format!("{module}.")))
            .collect();
        let settings = ["rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"];
        let left: Vec<&str> = self
            .table
            .iter()
            .map(|t| t.name.as_str())
            .filter(|name| !self.claimed.contains(*name) && !settings.contains(name))
            .filter(|name| !borrowed.iter().any(|b| name.starts_with(b.as_str())))
            .filter(|name| !self.names.is_some_and(|(names, _)| names.is_ignored(name)))
            // A tied head may be stored all the same.
            .filter(|name| !matches!(*name, "lm_head.weight" | "output.weight"))
            .collect();
        match left.first() {
            None => Ok(()),
            Some(first) => Err(Error::UnclaimedTensors { count: left.len(), first: (*first).to_string() }),
        }
    }
}

/// A linear layer of floats stored outside the model proper, with whatever shape it has.
pub(crate) fn plain_linear(table: &TensorTable, module: &str) -> Result<Linear, Error> {
    let name = format!("{module}.weight");
    let tensor = table.get(&name).ok_or(Error::MissingTensor { name })?;
    let (Dtype::Block(ty), [rows, cols]) = (tensor.dtype, &tensor.shape[..]) else {
        return Err(tensor_error(
            tensor,
            "a matrix of floats".into(),
            format!("{:?} {}", tensor.shape, tensor.dtype),
        ));
    };
    let weight = Matrix::from_blocks(ty, *rows, *cols, tensor.bytes.clone())
        .map_err(|e| tensor_error(tensor, "a matrix of floats".into(), e))?;
    let bias = table.get(&format!("{module}.bias")).map(|b| read_vector(b, *rows)).transpose()?;
    Ok(Linear { bias, ..Linear::new(weight) })
}

/// Whether an element type of a checkpoint holds codes rather than numbers.
fn is_code(ty: TensorType) -> bool {
    matches!(ty, TensorType::I8 | TensorType::I16 | TensorType::I32 | TensorType::I64)
}

fn expect_shape(tensor: &Tensor, shape: &[usize]) -> Result<(), Error> {
    if tensor.shape == shape {
        return Ok(());
    }
    Err(tensor_error(tensor, format!("{shape:?}"), format!("{:?} {}", tensor.shape, tensor.dtype)))
}

fn tensor_error(tensor: &Tensor, expected: String, found: impl ToString) -> Error {
    Error::Tensor { name: tensor.name.clone(), expected, found: found.to_string() }
}

/// A small float tensor of `len` elements, widened to f32.
pub(crate) fn read_vector(tensor: &Tensor, len: usize) -> Result<Vec<f32>, Error> {
    let found = tensor.shape.iter().product::<usize>();
    if found != len {
        return Err(tensor_error(tensor, format!("{len} numbers"), format!("{:?}", tensor.shape)));
    }
    let b = &*tensor.bytes;
    Ok(match tensor.dtype {
        Dtype::Block(TensorType::F32) => {
            b.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("chunks of four"))).collect()
        }
        Dtype::Block(TensorType::F16) => {
            b.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        }
        Dtype::Block(TensorType::BF16) => {
            b.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
        }
        other => return Err(tensor_error(tensor, "F32, F16 or BF16".into(), other)),
    })
}
