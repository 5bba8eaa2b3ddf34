//! `hob train`: a model from text, as a recipe says.

mod plot;
mod prepare;
mod tokenizer;
mod view;

pub use tokenizer::{TrainTokenizerArgs, run as train_tokenizer};

use crate::fail::note;
use crate::{input, out, signals};
use anyhow::Context;
use clap::Args;
use hob_quant::TensorType;
use hob_train::data::Sequences;
use hob_train::{Point, Storage, Trainer};
use prepare::Prepared;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Instant;
use view::View;

const AFTER_HELP: &str = "\
A recipe is a TOML file. Paths in it are relative to it. This one trains a model of three million parameters:

    out = \"runs/first\"             # checkpoints, log.jsonl, loss.svg, model.gguf
    seed = 1

    [model]
    tokenizer = \"vocab.gguf\"       # made by hob train-tokenizer; or: from = \"model.gguf\" to go on from a model;
                                   # \"ember\" is the built-in one
    [model.shape]
    name = \"first\"
    architecture = \"qwen3\"         # llama, qwen2, qwen3, phi3, gemma2, gemma3
    layers = 4
    hidden = 256
    ffn = 512
    heads = 4
    kv_heads = 2
    head_dim = 64
    context = 1024
    rope_base = 100000.0
    # window = 512                 # gemma2 and gemma3: positions that layers with a sliding window see
    induction = true               # the first two layers start with heads that copy from the text before

    [[data]]                       # as many as you like
    files = [\"books.jsonl.zst\"]    # lines with `text` or `messages`; or plain text
    weight = 1.0                   # times per epoch
    learn = \"all\"                  # \"answers\": of conversations, only what the assistant says

    [valid]
    files = [\"other.jsonl.zst\"]
    bytes_max = 1000000

    # teacher = \"parent.gguf\"      # above [model]: learn this model's predictions, as `hob distill` does

    [training]
    tokens = 20000000              # in all
    sequence = 512
    batch = 16384                  # tokens per step
    rate = 0.003
    warmup = 50                    # steps
    cooldown = 0.2                 # last part of the run, in which the rate falls to nothing
    optimizer = \"muon\"             # adamw, sign
    precision = \"bf16\"             # f32
    store = \"Q4_0\"                 # compute with what blocks of this type can hold; model.gguf has exactly them
    valid_every = 100              # steps
    save_every = 100               # steps: what a crash may cost

    # [training.lora]              # learn small products that are added to matrices: adapter.gguf, for hob merge-lora
    # rank = 8
    # alpha = 16.0
    # matrices = [\"attn_q\", \"attn_v\"]

Ctrl-C saves and stops; the same command goes on where it was, with the same result as if it had not stopped.";

/// Arguments of `hob train`.
#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct TrainArgs {
    /// Recipe
    pub recipe: PathBuf,
    /// Threads to compute with [default: all the machine offers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Begin anew although there is a checkpoint
    #[arg(long)]
    pub restart: bool,
    /// Stop after so many steps in all, as Ctrl-C would
    #[arg(long, value_name = "N")]
    pub steps: Option<u64>,
    /// Print a JSON line per step
    #[arg(long)]
    pub json: bool,
    /// Model whose predictions are learned, in place of the recipe's.
    #[arg(skip)]
    pub teacher: Option<PathBuf>,
}

/// Arguments of `hob distill`.
#[derive(Args, Debug)]
#[command(
    after_help = "The student is a recipe as `hob train` takes it. It learns the teacher's predictions on its data in place of the next tokens.\nTeacher and student need the same vocabulary: give the student the teacher's file as its `tokenizer`."
)]
pub struct DistillArgs {
    /// GGUF file or directory of the model to learn from
    #[arg(long, value_name = "MODEL")]
    pub teacher: PathBuf,
    /// Recipe of the model that learns
    #[arg(long, value_name = "RECIPE")]
    pub student: PathBuf,
    /// Threads to compute with [default: all the machine offers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Begin anew although there is a checkpoint
    #[arg(long)]
    pub restart: bool,
    /// Print a JSON line per step
    #[arg(long)]
    pub json: bool,
}

/// Runs `hob distill`.
pub fn distill(args: &DistillArgs) -> anyhow::Result<()> {
    run(&TrainArgs {
        recipe: args.student.clone(),
        threads: args.threads,
        restart: args.restart,
        steps: None,
        json: args.json,
        teacher: Some(args.teacher.clone()),
    })
}

/// Runs the command.
pub fn run(args: &TrainArgs) -> anyhow::Result<()> {
    let Prepared { mut trainer, valid, metadata, recipe, out } = prepare::prepare(args)?;
    signals::catch()?;
    let checkpoint = out.join("checkpoint.safetensors");
    if checkpoint.exists() && !args.restart {
        trainer.resume(&checkpoint)?;
        note(&format!("{}: goes on after step {}", checkpoint.display(), trainer.step_count()));
    }
    let steps = recipe.training.steps();
    let until = args.steps.map_or(steps, |n| n.min(steps));
    let mut view = View::new(steps, recipe.training.batch, args.json);
    let begun = trainer.step_count();
    while trainer.step_count() < until && !signals::is_requested() {
        let start = Instant::now();
        let mut point = trainer.step()?;
        let seconds = start.elapsed().as_secs_f64();
        let (step, t) = (point.step, &recipe.training);
        if step.is_multiple_of(t.valid_every) || step == steps {
            point.valid = measure(&mut trainer, valid.as_ref())?;
        }
        view.step(&trainer, point, seconds)?;
        if step.is_multiple_of(t.save_every) {
            trainer.save(&checkpoint)?;
        }
    }
    if trainer.step_count() > begun {
        trainer.save(&checkpoint)?;
        write_log(&out, trainer.points())?;
        out::write_whole(&out.join("loss.svg"), plot::losses(trainer.points())?.as_bytes())?;
    }
    view.end();
    if trainer.step_count() < steps {
        note(&format!("stopped after step {} of {steps}; the same command goes on", trainer.step_count()));
        return signals::honour();
    }
    let model = out.join(if trainer.lora().is_some() { "adapter.gguf" } else { "model.gguf" });
    if let Some(lora) = trainer.lora() {
        lora.write(&model, &metadata, trainer.params())?;
    } else {
        let layout = trainer.network().layout();
        let plain = Storage::uniform(layout, TensorType::F32);
        trainer.storage().unwrap_or(&plain).write(&model, &metadata, layout, trainer.params())?;
    }
    report(&trainer, &model, args.json)
}

fn measure(trainer: &mut Trainer, valid: Option<&Sequences>) -> anyhow::Result<Option<f64>> {
    Ok(valid.map(|text| trainer.validate(text)).transpose()?)
}

fn report(trainer: &Trainer, model: &Path, as_json: bool) -> anyhow::Result<()> {
    let last = trainer.points().last();
    let valid = last.and_then(|p| p.valid);
    if as_json {
        return out::json_line(&json!({"model": model, "steps": trainer.step_count(), "valid_nats": valid}));
    }
    let valid = valid.map_or(String::new(), |v| format!(", validation loss {v:.4} nats per token"));
    out::text(&format!("{}: {} steps{valid}\n", model.display(), trainer.step_count()))
}

fn write_log(out: &Path, points: &[Point]) -> anyhow::Result<()> {
    let lines =
        points.iter().map(|p| serde_json::to_string(p).map(|l| l + "\n")).collect::<Result<String, _>>()?;
    out::write_whole(&out.join("log.jsonl"), lines.as_bytes())
}

/// `path` as seen from the folder of the recipe.
fn beside(recipe: &Path, path: &Path) -> PathBuf {
    recipe.parent().map_or(path.to_owned(), |folder| folder.join(path))
}

fn read_recipe(path: &Path) -> anyhow::Result<hob_train::Recipe> {
    let text = input::text(path)?;
    hob_train::Recipe::parse(&text).with_context(|| path.display().to_string())
}
