//! A benchmark in parts, and what is said between them to people who wait.

use super::BenchArgs;
use crate::progress::Progress;
use hob_eval::{Bench, Memory, Report, Together};
use hob_kernels::KvType;

/// One part for each prompt, one for decoding and one for decoding several at once, so that people see what is going on.
pub fn parts(args: &BenchArgs, kv: KvType) -> Vec<(String, Bench)> {
    let runs = Bench::default().warmups + args.repeat as usize;
    let none =
        Bench { prompts: vec![], decodes: vec![], repeats: args.repeat as usize, kv, ..Bench::default() };
    let prefill = |&n: &u32| {
        (format!("a prompt of {n} tokens, {runs} runs"), Bench { prompts: vec![n as usize], ..none.clone() })
    };
    let mut parts: Vec<_> = args.prompt.iter().map(prefill).collect();
    let decodes = vec![(args.depth as usize, args.tokens as usize)];
    let what = format!("{} tokens of an answer, {runs} runs", args.tokens);
    parts.push((what, Bench { decodes, ..none.clone() }));
    if let Some(sequences) = args.sequences {
        let (depth, tokens) = (args.depth as usize, args.tokens as usize);
        let together = vec![Together { sequences: sequences as usize, depth, tokens }];
        let what = format!("{tokens} tokens of each of {sequences} answers at once, {runs} runs");
        parts.push((what, Bench { together, ..none }));
    }
    parts
}

/// Both reports in one. Memory is that of the later one, with the higher peak.
pub fn join(mut before: Report, after: Report) -> Report {
    before.prefill.extend(after.prefill);
    before.decode.extend(after.decode);
    before.together.extend(after.together);
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
    /// Nothing is done yet.
    pub fn new(args: &BenchArgs) -> Self {
        let total =
            1 + usize::from(!args.no_limits) + args.prompt.len() + 1 + usize::from(args.sequences.is_some());
        Self { progress: Progress::steps(!args.json), done: 0, total }
    }

    /// Says what is measured next.
    pub fn next(&mut self, what: &str) {
        self.done += 1;
        let (done, total) = (self.done, self.total);
        self.progress.step(&format!("measuring {done} of {total}: {what}"));
    }
}
