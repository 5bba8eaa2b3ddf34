//! `POST /v1/embeddings`: one vector for each text.

use crate::App;
use crate::ask::{Ask, Input};
use crate::fields::Fields;
use crate::problem::Problem;
use crate::wire;
use crate::{ids, limits, reading};
use axum::response::Response;
use hob::{EncodeOptions, LanguageModel};
use serde_json::{Value, json};

/// Vectors with the tokens they took.
pub struct Embedded {
    /// Of each text.
    pub vectors: Vec<Vec<f32>>,
    /// Of all texts.
    pub tokens: usize,
    /// How long this request waited for the model to be loaded.
    pub load_time: std::time::Duration,
}

/// Embeds the texts.
///
/// # Errors
/// What is wrong with the request, or what the model cannot do.
pub async fn create(app: App, body: Value) -> Result<Response, Problem> {
    let fields = Fields::of(&body, "")?;
    let mut ask = Ask::new(fields.need_text("model")?, Input::Ids(Vec::new()));
    reading::extensions(&fields, &mut ask)?;
    let base64 = match fields.text("encoding_format")? {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(fields.wrong("encoding_format", "float or base64")),
    };
    let dimensions = fields.whole("dimensions", 1..=1 << 20)?.map(|count| count as usize);
    let inputs = inputs(&fields, "input", limits::INPUTS_MAX)?;
    let embedded = embed(&app, &ask, inputs, dimensions, ask.may_drop).await?;
    let data = embedded.vectors.iter().enumerate().map(|(index, vector)| {
        let embedding = if base64 { encode_base64(vector).into() } else { json!(vector) };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let data: Vec<Value> = data.collect();
    let usage = json!({"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens});
    Ok(wire::ok(&json!({"object": "list", "data": data, "model": ask.model, "usage": usage})))
}

/// A text, texts, token ids or several lists of them: up to `most`.
///
/// # Errors
/// Anything else.
pub fn inputs(fields: &Fields<'_>, key: &str, most: usize) -> Result<Vec<Input>, Problem> {
    let expected = format!("a text, a list of token ids, or up to {} of these", most);
    let wrong = || fields.wrong(key, &expected);
    let ids = |items: &[Value]| -> Option<Vec<u32>> {
        items.iter().map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok())).collect()
    };
    let one = |value: &Value| match value {
        Value::String(text) => Some(Input::Text(text.clone())),
        Value::Array(items) if !items.is_empty() => ids(items).map(Input::Ids),
        _ => None,
    };
    match fields.get(key).ok_or_else(wrong)? {
        Value::Array(items) if items.is_empty() => Err(wrong()),
        Value::Array(items) if !items[0].is_number() && items.len() <= most => {
            items.iter().map(one).collect::<Option<Vec<_>>>().ok_or_else(wrong)
        }
        value => one(value).map(|input| vec![input]).ok_or_else(wrong),
    }
}

/// The vectors of texts, cut to `dimensions` if so many are wanted. Texts that are too long are cut only where that is
/// allowed.
///
/// # Errors
/// What the model cannot do.
pub async fn embed(
    app: &App,
    ask: &Ask,
    inputs: Vec<Input>,
    dimensions: Option<usize>,
    may_cut: bool,
) -> Result<Embedded, Problem> {
    app.visit.check_budget()?;
    let lease = app.lease(&ask.model, ask.keep_alive).await?;
    let context = ask.context.unwrap_or(lease.fit.context);
    let texts = inputs.into_iter().enumerate().map(|(index, input)| {
        let mut ids = encode(&lease.model, input)?;
        if ids.len() > context && !may_cut {
            let message =
                format!("input[{index}]: {} tokens are more than the {context} of the context", ids.len());
            return Err(Problem::invalid("input", message).code("context_length_exceeded"));
        }
        ids.truncate(context);
        Ok(ids)
    });
    let texts: Vec<Vec<u32>> = texts.collect::<Result<_, Problem>>()?;
    let tokens = texts.iter().map(Vec::len).sum();
    app.visit.read(tokens);
    let mut vectors = lease.runner.embed(texts).await?;
    if let Some(count) = dimensions {
        let width = vectors.first().map_or(0, Vec::len);
        if count > width {
            return Err(Problem::invalid(
                "dimensions",
                format!("dimensions: this model's vectors have {width}"),
            ));
        }
        vectors.iter_mut().for_each(|vector| shorten(vector, count));
    }
    Ok(Embedded { vectors, tokens, load_time: lease.load_time() })
}

fn encode(model: &LanguageModel, input: Input) -> Result<Vec<u32>, Problem> {
    match input {
        Input::Text(text) => {
            let options = EncodeOptions { add_special: true, parse_special: false };
            Ok(model.tokenizer().map_err(Problem::from)?.encode(&text, options))
        }
        other => Ok(crate::ask::prompt(model, &other)?.tokens().to_vec()),
    }
}

/// The first numbers of a vector, of length 1 again.
fn shorten(vector: &mut Vec<f32>, count: usize) {
    vector.truncate(count);
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    }
}

/// Numbers of 32 bits, lowest byte first, in base 64.
fn encode_base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
    ids::base64(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_others_write_it() {
        assert_eq!(encode_base64(&[]), "");
        assert_eq!(encode_base64(&[1.0]), "AACAPw==");
        assert_eq!(encode_base64(&[1.0, -2.5]), "AACAPwAAIMA=");
        assert_eq!(encode_base64(&[0.0, 0.0, 1.0]), "AAAAAAAAAAAAAIA/");
    }

    #[test]
    fn a_shorter_vector_has_length_one() {
        let mut vector = vec![0.6, 0.0, 0.8];
        shorten(&mut vector, 2);
        assert_eq!(vector, [1.0, 0.0]);
    }
}
