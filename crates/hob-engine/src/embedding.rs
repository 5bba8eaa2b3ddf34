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
        let mut vectors = self.embed_many(&[ids], pooling)?;
        Ok(vectors.remove(0))
    }

    /// [`Engine::embed`] for several texts: short ones are computed together, so that weights are read once for them. In
    /// fast mode a vector may differ in its rounding with how many tokens that makes; alone it is always the same.
    ///
    /// # Errors
    /// As [`Engine::embed`], for the first text that is refused.
    pub fn embed_many<T: AsRef<[u32]>>(
        &self,
        texts: &[T],
        pooling: Option<Pooling>,
    ) -> Result<Vec<Vec<f32>>> {
        let Some(pooling) = pooling.or_else(|| self.model().pooling()) else {
            return Err(Error::WrongKind {
                is: "generates text",
                wanted: "an embedding without a stated pooling",
            });
        };
        if texts.iter().any(|text| text.as_ref().is_empty()) {
            return Err(Error::EmptyPrompt);
        }
        let mut vectors = Vec::with_capacity(texts.len());
        let mut rest = texts;
        while !rest.is_empty() {
            let mut tokens = 0;
            let fitting = rest.iter().take_while(|text| {
                tokens += text.as_ref().len();
                tokens <= self.config().prefill_chunk
            });
            let (now, later) = rest.split_at(fitting.count().max(1));
            self.embed_together(now, pooling, &mut vectors)?;
            rest = later;
        }
        Ok(vectors)
    }

    /// One pass over all of `texts`.
    fn embed_together<T: AsRef<[u32]>>(
        &self,
        texts: &[T],
        pooling: Pooling,
        vectors: &mut Vec<Vec<f32>>,
    ) -> Result<()> {
        let width = self.model().spec().hidden;
        let hidden = self.hidden_together(texts)?;
        let mut rest = &hidden[..];
        for text in texts {
            let (own, others) = rest.split_at(text.as_ref().len() * width);
            let vector = self.model().dense(self.cpu(), pool(own, width, pooling));
            vectors.push(unit_length(vector));
            rest = others;
        }
        Ok(())
    }

    /// The last hidden states of all positions, `[T, D]`.
    ///
    /// # Errors
    /// Tokens or positions the model lacks.
    pub fn hidden(&self, ids: &[u32]) -> Result<Vec<f32>> {
        self.hidden_together(&[ids])
    }

    fn hidden_together<T: AsRef<[u32]>>(&self, texts: &[T]) -> Result<Vec<f32>> {
        let mut caches: Vec<_> = texts.iter().map(|text| self.empty_kv(text.as_ref().len())).collect();
        let mut steps: Vec<Step<'_>> = texts
            .iter()
            .zip(&mut caches)
            .map(|(text, kv)| Step { tokens: text.as_ref(), kv, wanted: Wanted::All })
            .collect();
        Ok(self.model().forward(self.cpu(), &mut steps, None)?)
    }
}

/// The same direction with length 1; a vector of zeros stays one.
fn unit_length(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
    }
    vector
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
