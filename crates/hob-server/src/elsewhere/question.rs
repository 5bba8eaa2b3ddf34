//! A request as a question that any model could answer.

use crate::ask::{Ask, Input};
use crate::problem::{Kind, Problem};
use hob::{Grammar, ToolChoice};
use hob_cloud::{Choice, Question};

/// The question that a request is.
///
/// # Errors
/// It asks for what only a model of this machine does.
pub fn of(ask: &Ask) -> Result<Question, Problem> {
    let only_here = |what: &str| {
        let message = format!("{what}: only a model of this machine does that");
        Err(Problem::new(Kind::Invalid, message).code("only_here"))
    };
    let Input::Chat(talk) = &ask.input else { return only_here("a text or tokens to go on with") };
    if talk.is_continued {
        return only_here("a message to go on with");
    }
    if ask.choices > 1 {
        return only_here("several answers at once");
    }
    if ask.sampling.logprobs.is_some() || !ask.sampling.logit_bias.is_empty() {
        return only_here("log-probabilities of tokens");
    }
    let schema = match &ask.grammar {
        None => None,
        Some(Grammar::JsonSchema { schema, .. }) if schema.is_object() => Some(schema.clone()),
        Some(_) => return only_here("a grammar"),
    };
    let choice = talk.choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => Choice::Auto,
        ToolChoice::Required => Choice::Required,
        ToolChoice::Named(name) => Choice::Named(name.clone()),
    });
    Ok(Question {
        messages: talk.conversation.messages.clone(),
        tools: talk.conversation.tools.clone().unwrap_or_default(),
        choice,
        schema,
        max_tokens: ask.max_tokens.map(|tokens| tokens as u64),
        temperature: ask.sampling.temperature.map(f64::from),
        top_p: ask.sampling.top_p.map(f64::from),
        stop: ask.stop.clone(),
        begun: None,
        repair: None,
        constants: None,
    })
}
