//! `POST /v1/completions`: texts that are continued as they stand.

use super::embeddings::inputs;
use super::shapes::{FINGERPRINT, finish, timings, token_bytes, usage};
use crate::App;
use crate::ask::{self, Answered, Ask, Heard, Input, Running};
use crate::fields::Fields;
use crate::problem::{Dialect, Problem};
use crate::wire::{self, Gone, Out};
use crate::{clock, ids, limits, reading};
use axum::response::Response;
use hob::{LanguageModel, Piece, Reply};
use serde_json::{Value, json};

/// Tokens of a continuation that asks for no number.
const TOKENS_DEFAULT: usize = 16;

struct Request {
    asks: Vec<Ask>,
    /// Texts that are repeated before their continuations.
    echo: Vec<String>,
    logprobs: bool,
    stream: bool,
    include_usage: bool,
}

/// Continues texts.
///
/// # Errors
/// What is wrong with the request, or why there is no answer now.
pub async fn create(app: App, body: Value) -> Result<Response, Problem> {
    let request = read(&body)?;
    let head = Head { id: ids::new("cmpl-"), created: clock::unix(), model: request.asks[0].model.clone() };
    if request.stream {
        let ask = request.asks.into_iter().next().expect("there is at least one prompt");
        let running = ask::begin(&app, ask).await?;
        let echo = request.echo.into_iter().next();
        let include_usage = request.include_usage;
        return Ok(wire::stream(wire::SSE, move |out| write(head, running, echo, include_usage, out)));
    }
    let (mut choices, mut totals, mut time) = (Vec::new(), [0, 0, 0], None);
    for (at, ask) in request.asks.into_iter().enumerate() {
        let mut running = ask::begin(&app, ask).await?;
        let all = running.collect().await?;
        let echo = request.echo.get(at).map_or("", String::as_str);
        for answered in &all {
            choices.push(choice(running.model(), choices.len(), echo, &answered.reply, request.logprobs));
        }
        add_usage(&mut totals, &all);
        time = time.or_else(|| all.first().map(timings));
    }
    let mut whole = head.object(choices);
    let [prompt, completion, cached] = totals;
    whole["usage"] = json!({
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    });
    whole["timings"] = time.into();
    Ok(wire::ok(&whole))
}

fn add_usage(totals: &mut [usize; 3], all: &[Answered]) {
    let first = all.first().map(|answered| answered.usage).unwrap_or_default();
    totals[0] += first.prompt;
    totals[1] += all.iter().map(|answered| answered.usage.produced).sum::<usize>();
    totals[2] += first.cached;
}

fn read(body: &Value) -> Result<Request, Problem> {
    let fields = Fields::of(body, "")?;
    let model = fields.need_text("model")?;
    let prompts = inputs(&fields, "prompt", limits::PROMPTS_MAX)?;
    let stream = fields.flag("stream")?.unwrap_or(false);
    if stream && prompts.len() > 1 {
        return Err(Problem::invalid("prompt", "prompt: a stream continues one text"));
    }
    if fields.text("suffix")?.is_some_and(|suffix| !suffix.is_empty()) {
        return Err(Problem::invalid("suffix", "suffix: /infill fills gaps").code("unsupported_parameter"));
    }
    let count = fields.whole("n", 1..=limits::CHOICES_MAX)?.unwrap_or(1);
    if fields.whole("best_of", 1..=limits::CHOICES_MAX)?.is_some_and(|best| best != count) {
        return Err(Problem::invalid("best_of", "best_of: expected the same number as n")
            .code("unsupported_parameter"));
    }
    let logprobs = fields.whole("logprobs", 0..=5)?;
    let echo = fields.flag("echo")?.unwrap_or(false);
    let texts: Vec<String> = prompts.iter().filter(|_| echo).map(text_of).collect::<Result<_, _>>()?;
    let ask = |input| -> Result<Ask, Problem> {
        let mut ask = Ask::new(model, input);
        ask.sampling = reading::sampling(&fields)?;
        ask.sampling.logprobs = logprobs.map(|count| count as u32);
        ask.max_tokens = Some(reading::tokens(&fields, "max_tokens")?.unwrap_or(TOKENS_DEFAULT));
        ask.stop = reading::stops(&fields, "stop")?;
        ask.choices = count as usize;
        reading::extensions(&fields, &mut ask)?;
        Ok(ask)
    };
    let asks = prompts.into_iter().map(ask).collect::<Result<_, _>>()?;
    let options = fields.object("stream_options")?;
    let include_usage = options.map_or(Ok(None), |options| options.flag("include_usage"))?.unwrap_or(false);
    Ok(Request { asks, echo: texts, logprobs: logprobs.is_some(), stream, include_usage })
}

fn text_of(input: &Input) -> Result<String, Problem> {
    match input {
        Input::Text(text) => Ok(text.clone()),
        _ => Err(Problem::invalid("echo", "echo: needs the prompt as text")),
    }
}

struct Head {
    id: String,
    created: i64,
    model: String,
}

impl Head {
    fn object(&self, choices: Vec<Value>) -> Value {
        json!({
            "id": self.id, "object": "text_completion", "created": self.created, "model": self.model,
            "system_fingerprint": FINGERPRINT, "choices": choices,
        })
    }

    fn chunk(&self, index: usize, text: &str, finish: Option<&str>) -> Value {
        self.object(vec![json!({"index": index, "text": text, "logprobs": null, "finish_reason": finish})])
    }
}

fn choice(
    model: Option<&LanguageModel>,
    index: usize,
    echo: &str,
    reply: &Reply,
    with_logprobs: bool,
) -> Value {
    let text = format!("{echo}{}", reply.text);
    let logprobs = with_logprobs.then(|| logprobs(model, reply, echo.chars().count()));
    json!({"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish(reply)})
}

fn logprobs(model: Option<&LanguageModel>, reply: &Reply, mut offset: usize) -> Value {
    let text = |id| String::from_utf8_lossy(&token_bytes(model, id)).into_owned();
    let (mut tokens, mut values, mut tops, mut offsets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for found in &reply.logprobs {
        let token = text(found.id);
        offsets.push(offset);
        offset += token.chars().count();
        tokens.push(token);
        values.push(found.logprob);
        let top = found.top.iter().map(|(id, logprob)| (text(*id), json!(logprob)));
        tops.push(Value::Object(top.collect()));
    }
    json!({"tokens": tokens, "token_logprobs": values, "top_logprobs": tops, "text_offset": offsets})
}

async fn write(
    head: Head,
    mut running: Running,
    echo: Option<String>,
    usage_too: bool,
    out: Out,
) -> Result<(), Gone> {
    let model = running.model().cloned();
    let mut all = Vec::new();
    if let Some(echo) = echo {
        out.data(&head.chunk(0, &echo, None)).await?;
    }
    while let Some((index, told)) = out.wait(running.next(), wire::SSE_IDLE).await? {
        let (pieces, ended) = match Heard::of(told) {
            None => continue,
            Some(Heard::Pieces(pieces, _)) => (pieces, None),
            Some(Heard::Ended(pieces, answered)) => (pieces, Some(answered)),
            Some(Heard::Failed(problem)) => return out.data(&problem.body(Dialect::OpenAi)).await,
        };
        for piece in pieces {
            if let Piece::Text(text) = piece {
                out.data(&head.chunk(index, &text, None)).await?;
            }
        }
        if let Some(answered) = ended {
            let mut last = head.chunk(index, "", Some(finish(&answered.reply)));
            last["timings"] = timings(&answered);
            out.data(&last).await?;
            all.push(answered);
        }
    }
    if usage_too {
        let mut last = head.object(Vec::new());
        last["usage"] = usage(model.as_ref(), &all);
        out.data(&last).await?;
    }
    out.send("data: [DONE]\n\n").await
}
