//! Models of published shapes with random weights, for measuring speed and memory without a download.
//!
//! [`plan`] says what a file would hold, [`write()`] streams it to disk; neither ever holds a model in memory. Tensors and
//! their shapes come from the description that Hob's own reader makes of the settings, encodings from `mix.rs`.
//! Weights are scaled so that activations neither vanish nor overflow; what such a model says means nothing.

mod filler;
mod mix;
mod mobile;
mod settings;
mod shapes;
mod words;

use std::path::Path;

use hob_format::{Dtype, GgufLayout, GgufWriter, Metadata};
use hob_model::ModelSpec;
use hob_quant::TensorType;

use self::filler::Filler;
use self::mix::{Context, Mix};
use self::shapes::{Extra, SHAPES, Shape};
use self::words::Vocabulary;
use crate::Error;
use hob_base::Random;

/// Bytes made and written at a time, rounded down to whole blocks.
const PIECE_BYTES: usize = 1 << 20;
/// Name of the Gemma 4 mobile format among weight types.
const MOBILE: &str = "mobile";

/// A synthetic model that could be written.
pub struct Plan {
    shape: Shape,
    weights: String,
    spec: ModelSpec,
    tensors: Vec<Entry>,
    substitutes: Vec<Substitute>,
    form: Form,
}

/// Tensors that get another type than the one asked for, because their rows are no whole number of its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Substitute {
    /// The type asked for.
    pub wanted: TensorType,
    /// The type that takes its place.
    pub written: TensorType,
    /// How many tensors.
    pub tensors: usize,
}

/// The container.
enum Form {
    Gguf(Metadata),
    /// A Hugging Face directory in the layout of `-mobile-transformers` checkpoints.
    Mobile,
}

/// A tensor to be written.
struct Entry {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    content: Content,
}

/// What a tensor holds.
enum Content {
    /// Random weights of this root mean square.
    Weights { rms: f32 },
    /// Random floats in this range.
    Between { low: f32, high: f32 },
    /// Exactly these numbers.
    Values(Vec<f32>),
    /// Random packed codes of so many bits.
    Codes(u32),
}

impl Entry {
    fn bytes(&self) -> u64 {
        self.dtype.tensor_bytes(&self.shape).expect("shapes of published models fit their types") as u64
    }

    fn filler(&self, seed: u64, stream: u64) -> Filler {
        let random = Random::new(seed, stream);
        match (self.dtype, &self.content) {
            (_, Content::Codes(bits)) => Filler::codes(*bits, random),
            (Dtype::Block(ty), Content::Weights { rms }) => Filler::weights(ty, *rms, random),
            (Dtype::Block(ty), Content::Between { low, high }) => Filler::floats(ty, *low, *high, random),
            _ => unreachable!(
                "only codes are of types that GGUF lacks, and fixed values are written as they are"
            ),
        }
    }
}

impl Plan {
    /// The model's description.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Name of the shape, such as `llama-3.2-1b`.
    pub fn name(&self) -> &'static str {
        self.shape.name
    }

    /// Name for the file or directory, such as `llama-3.2-1b-Q4_0.gguf`.
    pub fn file_name(&self) -> String {
        match self.form {
            Form::Gguf(_) => format!("{}-{}.gguf", self.shape.name, self.weights),
            Form::Mobile => format!("{}-{}", self.shape.name, self.weights),
        }
    }

    /// Bytes of all tensors together.
    pub fn tensor_bytes(&self) -> u64 {
        self.tensors.iter().map(Entry::bytes).sum()
    }

    /// Which tensors could not get the type asked for.
    pub fn substitutes(&self) -> &[Substitute] {
        &self.substitutes
    }

    /// Names, element types and shapes of the tensors, in file order.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = (&str, Dtype, &[usize])> {
        self.tensors.iter().map(|t| (t.name.as_str(), t.dtype, t.shape.as_slice()))
    }
}

/// Names of the shapes that can be written.
pub fn shape_names() -> impl Iterator<Item = &'static str> {
    SHAPES.iter().map(|s| s.name)
}

/// What `name` (`llama-3.2-1b`) with weights of type `weights` (`Q4_0`, `Q4_K_M`, `BF16`, ...; `mobile` for Gemma 4)
/// would be.
///
/// # Errors
/// [`Error::UnknownShape`] and [`Error::UnknownWeights`] list what there is.
pub fn plan(name: &str, weights: &str) -> Result<Plan, Error> {
    let shape = SHAPES.iter().find(|s| s.name.eq_ignore_ascii_case(name)).cloned().ok_or_else(|| {
        Error::UnknownShape { found: name.to_owned(), known: shape_names().collect::<Vec<_>>().join(" ") }
    })?;
    if weights.eq_ignore_ascii_case(MOBILE) {
        return mobile::plan(shape);
    }
    let mix = Mix::parse(weights)?;
    let mut metadata = settings::metadata(&shape);
    let spec = settings::describe(&shape, &metadata)?;
    metadata.set("general.file_type", mix.file_type);
    Vocabulary::new(&shape).describe(&mut metadata);
    let (tensors, substitutes) = gguf_tensors(&shape, &spec, mix);
    let weights = mix.name.to_owned();
    Ok(Plan { shape, weights, spec, tensors, substitutes, form: Form::Gguf(metadata) })
}

/// Writes `plan` at `path` (a file, or a directory for the mobile format). `progress` hears bytes written and to write.
///
/// The same plan and seed give the same bytes.
///
/// # Errors
/// Whatever the file system refuses. A file appears under its name only when it is complete.
pub fn write(plan: &Plan, path: &Path, seed: u64, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
    let Form::Gguf(metadata) = &plan.form else { return mobile::write(plan, path, seed, progress) };
    let mut layout = GgufLayout::new(metadata.clone());
    for t in &plan.tensors {
        let Dtype::Block(ty) = t.dtype else { unreachable!("GGUF plans hold GGUF types only") };
        layout.tensor(&t.name, ty, &t.shape);
    }
    let mut writer = GgufWriter::create(path, &layout)?;
    let mut done = 0;
    for (stream, t) in plan.tensors.iter().enumerate() {
        writer.begin(&t.name)?;
        each_piece(t, seed, stream as u64, &mut |piece| {
            writer.write(piece)?;
            done += piece.len() as u64;
            progress(done, plan.tensor_bytes());
            Ok(())
        })?;
    }
    Ok(writer.finish()?)
}

/// Makes a tensor's bytes, piece after piece.
fn each_piece(
    tensor: &Entry,
    seed: u64,
    stream: u64,
    take: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    if let Content::Values(values) = &tensor.content {
        let numbers = values.iter();
        return match tensor.dtype {
            Dtype::Block(TensorType::BF16) => {
                take(&numbers.flat_map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect::<Vec<u8>>())
            }
            _ => take(&numbers.flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()),
        };
    }
    let mut filler = tensor.filler(seed, stream);
    let mut piece = vec![0; PIECE_BYTES / filler.unit() * filler.unit()];
    let mut left = tensor.bytes();
    while left > 0 {
        let n = left.min(piece.len() as u64) as usize;
        filler.fill(&mut piece[..n]);
        take(&piece[..n])?;
        left -= n as u64;
    }
    Ok(())
}

fn gguf_tensors(shape: &Shape, spec: &ModelSpec, mix: Mix) -> (Vec<Entry>, Vec<Substitute>) {
    let all = spec.tensors();
    let is_value = |name: &&String| name.ends_with("attn_v.weight");
    let context = Context {
        tied: shape.tied,
        layers: shape.layers,
        group: shape.heads / shape.kv_heads,
        values: all.iter().map(|t| &t.name).filter(is_value).cloned().collect(),
    };
    let mut entries: Vec<Entry> = settings::setting_tensors(shape)
        .into_iter()
        .map(|(name, values)| Entry {
            name: name.to_owned(),
            dtype: TensorType::F32.into(),
            shape: vec![values.len()],
            content: Content::Values(values),
        })
        .collect();
    let mut substitutes = Vec::new();
    entries.extend(all.into_iter().map(|t| {
        let wanted = mix.wanted(&t.name, &t.shape, &context);
        let written = mix::fitting(wanted, t.shape[t.shape.len() - 1]);
        if written != wanted {
            count(&mut substitutes, wanted, written);
        }
        Entry {
            dtype: written.into(),
            content: content(shape, &t.name, &t.shape),
            name: t.name,
            shape: t.shape,
        }
    }));
    (entries, substitutes)
}

fn count(substitutes: &mut Vec<Substitute>, wanted: TensorType, written: TensorType) {
    match substitutes.iter_mut().find(|s| (s.wanted, s.written) == (wanted, written)) {
        Some(known) => known.tensors += 1,
        None => substitutes.push(Substitute { wanted, written, tensors: 1 }),
    }
}

/// Contents that keep activations near a magnitude of one: matrices preserve it, norms restore it.
fn content(shape: &Shape, name: &str, dims: &[usize]) -> Content {
    if name.ends_with("layer_output_scale.weight") {
        // Each part adds about one; this holds the sum at a constant size however many layers there are.
        return Content::Values(vec![0.7]);
    }
    if name.ends_with(".bias") {
        return Content::Between { low: -0.05, high: 0.05 };
    }
    if dims.len() < 2 {
        return Content::Between { low: 0.9, high: 1.1 };
    }
    // Rows of per-layer embeddings are used a layer's width at a time.
    let width = match (name, shape.extra) {
        ("per_layer_token_embd.weight", Extra::Gemma4(g)) => g.per_layer,
        _ => dims[dims.len() - 1],
    };
    Content::Weights { rms: 1.0 / (width as f32).sqrt() }
}

#[cfg(test)]
mod tests;
