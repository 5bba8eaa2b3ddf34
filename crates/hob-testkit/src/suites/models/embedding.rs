//! Hidden states and pooled vectors of an embedding model.

use super::{Family, HIDDEN_RELATIVE_MAX, expected::Prompt};
use crate::{
    compare::require_rows_close,
    report::Report,
    subject::{ModelUnderTest, Rows},
};

/// How far the length of a normalised vector may be from one.
const UNIT_LENGTH_MAX: f64 = 1e-4;

/// Checks one text.
pub fn check(
    family: &Family<'_>,
    name: &str,
    prompt: &Prompt,
    model: &mut dyn ModelUnderTest,
    report: &mut Report,
) {
    let mut run = None;
    report.case(&format!("{name}/last_hidden"), || {
        let run = run.insert(model.embed(&prompt.ids)?);
        let key =
            prompt.last_hidden_key.as_deref().ok_or("the fixture names no hidden states for this prompt")?;
        require_rows_close(family.tensors.rows(key)?, &run.last_hidden, HIDDEN_RELATIVE_MAX)
    });
    report.case(&format!("{name}/embedding"), || {
        let run = run.ok_or("the model gave no embedding")?;
        let key = prompt.embedding_key.as_deref().ok_or("the fixture names no embedding for this prompt")?;
        let length = dot(&run.embedding, &run.embedding).sqrt();
        if (length - 1.0).abs() > UNIT_LENGTH_MAX || run.embedding.is_empty() {
            return Err(format!("expected a vector of length 1, found {length}"));
        }
        let found = Rows::new(run.embedding.len(), run.embedding);
        require_rows_close(family.tensors.rows(key)?, &found, HIDDEN_RELATIVE_MAX)
    });
}

/// Checks the cosines between the texts of one list: what a user of embeddings sees.
pub fn check_cosines(
    family: &Family<'_>,
    label: &str,
    prompts: &[Prompt],
    model: &mut dyn ModelUnderTest,
    report: &mut Report,
) {
    if prompts.iter().all(|prompt| prompt.cosine_to.is_empty()) {
        return;
    }
    report.case(&format!("{}/{label}/cosines", family.name), || {
        let runs = prompts.iter().map(|prompt| Ok((prompt, model.embed(&prompt.ids)?.embedding)));
        let runs = runs.collect::<Result<Vec<_>, String>>()?;
        for (prompt, embedding) in &runs {
            for (other, other_embedding) in &runs {
                let Some(&expected) = prompt.cosine_to.get(&other.name) else { continue };
                let found = dot(embedding, other_embedding);
                let close = (found - expected).abs() <= 2.0 * HIDDEN_RELATIVE_MAX;
                if !close {
                    return Err(format!(
                        "{} to {}: expected {expected}, found {found}",
                        prompt.name, other.name
                    ));
                }
            }
        }
        Ok(())
    });
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}
