//! `hob verify`: every byte of the models that are here, read and compared.

use super::open;
use crate::progress::Progress;
use crate::{out, signals};
use anyhow::bail;
use clap::Args;
use hob_base::Bytes;
use hob_store::{Error, Finding, Verdict};
use serde_json::{Value, json};

/// Arguments of `hob verify`.
#[derive(Args, Debug)]
#[command(after_help = "Exits with 1 if any file is missing or has other bytes than it should.")]
pub struct VerifyArgs {
    /// Names of models; all of them without
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn run(args: &VerifyArgs) -> anyhow::Result<()> {
    let store = open()?;
    let models = match args.names.as_slice() {
        [] => store.list()?.models,
        names => names.iter().map(|name| store.find(name)).collect::<Result<_, _>>()?,
    };
    signals::catch()?;
    let total: u64 = models.iter().map(|m| m.bytes).sum();
    let (mut read, mut bad, mut documents) = (0, 0, Vec::new());
    let mut progress = Progress::start();
    for model in &models {
        let result = store.verify(model, |bytes| {
            read += bytes;
            progress.update(
                || format!("{}: {} of {} read", model.name, Bytes(read), Bytes(total)),
                || json!({"event": "progress", "model": model.name.to_string(), "read_bytes": read, "total_bytes": total}),
            );
            !signals::is_requested()
        });
        let findings = match result {
            Err(Error::Stopped) => return signals::honour(),
            other => other?,
        };
        bad += findings.iter().filter(|f| !f.verdict.is_good()).count();
        if args.json {
            let files: Vec<Value> = findings.iter().map(document).collect();
            documents.push(json!({"model": model.name.to_string(), "files": files}));
        } else {
            drop(std::mem::replace(&mut progress, Progress::start()));
            out::text(&findings.iter().map(|f| line(&model.name.to_string(), f)).collect::<String>())?;
        }
    }
    drop(progress);
    if args.json {
        out::json(&documents)?;
    }
    match bad {
        0 => Ok(()),
        1 => bail!("one file is not what it should be; remove its model (hob rm) and pull it again"),
        bad => {
            bail!("{bad} files are not what they should be; remove their models (hob rm) and pull them again")
        }
    }
}

fn line(model: &str, finding: &Finding) -> String {
    let file = &finding.file;
    match &finding.verdict {
        Verdict::Right(digest) => format!("ok        {model}  {file}  {digest}\n"),
        Verdict::Recorded(digest) => format!("recorded  {model}  {file}  {digest}\n"),
        Verdict::Wrong { expected, found } => {
            format!("WRONG     {model}  {file}  expected {expected}, found {found}\n")
        }
        Verdict::Missing => format!("MISSING   {model}  {file}\n"),
    }
}

fn document(finding: &Finding) -> Value {
    let (verdict, found, expected) = match &finding.verdict {
        Verdict::Right(digest) => ("ok", Some(*digest), Some(*digest)),
        Verdict::Recorded(digest) => ("recorded", Some(*digest), None),
        Verdict::Wrong { expected, found } => ("wrong", Some(*found), Some(*expected)),
        Verdict::Missing => ("missing", None, None),
    };
    json!({"path": finding.file, "verdict": verdict, "sha256": found, "expected_sha256": expected})
}
