//! The prompt of a gap between two texts, for models that were trained to fill them.

use crate::fields::Fields;
use crate::limits;
use crate::problem::Problem;
use hob::{EncodeOptions, LanguageModel, Tokenizer};
use serde_json::Value;

/// Names of the tokens before a gap's beginning, its end and itself, by family.
const MARKS: [[&str; 3]; 5] = [
    ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
    ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
    ["<|fim_begin|>", "<|fim_end|>", "<|fim_hole|>"],
    ["▁<PRE>", "▁<SUF>", "▁<MID>"],
    ["<PRE>", "<SUF>", "<MID>"],
];

/// The ids of a gap.
///
/// # Errors
/// A model without the tokens for it, or a field that is not as it should be.
pub fn prompt(model: &LanguageModel, fields: &Fields<'_>) -> Result<Vec<u32>, Problem> {
    let tokenizer = model.tokenizer().map_err(Problem::from)?;
    let Some([before, after, gap]) = marks(tokenizer) else {
        let message = "this model was not trained to fill gaps: its vocabulary has no tokens for that";
        return Err(Problem::invalid("model", message).code("no_infill"));
    };
    let encode =
        |text: &str| tokenizer.encode(text, EncodeOptions { add_special: false, parse_special: false });
    let prefix = format!("{}{}", extra(fields)?, fields.text("input_prefix")?.unwrap_or_default());
    let mut ids: Vec<u32> = tokenizer.special().bos.into_iter().collect();
    ids.push(before);
    ids.extend(encode(&prefix));
    ids.push(after);
    ids.extend(encode(fields.text("input_suffix")?.unwrap_or_default()));
    ids.push(gap);
    ids.extend(encode(fields.text("prompt")?.unwrap_or_default()));
    Ok(ids)
}

fn marks(tokenizer: &Tokenizer) -> Option<[u32; 3]> {
    MARKS.iter().find_map(|[before, after, gap]| {
        Some([tokenizer.id_of(before)?, tokenizer.id_of(after)?, tokenizer.id_of(gap)?])
    })
}

/// Other files, before the text at hand.
fn extra(fields: &Fields<'_>) -> Result<String, Problem> {
    let files = fields.list("input_extra", limits::INPUTS_MAX)?.unwrap_or_default();
    let text = |(index, file): (usize, &Value)| {
        let place = format!("input_extra[{index}]");
        let file = Fields::of(file, &place)?;
        Ok(format!("{}\n{}\n", file.text("filename")?.unwrap_or_default(), file.need_text("text")?))
    };
    files.iter().enumerate().map(text).collect::<Result<String, _>>()
}
