//! Training a child with its parent as teacher and the file's own quantiser before every pass, so that the weights settle where
//! their rounding hurts least.

use crate::{Error, Outcome, StoredTensor};
use hob_kernels::Cpu;
use hob_quant::{TensorType, quantize_row};
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
            optimizer: Rule::AdamW,
            rate: self.rate,
            warmup: (self.steps / 20).min(20),
            // The rate falls all along: what is trained last is kept.
            cooldown: 0.9,
            decay: 0.0,
            clip: 1.0,
            betas: [0.9, 0.99],
            recompute: false,
            store: None,
            valid_every: u64::MAX,
            save_every: u64::MAX,
        }
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
        trainer.learn_from(Teacher { network: network.clone(), params: params.to_vec() })?;
        for _ in 0..how.steps {
            if !heard(trainer.step()?) {
                break;
            }
        }
        self.stored(&trainer)
    }

    /// The tensors that the trainer's file would have.
    fn stored(&self, trainer: &Trainer) -> Result<Self, Error> {
        let layout = trainer.network().layout();
        let mut tensors = Vec::new();
        for (old, (_, range)) in self.tensors.iter().zip(layout.iter()) {
            let mut bytes = vec![0; old.bytes.len()];
            let width = old.shape[old.shape.len() - 1];
            let row_bytes = old.ty.row_bytes(width).expect("the type fitted before");
            let rows = trainer.params()[range].chunks_exact(width).zip(bytes.chunks_exact_mut(row_bytes));
            for (row, bytes) in rows {
                quantize_row(old.ty, row, bytes)
                    .map_err(|source| Error::Quantize { name: old.name.clone(), source })?;
            }
            tensors.push(StoredTensor { bytes, ..old.clone() });
        }
        Ok(Self { tensors, plan: self.plan.clone() })
    }
}
