//! `hob list`, `hob rm`, `hob cp`, `hob du`.

use super::{open, show, table};
use crate::{fail, out};
use clap::Args;
use hob_base::Bytes;
use hob_store::ModelName;
use serde_json::json;

/// Arguments of `hob list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hob rm`.
#[derive(Args, Debug)]
pub struct RmArgs {
    /// Names of models (`hob list`)
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// Arguments of `hob cp`.
#[derive(Args, Debug)]
pub struct CpArgs {
    /// Name of a model
    pub from: String,
    /// The second name
    pub to: String,
}

/// Arguments of `hob du`.
#[derive(Args, Debug)]
pub struct DuArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Lists models.
pub fn run(args: &ListArgs) -> anyhow::Result<()> {
    let store = open()?;
    let listing = store.list()?;
    for problem in &listing.problems {
        fail::note(&problem.to_string());
    }
    if args.json {
        return out::json(&listing.models.iter().map(show::json).collect::<Vec<_>>());
    }
    if listing.models.is_empty() {
        let text = format!(
            "No models in {} yet.\n`hob search` lists what can be pulled; `hob import --scan` finds what other programs hold.\n",
            store.root().display()
        );
        return out::text(&text);
    }
    let mut rows =
        vec![["NAME", "SIZE", "TYPE", "PARAMETERS", "CONTEXT", "FROM"].map(str::to_owned).to_vec()];
    for model in &listing.models {
        let details = &model.manifest.details;
        let unknown = || "?".to_owned();
        rows.push(vec![
            model.name.to_string(),
            Bytes(model.bytes).to_string(),
            details.quantization.clone().unwrap_or_else(unknown),
            show::parameters(model),
            details.context.map_or_else(unknown, |c| c.to_string()),
            show::source(model),
        ]);
    }
    out::text(&table::text(&rows, &[1, 3, 4]))
}

/// Removes models.
pub fn run_rm(args: &RmArgs) -> anyhow::Result<()> {
    let store = open()?;
    for name in &args.names {
        let model = store.remove(name)?;
        let what = if model.is_outside() { "its files stay where they are" } else { "its files are gone" };
        out::text(&format!("removed {} ({}); {what}\n", model.name, Bytes(model.bytes)))?;
    }
    Ok(())
}

/// Gives a model a second name.
pub fn run_cp(args: &CpArgs) -> anyhow::Result<()> {
    let to = ModelName::parse(&args.to).map_err(|e| fail::usage(e.to_string()))?;
    let model = open()?.copy(&args.from, &to)?;
    out::text(&format!("{} is the same model as {}\n", model.name, args.from))
}

/// Says what takes how much room.
pub fn run_du(args: &DuArgs) -> anyhow::Result<()> {
    let store = open()?;
    let usage = store.usage()?;
    let free = hob_store::free_bytes(store.root());
    if args.json {
        let models = usage.models.iter().map(|u| {
            json!({"name": u.name.to_string(), "bytes": u.bytes, "own_bytes": u.own_bytes,
                "shared_bytes": u.shared_bytes, "outside_bytes": u.outside_bytes})
        });
        return out::json(&json!({
            "folder": store.root(), "models": models.collect::<Vec<_>>(), "partial_bytes": usage.partial_bytes,
            "freed_by_removing_all_bytes": usage.freed_bytes, "free_bytes": free,
        }));
    }
    let mut rows = vec![["NAME", "SIZE", "OWN", "SHARED", "ELSEWHERE"].map(str::to_owned).to_vec()];
    for u in &usage.models {
        let cells = [u.bytes, u.own_bytes, u.shared_bytes, u.outside_bytes].map(|b| Bytes(b).to_string());
        rows.push([vec![u.name.to_string()], cells.to_vec()].concat());
    }
    let mut text = table::text(&rows, &[1, 2, 3, 4]);
    text += &format!("\nRemoving all models would free {}.", Bytes(usage.freed_bytes));
    if usage.partial_bytes > 0 {
        text += &format!(" Downloads that are not complete hold {}.", Bytes(usage.partial_bytes));
    }
    if let Some(free) = free {
        text += &format!(" {} are free on that disk.", Bytes(free));
    }
    out::text(&(text + "\n"))
}
