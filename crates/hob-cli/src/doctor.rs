//! `hob doctor`: what the machine offers, what is used of it, why, and what to do about what is not.

use crate::{chats, hardware, offline, open, out, platform, privacy};
use anyhow::bail;
use clap::Args;
use hob_base::{Bytes, Count};
use hob_chats::Protection;
use hob_eval::Limits;
use hob_kernels::Isa;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// Free memory below which even small models are slow.
const LITTLE_MEMORY: u64 = 1 << 30;

/// Arguments of `hob doctor`.
#[derive(Args, Debug)]
#[command(after_help = "Exits with 1 if there is a problem; notes are no problems.")]
pub struct DoctorArgs {
    /// Leave out the measurements, which take a few seconds and half a gigabyte
    #[arg(long)]
    pub quick: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// How a finding is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Note,
    Problem,
}

/// One line of the report.
#[derive(Debug, Serialize)]
struct Finding {
    name: &'static str,
    status: Status,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    /// The same for programs, where there is more to say than a sentence.
    #[serde(skip_serializing_if = "Value::is_null")]
    data: Value,
}

impl Finding {
    fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, text: text.into(), advice: None, data: Value::Null }
    }

    fn but(self, status: Status, advice: impl Into<String>) -> Self {
        Self { status, advice: Some(advice.into()), ..self }
    }

    fn with(self, data: Value) -> Self {
        Self { data, ..self }
    }
}

/// Runs the command.
pub fn run(args: &DoctorArgs) -> anyhow::Result<()> {
    // Before threads are started, and while another process can be.
    let seal = seal();
    offline::seal_if_wanted()?;
    let mut findings = vec![program(), builtin(), processor(), instructions(), cores(), memory()];
    let enough = platform::memory().is_none_or(|m| m.available > LITTLE_MEMORY);
    if !args.quick && enough {
        findings.push(speed());
    }
    findings.push(data_folder());
    findings.extend(conversations());
    findings.push(seal);
    if args.json {
        out::json(&findings)?;
        return verdict(&findings);
    }
    let mut text = String::new();
    for f in &findings {
        let status = format!("{:?}", f.status).to_lowercase();
        text += &format!("{status:<8} {:<13} {}\n", f.name, f.text);
        if let Some(advice) = &f.advice {
            text += &format!("{:22} -> {advice}\n", "");
        }
    }
    out::text(&text)?;
    verdict(&findings)
}

/// Problems make the command fail, so that scripts can rely on it; notes do not.
fn verdict(findings: &[Finding]) -> anyhow::Result<()> {
    match findings.iter().filter(|f| f.status == Status::Problem).count() {
        0 => Ok(()),
        1 => bail!("there is a problem; what to do is said beside it"),
        count => bail!("there are {count} problems; what to do is said beside each"),
    }
}

fn program() -> Finding {
    let (version, os, arch) = (env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    let finding = Finding::ok("program", format!("hob {version} for {os} on {arch}"))
        .with(json!({"version": version, "os": os, "arch": arch}));
    if cfg!(debug_assertions) {
        return finding
            .but(Status::Note, "this is a development build and slow; build with `cargo build --release`");
    }
    finding
}

fn builtin() -> Finding {
    let (name, bytes) = (hob::BUILTIN_NAME, hob::builtin_bytes());
    let model = hob::builtin().and_then(|files| hob::LanguageModel::new(files, &hob::Options::default()));
    match model {
        Ok(model) => {
            let d = model.describe();
            let text = format!(
                "{name} is built in: {} parameters, {}; `hob chat` alone talks to it",
                Count(d.parameters),
                Bytes(bytes)
            );
            let data = json!({"name": name, "bytes": bytes, "parameters": d.parameters});
            Finding::ok("model", text).with(data)
        }
        Err(error) => Finding::ok("model", format!("{name}, the built-in model, cannot be read: {error}"))
            .but(Status::Problem, "this build of Hob is damaged; build or install it again"),
    }
}

fn processor() -> Finding {
    Finding::ok("processor", platform::processor().unwrap_or_else(|| "name unknown on this system".into()))
}

fn instructions() -> Finding {
    let used = Isa::detect();
    let available = Isa::available();
    let names: Vec<&str> = available.iter().map(|isa| isa.name()).collect();
    let pin = open::pin();
    let why = match (&pin, open::pin_problem()) {
        (Some(_), None) => "HOB_ISA pins it",
        _ => "it is the best of them",
    };
    let text = format!("{} found; {used} is used: {why}", names.join(" "));
    let finding = Finding::ok("instructions", text).with(json!({
        "available": names, "used": used.name(), "pin": pin, "extensions": hardware::extensions(),
    }));
    if let Some(problem) = open::pin_problem() {
        return finding.but(Status::Problem, format!("{problem}; correct or unset it"));
    }
    if available.last() != Some(&used) {
        return finding.but(Status::Note, "a better level is there; unset HOB_ISA to use it");
    }
    if used == Isa::Scalar {
        return finding.but(
            Status::Problem,
            "no vector instructions that Hob knows; models run many times slower than they could",
        );
    }
    finding
}

fn cores() -> Finding {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    Finding::ok("cores", format!("{count} usable; that many threads are the default (--threads)"))
        .with(json!({"usable": count}))
}

fn memory() -> Finding {
    let Some(m) = platform::memory() else {
        let finding = Finding::ok("memory", "unknown on this system");
        return finding
            .but(Status::Note, "contexts are not fitted to free memory here; choose one with --context");
    };
    let limit = if m.is_limited { " (the limit of this container)" } else { "" };
    let finding = Finding::ok("memory", format!("{} free of {}{limit}", Bytes(m.available), Bytes(m.total)))
        .with(json!({"available": m.available, "total": m.total, "is_limited": m.is_limited}));
    if m.available < LITTLE_MEMORY {
        return finding
            .but(Status::Note, "little for a model; close other programs, or choose one below 1 GB");
    }
    finding
}

fn speed() -> Finding {
    let limits = Limits::measure(std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get));
    let text = crate::bench::limits_line(&limits) + ", with all cores";
    Finding::ok("speed", text).with(json!(limits))
}

fn data_folder() -> Finding {
    let Some(dir) = platform::data_dir() else {
        let finding = Finding::ok("data", "no folder for data is known");
        return finding.but(Status::Problem, "set HOB_HOME to a folder; without one there is no history");
    };
    let (path, source) = (dir.path.display().to_string(), dir.source);
    let data = json!({"path": path, "source": source});
    if !dir.path.exists() {
        return Finding::ok("data", format!("{path} ({source}), made when first needed")).with(data);
    }
    let finding = Finding::ok("data", format!("{path} ({source})")).with(data);
    match try_write(&dir.path) {
        Ok(()) => finding,
        Err(error) => finding
            .but(Status::Problem, format!("cannot write there: {error}; set HOB_HOME to another folder")),
    }
}

/// Whether what is kept can be read by whoever gets the disk; nothing where there is no place for it.
fn conversations() -> Option<Finding> {
    let protection = chats::folder().ok()?.protection();
    Some(match protection {
        Ok(Protection::Sealed { by, .. }) => Finding::ok("chats", format!("encrypted; {by} opens them"))
            .with(json!({"encrypted": true, "by": by})),
        Ok(Protection::Open) => Finding::ok("chats", "not encrypted; `hob chats encrypt` does that")
            .with(json!({"encrypted": false})),
        Err(error) => Finding::ok("chats", error.to_string())
            .but(Status::Problem, "bring back chats.key from a backup, or move the folder of chats away"),
    })
}

/// What would enforce offline mode here.
fn seal() -> Finding {
    match privacy::seal::possible() {
        Ok(level) => {
            let by = level["text"].as_str().unwrap_or_default().to_owned();
            let text = match offline::is_wanted() {
                true => format!("on; {by}"),
                false => format!("off; --offline turns it on, and then {by}"),
            };
            let finding = Finding::ok("offline", text).with(level.clone());
            if level["enforced_by"] == "kernel" {
                return finding;
            }
            finding.but(Status::Note, "run it where the system allows no network, if that has to be certain")
        }
        Err(error) => Finding::ok("offline", format!("what would enforce it is unknown: {error:#}"))
            .but(Status::Note, "`hob privacy seal` says more"),
    }
}

fn try_write(dir: &Path) -> std::io::Result<()> {
    let probe = dir.join(format!(".probe-{}", std::process::id()));
    std::fs::write(&probe, b"")?;
    std::fs::remove_file(&probe)
}
