//! Logits, hidden states, likelihood and greedy text of a language model.

use super::{Family, GREEDY_MARGIN_MIN, HIDDEN_RELATIVE_MAX, LOGITS_ABS_MAX, expected::Prompt, mobile};
use crate::{
    compare::{argmax, require_close, require_greedy, require_rows_close},
    report::Report,
    subject::{ModelUnderTest, Rows},
};

/// Checks one prompt; `full` says whether the weights are the full-precision ones.
pub fn check(
    family: &Family<'_>,
    name: &str,
    prompt: &Prompt,
    full: bool,
    model: &mut dyn ModelUnderTest,
    report: &mut Report,
) {
    let mut logits = None;
    report.case(&format!("{name}/logits"), || {
        let found = logits.insert(model.logits(&prompt.ids)?);
        check_logits(family, prompt, found)
    });
    if let (Some(expected), Some(found)) = (prompt.prompt_nll, &logits) {
        report.case(&format!("{name}/nll"), || check_nll(prompt, expected, found));
    }
    if let Some(key) = hidden_key(family, prompt).filter(|_| full) {
        report.case(&format!("{name}/hidden"), || {
            let found = model.hidden_last(&prompt.ids)?;
            check_hidden(family, prompt, &key, &found)
        });
    }
    report.case(&format!("{name}/greedy"), || {
        let found = model.greedy(&prompt.ids, prompt.greedy_ids.len())?;
        require_greedy(&prompt.greedy_ids, &prompt.greedy_margins, &found, GREEDY_MARGIN_MIN)
            .map_err(|message| format!("{message}; {}", without_cache(prompt, &found, model)))
    });
}

/// What a pass over everything at once picks where cached decoding went wrong: tells the cache from the model.
fn without_cache(prompt: &Prompt, found: &[u32], model: &mut dyn ModelUnderTest) -> String {
    let same = prompt.greedy_ids.iter().zip(found).take_while(|(expected, found)| expected == found).count();
    let ids = [&prompt.ids[..], &prompt.greedy_ids[..same]].concat();
    match model.logits(&ids) {
        Ok(logits) => match logits.row(ids.len() - 1) {
            Some(row) => format!("without the cache: {}", argmax(row)),
            None => "without the cache: no logits".to_owned(),
        },
        Err(error) => format!("without the cache: {error}"),
    }
}

fn check_logits(family: &Family<'_>, prompt: &Prompt, found: &Rows) -> Result<(), String> {
    let key = prompt.logits_key.as_deref().ok_or("the fixture names no logits for this prompt")?;
    let expected = family.tensors.rows(key)?;
    if found.count() != prompt.ids.len() {
        return Err(format!("expected logits at {} positions, found {}", prompt.ids.len(), found.count()));
    }
    let rows = prompt.positions.iter().map(|&position| {
        found
            .row(position)
            .ok_or_else(|| format!("the fixture lists position {position} of {}", found.count()))
    });
    let listed = Rows::new(found.width, rows.collect::<Result<Vec<_>, _>>()?.concat());
    match prompt.f32_vs_f64_max_abs_diff {
        Some(spread) => mobile::check_logits(expected, &listed, spread),
        None => require_close(expected, &listed, LOGITS_ABS_MAX),
    }
}

/// The mean over the prompt of what each next token cost: one number that all positions take part in.
fn check_nll(prompt: &Prompt, expected: f64, logits: &Rows) -> Result<(), String> {
    let steps = prompt.ids.len().saturating_sub(1);
    let mut sum = 0.0;
    for (position, &next) in prompt.ids.iter().skip(1).enumerate() {
        let row = logits.row(position).ok_or("too few rows of logits")?;
        let own = *row.get(next as usize).ok_or_else(|| format!("token {next} has no logit"))?;
        let max = row.iter().fold(f32::NEG_INFINITY, |max, &value| max.max(value));
        let total: f64 = row.iter().map(|&value| f64::from(value - max).exp()).sum();
        sum += total.ln() - f64::from(own - max);
    }
    let found = sum / steps.max(1) as f64;
    // A logit may be off by the tolerance and the normaliser by as much the other way.
    let allowed = 2.0 * f64::from(LOGITS_ABS_MAX.max(prompt.f32_vs_f64_max_abs_diff.unwrap_or(0.0)));
    if (found - expected).abs() <= allowed {
        return Ok(());
    }
    Err(format!("expected a mean negative log-likelihood of {expected:.6}, found {found:.6}"))
}

fn hidden_key(family: &Family<'_>, prompt: &Prompt) -> Option<String> {
    let key = prompt.logits_key.as_deref()?.strip_suffix(".logits")?;
    Some(format!("{key}.hidden_last")).filter(|key| family.tensors.contains(key))
}

fn check_hidden(family: &Family<'_>, prompt: &Prompt, key: &str, found: &Rows) -> Result<(), String> {
    let expected = family.tensors.rows(key)?;
    let discontinuous = prompt.f32_vs_f64_max_abs_diff.is_some_and(|spread| spread > LOGITS_ABS_MAX);
    if !discontinuous {
        return require_rows_close(expected, found, HIDDEN_RELATIVE_MAX);
    }
    // Past the first rounding that two honest computations decide differently only the embedding is determined.
    let first =
        |rows: &Rows| rows.row(0).map(|row| Rows::new(rows.width, row.to_vec())).ok_or("no hidden states");
    require_rows_close(&first(expected)?, &first(found)?, HIDDEN_RELATIVE_MAX)
}
