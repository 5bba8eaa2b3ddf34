//! GGUF files as Hugging Face directories hold them.

use crate::{Error, vocabulary};
use hob_format::{
    AtomicFile, Dtype, Gguf, HfWriter, ModelFiles, SafetensorsLayout, SafetensorsWriter, Tensor,
};
use hob_model::{Change, Checkpoint, CheckpointTensor, Config, Model};
use hob_quant::{TensorType, dequantize_row};
use hob_tokenizer::TokenizerFiles;
use serde_json::{Value, json};
use std::path::Path;

/// Numbers that are converted at a time.
const PIECE_NUMBERS: usize = 1 << 20;

/// A model's directory, but for the weights: what stands in its files, to be changed before they are written.
#[derive(Clone, Debug)]
pub struct Directory {
    /// `config.json`.
    pub config: Value,
    /// `generation_config.json`.
    pub generation: Value,
    /// `tokenizer.json` and its company; `None` where the model has no tokenizer.
    pub tokenizer: Option<TokenizerFiles>,
    /// `chat_template.jinja`.
    pub template: Option<String>,
    /// What `model.safetensors` holds, if nothing is packed, and what becomes of our tensors on the way.
    pub tensors: Vec<CheckpointTensor>,
}

impl Directory {
    /// What the directory of the model in `gguf` says.
    ///
    /// # Errors
    /// What is wrong with the file, and [`hob_model::Error::NotInHf`] or [`hob_tokenizer::Error::NotInJson`] where a directory
    /// could not hold the very same model.
    pub fn new(gguf: &Gguf) -> Result<Self, Error> {
        let files = ModelFiles::Gguf(gguf.clone());
        // Loading finds tensors that are missing, misshapen or left over.
        let spec = Model::load(&files)?.spec().clone();
        let architecture = Config::new(&files)?.architecture().to_owned();
        let Checkpoint { mut config, tensors } = hob_model::to_hf(&spec, &architecture)?;
        let tokenizer = match vocabulary::tokenizer(&files) {
            Ok(tokenizer) => Some(tokenizer),
            Err(Error::NoTokenizer { .. }) => None,
            Err(error) => return Err(error),
        };
        if let Some(name) = gguf.metadata.str("general.name")? {
            config["_name_or_path"] = name.into();
        }
        let mut generation = vocabulary::generation_config(gguf);
        if let Some(tokenizer) = &tokenizer {
            let special = tokenizer.special();
            for (field, id) in [("bos_token_id", special.bos), ("pad_token_id", special.pad)] {
                config[field] = json!(id);
                generation[field] = json!(id);
            }
            let ends = Some(tokenizer.eog_ids()).filter(|ids| !ids.is_empty());
            config["eos_token_id"] = json!(ends);
            generation["eos_token_id"] = json!(ends);
        }
        let template = vocabulary::template(&files)?;
        let tokenizer = tokenizer.map(|tokenizer| tokenizer.to_json()).transpose()?.map(|mut written| {
            written.config["model_max_length"] = spec.context.into();
            // Older readers look for the template here.
            template.iter().for_each(|text| written.config["chat_template"] = text.as_str().into());
            written
        });
        Ok(Self { config, generation, tokenizer, template, tensors })
    }

    /// Starts the directory at `path` with everything but the weights. They come next, through [`HfWriter::tensors`].
    ///
    /// # Errors
    /// What the file system says; `path` must be free.
    pub fn create(&self, path: &Path) -> Result<HfWriter, Error> {
        let writer = HfWriter::create(path)?;
        let put = |name: &str, value: &Value| writer.file(name, format!("{value:#}\n").as_bytes());
        put("config.json", &self.config)?;
        put("generation_config.json", &self.generation)?;
        if let Some(tokenizer) = &self.tokenizer {
            writer.file("tokenizer.json", tokenizer.tokenizer.as_bytes())?;
            put("tokenizer_config.json", &tokenizer.config)?;
            put("special_tokens_map.json", &tokenizer.special_tokens_map)?;
        }
        if let Some(template) = &self.template {
            writer.file("chat_template.jinja", template.as_bytes())?;
        }
        Ok(writer)
    }
}

/// Writes the model in `gguf` as a Hugging Face directory at `path`, which appears when it is complete.
///
/// Floats stay of their type; numbers in blocks become F32, since a checkpoint cannot hold them and no smaller float always
/// can, and so do vectors that are stored as differences.
///
/// # Errors
/// As [`Directory::new`] and [`Directory::create`].
pub fn as_directory(gguf: &Gguf, path: &Path) -> Result<(), Error> {
    let mut directory = Directory::new(gguf)?;
    let tensors = directory.tensors.iter().map(|to| Ok((to, tensor_of(gguf, to)?)));
    let tensors = tensors.collect::<Result<Vec<_>, Error>>()?;
    let mut layout = SafetensorsLayout::new();
    for (to, from) in &tensors {
        layout.tensor(&to.name, stored_type(from, to.change), &to.shape);
    }
    let embedding = tensors.first().map(|(to, from)| stored_type(from, to.change));
    let dtype = match embedding {
        Some(Dtype::Block(TensorType::BF16)) => "bfloat16",
        Some(Dtype::Block(TensorType::F16)) => "float16",
        _ => "float32",
    };
    directory.config["torch_dtype"] = dtype.into();
    let writer = directory.create(path)?;
    let mut file = writer.tensors(&layout)?;
    for (to, from) in &tensors {
        file.begin(&to.name)?;
        write_tensor(&mut file, from, to)?;
    }
    file.finish()?;
    Ok(writer.finish()?)
}

fn tensor_of<'g>(gguf: &'g Gguf, to: &CheckpointTensor) -> Result<&'g Tensor, Error> {
    let missing = || hob_model::Error::MissingTensor { name: to.ours.clone() };
    let tensor = gguf.tensors.get(&to.ours).ok_or_else(missing)?;
    // Blocks may not reach over rows, and those of NVFP4 have a scale elsewhere.
    let readable = match tensor.dtype {
        Dtype::Block(TensorType::NVFP4) => false,
        Dtype::Block(ty) if to.shape.len() > 1 => ty.can_dequantize(),
        other => is_float(other),
    };
    if tensor.elements() != to.shape.iter().product::<usize>() || !readable {
        let found = format!("{:?} {}", tensor.shape, tensor.dtype);
        let expected = format!("{:?} numbers", to.shape);
        return Err(hob_model::Error::Tensor { name: to.ours.clone(), expected, found }.into());
    }
    Ok(tensor)
}

fn is_float(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::Block(TensorType::F32 | TensorType::F16 | TensorType::BF16))
}

/// Whether a checkpoint holds the very same bytes, in whatever order of rows.
fn keeps_bytes(from: &Tensor, change: Change) -> bool {
    is_float(from.dtype) && !matches!(change, Change::Add(_))
}

fn stored_type(from: &Tensor, change: Change) -> Dtype {
    if keeps_bytes(from, change) { from.dtype } else { Dtype::Block(TensorType::F32) }
}

/// Rows in the checkpoint's order, some at a time.
fn write_tensor(
    file: &mut SafetensorsWriter<AtomicFile>,
    from: &Tensor,
    to: &CheckpointTensor,
) -> Result<(), Error> {
    let as_it_is = keeps_bytes(from, to.change);
    if as_it_is && to.change == Change::Nothing {
        return Ok(file.write(&from.bytes)?);
    }
    let Dtype::Block(ty) = from.dtype else { return Ok(()) };
    let rows = to.rows();
    let (row_bytes, columns) = (from.bytes.len() / rows.max(1), from.elements() / rows.max(1));
    let at_a_time = (PIECE_NUMBERS / columns.max(1)).max(1);
    let (mut bytes, mut numbers) = (Vec::new(), vec![0.0; columns]);
    for first in (0..rows).step_by(at_a_time) {
        bytes.clear();
        for row in first..rows.min(first + at_a_time) {
            let source = &from.bytes[to.change.source_row(row, rows) * row_bytes..][..row_bytes];
            if as_it_is {
                bytes.extend_from_slice(source);
                continue;
            }
            dequantize_row(ty, source, &mut numbers);
            if let Change::Add(_) = to.change {
                to.change.apply(&mut numbers, 1);
            }
            bytes.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
        }
        file.write(&bytes)?;
    }
    Ok(())
}
