//! From one file to another of one type, tensor by tensor: what fits in memory is a tensor, not a model.

use crate::{Error, Rounding, round_matrix};
use hob_format::{Dtype, Gguf, GgufLayout, GgufWriter, Tensor};
use hob_kernels::{Compute, Cpu};
use hob_quant::{TensorType, dequantize_row};
use hob_train::{Adapter, Product};
use std::collections::BTreeMap;
use std::path::Path;

/// Weights that are decoded at a time.
const AT_ONCE: usize = 1 << 24;

/// Types for matrices whose rows are no whole blocks of the wanted one, in the order in which they are tried.
const INSTEAD: [TensorType; 3] = [TensorType::Q8_0, TensorType::BF16, TensorType::F32];

/// How a file is quantised.
#[derive(Clone, Debug, Default)]
pub struct Quantize<'a> {
    /// Type of matrices; those that nothing else names keep theirs where it is `None`.
    pub ty: Option<TensorType>,
    /// Types of tensors by name, before all else.
    pub recipe: BTreeMap<&'a str, TensorType>,
    /// Type of the embedding, if another.
    pub embedding: Option<TensorType>,
    /// Type of the head, if another.
    pub head: Option<TensorType>,
    /// Importance of the columns of each matrix, by name.
    pub importance: BTreeMap<&'a str, Vec<f32>>,
    /// Products that are added to matrices first.
    pub adapter: Option<&'a Adapter>,
    /// Threads that round.
    pub threads: usize,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quantized {
    /// Tensors of each type.
    pub types: BTreeMap<&'static str, usize>,
    /// Matrices that got another type, since their rows are no whole blocks of the wanted one.
    pub unfit: Vec<String>,
    /// Matrices without importance, although there is some for others.
    pub unimportant: Vec<String>,
}

/// Writes `file` anew at `path` with other types; vectors and what is no weight stay as they are. `heard` is told each tensor
/// and its type.
///
/// # Errors
/// [`Error::Quantize`] for a weight that the type cannot hold or importance of another width, and whatever the file system
/// refuses; `path` is then as it was.
pub fn quantize(
    file: &Gguf,
    how: &Quantize<'_>,
    path: &Path,
    heard: &mut dyn FnMut(&str, TensorType),
) -> Result<Quantized, Error> {
    how.check_adapter(file)?;
    let mut done = Quantized::default();
    let mut metadata = file.metadata.clone();
    for key in ["general.alignment", "split.no", "split.count", "split.tensors.count"] {
        metadata.remove(key);
    }
    let types: Vec<TensorType> = file.tensors.iter().map(|t| how.type_of(t, &mut done)).collect();
    metadata.set("general.quantization_version", 2u32);
    metadata.set("general.file_type", file_type(most(file, &types)));
    let mut layout = GgufLayout::new(metadata);
    for (tensor, ty) in file.tensors.iter().zip(types) {
        layout.tensor(&tensor.name, ty, &tensor.shape);
    }
    let cpu = how.adapter.map(|_| Cpu::new(how.threads, Compute::Exact));
    let mut writer = GgufWriter::create(path, &layout)?;
    for (tensor, (_, ty, _)) in file.tensors.iter().zip(layout.tensors()) {
        heard(&tensor.name, ty);
        *done.types.entry(ty.name()).or_default() += 1;
        writer.begin(&tensor.name)?;
        let product = how.product(tensor).zip(cpu.as_ref());
        if tensor.dtype == Dtype::Block(ty) && product.is_none() {
            writer.write(&tensor.bytes)?;
        } else {
            how.write(tensor, ty, product, &mut |bytes| Ok(writer.write(bytes)?))?;
        }
    }
    writer.finish()?;
    Ok(done)
}

impl Quantize<'_> {
    /// The type that `tensor` gets.
    fn type_of(&self, tensor: &Tensor, done: &mut Quantized) -> TensorType {
        let Dtype::Block(present) = tensor.dtype else { return TensorType::F32 };
        let is_matrix = tensor.shape.len() > 1 && tensor.rows() > 1 && tensor.name.ends_with(".weight");
        if !is_matrix || !present.can_dequantize() {
            return present;
        }
        let special = match tensor.name.as_str() {
            "token_embd.weight" => self.embedding,
            "output.weight" => self.head,
            _ => None,
        };
        let recipe = self.recipe.get(tensor.name.as_str()).copied();
        let wanted = recipe.or(special).or(self.ty).unwrap_or(present);
        let fits = |ty: &TensorType| ty.row_bytes(tensor.columns()).is_some();
        if fits(&wanted) {
            return wanted;
        }
        done.unfit.push(tensor.name.clone());
        INSTEAD.into_iter().find(fits).expect("rows of any width are whole blocks of one element")
    }

    /// What is added to `tensor`.
    fn product(&self, tensor: &Tensor) -> Option<&Product> {
        self.adapter?.products.get(&tensor.name)
    }

    fn check_adapter(&self, file: &Gguf) -> Result<(), Error> {
        for (name, product) in self.adapter.iter().flat_map(|a| &a.products) {
            let expected = [product.outputs, product.inputs];
            let is_readable = |t: &&Tensor| matches!(t.dtype, Dtype::Block(ty) if ty.can_dequantize());
            let found = file.tensors.get(name).filter(is_readable).map(|t| t.shape.clone());
            if found.as_deref() != Some(&expected) {
                return Err(Error::Adapter { name: name.clone(), expected, found });
            }
        }
        Ok(())
    }

    fn write(
        &self,
        tensor: &Tensor,
        ty: TensorType,
        product: Option<(&Product, &Cpu)>,
        put: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let failed = |source| Error::Quantize { name: tensor.name.clone(), source };
        let (columns, Dtype::Block(from)) = (tensor.columns(), tensor.dtype) else {
            unreachable!("only block types are given another type")
        };
        let importance = self.importance.get(tensor.name.as_str());
        if let Some(found) = importance.filter(|i| i.len() != columns) {
            return Err(Error::Importance {
                name: tensor.name.clone(),
                expected: columns,
                found: found.len(),
            });
        }
        let how = importance.map_or(Rounding::Nearest, |i| Rounding::Weighted(i));
        let rows = (AT_ONCE / columns).max(1);
        let row_bytes = from.row_bytes(columns).expect("an opened tensor has whole rows");
        for (i, bytes) in tensor.bytes.chunks(rows * row_bytes).enumerate() {
            let count = bytes.len() / row_bytes;
            let mut w = vec![0.0; count * columns];
            dequantize_row(from, bytes, &mut w);
            if let Some((product, cpu)) = product {
                product.add(cpu, i * rows..i * rows + count, &mut w);
            }
            put(&round_matrix(ty, &w, columns, how, self.threads).map_err(failed)?)?;
        }
        Ok(())
    }
}

/// The type of most weights.
fn most(file: &Gguf, types: &[TensorType]) -> TensorType {
    let mut weights = BTreeMap::<&str, (usize, TensorType)>::new();
    for (tensor, ty) in file.tensors.iter().zip(types) {
        weights.entry(ty.name()).or_insert((0, *ty)).0 += tensor.rows() * tensor.columns();
    }
    weights.into_values().max_by_key(|(count, _)| *count).map_or(TensorType::F32, |(_, ty)| ty)
}

/// The number that `general.file_type` has for files mostly of `ty`.
///
/// Source: the GGUF format description; new types have none and are called F32 there, which no reader minds.
fn file_type(ty: TensorType) -> u32 {
    use TensorType as T;
    match ty {
        T::F16 => 1,
        T::Q4_0 => 2,
        T::Q4_1 => 3,
        T::Q8_0 => 7,
        T::Q5_0 => 8,
        T::Q5_1 => 9,
        T::Q2_K => 10,
        T::Q3_K => 12,
        T::Q4_K => 15,
        T::Q5_K => 17,
        T::Q6_K => 18,
        T::IQ2_XXS => 19,
        T::IQ2_XS => 20,
        T::IQ3_XXS => 23,
        T::IQ1_S => 24,
        T::IQ4_NL => 25,
        T::IQ3_S => 26,
        T::IQ2_S => 28,
        T::IQ4_XS => 30,
        T::IQ1_M => 31,
        T::BF16 => 32,
        T::TQ1_0 => 36,
        T::TQ2_0 => 37,
        T::MXFP4 => 38,
        _ => 0,
    }
}
