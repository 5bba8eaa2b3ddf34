//! `hob template`: the exact text that a model's chat template makes of a conversation.

use crate::open::{self, RunArgs};
use crate::{input, out, platform};
use anyhow::{anyhow, bail};
use clap::Args;
use hob::{ChatOptions, EncodeOptions};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Arguments of `hob template`.
#[derive(Args, Debug)]
#[command(after_help = "Prints the text as it is, without a line break after it.")]
pub struct TemplateArgs {
    /// GGUF file or model directory
    pub model: PathBuf,
    /// JSON array of messages, or an object with `messages` and perhaps `tools`; - is standard input
    #[arg(long, value_name = "FILE")]
    pub messages: PathBuf,
    /// JSON array of tools in the OpenAI shape
    #[arg(long, value_name = "FILE")]
    pub tools: Option<PathBuf>,
    /// Ask the model to think first (on) or not (off)
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on", value_parser = ["on", "off"])]
    pub think: Option<String>,
    /// Print a JSON document with the text and its token ids
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &TemplateArgs) -> anyhow::Result<()> {
    let input = input::json_file(&args.messages)?;
    let name = args.messages.display().to_string();
    let messages = match &input {
        Value::Object(object) => object.get("messages").cloned().unwrap_or_default(),
        other => other.clone(),
    };
    let messages = objects(messages, &name, "messages")?;
    let tools = match &args.tools {
        Some(path) => Some(load_tools(path)?),
        None => input.get("tools").map(|tools| objects(tools.clone(), &name, "tools")).transpose()?,
    };
    let model = open::model(&args.model, &RunArgs::default())?;
    let think = args.think.as_deref().map(|value| value == "on");
    let mut chat = model.chat(ChatOptions { think, now: Some(platform::now()), ..ChatOptions::default() });
    chat.set_messages(messages);
    chat.set_tools(tools);
    let text = chat.render().map_err(|e| anyhow!("{}: {e}", args.model.display()))?;
    if !args.json {
        return out::text(&text);
    }
    let options = EncodeOptions { add_special: false, parse_special: true };
    let ids = model.tokenizer()?.encode(&text, options);
    out::json(&json!({"text": text, "ids": ids}))
}

fn load_tools(path: &Path) -> anyhow::Result<Vec<Value>> {
    objects(input::json_file(path)?, &path.display().to_string(), "tools")
}

fn objects(value: Value, file: &str, what: &str) -> anyhow::Result<Vec<Value>> {
    match value {
        Value::Array(list) if list.iter().all(Value::is_object) => Ok(list),
        _ => bail!("{file}: expected an array of {what}, each an object, found something else"),
    }
}
