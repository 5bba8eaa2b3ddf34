//! The text with which a smaller model is made, judged and trained.

use super::effort::Effort;
use super::own_text::own_text;
use crate::fail::note;
use crate::parent::{Parent, all_cores};
use crate::progress::{Progress, span};
use crate::signals;
use crate::which::Which;
use anyhow::bail;
use clap::Args;
use hob::Compute;
use hob_kernels::Cpu;
use hob_shrink::{Divergences, Tuning};
use hob_train::Point;
use hob_train::data::{Corpus, Learn, Packing, Sequences};
use serde_json::json;
use std::path::PathBuf;
use std::time::Instant;

/// One sequence in so many is kept for measuring the result, and never used to make it.
const HELD_OUT: usize = 5;

/// Tokens that are kept for training, at most.
const TRAINING_TOKENS_MAX: usize = 1 << 25;

/// Steps that tell how many there will be in a given time.
const TRIAL: u64 = 3;

/// What both ways of making a model smaller read.
#[derive(Args, Debug)]
pub struct TextArgs {
    /// Text like that the model is for: plain, or JSON lines with `text` or `messages` (also .zst); may be repeated
    /// [default: what the model writes itself]
    #[arg(long, value_name = "FILE")]
    pub data: Vec<PathBuf>,
    /// Tokens of the text that are used
    #[arg(long, value_name = "N", default_value_t = 65_536)]
    pub tokens: usize,
    /// Train the result so long (30min, 2h, or 500k tokens), the parent being its teacher; kept only where that helps
    #[arg(long, value_name = "TIME")]
    pub train: Option<Effort>,
    /// Start of every random choice
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Threads to compute with [default: all the machine offers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// What the text is used for; no part is used for two things, but what is measured with is also trained on.
#[derive(Clone)]
pub struct Texts {
    /// To measure the curvature with.
    pub curvature: Sequences,
    /// To judge the result, kept from all else.
    pub held_out: Sequences,
    /// To train on.
    pub training: Packing,
}

impl Texts {
    /// The same with half of what is kept aside, to choose by; these keep the other half, to judge what was chosen.
    pub fn set_half_aside(&mut self, sequence: usize) -> anyhow::Result<Self> {
        let half = self.held_out.tokens.len() / sequence / 2;
        // A second sequence gives a figure its error.
        if half < 2 {
            bail!(
                "expected at least {} tokens of text, found {}: give a longer text, or read more of it with --tokens",
                4 * HELD_OUT * sequence,
                self.curvature.tokens.len() + self.held_out.tokens.len()
            );
        }
        let judged_by = self.held_out.split_off(half * sequence);
        let held_out = std::mem::replace(&mut self.held_out, judged_by);
        Ok(Self { held_out, ..self.clone() })
    }
}

/// Tokens of a sequence of the text.
pub fn sequence(parent: &Parent) -> usize {
    parent.network.spec().context.min(512)
}

impl TextArgs {
    /// Threads to compute with.
    pub fn threads(&self) -> usize {
        self.threads.map_or_else(all_cores, usize::from)
    }

    /// The text in the words of `parent`, the model `which`.
    pub fn read(&self, which: &Which, parent: &Parent) -> anyhow::Result<Texts> {
        let sequence = sequence(parent);
        // About six bytes a token: what lies beyond is not read.
        let mut most = if self.train.is_some() { TRAINING_TOKENS_MAX } else { self.tokens };
        let corpus = if self.data.is_empty() {
            if let Some(Effort::Tokens(tokens)) = self.train {
                most = most.min(self.tokens.max(tokens as usize));
            } else {
                most = self.tokens;
            }
            own_text(which, (most, sequence), self.seed, self.threads())?
        } else {
            parent.words.corpus(&self.data, Learn::All, 8 * most as u64, self.threads())?
        };
        let mut packing = Packing::new(vec![(corpus, 1.0)], sequence, Some(self.seed));
        let all = packing.epoch_tokens() / sequence;
        let wanted = (self.tokens / sequence).min(all);
        let (mut curvature, mut held_out) = (Sequences::default(), Sequences::default());
        let mut training = Corpus::default();
        for i in 0..all.min(most / sequence) {
            let one = packing.sequences(i as u64, 1);
            let is_held_out = i < wanted && i % HELD_OUT == HELD_OUT - 1;
            if !is_held_out && self.train.is_some() {
                let start = training.tokens.len();
                training.tokens.extend(&one.tokens);
                training.learn.resize(training.tokens.len(), true);
                training.documents.push(start..training.tokens.len());
            }
            if is_held_out {
                append(&mut held_out, one);
            } else if i < wanted {
                append(&mut curvature, one);
            }
        }
        // A second sequence gives the first figure its error.
        if held_out.tokens.len() < 2 * sequence {
            bail!(
                "expected at least {} tokens of text, found {}: of every {HELD_OUT} sequences one is kept aside; give a longer \
                 text, or read more of it with --tokens",
                2 * HELD_OUT * sequence,
                wanted * sequence
            );
        }
        let training = Packing::new(vec![(training, 1.0)], sequence, Some(self.seed));
        Ok(Texts { curvature, held_out, training })
    }
}

/// Trains a child with `tune` for the time of `effort`, and keeps what comes out only where `judge` finds it closer to the
/// parent beyond doubt; how many steps `how` has follows from that time. Gives the child, its divergence, and that before
/// the training if there was any.
///
/// The child is written before it is trained too, so that whatever ends the program leaves a file. Ctrl-C ends the
/// training and no more, once `signals::catch` was called.
pub fn train<C>(
    effort: Option<Effort>,
    mut how: Tuning,
    child: C,
    training: &Packing,
    tune: impl Fn(&C, Cpu, Packing, &Tuning, &mut dyn FnMut(Point) -> bool) -> Result<C, hob_shrink::Error>,
    judge: impl Fn(&C) -> Divergences,
    write: impl Fn(&C) -> anyhow::Result<()>,
) -> anyhow::Result<(C, Divergences, Option<Divergences>)> {
    write(&child)?;
    let before = judge(&child);
    let Some(effort) = effort.filter(|_| !signals::is_requested()) else {
        return Ok((child, before, None));
    };
    let cpu = || Cpu::new(how.threads, Compute::Fast);
    let mut progress = Progress::start();
    how.steps = match effort {
        Effort::Tokens(tokens) => tokens / how.batch as u64,
        Effort::Time(time) => {
            let start = Instant::now();
            let trial = Tuning { steps: TRIAL, ..how };
            tune(&child, cpu(), training.clone(), &trial, &mut |_| true)?;
            (time.as_secs_f64() * TRIAL as f64 / start.elapsed().as_secs_f64()) as u64
        }
    }
    .max(1);
    let start = Instant::now();
    let mut done = 0;
    let mut heard = |p: Point| {
        done = p.step;
        let left = start.elapsed().as_secs_f64() * (how.steps - done) as f64 / done as f64;
        let line = || {
            format!("training: step {done} of {}, divergence {:.5}, {} left", how.steps, p.loss, span(left))
        };
        let event = || json!({"event": "training", "step": done, "total": how.steps, "loss": p.loss});
        progress.update(line, event);
        !signals::is_requested()
    };
    let tuned = tune(&child, cpu(), training.clone(), &how, &mut heard)?;
    drop(progress);
    if done < how.steps {
        note(&format!("training was stopped after {done} of {} steps", how.steps));
    }
    let after = judge(&tuned);
    let gain = before.beyond(&after);
    if gain.mean > 2.0 * gain.error {
        write(&tuned)?;
        return Ok((tuned, after, Some(before)));
    }
    note(&format!(
        "training did not help beyond doubt ({:.5} ± {:.5} nats per token less): the untrained result is kept",
        gain.mean, gain.error
    ));
    Ok((child, before.clone(), Some(before)))
}

fn append(to: &mut Sequences, mut one: Sequences) {
    let start = to.tokens.len();
    one.documents.iter_mut().for_each(|d| *d += start);
    to.tokens.append(&mut one.tokens);
    to.targets.append(&mut one.targets);
    to.weights.append(&mut one.weights);
    to.documents.append(&mut one.documents);
}
