//! Gemma 4 mobile checkpoints: single linear layers closely, the whole stack as far as rounding determines it.

use super::{Family, LOGITS_ABS_MAX};
use crate::{
    compare::{argmax, require_close},
    report::Report,
    subject::{ModelUnderTest, Rows},
};

/// Relative to the largest output of the layer.
const LINEAR_RELATIVE_MAX: f32 = 1e-5;

/// Checks each listed linear layer alone.
pub fn check(family: &Family<'_>, label: &str, model: &mut dyn ModelUnderTest, report: &mut Report) {
    for module in &family.expected.modules {
        report.case(&format!("{}/{label}/linear/{}", family.name, module.module), || {
            let (input, expected) =
                (family.tensors.rows(&module.input_key)?, family.tensors.rows(&module.output_key)?);
            let found = model.linear(&module.module, input)?;
            let largest = expected.data.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
            require_close(expected, &found, LINEAR_RELATIVE_MAX * largest)
        });
    }
}

/// Logits whose every ingredient was rounded to a grid. Two honest computations differ by up to `spread`; where they
/// barely do, so must this one, and the likeliest token has to agree wherever its lead is larger than the difference
/// that is allowed.
pub fn check_logits(expected: &Rows, found: &Rows, spread: f32) -> Result<(), String> {
    let allowed = LOGITS_ABS_MAX.max(2.0 * spread);
    require_close(expected, found, allowed)?;
    for (index, (e, f)) in
        expected.data.chunks(expected.width).zip(found.data.chunks(found.width)).enumerate()
    {
        let (best, got) = (argmax(e), argmax(f));
        if best != got && lead(e, best) > 2.0 * allowed {
            return Err(format!(
                "listed position {index}: expected token {best} to be the likeliest, found {got}"
            ));
        }
    }
    Ok(())
}

fn lead(values: &[f32], best: usize) -> f32 {
    let others = values.iter().enumerate().filter(|(index, _)| *index != best);
    values[best] - others.fold(f32::NEG_INFINITY, |max, (_, value)| max.max(*value))
}
