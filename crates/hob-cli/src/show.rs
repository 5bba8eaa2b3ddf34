//! `hob show`: what a model is, from its files alone; weights are not read.

use crate::context::{self, Context};
use crate::open::{self, RunArgs};
use crate::out;
use crate::which::Which;
use clap::Args;
use hob::LanguageModel;
use hob_base::{Bytes, Count};
use hob_format::{ModelFiles, Value};
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Longest metadata text shown to people.
const TEXT_CHARS_MAX: usize = 100;

/// Arguments of `hob show`.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// GGUF file or model directory; ember is the built-in model
    pub model: PathBuf,
    /// Tokens for which memory is estimated [default: as `hob chat` would choose]
    #[arg(long, value_name = "N", value_parser = context::parse_positions)]
    pub context: Option<usize>,
    /// List every tensor
    #[arg(long)]
    pub tensors: bool,
    /// List all metadata or settings of the file
    #[arg(long)]
    pub metadata: bool,
    /// Print one JSON document with everything
    #[arg(long)]
    pub json: bool,
    /// How the model would run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Runs the command.
pub fn run(args: &ShowArgs) -> anyhow::Result<()> {
    let which = Which::named(&args.model);
    let files = which.files()?;
    let model = match LanguageModel::new(files.clone(), &args.run.options()) {
        // Files that Hob cannot run still have metadata and tensors to show; files it cannot read have nothing.
        Err(error @ hob::Error::Format(_)) => return Err(open::explain(error, &args.model)),
        opened => opened.map_err(|error| error.to_string()),
    };
    let context = model.as_ref().ok().map(|model| context::choose(model, args.context));
    if args.json {
        let mut document = document(&files, model.as_ref(), context);
        document["built_in"] = which.is_builtin().into();
        return out::json(&document);
    }
    let mut text = String::new();
    if which.is_builtin() {
        let size = Bytes(hob::builtin_bytes());
        let _ = writeln!(text, "built in      {} is part of this program: {size}", hob::BUILTIN_NAME);
    }
    text += &match &model {
        Ok(model) => about(model, context.expect("a model that opens has a context")),
        Err(reason) => format!("runs          no: {reason}\n"),
    };
    text += &stored(&files);
    if args.metadata {
        text += "\nMetadata\n";
        for (key, value) in metadata(&files) {
            let _ = writeln!(text, "  {key} = {}", brief(&value));
        }
    }
    if args.tensors {
        text += "\nTensors\n";
        for t in files.tensors().iter() {
            let size = Bytes(t.bytes.len() as u64).to_string();
            let _ = writeln!(text, "  {:<8} {size:>9}  {:?}  {}", t.dtype.to_string(), t.shape, t.name);
        }
    }
    out::text(&out::harmless(&text))
}

/// What the model is and needs.
fn about(model: &LanguageModel, context: Context) -> String {
    let d = model.describe();
    let e = model.memory_estimate(context.positions);
    let mut text = String::new();
    if let Some(name) = &d.name {
        let _ = writeln!(text, "name          {name}");
    }
    let _ = writeln!(text, "family        {}", d.family);
    let _ = writeln!(text, "parameters    {} ({})", Count(d.parameters), d.parameters);
    let _ = writeln!(
        text,
        "shape         {} layers, width {}, {} tokens in the vocabulary",
        d.layers, d.hidden, d.vocab
    );
    let _ = writeln!(text, "trained for   {} tokens of context", d.context);
    let output = match (d.generates, &d.chat) {
        (false, _) => "a vector for a text (`hob embed`)".to_string(),
        (true, None) => "text; no chat template, so it continues what it is given".to_string(),
        (true, Some(chat)) => {
            let yes = |b| if b { "yes" } else { "no" };
            format!("text; chat template with tools: {}, thinking: {}", yes(chat.tools), yes(chat.thinking))
        }
    };
    let _ = writeln!(text, "makes         {output}");
    let _ = writeln!(
        text,
        "memory        {} estimated at {context}: {} weights, {} cache, {} work space",
        Bytes(e.total()),
        Bytes(e.weights),
        Bytes(e.kv),
        Bytes(e.working)
    );
    if d.on_disk_bytes > 0 {
        let _ = writeln!(
            text,
            "on disk       {} of per-layer tables stay there; rows are read as needed",
            Bytes(d.on_disk_bytes)
        );
    }
    text
}

/// What the files hold.
fn stored(files: &ModelFiles) -> String {
    let total = files.tensors().total_bytes();
    let mut types: Vec<(String, u64)> = by_type(files).into_iter().collect();
    types.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let share = |bytes: u64| 100.0 * bytes as f64 / total.max(1) as f64;
    let mix: Vec<String> =
        types.iter().map(|(name, bytes)| format!("{name} {:.1} %", share(*bytes))).collect();
    let container = if files.gguf_metadata().is_some() { "GGUF" } else { "safetensors directory" };
    let mut text =
        format!("stored        {container}, {} tensors, {}\n", files.tensors().iter().len(), Bytes(total));
    if !mix.is_empty() {
        let _ = writeln!(text, "types         {}", mix.join(", "));
    }
    text
}

fn by_type(files: &ModelFiles) -> BTreeMap<String, u64> {
    let mut types = BTreeMap::new();
    for t in files.tensors().iter() {
        *types.entry(t.dtype.to_string()).or_insert(0) += t.bytes.len() as u64;
    }
    types
}

/// GGUF metadata, or `config.json`. Long arrays are described, not listed.
fn metadata(files: &ModelFiles) -> Map<String, Json> {
    match files {
        ModelFiles::Gguf(gguf) => {
            gguf.metadata.iter().map(|(key, value)| (key.to_string(), to_json(value))).collect()
        }
        ModelFiles::Hf(model) => model.config.as_object().cloned().unwrap_or_default(),
    }
}

fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(b) => (*b).into(),
        Value::Str(text) => text.clone().into(),
        Value::Array(array) => json!({"array": array.element_type().name(), "count": array.len()}),
        other => match (other.as_integer(), other.as_f32()) {
            (Some(n), _) => i64::try_from(n).map_or_else(|_| n.to_string().into(), Json::from),
            // The shortest digits that mean this 32-bit float, instead of all those of its 64-bit twin.
            (None, Some(x)) => x.to_string().parse::<f64>().map_or(Json::Null, Json::from),
            (None, None) => other.to_string().into(),
        },
    }
}

fn brief(value: &Json) -> String {
    let text = match value {
        Json::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((at, _)) => format!("{}... ({} characters)", &text[..at], text.chars().count()),
        None => text,
    }
}

fn document(files: &ModelFiles, model: Result<&LanguageModel, &String>, context: Option<Context>) -> Json {
    let tensors = files.tensors().iter();
    let mut document = json!({
        "runs": model.is_ok(),
        "container": if files.gguf_metadata().is_some() { "gguf" } else { "safetensors" },
        "weight_bytes": files.tensors().total_bytes(),
        "bytes_by_type": by_type(files),
        "metadata": metadata(files),
        "tensors": tensors.map(|t| {
            json!({"name": t.name, "type": t.dtype.to_string(), "shape": t.shape, "bytes": t.bytes.len()})
        }).collect::<Vec<_>>(),
    });
    match model {
        Err(reason) => document["reason"] = reason.as_str().into(),
        Ok(model) => {
            let (d, positions) = (model.describe(), context.map_or(0, |c| c.positions));
            let e = model.memory_estimate(positions);
            let facts = json!({
                "name": d.name, "family": d.family, "parameters": d.parameters, "layers": d.layers,
                "hidden": d.hidden, "vocab": d.vocab, "context_trained": d.context,
                "on_disk_bytes": d.on_disk_bytes, "generates": d.generates,
                "chat": d.chat.map(|c| json!({"tools": c.tools, "thinking": c.thinking})),
                "memory_estimate": {
                    "context": positions, "weights_bytes": e.weights, "kv_bytes": e.kv,
                    "working_bytes": e.working, "total_bytes": e.total(),
                },
            });
            if let (Json::Object(all), Json::Object(more)) = (&mut document, facts) {
                all.extend(more);
            }
        }
    }
    document
}
