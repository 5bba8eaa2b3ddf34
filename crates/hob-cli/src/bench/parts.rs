//! A benchmark in parts, and what is said between them to people who wait.

use super::BenchArgs;
use crate::progress::Progress;
use hob_eval::{Bench, LookUp, Memory, Report, Together, Vectors};
use hob_model::ModelSpec;

/// Length of a prompt if none is asked for and the model's context holds it.
const PROMPT: usize = 512;

/// The same for a text of which a vector is made.
const TEXT: usize = 128;

/// Tokens that an answer copies, and then invents, at a time.
const COPIED_RUN: usize = 16;

/// What is measured of a model that writes, or makes vectors, in the order in which people see it.
pub fn parts(args: &BenchArgs, spec: &ModelSpec) -> Vec<(String, Bench)> {
    let runs = Bench::default().warmups + args.repeat as usize;
    let none = Bench { repeats: args.repeat as usize, ..Bench::default() };
    let lengths = |default: usize| match args.prompt.as_slice() {
        [] => vec![default.min(spec.context)],
        given => given.iter().map(|&n| n as usize).collect(),
    };
    let mut parts = Vec::new();
    if !spec.is_generative() {
        for tokens in lengths(TEXT) {
            for texts in [Some(1), args.sequences].into_iter().flatten() {
                let vectors = vec![Vectors { texts: texts as usize, tokens }];
                let what = format!("vectors of {tokens} tokens, {texts} at a time, {runs} runs");
                parts.push((what, Bench { vectors, ..none.clone() }));
            }
        }
        return parts;
    }
    for n in lengths(PROMPT) {
        let what = format!("a prompt of {n} tokens, {runs} runs");
        parts.push((what, Bench { prompts: vec![n], ..none.clone() }));
    }
    let (depth, tokens) = (args.depth as usize, args.tokens as usize);
    let what = format!("{tokens} tokens of an answer, {runs} runs");
    parts.push((what, Bench { decodes: vec![(depth, tokens)], ..none.clone() }));
    if let Some(sequences) = args.sequences {
        let together = vec![Together { sequences: sequences as usize, depth, tokens }];
        let what = format!("{tokens} tokens of each of {sequences} answers at once, {runs} runs");
        parts.push((what, Bench { together, ..none.clone() }));
    }
    if args.look_up {
        let what = format!("an answer that copies from its prompt, {runs} runs with guesses and without");
        parts.push((what, Bench { look_ups: vec![LookUp { run: COPIED_RUN }], ..none }));
    }
    parts
}

/// Both reports in one. Memory is that of the later one, with the higher peak.
pub fn join(mut before: Report, after: Report) -> Report {
    before.prefill.extend(after.prefill);
    before.decode.extend(after.decode);
    before.together.extend(after.together);
    before.look_up.extend(after.look_up);
    before.vectors.extend(after.vectors);
    let peak = before.memory.map_or(0, |m| m.resident_peak);
    before.memory = after.memory.map(|m| Memory { resident_peak: m.resident_peak.max(peak), ..m });
    before
}

/// What is being measured, for people who wait.
pub struct Steps {
    progress: Progress,
    done: usize,
    total: usize,
}

impl Steps {
    /// Nothing is done yet of `total` steps.
    pub fn new(args: &BenchArgs, total: usize) -> Self {
        Self { progress: Progress::steps(!args.json), done: 0, total }
    }

    /// Says what is measured next.
    pub fn next(&mut self, what: &str) {
        self.done += 1;
        let (done, total) = (self.done, self.total);
        self.progress.step(&format!("measuring {done} of {total}: {what}"));
    }
}
