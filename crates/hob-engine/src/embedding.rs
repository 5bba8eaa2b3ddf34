//! One vector for a whole text.

use crate::{Engine, Error, Result};
use hob_model::spec::Pooling;
use hob_model::{Step, Wanted};

impl Engine {
    /// The L2-normalised embedding of `ids`, pooled as the model says or as `pooling` wants. `[D]`, or the width of the
    /// model's last dense layer.
    ///
    /// # Errors
    /// [`Error::WrongKind`] for a generative model without a stated `pooling`; tokens or positions the model lacks.
    pub fn embed(&self, ids: &[u32], pooling: Option<Pooling>) -> Result<Vec<f32>> {
        let model = self.model();
        let Some(pooling) = pooling.or_else(|| model.pooling()) else {
            return Err(Error::WrongKind {
                is: "generates text",
                wanted: "an embedding without a stated pooling",
            });
        };
        if ids.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        let hidden = self.hidden(ids)?;
        let mut vector = pool(&hidden, model.spec().hidden, pooling);
        vector = model.dense(self.cpu(), vector);
        let norm = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        if norm > 0.0 {
            vector.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
        }
        Ok(vector)
    }

    /// The last hidden states of all positions, `[T, D]`.
    ///
    /// # Errors
    /// Tokens or positions the model lacks.
    pub fn hidden(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let mut kv = self.empty_kv(ids.len());
        let step = Step { tokens: ids, kv: &mut kv, wanted: Wanted::All };
        Ok(self.model().forward(self.cpu(), &mut [step], None)?)
    }
}

fn pool(hidden: &[f32], width: usize, pooling: Pooling) -> Vec<f32> {
    let rows = hidden.len() / width;
    match pooling {
        Pooling::First => hidden[..width].to_vec(),
        Pooling::Last => hidden[(rows - 1) * width..].to_vec(),
        Pooling::Mean => {
            let mut sum = vec![0f64; width];
            for row in hidden.chunks_exact(width) {
                sum.iter_mut().zip(row).for_each(|(s, &x)| *s += f64::from(x));
            }
            sum.iter().map(|s| (s / rows as f64) as f32).collect()
        }
    }
}
