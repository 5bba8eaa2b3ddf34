//! Training a child with its parent as teacher: one of the parent's shape that computes with the blocks of its file, or a
//! narrower one.

use crate::{Error, Outcome, Pruned, StoredTensor};
use hob_kernels::Cpu;
use hob_train::data::Packing;
use hob_train::optimizer::Rule;
use hob_train::recipe::{PrecisionSetting, Training};
use hob_train::{Network, Point, Storage, Teacher, Trainer};

/// Steps of a rate of one in the size of a tensor that is not rounded: as in a type of five bits.
const STEPS_OF_VECTORS: f32 = 32.0;

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
    /// Highest learning rate; for rounded weights in steps of their types.
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
    /// A child of the same formats, computed as `network` says, that was trained towards the predictions of `teacher` on `text`;
    /// `heard` is told every step and stops the training when it returns false. `before` are the numbers that were rounded, laid
    /// out as those of `network`.
    ///
    /// Training begins with the very blocks of this child. Weights move to other elements of them, and the scales of blocks
    /// follow the weights, so that nothing of the rounding with feedback is lost at the start.
    ///
    /// # Errors
    /// [`Error::Train`] when the loss is no number or a weight outgrows its type.
    pub fn tuned(
        &self,
        cpu: Cpu,
        (network, before): (&Network, &[f32]),
        teacher: (&Network, &[f32]),
        text: Packing,
        how: &Tuning,
        heard: &mut dyn FnMut(Point) -> bool,
    ) -> Result<Self, Error> {
        let layout = network.layout();
        let rounded = self.params(layout);
        let paces = layout.iter().map(|(_, range)| pace(&before[range.clone()], &rounded[range])).collect();
        let mut trainer = Trainer::new(cpu, network.clone(), rounded, text, &how.training())?;
        trainer.store_as(
            Storage::settled(self.tensors.iter().map(|t| (t.format, t.bytes.clone()))),
            how.threads,
        );
        trainer.pace(paces);
        how.run(&mut trainer, teacher, heard)?;
        let blocks = trainer.blocks()?.iter().cloned();
        let tensors = self.tensors.iter().zip(blocks);
        let tensors = tensors.map(|(old, bytes)| StoredTensor { bytes, ..old.clone() }).collect();
        Ok(Self { tensors, ..self.clone() })
    }
}

/// How far a number of a tensor moves at a rate of one: from one element of its type to the next, as far as the errors of
/// rounding tell, which are spread evenly between two. A tensor that is stored as it is moves by its size over
/// [`STEPS_OF_VECTORS`].
fn pace(w: &[f32], rounded: &[f32]) -> f32 {
    let mean = |squares: f64| squares / w.len() as f64;
    let error = mean(w.iter().zip(rounded).map(|(w, q)| f64::from(w - q).powi(2)).sum());
    let size = mean(w.iter().map(|w| f64::from(*w).powi(2)).sum());
    if error > 0.0 { (12.0 * error).sqrt() as f32 } else { size.sqrt() as f32 / STEPS_OF_VECTORS }
}
