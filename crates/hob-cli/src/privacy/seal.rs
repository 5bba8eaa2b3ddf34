//! `hob privacy seal`: what enforces offline mode on this machine, and the proof.

use crate::out;
use anyhow::{Context, bail};
use clap::Args;
use hob_seal::{Layer, Layers, Level, State};
use serde_json::{Value, json};

/// Arguments of `hob privacy seal`.
#[derive(Args, Debug)]
#[command(after_help = "\
With --offline, or the variable HOB_OFFLINE, every command is sealed like this: neither it nor a program that it starts can reach a
network, and a server goes on answering those who come to it. Without --prove this command says what enforces that here.

Exits with 1 if a way out works, or if --prove cannot be done on this system.")]
pub struct SealArgs {
    /// Try to break out in every known way, with all layers and with each alone, and say what came of it
    #[arg(long)]
    pub prove: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Be the process that tries: which layers it has
    #[arg(long, hide = true, value_name = "LAYERS")]
    pub inside: Option<String>,
    /// Be a program that such a process starts
    #[arg(long, hide = true)]
    pub reach: bool,
    /// What could be reached
    #[arg(long, hide = true, value_name = "PLACES", default_value = "")]
    pub outside: String,
}

/// Runs the command.
pub fn run(args: &SealArgs) -> anyhow::Result<()> {
    if args.inside.is_some() || args.reach {
        return proof::be(args);
    }
    if args.prove {
        return proof::run(args.json);
    }
    let level = hob_seal::seal()?;
    if args.json { out::json(&level_json(&level)) } else { out::text(&format!("{level}\n")) }
}

/// A level for programs.
pub fn level_json(level: &Level) -> Value {
    let layer = |(layer, state): &(Layer, State)| {
        let (is_on, text) = match state {
            State::On(how) => (true, how),
            State::Off(why) => (false, why),
        };
        json!({"name": layer.name(), "is_on": is_on, "text": text})
    };
    let by = if level.is_kernel() { "kernel" } else { "program" };
    json!({"enforced_by": by, "text": level.to_string(), "layers": level.layers.iter().map(layer).collect::<Vec<_>>()})
}

/// What this machine would enforce: another process is sealed and tells.
pub fn possible() -> anyhow::Result<Value> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = std::process::Command::new(program);
    command.args(["privacy", "seal", "--json"]).env_remove("HOB_OFFLINE").stdin(std::process::Stdio::null());
    let output = command.output().context("cannot start this program once more")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Which layers a column of the proof has.
fn layers(name: &str) -> Option<Layers> {
    // The process inside has a connection on purpose.
    let all = Layers { refuse_open: false, ..Layers::ALL };
    let none = Layers { namespace: false, seccomp: false, landlock: false, refuse_open: false };
    match name {
        "all" => Some(all),
        "namespace" => Some(Layers { namespace: true, ..none }),
        "seccomp" => Some(Layers { seccomp: true, ..none }),
        "landlock" => Some(Layers { landlock: true, ..none }),
        _ => None,
    }
}

#[cfg(target_os = "linux")]
mod proof {
    use super::{SealArgs, layers, level_json};
    use crate::out;
    use anyhow::{Context, bail};
    use hob_seal::prove::{Attempt, Inside, Outcome, Outside};
    use serde_json::{Value, json};
    use std::fmt::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    /// All layers first: that column decides.
    const COLUMNS: [&str; 4] = ["all", "namespace", "seccomp", "landlock"];

    /// A process that tries, or a program that one starts.
    pub fn be(args: &SealArgs) -> anyhow::Result<()> {
        let inside = Inside::parse(&args.outside);
        if args.reach {
            let code = inside.reach().map_or_else(|error| error.raw_os_error().unwrap_or(255), |()| 0);
            std::process::exit(code);
        }
        let wanted = args.inside.as_deref().and_then(layers).context("expected the name of a column")?;
        let level = hob_seal::seal_with(wanted)?;
        let attempts = inside.attempts(|| {
            let mut command = Command::new(std::env::current_exe().unwrap_or_default());
            command.args(["privacy", "seal", "--reach", "--outside", &args.outside]);
            command
        });
        let attempts: Vec<Value> = attempts.iter().map(attempt_json).collect();
        out::json_line(&json!({"level": level_json(&level), "attempts": attempts}))
    }

    fn attempt_json(attempt: &Attempt) -> Value {
        let (outcome, reason) = match &attempt.outcome {
            Outcome::Refused(reason) => ("refused", reason.as_str()),
            Outcome::Untried(reason) => ("untried", reason.as_str()),
            Outcome::Through => ("through", ""),
        };
        json!({"name": attempt.name, "outcome": outcome, "reason": reason})
    }

    /// Proves, and fails if a way out works.
    pub fn run(as_json: bool) -> anyhow::Result<()> {
        let folder = std::env::temp_dir().join(format!("hob-prove-{}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let columns = COLUMNS.map(|column| try_column(column, &folder));
        std::fs::remove_dir_all(&folder)?;
        let mut results = Vec::new();
        for column in columns {
            results.push(column?);
        }
        let attempts = results[0]["attempts"].as_array().cloned().unwrap_or_default();
        let through = attempts.iter().filter(|attempt| attempt["outcome"] == "through").count();
        if as_json {
            let columns: serde_json::Map<String, Value> =
                COLUMNS.iter().map(|name| (*name).to_owned()).zip(results).collect();
            out::json(&json!({"is_sealed": through == 0, "columns": columns}))?;
        } else {
            out::text(&table(&results, &attempts))?;
        }
        match through {
            0 if attempts.is_empty() => bail!("nothing was tried"),
            0 => Ok(()),
            1 => bail!("one way out works here, in spite of the seal"),
            count => bail!("{count} ways out work here, in spite of the seal"),
        }
    }

    fn try_column(column: &str, folder: &Path) -> anyhow::Result<Value> {
        let folder = folder.join(column);
        std::fs::create_dir(&folder)?;
        let outside = Outside::open(&folder)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["privacy", "seal", "--inside", column, "--outside", &outside.places()?]);
        command.env_remove("HOB_OFFLINE").stdout(Stdio::piped());
        // The other end stays open while the process tries.
        let _passing = outside.equip(&mut command)?;
        let output = command.spawn()?.wait_with_output()?;
        if !output.status.success() {
            bail!("the process that tries ended with {}", output.status);
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn table(results: &[Value], attempts: &[Value]) -> String {
        let mut text = format!("{:<42}", "tried");
        for column in COLUMNS {
            let _ = write!(text, " {column:<13}");
        }
        text = text.trim_end().to_owned() + "\n";
        for (index, attempt) in attempts.iter().enumerate() {
            let mut line = format!("{:<42}", attempt["name"].as_str().unwrap_or_default());
            for (column, result) in results.iter().enumerate() {
                let found = &result["attempts"][index];
                let cell = match found["outcome"].as_str() {
                    Some("refused") => found["reason"].as_str().unwrap_or_default(),
                    Some("through") if column == 0 => "THROUGH",
                    Some("through") => "-",
                    _ => "not tried",
                };
                let _ = write!(line, " {cell:<13}");
            }
            text += line.trim_end();
            text.push('\n');
        }
        text += "A dash: this layer alone does not stop it. The first column has them all.\n";
        let _ = writeln!(text, "{}", results[0]["level"]["text"].as_str().unwrap_or_default());
        text
    }
}

#[cfg(not(target_os = "linux"))]
mod proof {
    use super::SealArgs;
    use anyhow::bail;

    pub fn be(_args: &SealArgs) -> anyhow::Result<()> {
        bail!("the ways out are only known for Linux")
    }

    pub fn run(_as_json: bool) -> anyhow::Result<()> {
        bail!(
            "the ways out are only known for Linux; what enforces offline mode here is said without --prove"
        )
    }
}
