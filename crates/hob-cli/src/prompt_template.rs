//! `hob template`: the exact text that a model's chat template makes of a conversation.

use crate::fail::note;
use crate::open::{self, RunArgs};
use crate::{conversation, input, out, platform};
use anyhow::{anyhow, bail};
use clap::Args;
use hob::{Chat, ChatOptions, EncodeOptions, Error};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments of `hob template`.
#[derive(Args, Debug)]
#[command(after_help = "Prints the text as it is, without a line break after it.")]
pub struct TemplateArgs {
    /// GGUF file or model directory; ember is the built-in model
    pub model: PathBuf,
    /// JSON array of messages, or an object with `messages` and perhaps `tools`; - is standard input
    #[arg(long, value_name = "FILE")]
    pub messages: PathBuf,
    /// JSON array of tools in the OpenAI shape
    #[arg(long, value_name = "FILE")]
    pub tools: Option<PathBuf>,
    /// Ask the model to think first (on) or not (off)
    #[arg(long, value_name = "on|off", value_parser = ["on", "off"])]
    pub think: Option<String>,
    /// End the text inside of the last message, so that the model goes on with it
    #[arg(long = "continue")]
    pub continues: bool,
    /// Give the messages to the template as they are, as transformers does, instead of rewriting them to what it takes
    #[arg(long, conflicts_with = "continues")]
    pub verbatim: bool,
    /// Print a JSON document with the text and its token ids
    #[arg(long)]
    pub json: bool,
}

/// A way to turn the conversation into text.
type Render = fn(&Chat) -> Result<String, Error>;

/// Runs the command.
pub fn run(args: &TemplateArgs) -> anyhow::Result<()> {
    let (messages, tools) = read(args)?;
    let model = open::model(&args.model, &RunArgs::default())?;
    let source = model.template().ok_or(Error::NoTemplate)?.source();
    let name = input::name(&args.messages);
    conversation::check_messages(&messages, Some(source)).map_err(|e| anyhow!("{name}: {e}"))?;
    let think = args.think.as_deref().map(|value| value == "on");
    let mut chat = model.chat(ChatOptions { think, now: Some(platform::now()), ..ChatOptions::default() });
    chat.set_messages(messages);
    chat.set_tools(tools.clone());
    let render = match (args.continues, args.verbatim) {
        (true, _) => Chat::render_continued,
        (_, true) => Chat::render_verbatim,
        _ => Chat::render as Render,
    };
    let text = render(&chat).map_err(|error| match error {
        Error::Tokenizer(hob_tokenizer::Error::Message { .. }) => anyhow!("{name}: {error}"),
        error => anyhow!("{}: {error}", args.model.display()),
    })?;
    note_what_is_lost(&mut chat, tools, think, render, &text);
    if !args.json {
        return out::text(&text);
    }
    let options = EncodeOptions { add_special: false, parse_special: true };
    let ids = model.tokenizer()?.encode(&text, options);
    out::json(&json!({"text": text, "ids": ids}))
}

/// Says what left no trace in `text`, by rendering without it.
fn note_what_is_lost(
    chat: &mut Chat,
    tools: Option<Vec<Value>>,
    think: Option<bool>,
    render: Render,
    text: &str,
) {
    // A template that refuses to go without does something with it.
    let is_same = |chat: &Chat| render(chat).is_ok_and(|other| other == text);
    if chat.loses_tool_calls() {
        note("the calls of tools leave no trace: this model's template shows none");
    }
    if tools.is_some() {
        chat.set_tools(None);
        if is_same(chat) {
            note("the tools leave no trace: this model's template does not show them here");
        }
        chat.set_tools(tools);
    }
    if think.is_some() {
        chat.set_think(think.map(|on| !on));
        if is_same(chat) {
            note("--think leaves no trace: on and off give the same text with this model's template");
        }
    }
}

/// The messages and tools of the files.
fn read(args: &TemplateArgs) -> anyhow::Result<(Vec<Value>, Option<Vec<Value>>)> {
    let name = input::name(&args.messages);
    let mut messages = input::json_file(&args.messages)?;
    let mut tools = None;
    if let Value::Object(object) = &mut messages {
        // `null` says the same as nothing.
        tools = object.remove("tools").filter(|tools| !tools.is_null()).map(|tools| (tools, name.clone()));
        messages = object.remove("messages").unwrap_or_default();
    }
    if let Some(path) = &args.tools {
        tools = Some((input::json_file(path)?, input::name(path)));
    }
    let messages = match messages {
        Value::Array(list) => list,
        _ => bail!("{name}: expected an array of messages, or an object with one called `messages`"),
    };
    Ok((messages, tools.map(|(tools, name)| tool_list(tools, &name)).transpose()?))
}

fn tool_list(tools: Value, name: &str) -> anyhow::Result<Vec<Value>> {
    let Value::Array(list) = tools else { bail!("{name}: expected an array of tools, found something else") };
    conversation::check_tools(&list).map_err(|e| anyhow!("{name}: {e}"))?;
    Ok(list)
}
