//! Runs this crate's measurements from the command line, without the `hob` program.
//!
//! ```text
//! measure synthetic NAME:TYPE PATH       write a model of published shapes
//! measure machine [THREADS]              this machine's limits
//! measure perplexity MODEL TEXT [WINDOW] of a text file, as JSON
//! measure kl REFERENCE MODEL TEXT        divergence of MODEL from REFERENCE, as JSON
//! measure bench MODEL [THREADS PROMPT DECODE REPEATS]
//! ```

#![allow(
    clippy::disallowed_methods,
    reason = "a program of its own: it reads arguments, files and the clock"
)]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use hob_eval::{Bench, Limits, Traffic, Windows, synthetic};
use hob_kernels::{Compute, Cpu};
use hob_model::Model;
use hob_tokenizer::EncodeOptions;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["synthetic", what, path] => write(what, path),
        ["machine", rest @ ..] => {
            let threads = number(rest.first(), cores())?;
            println!("{}", serde_json::to_string_pretty(&Limits::measure(threads))?);
            Ok(())
        }
        ["perplexity", model, text, rest @ ..] => perplexity(model, text, number(rest.first(), 512)?),
        ["kl", reference, model, text] => divergence(reference, model, text),
        ["bench", model, rest @ ..] => bench(model, rest),
        _ => Err("expected synthetic, machine, perplexity, kl or bench; see the example's source".into()),
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

fn number(text: Option<&&str>, default: usize) -> Result<usize, Box<dyn Error>> {
    Ok(text.map_or(Ok(default), |t| t.parse())?)
}

/// Fast by default; `HOB_COMPUTE=exact` for f32 activations.
fn cpu(threads: usize) -> Cpu {
    let exact = std::env::var("HOB_COMPUTE").is_ok_and(|v| v == "exact");
    Cpu::new(threads, if exact { Compute::Exact } else { Compute::Fast })
}

fn write(what: &str, path: &str) -> Outcome {
    let (name, weights) = what.split_once(':').ok_or("expected NAME:TYPE")?;
    let plan = synthetic::plan(name, weights)?;
    let start = Instant::now();
    synthetic::write(&plan, Path::new(path), 0, &mut |_, _| {})?;
    let (bytes, seconds) = (plan.tensor_bytes() as f64, start.elapsed().as_secs_f64());
    println!("{path}: {:.1} MB in {seconds:.2} s, {:.0} MB/s", bytes / 1e6, bytes / 1e6 / seconds);
    Ok(())
}

/// The text's tokens, and the BOS that windows begin with.
fn tokens(model: &str, text: &str) -> Result<(Vec<u32>, Option<u32>), Box<dyn Error>> {
    let tokenizer = hob::open_tokenizer(Path::new(model))?;
    let text = std::fs::read_to_string(text)?;
    let options = EncodeOptions { add_special: true, parse_special: false };
    let bos = tokenizer.framing().0.first().copied();
    Ok((tokenizer.encode(&text, options), bos))
}

fn load(path: &str) -> Result<Model, Box<dyn Error>> {
    Ok(Model::load(&hob_format::open(Path::new(path))?)?)
}

fn perplexity(path: &str, text: &str, length: usize) -> Outcome {
    let (tokens, bos) = tokens(path, text)?;
    let windows = Windows { length, bos, ..Windows::default() };
    let found = hob_eval::perplexity(&load(path)?, &cpu(cores()), tokens, windows, &mut |p| {
        eprint!("\r{} {:.4}", p.windows, p.perplexity);
    })?;
    eprintln!();
    println!("{}", serde_json::to_string(&found)?);
    Ok(())
}

fn divergence(reference: &str, path: &str, text: &str) -> Outcome {
    let (tokens, bos) = tokens(reference, text)?;
    let windows = Windows { bos, ..Windows::default() };
    let found = hob_eval::kl_divergence(
        &load(reference)?,
        &load(path)?,
        &cpu(cores()),
        tokens,
        windows,
        &mut |_| {},
    )?;
    println!("{}", serde_json::to_string_pretty(&found)?);
    Ok(())
}

fn bench(path: &str, rest: &[&str]) -> Outcome {
    let at = |i: usize, default| number(rest.get(i), default);
    let (threads, prompt, decode, repeats) = (at(0, cores())?, at(1, 512)?, at(2, 64)?, at(3, 5)?);
    let cpu = cpu(threads);
    let start = hob_eval::time_to_first_token(Path::new(path), &cpu, 5)?;
    let files = hob_format::open(Path::new(path))?;
    let model = Model::load(&files)?;
    let traffic = Traffic::new(&files, model.spec())?;
    let bench = Bench { prompts: vec![prompt], decodes: vec![(16, decode)], repeats, ..Bench::default() };
    let limits = std::env::var_os("NO_LIMITS").is_none().then(|| Limits::measure(threads));
    let report = hob_eval::measure(&model, traffic, &cpu, &bench, limits.as_ref())?;
    let all = serde_json::json!({"limits": limits, "start": start, "report": report});
    println!("{}", serde_json::to_string_pretty(&all)?);
    Ok(())
}
