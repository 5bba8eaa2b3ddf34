//! Speed of a model on this machine: prefill and decode, alone and as fractions of the limits in `machine.rs`.

mod look_up;
mod together;
mod vectors;

use std::sync::Arc;
use std::time::Instant;

use hob_engine::Engine;

use hob_format::ModelFiles;
use hob_kernels::{Cpu, KvType};
use hob_model::{Model, SequenceKv, Step, Wanted};
use serde::Serialize;

pub use crate::machine::Speed;
use crate::{Error, Limits, Traffic};
use hob_base::Random;
pub use look_up::{LookUp, LookUpSpeed};
pub use together::{Together, TogetherSpeed};
pub use vectors::{VectorSpeed, Vectors};

/// Tokens of a prompt that run together, as the engine's scheduler cuts them.
const CHUNK_TOKENS: usize = 512;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Bench {
    /// Prompt lengths.
    pub prompts: Vec<usize>,
    /// Positions stored before decoding starts, and tokens decoded then.
    pub decodes: Vec<(usize, usize)>,
    /// Sequences decoded at once.
    pub together: Vec<Together>,
    /// Answers that copy from the prompt.
    pub look_ups: Vec<LookUp>,
    /// Texts made vectors of.
    pub vectors: Vec<Vectors>,
    /// Runs before the ones that count.
    pub warmups: usize,
    /// Runs that count.
    pub repeats: usize,
}

impl Default for Bench {
    fn default() -> Self {
        let (together, look_ups, vectors) = (Vec::new(), Vec::new(), Vec::new());
        Self { prompts: Vec::new(), decodes: Vec::new(), together, look_ups, vectors, warmups: 1, repeats: 5 }
    }
}

impl Bench {
    /// Whether every sequence fits into `context` positions; a slip of the finger would otherwise take hours.
    ///
    /// # Errors
    /// [`Error::TooLong`] of the longest one.
    pub fn fits(&self, context: usize) -> Result<(), Error> {
        let decodes = self.decodes.iter().map(|(depth, tokens)| depth.saturating_add(*tokens));
        let together = self.together.iter().map(|t| t.depth.saturating_add(t.tokens));
        let look_ups = self.look_ups.iter().map(|_| look_up::POSITIONS);
        let vectors = self.vectors.iter().map(|v| v.tokens);
        let prompts = self.prompts.iter().copied();
        match prompts.chain(decodes).chain(together).chain(look_ups).chain(vectors).max() {
            Some(positions) if positions > context => Err(Error::TooLong { positions, context }),
            _ => Ok(()),
        }
    }
}

/// Speed of a prompt's prefill, logits of its last token included.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prefill {
    /// Length of the prompt.
    pub tokens: usize,
    /// Tokens a second.
    pub tokens_s: Speed,
    /// Billions of multiply-accumulates with weights a second that these are.
    pub gmacs: f64,
    /// The share of the 8-bit dot peak, median to median.
    pub of_int8_peak: Option<f64>,
    /// The share of the bf16 dot peak.
    pub of_bf16_peak: Option<f64>,
}

/// Speed of decoding, one token at a time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decode {
    /// Positions stored at the start.
    pub depth: usize,
    /// Tokens decoded.
    pub tokens: usize,
    /// Tokens a second.
    pub tokens_s: Speed,
    /// Bytes of weights and cache that a token reads, halfway.
    pub bytes: u64,
    /// Gigabytes a second that these are.
    pub gb_s: f64,
    /// The share of the measured read bandwidth, median to median.
    pub of_bandwidth: Option<f64>,
}

/// Everything measured of one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Threads that worked.
    pub threads: usize,
    /// Instruction-set level.
    pub isa: &'static str,
    /// What a token costs at least.
    pub traffic: Traffic,
    /// One entry per prompt length.
    pub prefill: Vec<Prefill>,
    /// One entry per depth and length.
    pub decode: Vec<Decode>,
    /// One entry per number of sequences decoded at once.
    pub together: Vec<TogetherSpeed>,
    /// One entry per kind of copying answer.
    pub look_up: Vec<LookUpSpeed>,
    /// One entry per number and length of texts.
    pub vectors: Vec<VectorSpeed>,
    /// Memory of this process afterwards.
    pub memory: Option<Memory>,
}

/// Runs `bench` on a model at work. `limits` gives the fractions; measure it with the same number of threads, just before.
///
/// # Errors
/// [`Error::NotGenerative`], [`Error::TooLong`], and what the model refuses.
pub fn measure(
    engine: &Arc<Engine>,
    traffic: &Traffic,
    bench: &Bench,
    limits: Option<&Limits>,
) -> Result<Report, Error> {
    let only_vectors = bench.prompts.is_empty()
        && bench.decodes.is_empty()
        && bench.together.is_empty()
        && bench.look_ups.is_empty();
    if !only_vectors && !engine.model().spec().is_generative() {
        return Err(Error::NotGenerative);
    }
    bench.fits(engine.model().spec().context)?;
    forget_memory_peak();
    let on = Subject { engine, model: engine.model(), cpu: engine.cpu(), traffic, bench, limits };
    Ok(Report {
        threads: on.cpu.threads(),
        isa: on.cpu.isa().name(),
        traffic: traffic.clone(),
        prefill: each(&bench.prompts, |&n| prefill(&on, n))?,
        decode: each(&bench.decodes, |&(depth, tokens)| decode(&on, depth, tokens))?,
        together: each(&bench.together, |&what| together::measure(&on, what))?,
        look_up: each(&bench.look_ups, |&what| look_up::measure(&on, what))?,
        vectors: each(&bench.vectors, |&what| vectors::measure(&on, what))?,
        memory: memory_use(),
    })
}

/// What is measured, and what it is held against.
struct Subject<'a> {
    engine: &'a Arc<Engine>,
    model: &'a Model,
    cpu: &'a Cpu,
    traffic: &'a Traffic,
    bench: &'a Bench,
    limits: Option<&'a Limits>,
}

impl Subject<'_> {
    /// An empty cache for `positions`.
    fn empty(&self, positions: usize) -> SequenceKv {
        empty(self.model, self.engine.config().kv, positions)
    }
}

fn each<T, R>(of: &[T], measure: impl FnMut(&T) -> Result<R, Error>) -> Result<Vec<R>, Error> {
    of.iter().map(measure).collect()
}

fn prefill(on: &Subject<'_>, tokens: usize) -> Result<Prefill, Error> {
    let prompt = prompt(on.model, tokens);
    let rates = repeated(on.bench, || {
        let start = Instant::now();
        feed(on.model, on.cpu, &prompt, &mut on.empty(tokens))?;
        Ok(tokens as f64 / start.elapsed().as_secs_f64())
    })?;
    let tokens_s = Speed::of(rates);
    let gmacs = on.traffic.prefill_macs(tokens) as f64 / tokens as f64 * tokens_s.median / 1e9;
    let share = |peak: &Option<crate::Peak>| peak.as_ref().map(|p| gmacs / p.gmacs.median);
    Ok(Prefill {
        tokens,
        tokens_s,
        gmacs,
        of_int8_peak: on.limits.and_then(|l| share(&l.int8)),
        of_bf16_peak: on.limits.and_then(|l| share(&l.bf16)),
    })
}

fn decode(on: &Subject<'_>, depth: usize, tokens: usize) -> Result<Decode, Error> {
    let depth = depth.max(1);
    let prompt = prompt(on.model, depth);
    let mut filled = on.empty(depth + tokens);
    let first = feed(on.model, on.cpu, &prompt, &mut filled)?;
    let rates = repeated(on.bench, || {
        // Clones share pages until one of them writes, and the copy of a page costs less than a token.
        let (mut kv, mut next) = (filled.clone(), first);
        let start = Instant::now();
        for _ in 0..tokens {
            next = feed(on.model, on.cpu, &[next], &mut kv)?;
        }
        Ok(tokens as f64 / start.elapsed().as_secs_f64())
    })?;
    let tokens_s = Speed::of(rates);
    let bits = element_bits(on.engine.config().kv);
    let bytes = on.traffic.weight_bytes + on.traffic.cache_bytes(depth + tokens / 2, bits);
    let gb_s = bytes as f64 * tokens_s.median / 1e9;
    let of_bandwidth = on.limits.map(|l| gb_s / l.read_gb_s.median);
    Ok(Decode { depth, tokens, tokens_s, bytes, gb_s, of_bandwidth })
}

fn element_bits(kv: KvType) -> f64 {
    match kv {
        KvType::F32 => 32.0,
        KvType::F16 => 16.0,
        // A 16-bit scale per 32 elements.
        KvType::Q8 => 8.5,
    }
}

fn repeated(bench: &Bench, mut run: impl FnMut() -> Result<f64, Error>) -> Result<Vec<f64>, Error> {
    for _ in 0..bench.warmups {
        run()?;
    }
    (0..bench.repeats.max(1)).map(|_| run()).collect()
}

/// Random tokens: speed does not depend on them.
fn prompt(model: &Model, tokens: usize) -> Vec<u32> {
    let mut random = Random::new(0, tokens as u64);
    (0..tokens.max(1)).map(|_| random.below(model.spec().vocab as u32)).collect()
}

fn empty(model: &Model, kv: KvType, positions: usize) -> SequenceKv {
    let long = model.switch_length().is_some_and(|limit| positions > limit);
    SequenceKv::new(model.spec(), kv, long)
}

/// Runs `tokens` and picks the likeliest next one.
fn feed(model: &Model, cpu: &Cpu, tokens: &[u32], kv: &mut SequenceKv) -> Result<u32, Error> {
    let mut hidden = Vec::new();
    let mut chunks = tokens.chunks(CHUNK_TOKENS).peekable();
    while let Some(tokens) = chunks.next() {
        let wanted = if chunks.peek().is_some() { Wanted::Nothing } else { Wanted::Last };
        hidden = model.forward(cpu, &mut [Step { tokens, kv: &mut *kv, wanted }], None)?;
    }
    Ok(likeliest(cpu, &model.logits(cpu, &hidden)))
}

fn likeliest(cpu: &Cpu, logits: &[f32]) -> u32 {
    cpu.argmax(logits).map_or(0, |id| id as u32)
}

/// How long a model takes to its first token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Start {
    /// Seconds to open the file and build the model.
    pub load_s: f64,
    /// Seconds from the beginning of that to the first generated token, or to a vector where the model makes vectors.
    pub first_token_s: f64,
}

/// Opens a model by calling `open` and generates one token after a prompt of `prompt_tokens`, or makes a vector of it.
///
/// Without process start and tokenizer, which the caller's program adds.
///
/// # Errors
/// What opening, loading and running refuse.
pub fn time_to_first_token<E: From<Error>>(
    open: impl FnOnce() -> Result<ModelFiles, E>,
    cpu: &Cpu,
    prompt_tokens: usize,
) -> Result<Start, E> {
    let start = Instant::now();
    Ok(first_token(&open()?, cpu, prompt_tokens, start)?)
}

fn first_token(files: &ModelFiles, cpu: &Cpu, prompt_tokens: usize, start: Instant) -> Result<Start, Error> {
    let model = Model::load(files)?;
    let load_s = start.elapsed().as_secs_f64();
    let tokens = prompt(&model, prompt_tokens);
    let mut kv = empty(&model, KvType::F16, tokens.len());
    if model.spec().is_generative() {
        feed(&model, cpu, &tokens, &mut kv)?;
    } else {
        let step = Step { tokens: &tokens, kv: &mut kv, wanted: Wanted::All };
        model.forward(cpu, &mut [step], None)?;
    }
    Ok(Start { load_s, first_token_s: start.elapsed().as_secs_f64() })
}

/// Memory of this process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The most that was resident at once, mapped files included; in a [`Report`], while measuring.
    pub resident_peak: u64,
    /// What is resident now and not backed by a file.
    pub resident_anonymous: u64,
    /// What is resident now of mapped files.
    pub resident_file: u64,
}

/// This process's memory; `None` where the system does not tell (only Linux does here).
pub fn memory_use() -> Option<Memory> {
    parse_status(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// Starts a new peak, so that what came before (measuring limits fills half a gigabyte) is not taken for the model's.
/// Where the system has no such file the peak is that of the whole process.
fn forget_memory_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn parse_status(status: &str) -> Option<Memory> {
    let bytes = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Memory {
        resident_peak: bytes("VmHWM")?,
        resident_anonymous: bytes("RssAnon")?,
        resident_file: bytes("RssFile")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_status_text() {
        let text = "Name:\thob\nVmHWM:\t    2048 kB\nVmRSS:\t 9 kB\nRssAnon:\t 3 kB\nRssFile:\t 4 kB\n";
        let memory = parse_status(text).unwrap();
        assert_eq!(
            (memory.resident_peak, memory.resident_anonymous, memory.resident_file),
            (2048 << 10, 3 << 10, 4 << 10)
        );
        assert!(parse_status("VmHWM: lots").is_none());
    }
}
