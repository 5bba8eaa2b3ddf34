//! From a recipe to a trainer: the model, its vocabulary and the text, read and checked.

use super::{TrainArgs, beside, read_recipe};
use crate::fail::note;
use crate::parent::{self, Parent, Words, all_cores};
use crate::which::Which;
use anyhow::{Context, anyhow};
use hob::Compute;
use hob_format::{Metadata, ModelFiles};
use hob_kernels::{Cpu, Precision};
use hob_train::data::{Corpus, Packing, Sequences};
use hob_train::recipe::{DataRecipe, PrecisionSetting};
use hob_train::{Lora, Network, Recipe, Storage, Teacher, Trainer, describe};
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
    let named = recipe.model.from.as_ref().or(recipe.model.tokenizer.as_ref());
    let named = named.ok_or_else(|| anyhow!("the recipe names no model"))?;
    let gguf = Which::beside(named, &at(named)).gguf()?;
    let (network, params, metadata, words) = match &recipe.model.shape {
        Some(shape) => {
            let mut metadata = parent::metadata(&gguf);
            let words = Words::of(&ModelFiles::Gguf(gguf), &metadata)?;
            shape.describe(&mut metadata);
            let spec = describe(&metadata, words.tokenizer.vocab_size(), shape.tied)?;
            let network = Network::new(&spec, precision)?;
            let mut params = network.fresh(recipe.seed);
            if shape.induction {
                network.wire_induction(&mut params, recipe.seed)?;
            }
            (network, params, metadata, words)
        }
        None => {
            let p = Parent::of(gguf, precision).with_context(|| named.display().to_string())?;
            let params = p.params().with_context(|| named.display().to_string())?;
            (p.network, params, p.metadata, p.words)
        }
    };
    let corpus = |d: &DataRecipe| {
        let files: Vec<PathBuf> = d.files.iter().map(|f| at(f)).collect();
        words.corpus(&files, d.learn, d.bytes_max, threads)
    };
    let sources =
        recipe.data.iter().map(|d| Ok((corpus(d)?, d.weight))).collect::<anyhow::Result<Vec<_>>>()?;
    let data = Packing::new(sources, recipe.training.sequence, Some(recipe.seed));
    let valid = recipe.valid.as_ref().map(&corpus).transpose()?;
    let valid = valid.map(|corpus| sample(corpus, recipe.training.sequence));
    let cpu = Cpu::new(threads, Compute::Fast);
    note(&format!(
        "{:.2} million parameters, {} steps of {} tokens, {threads} threads",
        params.len() as f64 / 1e6,
        recipe.training.steps(),
        recipe.training.batch
    ));
    let storage = recipe.training.store.map(|ty| Storage::uniform(network.layout(), ty));
    let mut trainer = Trainer::new(cpu, network, params, data, &recipe.training)?;
    if let Some(lora) = &recipe.training.lora {
        trainer.adapt(Lora::new(trainer.network(), lora)?, recipe.seed);
    }
    if let Some(storage) = storage {
        trainer.store_as(storage, threads);
    }
    if let Some(teacher) = args.teacher.clone().or_else(|| recipe.teacher.as_deref().map(at)) {
        let parent = Parent::open(&Which::named(&teacher), precision)?;
        let params = parent.params().with_context(|| teacher.display().to_string())?;
        trainer.learn_from(Teacher { network: parent.network, params })?;
    }
    Ok(Prepared { trainer, valid, metadata, recipe, out })
}

/// Whole sequences from all over the corpus, in a fixed order.
fn sample(corpus: Corpus, sequence: usize) -> Sequences {
    let mut packing = Packing::new(vec![(corpus, 1.0)], sequence, Some(0));
    let count = packing.epoch_tokens().min(VALID_TOKENS) / sequence;
    packing.sequences(0, count)
}
