//! `hob pull`: models from Hugging Face and Ollama's registry.

use super::fit::{CONTEXT_DEFAULT, Estimate, entry_of};
use super::network::NetworkArgs;
use super::{open, show};
use crate::fail::{Stop, note, usage};
use crate::progress::{Progress, span};
use crate::{out, platform, signals};
use clap::Args;
use hob_base::Bytes;
use hob_store::{Error, ModelName, Phase, Plan, PullOptions, PullProgress, Puller, Reference, Source};
use serde_json::{Value, json};
use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How often a program hears of progress.
const EVENTS_EVERY: Duration = Duration::from_millis(500);

/// Arguments of `hob pull`.
#[derive(Args, Debug)]
#[command(after_help = "\
A pull that was stopped, cut off or killed goes on where it was when the same command is given again. Every file is compared
with the digest that the hub states before it becomes a model. Licence and size are shown first; at a terminal it asks.

Examples: hob pull qwen3-4b · hob pull hf.co/Qwen/Qwen3-0.6B-GGUF:Q8_0 · hob pull ollama/smollm2:135m")]
pub struct PullArgs {
    /// NAME[:TYPE] of the catalogue, hf.co/OWNER/REPO[:TYPE|/FILE][@REVISION] or ollama/NAME[:TAG]
    pub model: String,
    /// Call it something else
    #[arg(long)]
    pub name: Option<String>,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// Only say what would be fetched
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON lines: the plan, progress, the model
    #[arg(long)]
    pub json: bool,
    /// Most bytes a second, such as 500k or 5MB
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub limit_rate: Option<u64>,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub connections: u8,
    /// How to reach hubs.
    #[command(flatten)]
    pub network: NetworkArgs,
}

/// Runs the command.
pub fn run(args: &PullArgs) -> anyhow::Result<()> {
    let reference = Reference::parse(&args.model)?;
    let name = args.name.as_deref().map(ModelName::parse).transpose().map_err(|e| usage(e.to_string()))?;
    let (egress, hubs) = args.network.connect()?;
    let options = PullOptions {
        connections: args.connections.into(),
        bytes_per_second: args.limit_rate,
        seed: platform::seed_from_clock(),
        ..PullOptions::default()
    };
    signals::catch()?;
    let (puller, cancel) = (Puller::new(egress.clone(), hubs, options), AtomicBool::new(false));
    // Until the pull itself looks, Ctrl-C ends whatever request is waiting.
    let plan = std::thread::scope(|scope| {
        let planning = scope.spawn(|| puller.plan(&reference, &cancel));
        while !planning.is_finished() {
            if signals::is_requested() {
                cancel.store(true, Ordering::Relaxed);
                egress.stop();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        planning.join().expect("planning does not panic")
    });
    let mut plan = stopped(plan, args)?;
    if let Some(name) = name {
        plan.name = name;
    }
    announce(&plan, args)?;
    if args.dry_run {
        return Ok(());
    }
    if !args.yes && !args.json && io::stdin().is_terminal() && io::stderr().is_terminal() {
        ask()?;
    }
    let mut view = View::new(args.json);
    let result = puller.pull(&open()?, &reference, plan, &cancel, &mut |progress| {
        if signals::is_requested() {
            cancel.store(true, Ordering::Relaxed);
        }
        view.show(progress);
    });
    drop(view);
    let model = stopped(result, args)?;
    if args.json {
        return out::json_line(&json!({"event": "done", "model": show::json(&model)}));
    }
    let short = model.name.to_string();
    out::text(&format!("{short} is here: {}\nTry it: hob chat {short}\n", model.path.display()))
}

/// Turns a wish to stop into its exit code, with a word on how to go on.
fn stopped<T>(result: Result<T, Error>, args: &PullArgs) -> anyhow::Result<T> {
    match result {
        Err(Error::Stopped | Error::Egress(hob_egress::Error::Stopped)) => {
            note(&format!("stopped; what was downloaded is kept, `hob pull {}` goes on", args.model));
            Err(Stop::Interrupted.into())
        }
        other => Ok(other?),
    }
}

/// Says what is about to come.
fn announce(plan: &Plan, args: &PullArgs) -> anyhow::Result<()> {
    let (from, entry) = match &plan.source {
        Source::HuggingFace { repo, revision } => {
            (format!("hf.co/{repo} at {}", &revision[..12.min(revision.len())]), entry_of(repo))
        }
        Source::Ollama { model } => (format!("Ollama's registry, {model}"), None),
        _ => (String::new(), None),
    };
    let estimate = Estimate::new(entry, plan.bytes(), CONTEXT_DEFAULT);
    if args.json {
        let files = plan.files.iter().map(|f| json!({"path": f.path, "bytes": f.bytes, "sha256": f.sha256}));
        return out::json_line(&json!({
            "event": "plan", "name": plan.name.to_string(), "source": plan.source, "license": plan.license,
            "is_gated": plan.is_gated, "bytes": plan.bytes(), "files": files.collect::<Vec<_>>(), "memory": estimate.json(),
        }));
    }
    let license = plan.license.as_deref().unwrap_or("not stated; look at its page");
    let gated = if plan.is_gated { " (gated: its terms have to be accepted at the hub)" } else { "" };
    let count = plan.files.len();
    let text = format!(
        "{}\n  from     {from}\n  licence  {license}{gated}\n  size     {} in {count} file{}\n  memory   {}\n",
        plan.name,
        Bytes(plan.bytes()),
        if count == 1 { "" } else { "s" },
        estimate.line(),
    );
    let text = out::harmless(&text).into_owned();
    if args.dry_run { out::text(&text) } else { Ok(io::stderr().write_all(text.as_bytes())?) }
}

fn ask() -> anyhow::Result<()> {
    let _ = write!(io::stderr(), "Pull it? [Y/n] ");
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    signals::honour()?;
    match line.trim().to_ascii_lowercase().as_str() {
        "" | "y" | "yes" if !line.is_empty() => Ok(()),
        _ => Err(Stop::Interrupted.into()),
    }
}

/// Progress for people or for programs.
struct View {
    events: bool,
    bar: Progress,
    due: Duration,
    started: Duration,
}

impl View {
    fn new(events: bool) -> Self {
        let now = platform::clock();
        Self { events, bar: Progress::start(), due: now, started: now }
    }

    fn show(&mut self, progress: &PullProgress<'_>) {
        let now = platform::clock();
        let seconds = (now - self.started).as_secs_f64();
        let rate = if seconds > 1.0 { progress.received as f64 / seconds } else { 0.0 };
        if let Some(failure) = progress.failure.as_ref().filter(|_| self.events) {
            let _ = out::json_line(&json!({"event": "retry", "file": progress.file, "reason": failure}));
        }
        let event = || -> Value {
            json!({"event": "progress", "phase": progress.phase.name(), "file": progress.file, "done_bytes": progress.done,
                "total_bytes": progress.total, "received_bytes": progress.received, "bytes_per_second": rate})
        };
        if self.events {
            if now >= self.due {
                // Nobody listening is no reason to stop.
                let _ = out::json_line(&event());
                self.due = now + EVENTS_EVERY;
            }
        } else {
            self.bar.update(|| line(progress, rate), event);
        }
    }
}

fn line(progress: &PullProgress<'_>, rate: f64) -> String {
    let share =
        if progress.total == 0 { 100.0 } else { progress.done as f64 * 100.0 / progress.total as f64 };
    let filled = (share / 5.0) as usize;
    let bar: String = (0..20).map(|i| if i < filled { '#' } else { '.' }).collect();
    let mut line = format!(
        "{} [{bar}] {share:.0} %  {} of {}",
        progress.phase.name(),
        Bytes(progress.done),
        Bytes(progress.total)
    );
    if progress.phase == Phase::Downloading && rate > 0.0 {
        let left = progress.total.saturating_sub(progress.done) as f64 / rate;
        line += &format!("  {}/s  {} left", Bytes(rate as u64), span(left));
    }
    if let Some(failure) = &progress.failure {
        line += &format!("  (again after: {})", out::harmless(failure));
    }
    line.chars().take(110).collect()
}

/// `500k`, `5MB`, `1.5M`: bytes a second, in decimal units.
fn parse_rate(text: &str) -> Result<u64, String> {
    let wrong = || format!("expected bytes a second such as 500k, 5M or 5MB, found {text:?}");
    let lower = text.trim().to_ascii_lowercase();
    let plain = lower.trim_end_matches("/s").trim_end_matches('b');
    let (number, scale) = match plain.chars().last() {
        Some('k') => (&plain[..plain.len() - 1], 1e3),
        Some('m') => (&plain[..plain.len() - 1], 1e6),
        Some('g') => (&plain[..plain.len() - 1], 1e9),
        _ => (plain, 1.0),
    };
    let value: f64 = number.trim().parse().map_err(|_| wrong())?;
    let rate = value * scale;
    if rate.is_finite() && (1024.0..1e12).contains(&rate) { Ok(rate as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::parse_rate;

    #[test]
    fn rates_are_read_in_decimal_units() {
        for (text, rate) in [
            ("500k", 500_000),
            ("5MB", 5_000_000),
            ("1.5M", 1_500_000),
            ("2048", 2048),
            ("1g/s", 1_000_000_000),
        ] {
            assert_eq!(parse_rate(text), Ok(rate), "{text}");
        }
        for text in ["", "k", "-5M", "fast", "1", "nan", "infM", "5é"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}
