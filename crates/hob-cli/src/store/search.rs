//! `hob search`: the catalogue, offline, with what fits into this machine's memory.

use super::fit::{CONTEXT_DEFAULT, Estimate};
use super::{open, table};
use crate::{context, out};
use clap::Args;
use hob_base::Bytes;
use hob_store::{Catalogue, Entry, Fit, ModelName, Variant};
use serde_json::json;

/// Arguments of `hob search`.
#[derive(Args, Debug)]
#[command(after_help = "\
The list comes with the program; nothing is asked of the network. Any other model can be pulled as hf.co/OWNER/REPO.
Whether a model fits is estimated from its size, its cache at --context and what is free now.")]
pub struct SearchArgs {
    /// Words that a model's name, family or abilities contain; all models without
    pub words: Vec<String>,
    /// Tokens that memory is estimated for
    #[arg(long, value_name = "N", value_parser = context::parse_positions, default_value_t = CONTEXT_DEFAULT as usize)]
    pub context: usize,
    /// Only models that fit into free memory
    #[arg(long)]
    pub fits: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

struct Row<'a> {
    entry: &'a Entry,
    variant: &'a Variant,
    estimate: Option<Estimate>,
    is_here: bool,
}

/// Runs the command.
pub fn run(args: &SearchArgs) -> anyhow::Result<()> {
    let here: Vec<ModelName> = open()?.list()?.models.into_iter().map(|m| m.name).collect();
    let found = Catalogue::built_in().search(&args.words.join(" "));
    let rows = found.iter().flat_map(|entry| entry.variants.iter().map(move |variant| (*entry, variant)));
    let rows = rows.map(|(entry, variant)| {
        let estimate = variant.bytes().map(|bytes| Estimate::new(Some(entry), bytes, args.context as u64));
        let name = ModelName::parse(&format!("{}:{}", entry.name, variant.quant));
        Row { entry, variant, estimate, is_here: name.is_ok_and(|name| here.contains(&name)) }
    });
    let fits =
        |row: &Row<'_>| matches!(row.estimate.as_ref().and_then(Estimate::fit), Some(Fit::Fits | Fit::Tight));
    let rows: Vec<Row<'_>> = rows.filter(|row| !args.fits || fits(row)).collect();
    if args.json {
        return out::json(&rows.iter().map(json_row).collect::<Vec<_>>());
    }
    if rows.is_empty() {
        return out::text("Nothing in the catalogue fits these words; `hob search` alone lists it all.\n");
    }
    let mut cells =
        vec![["NAME", "SIZE", "MEMORY", "CONTEXT", "LICENCE", "CAN", ""].map(str::to_owned).to_vec()];
    cells.extend(rows.iter().map(text_row));
    let text = table::text(&cells, &[1, 3]);
    out::text(&format!(
        "{text}\nMemory is estimated at {} tokens. `hob pull NAME` fetches one.\n",
        args.context
    ))
}

fn text_row(row: &Row<'_>) -> Vec<String> {
    let fit = row.estimate.as_ref().and_then(Estimate::fit).map_or("?", Fit::name);
    vec![
        format!("{}:{}", row.entry.name, row.variant.quant),
        row.variant.bytes().map_or_else(|| "?".into(), |b| Bytes(b).to_string()),
        fit.into(),
        row.entry.context.to_string(),
        row.entry.license.clone(),
        row.entry.capabilities.join(" "),
        if row.is_here { "here".into() } else { String::new() },
    ]
}

fn json_row(row: &Row<'_>) -> serde_json::Value {
    json!({
        "name": format!("{}:{}", row.entry.name, row.variant.quant),
        "title": row.entry.title,
        "architecture": row.entry.architecture,
        "billions": row.entry.billions,
        "context": row.entry.context,
        "license": row.entry.license,
        "capabilities": row.entry.capabilities,
        "quantization": row.variant.quant,
        "repo": row.variant.repo,
        "file": row.variant.file,
        "bytes_about": row.variant.bytes(),
        "memory": row.estimate.as_ref().map(Estimate::json),
        "is_here": row.is_here,
    })
}
