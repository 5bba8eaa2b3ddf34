//! Fields that several interfaces share: how tokens are drawn, what ends an answer, how long a model stays.

use crate::ask::{Ask, Leave, Sampling};
use crate::engine::KeepAlive;
use crate::fields::Fields;
use crate::limits;
use crate::problem::Problem;
use hob::{Grammar, JsonOptions, JsonWhitespace};
use hob_chats::Id;
use hob_cloud::{Consent, Say};
use serde_json::{Map, Value};
use std::time::Duration;

/// Tokens that a request may ask for.
pub fn tokens(fields: &Fields<'_>, key: &str) -> Result<Option<usize>, Problem> {
    Ok(fields.whole(key, 1..=limits::TOKENS_MAX)?.map(|count| count as usize))
}

/// How tokens are drawn, in the names that OpenAI and llama-server have for it.
pub fn sampling(fields: &Fields<'_>) -> Result<Sampling, Problem> {
    let repeat = fields.number("repeat_penalty", 0.01..=100.0)?;
    Ok(Sampling {
        seed: seed(fields)?,
        temperature: fields.number("temperature", 0.0..=2.0)?,
        top_k: fields.whole("top_k", -1..=limits::TOKENS_MAX)?.map(|k| u32::try_from(k).unwrap_or(0)),
        top_p: fields.number("top_p", 0.0..=1.0)?,
        min_p: fields.number("min_p", 0.0..=1.0)?,
        typical_p: fields.number("typical_p", 0.01..=1.0)?,
        repeat_penalty: repeat.or(fields.number("repetition_penalty", 0.01..=100.0)?),
        repeat_last_n: fields.whole("repeat_last_n", -1..=limits::TOKENS_MAX)?,
        presence_penalty: fields.number("presence_penalty", -2.0..=2.0)?,
        frequency_penalty: fields.number("frequency_penalty", -2.0..=2.0)?,
        logit_bias: logit_bias(fields)?,
        logprobs: None,
    })
}

/// Any whole number; negative ones ask for a new one each time, as with llama-server and Ollama.
fn seed(fields: &Fields<'_>) -> Result<Option<u64>, Problem> {
    if let Some(seed) = fields.get("seed").and_then(Value::as_u64) {
        return Ok(Some(seed));
    }
    Ok(fields.whole("seed", i64::MIN..=i64::MAX)?.and_then(|seed| u64::try_from(seed).ok()))
}

fn logit_bias(fields: &Fields<'_>) -> Result<Vec<(u32, f32)>, Problem> {
    let wrong = || fields.wrong("logit_bias", "an object of token ids and numbers from -100 to 100");
    let entry = |id: Option<u32>, bias: Option<f64>| {
        let bias = bias.filter(|bias| bias.abs() <= 100.0).ok_or_else(wrong)?;
        Ok((id.ok_or_else(wrong)?, bias as f32))
    };
    match fields.get("logit_bias") {
        None => Ok(Vec::new()),
        Some(Value::Object(members)) if members.len() <= limits::BIASES_MAX => {
            members.iter().map(|(id, bias)| entry(id.parse().ok(), bias.as_f64())).collect()
        }
        // As llama-server takes it: pairs, `false` for never.
        Some(Value::Array(pairs)) if pairs.len() <= limits::BIASES_MAX => {
            let id = |pair: &Value| pair[0].as_u64().and_then(|id| u32::try_from(id).ok());
            let bias = |pair: &Value| if pair[1] == false { Some(-100.0) } else { pair[1].as_f64() };
            pairs.iter().map(|pair| entry(id(pair), bias(pair))).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// Texts that end an answer: one, or a list.
pub fn stops(fields: &Fields<'_>, key: &str) -> Result<Vec<String>, Problem> {
    let expected = format!(
        "a string of at most {} bytes, or up to {} of them",
        limits::STOP_BYTES_MAX,
        limits::STOPS_MAX
    );
    let text = |value: &Value| match value {
        Value::String(text) if text.len() <= limits::STOP_BYTES_MAX => Ok(text.clone()),
        _ => Err(fields.wrong(key, &expected)),
    };
    match fields.get(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) if items.len() <= limits::STOPS_MAX => items.iter().map(text).collect(),
        Some(one) => Ok(vec![text(one)?]),
    }
}

/// What Hob adds to every interface: `keep_alive`, `num_ctx`, `truncate`, `hob` (whether it may leave, see [`Leave`]), and Ollama's
/// `options`.
pub fn extensions(fields: &Fields<'_>, ask: &mut Ask) -> Result<(), Problem> {
    if let Some(options) = fields.object("options")? {
        apply_options(&options, ask)?;
    }
    if let Some(context) = context(fields)? {
        ask.context = Some(context);
    }
    if let Some(leave) = fields.object("hob")? {
        ask.leave = Leave {
            is_private: leave.flag("private")?.unwrap_or(false),
            chat: leave.text("chat")?.map(Id::parse).transpose()?,
            folder: leave.text("folder")?.map(str::to_owned),
            can_ask: leave.flag("ask")?.unwrap_or(false),
            consent: consent(&leave)?,
            stays: leave.flag("stay")?.unwrap_or(false),
            is_fresh: leave.flag("fresh")?.unwrap_or(false),
            task: leave.text("task")?.map(str::to_owned),
        };
    }
    ask.is_streamed = fields.flag("stream")?.unwrap_or(ask.is_streamed);
    ask.may_drop |= fields.flag("truncate")?.unwrap_or(false) || fields.flag("shift")?.unwrap_or(false);
    keep_alive(fields, ask)
}

/// What was said about values of kinds that the user wants to be asked about: `hide`, `show` or `refuse` by their ids.
pub fn consent(fields: &Fields<'_>) -> Result<Consent, Problem> {
    let Some(answers) = fields.object("answers")? else { return Ok(Consent::default()) };
    let expected = format!("at most {} ids, each with hide, show or refuse", limits::ANSWERS_MAX);
    if answers.members().len() > limits::ANSWERS_MAX {
        return Err(fields.wrong("answers", &expected));
    }
    let say = |(id, word): (&String, &Value)| Some((id.clone(), Say::parse(word.as_str()?)?));
    let all: Option<Consent> = answers.members().iter().map(say).collect();
    all.ok_or_else(|| fields.wrong("answers", &expected))
}

/// How long the model stays.
pub fn keep_alive(fields: &Fields<'_>, ask: &mut Ask) -> Result<(), Problem> {
    if let Some(value) = fields.get("keep_alive") {
        let expected = "seconds, or a time such as \"5m\"; -1 for always";
        ask.keep_alive = Some(keep_alive_of(value).ok_or_else(|| fields.wrong("keep_alive", expected))?);
    }
    Ok(())
}

fn context(fields: &Fields<'_>) -> Result<Option<usize>, Problem> {
    Ok(fields.whole("num_ctx", 2..=limits::TOKENS_MAX)?.map(|context| context as usize))
}

/// Ollama's options; those that say how the machine is used are the server's own business.
pub fn apply_options(options: &Fields<'_>, ask: &mut Ask) -> Result<(), Problem> {
    let given = Sampling {
        temperature: options.number("temperature", 0.0..=100.0)?,
        ..sampling_of_options(options)?
    };
    let old = std::mem::take(&mut ask.sampling);
    ask.sampling = Sampling {
        seed: given.seed.or(old.seed),
        temperature: given.temperature.or(old.temperature),
        top_k: given.top_k.or(old.top_k),
        top_p: given.top_p.or(old.top_p),
        min_p: given.min_p.or(old.min_p),
        typical_p: given.typical_p.or(old.typical_p),
        repeat_penalty: given.repeat_penalty.or(old.repeat_penalty),
        repeat_last_n: given.repeat_last_n.or(old.repeat_last_n),
        presence_penalty: given.presence_penalty.or(old.presence_penalty),
        frequency_penalty: given.frequency_penalty.or(old.frequency_penalty),
        logit_bias: old.logit_bias,
        logprobs: old.logprobs,
    };
    if let Some(count) = options.whole("num_predict", -2..=limits::TOKENS_MAX)? {
        ask.max_tokens = usize::try_from(count).ok();
    }
    if let Some(context) = context(options)? {
        ask.context = Some(context);
    }
    let stop = stops(options, "stop")?;
    if !stop.is_empty() {
        ask.stop = stop;
    }
    Ok(())
}

fn sampling_of_options(options: &Fields<'_>) -> Result<Sampling, Problem> {
    Ok(Sampling {
        seed: seed(options)?,
        top_k: options.whole("top_k", -1..=limits::TOKENS_MAX)?.map(|k| u32::try_from(k).unwrap_or(0)),
        top_p: options.number("top_p", 0.0..=1.0)?,
        min_p: options.number("min_p", 0.0..=1.0)?,
        typical_p: options.number("typical_p", 0.01..=1.0)?,
        repeat_penalty: options.number("repeat_penalty", 0.01..=100.0)?,
        repeat_last_n: options.whole("repeat_last_n", -1..=limits::TOKENS_MAX)?,
        presence_penalty: options.number("presence_penalty", -100.0..=100.0)?,
        frequency_penalty: options.number("frequency_penalty", -100.0..=100.0)?,
        ..Sampling::default()
    })
}

fn keep_alive_of(value: &Value) -> Option<KeepAlive> {
    match value {
        Value::Number(number) => seconds(number.as_f64()?),
        Value::String(text) => parse_keep_alive(text),
        _ => None,
    }
}

fn seconds(count: f64) -> Option<KeepAlive> {
    if count < 0.0 {
        return Some(KeepAlive::Always);
    }
    Duration::try_from_secs_f64(count).ok().map(KeepAlive::For)
}

/// A time such as `5m`, `1h30m`, `90` (seconds) or `-1` (always).
pub fn parse_keep_alive(text: &str) -> Option<KeepAlive> {
    let text = text.trim();
    if let Ok(count) = text.parse::<f64>() {
        return seconds(count);
    }
    if text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
        return Some(KeepAlive::Always);
    }
    let (mut rest, mut total) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let count: f64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let length = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        total += count
            * match &unit[..length] {
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &unit[length..];
    }
    seconds(total).filter(|_| !text.is_empty())
}

/// The grammar of JSON that fits a schema. At most one space stands between its parts: given more room, small models get
/// lost in line breaks until their limit cuts the JSON off. For the same reason objects are closed.
pub fn json_grammar(schema: Value) -> Grammar {
    let options = JsonOptions { whitespace: JsonWhitespace::Space, ..JsonOptions::default() };
    Grammar::JsonSchema { schema: hob::close_objects(&schema, false), options }
}

/// The schema that a grammar for JSON needs: what was given, or any object.
pub fn schema_or_object(schema: Option<&Value>) -> Value {
    let any = || Value::Object(Map::from_iter([("type".to_owned(), "object".into())]));
    schema.cloned().unwrap_or_else(any)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_as_people_and_programs_write_them() {
        let time = |seconds| Some(KeepAlive::For(Duration::from_secs(seconds)));
        for (text, expected) in [("5m", time(300)), ("1h30m", time(5400)), ("90", time(90)), ("0", time(0))] {
            assert_eq!(parse_keep_alive(text), expected, "{text}");
        }
        assert_eq!(
            (parse_keep_alive("-1"), parse_keep_alive("-5m")),
            (Some(KeepAlive::Always), Some(KeepAlive::Always))
        );
        for text in ["", "m", "5x", "5 minutes", "m5", "1e400", "nan"] {
            assert_eq!(parse_keep_alive(text), None, "{text}");
        }
    }

    #[test]
    fn lists_of_stops_and_biases_are_bounded() {
        let body = json!({"one": "a", "many": ["a", "b"], "wrong": [1], "logit_bias": {"7": -100, "x": 1}});
        let fields = Fields::of(&body, "").unwrap();
        assert_eq!(stops(&fields, "one").unwrap(), ["a"]);
        assert_eq!(stops(&fields, "many").unwrap(), ["a", "b"]);
        assert!(stops(&fields, "wrong").is_err() && logit_bias(&fields).is_err());
        let long = json!({"stop": vec!["a"; limits::STOPS_MAX + 1]});
        assert!(stops(&Fields::of(&long, "").unwrap(), "stop").is_err());
    }
}
