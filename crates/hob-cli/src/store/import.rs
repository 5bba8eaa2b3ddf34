//! `hob import`: models that are on this machine already.

use super::{open, show, table};
use crate::fail::{note, usage};
use crate::platform;
use crate::progress::Progress;
use crate::{out, signals};
use anyhow::bail;
use clap::Args;
use hob_base::Bytes;
use hob_store::import::{Adoption, Candidate, How, look, scan};
use hob_store::{Error, ModelName, Store};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments of `hob import`.
#[derive(Args, Debug)]
#[command(after_help = "\
PATH is a GGUF file, a model's folder, a Modelfile, or a folder of models as Ollama, LM Studio, Jan, GPT4All and the Hugging
Face cache keep them. Files are shared (same blocks or a second name for the same file); on another disk the store refers to
where they are. Originals are never changed.")]
pub struct ImportArgs {
    /// What to adopt
    #[arg(required_unless_present = "scan", conflicts_with = "scan")]
    pub path: Option<PathBuf>,
    /// Adopt what other programs hold in their usual places
    #[arg(long)]
    pub scan: bool,
    /// Name for the model, when there is one
    #[arg(long)]
    pub name: Option<String>,
    /// Copy every byte instead of sharing
    #[arg(long)]
    pub copy: bool,
    /// Only say what would be adopted
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let candidates = match &args.path {
        Some(path) => look(path)?,
        None => platform::model_places().map(|home| scan(&home)).unwrap_or_default(),
    };
    let name = args.name.as_deref().map(ModelName::parse).transpose().map_err(|e| usage(e.to_string()))?;
    if name.is_some() && candidates.len() != 1 {
        let names: Vec<String> = candidates.iter().map(|c| c.name.to_string()).collect();
        return Err(usage(format!(
            "--name: expected one model, found {}: {}",
            names.len(),
            names.join(", ")
        )));
    }
    if args.dry_run {
        return preview(&candidates, args.json);
    }
    if candidates.is_empty() && !args.json {
        return out::text("Found no models of other programs.\n");
    }
    signals::catch()?;
    let store = open()?;
    let how = if args.copy { How::Copy } else { How::Share };
    let (mut documents, mut failed) = (Vec::new(), 0);
    for candidate in &candidates {
        let name = name.as_ref().unwrap_or(&candidate.name);
        match adopt(&store, candidate, name, how) {
            Ok((document, line)) => {
                documents.push(document);
                if !args.json {
                    out::text(&line)?;
                }
            }
            Err(Error::Stopped) => return signals::honour(),
            Err(error) if args.scan => note(&format!("{name}: {error}")),
            Err(Error::Exists { .. }) if candidates.len() > 1 => note(&format!("{name} is here already")),
            Err(error) if candidates.len() > 1 => {
                failed += 1;
                note(&format!("{name}: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    if args.json {
        out::json(&documents)?;
    }
    if failed > 0 {
        bail!("{failed} of {} models could not be adopted", candidates.len());
    }
    Ok(())
}

fn adopt(store: &Store, candidate: &Candidate, name: &ModelName, how: How) -> Result<(Value, String), Error> {
    let (total, mut read, mut progress) = (candidate.bytes(), 0, Progress::start());
    let (model, adoption) = store.adopt(candidate, name, how, &mut |bytes| {
        read += bytes;
        progress.update(
            || format!("{name}: {} of {} read", Bytes(read), Bytes(total)),
            || json!({"event": "progress", "model": name.to_string(), "read_bytes": read, "total_bytes": total}),
        );
        !signals::is_requested()
    })?;
    let (word, how) = match adoption {
        Adoption::Reflink => ("reflink", "shares its blocks with the original"),
        Adoption::HardLink => ("hard_link", "is the same file as the original"),
        Adoption::Reference => ("reference", "stays where it is; the store refers to it"),
        Adoption::Copy => ("copy", "is a copy"),
    };
    let mut document = show::json(&model);
    document["adoption"] = word.into();
    Ok((document, format!("{} ({}) {how}: {}\n", model.name, Bytes(model.bytes), candidate.place.display())))
}

fn preview(candidates: &[Candidate], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        let document = |c: &Candidate| {
            json!({"name": c.name.to_string(), "program": c.program, "place": c.place, "bytes": c.bytes(),
                "files": c.files.iter().map(|f| &f.from).collect::<Vec<_>>()})
        };
        return out::json(&candidates.iter().map(document).collect::<Vec<_>>());
    }
    let mut rows = vec![["NAME", "SIZE", "OF", "PLACE"].map(str::to_owned).to_vec()];
    for c in candidates {
        let program = c.program.unwrap_or("").to_owned();
        rows.push(vec![
            c.name.to_string(),
            Bytes(c.bytes()).to_string(),
            program,
            c.place.display().to_string(),
        ]);
    }
    out::text(&table::text(&rows, &[1]))
}
