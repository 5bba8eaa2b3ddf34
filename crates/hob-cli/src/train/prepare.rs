//! From a recipe to a trainer: the model, its vocabulary and the text, read and checked.

use super::{TrainArgs, beside, read_recipe};
use crate::fail::note;
use crate::progress::Progress;
use crate::which::Which;
use anyhow::{Context, anyhow, bail};
use hob::{ChatTemplate, Compute, Tokenizer};
use hob_format::{Metadata, ModelFiles};
use hob_kernels::{Cpu, Precision};
use hob_train::data::{Corpus, Encoder, Packing, Sequences};
use hob_train::recipe::{DataRecipe, PrecisionSetting};
use hob_train::{Network, Recipe, Trainer, describe};
use std::path::{Path, PathBuf};

/// Sequences of the validation text that are measured, at most: about a second's work for a small model.
const VALID_TOKENS: usize = 1 << 17;

/// Everything a run needs.
pub struct Prepared {
    pub trainer: Trainer,
    pub valid: Option<Sequences>,
    /// Of the model file to be written.
    pub metadata: Metadata,
    pub recipe: Recipe,
    /// Folder of the run; it exists.
    pub out: PathBuf,
}

/// Reads what `args` names.
pub fn prepare(args: &TrainArgs) -> anyhow::Result<Prepared> {
    let recipe = read_recipe(&args.recipe)?;
    let at = |path: &Path| beside(&args.recipe, path);
    let out = at(&recipe.out);
    std::fs::create_dir_all(&out).with_context(|| format!("{}: cannot make the folder", out.display()))?;
    let threads = args.threads.map_or_else(all_cores, usize::from);
    let precision = match recipe.training.precision {
        PrecisionSetting::Bf16 => Precision::Bf16,
        PrecisionSetting::F32 => Precision::F32,
    };
    let source = recipe.model.from.as_ref().or(recipe.model.tokenizer.as_ref());
    let source = source.ok_or_else(|| anyhow!("the recipe names no model"))?;
    let files = Which::beside(source, &at(source)).files()?;
    let tokenizer = hob::tokenizer_of(&files)?;
    let mut metadata = metadata(&files).with_context(|| source.display().to_string())?;
    let (network, params) = match &recipe.model.shape {
        Some(shape) => {
            shape.describe(&mut metadata);
            let spec = describe(&metadata, tokenizer.vocab_size(), shape.tied)?;
            let network = Network::new(&spec, precision)?;
            let params = network.fresh(recipe.seed);
            (network, params)
        }
        None => {
            let config = hob_model::Config::new(&files)?;
            let spec = (hob_model::families::find(&config)?.spec)(&config)?;
            let network = Network::new(&spec, precision)?;
            let params = network.read(&files)?;
            (network, params)
        }
    };
    let template = metadata.str("tokenizer.chat_template")?.map(ChatTemplate::new).transpose()?;
    let reader = Reader { tokenizer: &tokenizer, template: template.as_ref(), threads, recipe: &args.recipe };
    let sources =
        recipe.data.iter().map(|d| Ok((reader.corpus(d)?, d.weight))).collect::<anyhow::Result<Vec<_>>>()?;
    let data = Packing::new(sources, recipe.training.sequence, Some(recipe.seed));
    let valid = recipe.valid.as_ref().map(|v| reader.corpus(v)).transpose()?;
    let valid = valid.map(|corpus| sample(corpus, recipe.training.sequence));
    let cpu = Cpu::new(threads, Compute::Fast);
    note(&format!(
        "{:.2} million parameters, {} steps of {} tokens, {threads} threads",
        params.len() as f64 / 1e6,
        recipe.training.steps(),
        recipe.training.batch
    ));
    let trainer = Trainer::new(cpu, network, params, data, &recipe.training)?;
    Ok(Prepared { trainer, valid, metadata, recipe, out })
}

fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// The metadata of a GGUF file, without what described its tensors.
fn metadata(files: &ModelFiles) -> anyhow::Result<Metadata> {
    let ModelFiles::Gguf(gguf) = files else {
        bail!("expected a GGUF file, found a model directory; training starts from GGUF files so far");
    };
    let mut metadata = gguf.metadata.clone();
    for key in ["general.file_type", "general.alignment", "general.quantization_version"] {
        metadata.remove(key);
    }
    metadata.set("general.file_type", 0u32);
    Ok(metadata)
}

/// Whole sequences from all over the corpus, in a fixed order.
fn sample(corpus: Corpus, sequence: usize) -> Sequences {
    let mut packing = Packing::new(vec![(corpus, 1.0)], sequence, Some(0));
    let count = packing.epoch_tokens().min(VALID_TOKENS) / sequence;
    packing.sequences(0, count)
}

struct Reader<'a> {
    tokenizer: &'a Tokenizer,
    template: Option<&'a ChatTemplate>,
    threads: usize,
    recipe: &'a Path,
}

impl Reader<'_> {
    fn corpus(&self, data: &DataRecipe) -> anyhow::Result<Corpus> {
        let special = self.tokenizer.special();
        let encoder = Encoder {
            tokenizer: self.tokenizer,
            template: self.template,
            end_of_text: special.eot.or(special.eos),
            learn: data.learn,
            threads: self.threads,
        };
        let mut corpus = Corpus::default();
        let mut progress = Progress::steps(true);
        for file in &data.files {
            let path = beside(self.recipe, file);
            progress.step(&format!("reading {}", path.display()));
            corpus.append(encoder.read(&path, data.bytes_max)?);
        }
        drop(progress);
        let names: Vec<String> = data.files.iter().map(|f| f.display().to_string()).collect();
        note(&format!(
            "{}: {} documents, {:.2} million tokens, {:.2} bytes per token",
            names.join(", "),
            corpus.documents.len(),
            corpus.tokens.len() as f64 / 1e6,
            corpus.bytes as f64 / (corpus.tokens.len() as f64).max(1.0),
        ));
        Ok(corpus)
    }
}
