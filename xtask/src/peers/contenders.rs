//! Who takes part in a case, and how each is called: the command, and where its output says the figure.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use super::{
    cases::{Bar, Case, DEEP_DECODE, Kv, Level, Role, Work},
    figure::Reads,
    install::Place,
};

/// One program with one set of settings.
pub struct Contender {
    /// On whose side.
    pub role: Role,
    /// Program and settings, for people.
    pub label: String,
    /// Runs it once.
    pub command: Command,
    /// How its output is read.
    pub reads: Reads,
}

/// Everyone in `case`, Hob first. `quick` shortens the runs.
pub fn contenders(place: &Place, case: &Case, quick: bool) -> Result<Vec<Contender>> {
    let model = place.model(case.model)?;
    let repeats = if quick { "1" } else { "2" };
    let mut all = vec![hob(place, Role::Hob, case, &model, repeats)?];
    for role in roles(case) {
        match role {
            Role::Hob => {}
            Role::Baseline => all.push(baseline(place, case, repeats)?),
            Role::Llama => all.extend(llama(place, case, &model, repeats)?),
            Role::OpenVino32 => all.push(openvino(place, case, role, 32)?),
            Role::OpenVino => all.push(openvino(place, case, role, 128)?),
        }
    }
    Ok(all)
}

/// The roles that a case's bars name.
fn roles(case: &Case) -> Vec<Role> {
    let role = |bar: &Bar| match bar {
        Bar::AtLeast(_, role) | Bar::AtMost(_, role) | Bar::Shown(role) => Some(*role),
        Bar::Share(..) | Bar::Absolute(_) | Bar::BeyondFile(_) => None,
    };
    case.bars.iter().filter_map(role).collect()
}

fn hob(place: &Place, role: Role, case: &Case, model: &Path, repeats: &str) -> Result<Contender> {
    let threads = place.threads();
    let (mut command, reads) = match case.work {
        Work::Prefill { tokens } => {
            let mut command = hob_bench(place, model, repeats);
            command.args(["--prompt", &tokens.to_string(), "--depth", "1", "--tokens", "1"]);
            (command, Reads::HobPrefill)
        }
        Work::Decode { depth, tokens, kv } => {
            let mut command = hob_bench(place, model, repeats);
            command.args(["--prompt", "1", "--depth", &depth.to_string(), "--tokens", &tokens.to_string()]);
            command.args(["--kv", if kv == Kv::Q8 { "q8" } else { "f16" }]);
            (command, Reads::HobDecode)
        }
        Work::Sequences { count } => {
            let mut command = hob_bench(place, model, repeats);
            command.args(["--prompt", "1", "--depth", "64", "--tokens", "32"]);
            command.args(["--sequences", &count.to_string()]);
            (command, Reads::HobTogether)
        }
        Work::FirstToken | Work::PeakMemory { .. } => {
            let mut command = outside(place)?;
            command.arg(&place.hob).arg("chat").arg(model).args([
                "Once upon a time",
                "--raw",
                "--no-history",
            ]);
            command.args(["--max-tokens", "8", "--temp", "0", "--threads", &threads]);
            command.args(["--context", &context(case.work)]);
            (command, whole_process(case.work))
        }
        Work::Divergence => {
            let mut command = place.binding("kl_vs_llama_cpp.py")?;
            command.arg("--hob").arg(&place.hob).args(["--threads", &threads, "--of", "hob"]).arg(model);
            (command, Reads::Value)
        }
        Work::PromptLookUp => {
            let mut command = hob_bench(place, model, repeats);
            command.args(["--prompt", "1", "--tokens", "1", "--look-up"]);
            (command, if role == Role::Baseline { Reads::HobPlain } else { Reads::HobLookUp })
        }
        Work::Embeddings { batch } => {
            let mut command = hob_bench(place, model, repeats);
            command.args(["--prompt", "128", "--sequences", &batch.to_string()]);
            (command, Reads::HobVectors)
        }
    };
    if case.level == Level::Avx2 {
        command.env("HOB_ISA", "avx2");
    }
    Ok(Contender { role, label: "Hob".to_owned(), command, reads })
}

fn hob_bench(place: &Place, model: &Path, repeats: &str) -> Command {
    let mut command = Command::new(&place.hob);
    command.arg("bench").arg(model).args(["--threads", &place.threads(), "--repeat", repeats]);
    command.args(["--no-limits", "--json"]);
    command
}

/// What Hob is held against where that is Hob itself.
fn baseline(place: &Place, case: &Case, repeats: &str) -> Result<Contender> {
    let (label, other) = match case.work {
        Work::Decode { kv: Kv::Q8, .. } => ("Hob, f16 cache", Case { work: DEEP_DECODE, ..case.clone() }),
        _ if case.model == "gemma-4-e2b:mobile" => {
            ("Hob, Q4_0", Case { model: "gemma-4-e2b:Q4_0", ..case.clone() })
        }
        Work::PromptLookUp => ("Hob, one token at a time", case.clone()),
        _ => bail!("{} is compared with Hob itself, but nothing says with what", case.name),
    };
    let model = place.model(other.model)?;
    Ok(Contender { label: label.to_owned(), ..hob(place, Role::Baseline, &other, &model, repeats)? })
}

/// llama.cpp with every combination of the settings that change its speed: which is best differs from case to case.
fn llama(place: &Place, case: &Case, model: &Path, repeats: &str) -> Result<Vec<Contender>> {
    let mut all = Vec::new();
    for repack in [true, false] {
        for attention in flash_attention(case.work) {
            let settings = Settings { repack, attention, repeats };
            let (command, reads) = llama_command(place, case, model, &settings)?;
            let label = match case.work {
                Work::Embeddings { .. } | Work::Divergence => {
                    format!("llama.cpp, repack {}", u8::from(repack))
                }
                _ => format!("llama.cpp, repack {}, fa {attention}", u8::from(repack)),
            };
            all.push(Contender { role: Role::Llama, label, command, reads });
        }
    }
    Ok(all)
}

struct Settings<'a> {
    repack: bool,
    attention: &'static str,
    repeats: &'a str,
}

fn flash_attention(work: Work) -> &'static [&'static str] {
    match work {
        // Values in 8 bits need it.
        Work::Decode { kv: Kv::Q8, .. } => &["on"],
        Work::Embeddings { .. } | Work::Divergence => &["auto"],
        _ => &["on", "off"],
    }
}

fn llama_command(place: &Place, case: &Case, model: &Path, with: &Settings<'_>) -> Result<(Command, Reads)> {
    let programs = place.llama(case.level)?;
    let (threads, switch) = (place.threads(), if with.repack { "1" } else { "0" });
    Ok(match case.work {
        Work::Prefill { .. } | Work::Decode { .. } => {
            let mut command = Command::new(programs.join("llama-bench"));
            command.arg("-m").arg(model).args(["-t", &threads, "-r", with.repeats, "-o", "json"]);
            command.args(["--repack", switch, "-fa", with.attention]).args(lengths(case.work));
            (command, Reads::LlamaBench)
        }
        Work::Sequences { count } => {
            let mut command = Command::new(programs.join("llama-batched-bench"));
            command.arg("-m").arg(model).args(["-t", &threads, "-fa", with.attention, "-c", "2048"]);
            command.args(["-npp", "64", "-ntg", "32", "-npl", &count.to_string()]);
            command.args(["--output-format", "jsonl"]).args((!with.repack).then_some("--no-repack"));
            (command, Reads::Batched)
        }
        Work::FirstToken | Work::PeakMemory { .. } => {
            let mut command = outside(place)?;
            command.arg(programs.join("llama-completion")).arg("-m").arg(model);
            command.args(["-p", "Once upon a time", "-n", "8", "--temp", "0", "-t", &threads]);
            command.args(["--no-warmup", "-no-cnv", "--no-display-prompt", "--simple-io"]);
            command.args(["-fa", with.attention, "-c", &context(case.work)]);
            command.args((!with.repack).then_some("--no-repack"));
            (command, whole_process(case.work))
        }
        Work::Embeddings { batch } => {
            let mut command = place.binding("llama_embed.py")?;
            command
                .args(["--threads", &threads, "--batch", &batch.to_string(), "--repack", switch])
                .arg(model);
            (command, Reads::Value)
        }
        Work::Divergence => {
            let mut command = place.binding("kl_vs_llama_cpp.py")?;
            command.arg("--hob").arg(&place.hob).args(["--threads", &threads, "--of", "llama"]);
            command.args(["--repack", switch]).arg(model);
            (command, Reads::Value)
        }
        Work::PromptLookUp => bail!("prompt look-up is compared with Hob itself"),
    })
}

/// What `llama-bench` is told of the lengths.
fn lengths(work: Work) -> Vec<String> {
    let words = match work {
        Work::Decode { depth, tokens, kv } => {
            let kind = if kv == Kv::Q8 { "q8_0" } else { "f16" };
            format!("-p 0 -n {tokens} -d {depth} -ctk {kind} -ctv {kind}")
        }
        Work::Prefill { tokens } => format!("-p {tokens} -n 0"),
        _ => String::new(),
    };
    words.split_whitespace().map(str::to_owned).collect()
}

fn openvino(place: &Place, case: &Case, role: Role, group: u32) -> Result<Contender> {
    let mut command = Command::new(place.openvino()?);
    command.arg(place.script("openvino_peer.py")).arg("--models").arg(place.openvino_models());
    command.args(["--threads", &place.threads()]);
    let label = match case.work {
        Work::Prefill { tokens } => {
            command.args(["--group", &group.to_string(), "--prefill", &tokens.to_string()]);
            format!("OpenVINO, int4 in groups of {group}")
        }
        Work::Decode { tokens, .. } => {
            command.args(["--group", &group.to_string(), "--decode", &tokens.to_string()]);
            format!("OpenVINO, int4 in groups of {group}")
        }
        Work::Embeddings { batch } => {
            command.args(["--embed", &batch.to_string()]);
            "OpenVINO, static int8".to_owned()
        }
        _ => bail!("{} is not compared with OpenVINO", case.name),
    };
    Ok(Contender { role, label, command, reads: Reads::Value })
}

/// Runs what follows and measures it from outside.
fn outside(place: &Place) -> Result<Command> {
    let mut command = Command::new(place.plain_python()?);
    command.arg(place.script("outside.py"));
    Ok(command)
}

fn whole_process(work: Work) -> Reads {
    if work == Work::FirstToken { Reads::FirstByte } else { Reads::PeakMemory }
}

/// Positions that a chat may hold.
fn context(work: Work) -> String {
    match work {
        Work::PeakMemory { context } => context.to_string(),
        _ => "512".to_owned(),
    }
}
