//! Training a child with its parent as teacher: one of the parent's shape with the file's own quantiser before every pass, so that
//! the weights settle where their rounding hurts least, or a narrower one.

use crate::{Error, Outcome, Pruned, Rounding, StoredTensor, round_matrix};
use hob_kernels::Cpu;
use hob_quant::TensorType;
use hob_train::data::Packing;
use hob_train::optimizer::Rule;
use hob_train::recipe::{PrecisionSetting, Training};
use hob_train::{Network, Point, Storage, Teacher, Trainer};
use std::collections::BTreeMap;

/// How a child is trained.
#[derive(Clone, Copy, Debug)]
pub struct Tuning {
    /// Steps.
    pub steps: u64,
    /// Tokens of a step, a multiple of `sequence`.
    pub batch: usize,
    /// Tokens of a sequence.
    pub sequence: usize,
    /// Which optimiser.
    pub rule: Rule,
    /// Highest learning rate.
    pub rate: f32,
    /// Threads that round.
    pub threads: usize,
}

impl Tuning {
    fn training(&self) -> Training {
        Training {
            tokens: self.steps * self.batch as u64,
            sequence: self.sequence,
            batch: self.batch,
            micro: 2048,
            precision: PrecisionSetting::Bf16,
            optimizer: self.rule,
            rate: self.rate,
            warmup: (self.steps / 20).min(20),
            // The rate falls all along: what is trained last is kept.
            cooldown: 0.9,
            decay: 0.0,
            clip: 1.0,
            betas: [0.9, 0.99],
            recompute: false,
            store: None,
            lora: None,
            valid_every: u64::MAX,
            save_every: u64::MAX,
        }
    }
}

impl Tuning {
    /// All steps, with the parent as teacher.
    fn run(
        &self,
        trainer: &mut Trainer,
        (network, params): (&Network, &[f32]),
        heard: &mut dyn FnMut(Point) -> bool,
    ) -> Result<(), Error> {
        trainer.learn_from(Teacher { network: network.clone(), params: params.to_vec() })?;
        for _ in 0..self.steps {
            if !heard(trainer.step()?) {
                break;
            }
        }
        Ok(())
    }
}

impl Pruned {
    /// The same after training towards the parent's predictions on `text`, as [`Outcome::tuned`] does it.
    ///
    /// # Errors
    /// [`Error::Train`] when the loss is no number.
    pub fn tuned(
        &self,
        cpu: Cpu,
        parent: (&Network, &[f32]),
        text: Packing,
        how: &Tuning,
        heard: &mut dyn FnMut(Point) -> bool,
    ) -> Result<Self, Error> {
        let (network, params) = (self.network.clone(), self.params.clone());
        let mut trainer = Trainer::new(cpu, network, params, text, &how.training())?;
        how.run(&mut trainer, parent, heard)?;
        Ok(Self { params: trainer.params().to_vec(), ..self.clone() })
    }
}

impl Outcome {
    /// A child of the same types that was trained towards the parent's predictions on `text`; `heard` is told every step and
    /// stops the training when it returns false.
    ///
    /// # Errors
    /// [`Error::Train`] when the loss is no number or a weight outgrows its type.
    pub fn tuned(
        &self,
        cpu: Cpu,
        (network, params): (&Network, &[f32]),
        text: Packing,
        how: &Tuning,
        heard: &mut dyn FnMut(Point) -> bool,
    ) -> Result<Self, Error> {
        let layout = network.layout();
        let types: BTreeMap<String, TensorType> =
            self.plan.choices.iter().map(|c| (c.name.clone(), c.candidate.ty)).collect();
        let storage = Storage::of(layout, &types, TensorType::F32);
        let mut trainer = Trainer::new(cpu, network.clone(), self.params(layout), text, &how.training())?;
        trainer.store_as(storage, how.threads);
        how.run(&mut trainer, (network, params), heard)?;
        self.stored(&trainer, how.threads)
    }

    /// The tensors that the trainer's file would have.
    fn stored(&self, trainer: &Trainer, threads: usize) -> Result<Self, Error> {
        let layout = trainer.network().layout();
        let tensors = self.tensors.iter().zip(layout.iter()).map(|(old, (_, range))| {
            let (w, width) = (&trainer.params()[range], old.shape[old.shape.len() - 1]);
            let bytes = round_matrix(old.ty, w, width, Rounding::Nearest, threads)
                .map_err(|source| Error::Quantize { name: old.name.clone(), source })?;
            Ok(StoredTensor { bytes, ..old.clone() })
        });
        let tensors = tensors.collect::<Result<_, Error>>()?;
        Ok(Self { tensors, ..self.clone() })
    }
}
