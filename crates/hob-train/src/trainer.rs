//! The loop's body: one step, one measurement, one checkpoint. Whoever calls it has the clock and the screen.

use crate::checkpoint::Checkpoint;
use crate::data::{Packing, Sequences};
use crate::optimizer::{Constants, Means, Stride, update};
use crate::recipe::Training;
use crate::storage::Due;
use crate::{Batch, Error, Goal, Layout, Lora, Loss, Network, Storage, Workspace};
use hob_kernels::Cpu;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What is known after a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The step, from 1.
    pub step: u64,
    /// Mean loss of the step's batch, in nats per token.
    pub loss: f64,
    /// Norm of the mean gradient, before clipping.
    pub gradient: f64,
    /// Learning rate.
    pub rate: f32,
    /// Loss on the validation text, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub valid: Option<f64>,
}

/// A model whose predictions are learned in place of the text: of the same vocabulary, and never changed.
pub struct Teacher {
    /// Its plan.
    pub network: Network,
    /// Its parameters.
    pub params: Vec<f32>,
}

/// What is needed when `params` are the factors of a [`Lora`].
struct Adapting {
    lora: Lora,
    /// The model's parameters, which stay as they are.
    base: Vec<f32>,
    /// Gradient by the factors.
    grads: Vec<f32>,
}

/// A model that is being trained.
pub struct Trainer {
    cpu: Cpu,
    network: Network,
    how: Training,
    data: Packing,
    params: Vec<f32>,
    grads: Vec<f32>,
    means: Means,
    work: Workspace,
    teacher: Option<(Teacher, Workspace)>,
    storage: Option<Storage>,
    lora: Option<Adapting>,
    /// What is computed with where that is not `params`: what the file would hold of them, or the adapted matrices.
    stored: Vec<f32>,
    threads: usize,
    /// Factors on the learning rate.
    paces: Vec<f32>,
    step: u64,
    points: Vec<Point>,
}

impl Trainer {
    /// Begins at step 0 with `params`.
    ///
    /// # Errors
    /// [`Error::Recipe`] when the data has no whole sequence.
    pub fn new(
        cpu: Cpu,
        network: Network,
        params: Vec<f32>,
        mut data: Packing,
        how: &Training,
    ) -> Result<Self, Error> {
        let tokens = data.epoch_tokens();
        if tokens < how.sequence {
            return Err(Error::Recipe {
                key: "data".into(),
                expected: format!("at least one sequence of {} tokens", how.sequence),
                found: format!("{tokens} tokens"),
            });
        }
        Ok(Self {
            cpu,
            work: Workspace::new(how.recompute),
            grads: vec![0.0; params.len()],
            means: Means::new(params.len()),
            network,
            how: how.clone(),
            data,
            params,
            teacher: None,
            storage: None,
            lora: None,
            stored: Vec::new(),
            threads: 1,
            paces: Vec::new(),
            step: 0,
            points: Vec::new(),
        })
    }

    /// Learns the predictions of `teacher` in place of the text.
    ///
    /// # Errors
    /// [`Error::Recipe`] when its vocabulary has another size.
    pub fn learn_from(&mut self, teacher: Teacher) -> Result<(), Error> {
        let [ours, theirs] = [&self.network, &teacher.network].map(|n| n.spec().vocab);
        if ours != theirs {
            return Err(Error::Recipe {
                key: "teacher".into(),
                expected: format!("a model with the student's vocabulary, {ours} tokens"),
                found: format!("{theirs} tokens"),
            });
        }
        self.teacher = Some((teacher, Workspace::new(true)));
        Ok(())
    }

    /// Computes from now on with what a file of `storage` would hold, rounded by `threads` threads.
    pub fn store_as(&mut self, storage: Storage, threads: usize) {
        self.stored = vec![0.0; self.params.len()];
        (self.storage, self.threads) = (Some(storage), threads);
    }

    /// Multiplies the learning rate of each tensor, in the layout's order, by one of `paces` from now on.
    pub fn pace(&mut self, paces: Vec<f32>) {
        self.paces = paces;
    }

    /// Learns the factors of `lora` from now on, beginning with those of `seed`; the parameters stay as they are.
    pub fn adapt(&mut self, lora: Lora, seed: u64) {
        debug_assert!(self.storage.is_none(), "recipes with both are refused");
        let base = std::mem::replace(&mut self.params, lora.fresh(seed));
        self.means = Means::new(self.params.len());
        self.stored = vec![0.0; base.len()];
        self.lora = Some(Adapting { grads: vec![0.0; self.params.len()], lora, base });
    }

    /// The factors that are learned, where it is they.
    pub fn lora(&self) -> Option<&Lora> {
        self.lora.as_ref().map(|l| &l.lora)
    }

    /// Where what is learned stands.
    fn layout(&self) -> &Layout {
        self.lora().map_or(self.network.layout(), Lora::layout)
    }

    /// The blocks of each tensor that the parameters are stored as by now.
    ///
    /// # Errors
    /// [`Error::Tensor`] for a number that its type cannot hold.
    ///
    /// # Panics
    /// When the parameters are not stored: [`Trainer::store_as`].
    pub fn blocks(&mut self) -> Result<&[Vec<u8>], Error> {
        self.round(Due::Every)?;
        Ok(self.storage.as_ref().expect("parameters that are stored").blocks())
    }

    /// The types of the file that is trained for.
    pub fn storage(&self) -> Option<&Storage> {
        self.storage.as_ref()
    }

    /// Brings what is `due` of `stored` up to date.
    fn round(&mut self, due: Due) -> Result<(), Error> {
        if let Some(Adapting { lora, base, .. }) = &self.lora {
            lora.apply(&self.cpu, base, &self.params, &mut self.stored);
        }
        match &mut self.storage {
            Some(s) => s.round(self.network.layout(), &self.params, &mut self.stored, self.threads, due),
            None => Ok(()),
        }
    }

    /// The model.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Its parameters, or the factors that are learned in their place.
    pub fn params(&self) -> &[f32] {
        &self.params
    }

    /// Steps done.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// What was measured so far.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Does one step; the same whatever happened between this one and the last.
    ///
    /// # Errors
    /// [`Error::Diverged`] when the loss is no number.
    pub fn step(&mut self) -> Result<Point, Error> {
        let per_step = self.how.batch / self.how.sequence;
        let all = self.data.sequences(self.step * per_step as u64, per_step);
        self.grads.fill(0.0);
        let mut loss = Loss::default();
        self.round(Due::Turn)?;
        let Self { cpu, network, params, stored, grads, work, teacher, .. } = self;
        let params = if stored.is_empty() { params } else { stored };
        for part in parts(&all, self.how.sequence, self.how.micro) {
            let batch = part.batch();
            network.forward(cpu, params, &batch, work);
            let goal = (goal(cpu, teacher, &part), part.weights);
            loss += network.train(cpu, params, grads, &batch, work, goal);
        }
        let step = self.step + 1;
        if !loss.sum.is_finite() {
            return Err(Error::Diverged { step, loss: loss.sum });
        }
        let (grads, layout) = match &mut self.lora {
            Some(Adapting { lora, grads, .. }) => {
                lora.gradients(&self.cpu, &self.grads, &self.params, grads);
                (&*grads, lora.layout())
            }
            None => (&self.grads, self.network.layout()),
        };
        let per_token = if loss.weight > 0.0 { 1.0 / loss.weight } else { 0.0 };
        let gradient = norm(grads) * per_token;
        let clip = (f64::from(self.how.clip) / gradient.max(1e-30)).min(1.0);
        let rate = self.how.rate_at(step);
        let Training { optimizer: rule, betas, decay, .. } = self.how;
        let how = Constants { rule, betas, decay, paces: &self.paces };
        let at = Stride { rate, scale: (per_token * clip) as f32, step };
        update(&self.cpu, layout, &how, at, &mut self.params, grads, &mut self.means);
        self.step = step;
        let point = Point { step, loss: loss.mean(), gradient, rate, valid: None };
        self.points.push(point);
        Ok(point)
    }

    /// Mean loss over `text`, in nats per token (divergence from the teacher where there is one); noted beside the last step.
    ///
    /// # Errors
    /// [`Error::Tensor`] for a number that its type cannot hold.
    pub fn validate(&mut self, text: &Sequences) -> Result<f64, Error> {
        self.round(Due::Every)?;
        let Self { cpu, network, params, stored, work, teacher, .. } = self;
        let params = if stored.is_empty() { params } else { stored };
        let mut loss = Loss::default();
        for part in parts(text, self.how.sequence, self.how.micro) {
            network.forward(cpu, params, &part.batch(), work);
            let goal = goal(cpu, teacher, &part);
            loss += network.loss(cpu, params, work, goal, part.weights);
        }
        if let Some(point) = self.points.last_mut() {
            point.valid = Some(loss.mean());
        }
        Ok(loss.mean())
    }

    /// Writes all that [`Trainer::resume`] needs.
    ///
    /// # Errors
    /// As [`Checkpoint::save`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let (params, means) = (self.params.clone(), self.means.clone());
        let checkpoint = Checkpoint { step: self.step, params, means, points: self.points.clone() };
        checkpoint.save(path, self.layout())
    }

    /// Goes on where the run that wrote `path` was.
    ///
    /// # Errors
    /// As [`Checkpoint::load`].
    pub fn resume(&mut self, path: &Path) -> Result<(), Error> {
        let Checkpoint { step, params, means, points } = Checkpoint::load(path, self.layout())?;
        (self.step, self.params, self.means, self.points) = (step, params, means, points);
        Ok(())
    }
}

/// What `part` is trained towards; the teacher reads it first.
fn goal<'a>(cpu: &Cpu, teacher: &'a mut Option<(Teacher, Workspace)>, part: &Part<'a>) -> Goal<'a> {
    let Some((Teacher { network, params }, work)) = teacher else { return Goal::Next(part.targets) };
    network.forward(cpu, params, &part.batch(), work);
    Goal::Teacher { network, params, work }
}

/// In blocks, so that the sum of many squares keeps its digits.
fn norm(x: &[f32]) -> f64 {
    let block = |x: &[f32]| x.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>();
    x.chunks(1 << 12).map(block).sum::<f64>().sqrt()
}

/// Some sequences of a step.
struct Part<'a> {
    tokens: &'a [u32],
    targets: &'a [u32],
    weights: &'a [f32],
    documents: Vec<usize>,
    sequence: usize,
}

impl Part<'_> {
    fn batch(&self) -> Batch<'_> {
        Batch { tokens: self.tokens, documents: &self.documents, sequence: self.sequence }
    }
}

/// Whole sequences of at most about `micro` tokens.
fn parts(all: &Sequences, sequence: usize, micro: usize) -> impl Iterator<Item = Part<'_>> {
    let step = (micro / sequence).max(1) * sequence;
    (0..all.tokens.len()).step_by(step).map(move |start| {
        let range = start..(start + step).min(all.tokens.len());
        Part {
            tokens: &all.tokens[range.clone()],
            targets: &all.targets[range.clone()],
            weights: &all.weights[range.clone()],
            documents: all.documents[range].iter().map(|d| d - start).collect(),
            sequence,
        }
    })
}
