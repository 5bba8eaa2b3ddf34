//! Opening a model as the command line asks.

use crate::which::{self, Which};
use crate::{fail, platform};
use anyhow::anyhow;
use clap::{Args, ValueEnum};
use hob::{Compute, KvType, LanguageModel, Options, Tokenizer};
use hob_kernels::Isa;
use std::path::Path;

/// How to run a model.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Running")]
pub struct RunArgs {
    /// Threads to compute with [default: all the machine offers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Exact keeps activations in 32 bits; fast rounds them to 8
    #[arg(long, value_enum, default_value_t)]
    pub compute: ComputeArg,
    /// Type of cached keys and values [default: f16, or f32 with --compute exact]
    #[arg(long, value_enum)]
    pub kv: Option<KvArg>,
}

/// Values of `--compute`.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum ComputeArg {
    Exact,
    #[default]
    Fast,
}

/// Values of `--kv`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KvArg {
    F16,
    Q8,
    F32,
}

impl RunArgs {
    /// The same for the library.
    pub fn options(&self) -> Options {
        let clock = Some(platform::clock as hob::Clock);
        Options {
            threads: self.threads(),
            compute: self.compute(),
            kv: self.kv(),
            clock,
            ..Options::default()
        }
    }

    /// Threads, 0 for all.
    pub fn threads(&self) -> usize {
        self.threads.map_or(0, usize::from)
    }

    /// Representation of activations.
    pub fn compute(&self) -> Compute {
        match self.compute {
            ComputeArg::Exact => Compute::Exact,
            ComputeArg::Fast => Compute::Fast,
        }
    }

    /// Element type of the cache, if one was asked for.
    pub fn kv(&self) -> Option<KvType> {
        self.kv.map(|kv| match kv {
            KvArg::F16 => KvType::F16,
            KvArg::Q8 => KvType::Q8,
            KvArg::F32 => KvType::F32,
        })
    }
}

/// What `--compute` calls it.
pub fn compute_name(compute: Compute) -> &'static str {
    match compute {
        Compute::Exact => "exact",
        Compute::Fast => "fast",
    }
}

/// Opens the model that MODEL means.
pub fn model(name: &Path, run: &RunArgs) -> anyhow::Result<LanguageModel> {
    with_options(&Which::named(name), &run.options())
}

/// Opens a model with options that the command line does not have.
pub fn with_options(which: &Which, options: &Options) -> anyhow::Result<LanguageModel> {
    note_pin();
    Ok(LanguageModel::new(which.files()?, options)?)
}

/// Opens the tokenizer of the model that MODEL means.
pub fn tokenizer(name: &Path) -> anyhow::Result<Tokenizer> {
    Ok(hob::tokenizer_of(&Which::named(name).files()?)?)
}

/// Adds what to do where the library cannot know how it was asked.
pub fn explain(error: hob::Error, path: &Path) -> anyhow::Error {
    match &error {
        hob::Error::Format(hob_format::Error::Io { source, .. }) => {
            anyhow!("{error}; {}", which::advice(source.kind(), path))
        }
        _ => error.into(),
    }
}

/// Says so when `HOB_ISA` asks for something that cannot be had, as the engine silently takes the best there is.
pub fn note_pin() {
    if let Some(problem) = pin_problem() {
        fail::note(&format!("{problem}; computing with {}", Isa::detect()));
    }
}

/// What `HOB_ISA` asks for; empty means nothing, as with most such variables.
pub fn pin() -> Option<String> {
    let value = std::env::var_os("HOB_ISA").filter(|value| !value.is_empty())?;
    Some(value.to_string_lossy().into_owned())
}

/// What is wrong with `HOB_ISA`, if anything.
pub fn pin_problem() -> Option<String> {
    let pin = pin()?;
    let names = |list: &[Isa]| list.iter().map(|isa| isa.name()).collect::<Vec<_>>().join(" ");
    match Isa::from_name(&pin) {
        None => Some(format!("HOB_ISA: expected one of {}, found {pin:?}", names(&Isa::ALL))),
        Some(isa) if !isa.is_available() => {
            Some(format!("HOB_ISA: this machine has {}, not {pin}", names(&Isa::available())))
        }
        Some(_) => None,
    }
}
