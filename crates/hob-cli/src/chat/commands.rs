//! The commands of a conversation: what begins with `/`.

use super::args::AnswerArgs;
use super::{Desk, talk};
use crate::{input, out};
use anyhow::{anyhow, bail};
use clap::{CommandFactory, Parser};
use hob_format::{AtomicFile, Commit};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// All commands, for completion.
pub const NAMES: [&str; 11] = [
    "/help",
    "/system",
    "/set",
    "/save",
    "/load",
    "/clear",
    "/temporary",
    "/regenerate",
    "/stats",
    "/exit",
    "/quit",
];

const HELP: &str = "\
/system [TEXT]     show the instructions that come first, or replace them (- removes them)
/set               show what can be set and how it stands
/set NAME VALUE    change how answers are drawn (temp, seed, max-tokens, think ...); stop and logit-bias collect
                   what they are given, and - empties them
/save FILE         write the conversation into a file
/load FILE         go on with a saved one
/clear             begin another conversation, with the same instructions
/temporary         begin another conversation, of which nothing is written
/regenerate        answer the last message anew
/stats             speed, tokens and memory of the last answer
/exit              leave (Ctrl-D does, too)

Several lines: end a line with \\, or put everything between two lines of \"\"\".
Ctrl-C stops an answer; what was said of it stays. A message that begins with / can be sent as //...
";

/// What to do after a command.
#[derive(Debug, PartialEq, Eq)]
pub enum After {
    /// Ask for the next input.
    Go,
    /// Let the model answer the last message again.
    Regenerate,
    /// Print figures about the last answer.
    Stats,
    /// Write nothing of what follows.
    Temporary,
    /// End the conversation.
    Exit,
}

/// A line of `/set`, read like flags.
#[derive(Parser)]
#[command(no_binary_name = true, name = "/set")]
struct SetLine {
    #[command(flatten)]
    answer: AnswerArgs,
}

/// Runs the command in `line`, which begins with `/`.
pub fn run(desk: &mut Desk, line: &str) -> anyhow::Result<After> {
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match name {
        "/help" | "/?" => out::text(HELP)?,
        "/system" => system(desk, rest)?,
        "/set" => set(desk, rest)?,
        "/save" => save(desk, &path(rest)?)?,
        "/load" => load(desk, &path(rest)?)?,
        "/clear" => {
            desk.talk.clear();
            let is_kept = desk.keeper.id().is_some();
            desk.keeper.restart();
            let before = if is_kept { "; the one before is kept" } else { "" };
            out::text(&format!("Another conversation begins{before}.\n"))?;
        }
        "/temporary" => {
            desk.talk.clear();
            desk.keeper.stop();
            out::text("From here on nothing is written. What was kept before stays (hob chats list).\n")?;
            return Ok(After::Temporary);
        }
        "/regenerate" => return Ok(After::Regenerate),
        "/stats" => return Ok(After::Stats),
        "/exit" | "/quit" | "/bye" => return Ok(After::Exit),
        _ => bail!("{name} is no command; /help lists them (to send a message that begins with /, write //)"),
    }
    Ok(After::Go)
}

fn system(desk: &mut Desk, text: &str) -> anyhow::Result<()> {
    match text {
        "" => match desk.talk.system() {
            Some(text) => out::text(&(out::harmless(&text) + "\n")),
            None => out::text("There are no instructions; /system TEXT sets some.\n"),
        },
        "-" => {
            desk.talk.set_system(None)?;
            desk.keeper.set_system(None);
            out::text("The instructions are removed.\n")
        }
        text => {
            desk.talk.set_system(Some(text))?;
            desk.keeper.set_system(Some(text));
            out::text("From the next answer on these instructions come first.\n")
        }
    }
}

fn set(desk: &mut Desk, line: &str) -> anyhow::Result<()> {
    if line.is_empty() {
        return out::text(&settings(desk));
    }
    let (name, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if value.is_empty() {
        bail!("expected a name and a value, as in `/set temp 0.5`; /set alone lists the names");
    }
    // Flags and other programs' spellings are understood, too.
    let name = known(&name.trim_start_matches('-').replace('_', "-"))?;
    if value.trim() == "-" && empty(&mut desk.answer, &name) {
        return out::text(&format!("{name} is empty.\n"));
    }
    let mut trial = SetLine { answer: desk.answer.clone() };
    trial.answer.stop.clear();
    trial.answer.sampling.logit_bias.clear();
    trial
        .try_update_from([format!("--{name}={}", value.trim())])
        .map_err(|e| anyhow!(as_typed(&e.to_string())))?;
    let mut answer = trial.answer;
    // Lists grow; everything else is replaced.
    prepend(&mut answer.stop, &desk.answer.stop);
    prepend(&mut answer.sampling.logit_bias, &desk.answer.sampling.logit_bias);
    answer.sampling.config(&desk.model, desk.seed).map_err(|e| anyhow!(as_typed(&e.to_string())))?;
    if let Some(seed) = answer.sampling.seed.filter(|_| name == "seed") {
        (desk.seed, desk.answers) = (seed, 0);
    }
    desk.answer = answer;
    if name == "think" {
        desk.talk.set_think(desk.answer.think());
        desk.check_think();
    }
    out::text(&out::harmless(&format!("From the next answer on: {name} {}\n", value.trim())))
}

/// Empties the list called `name`; `false` if there is none.
fn empty(answer: &mut AnswerArgs, name: &str) -> bool {
    match name {
        "stop" => answer.stop.clear(),
        "logit-bias" => answer.sampling.logit_bias.clear(),
        _ => return false,
    }
    true
}

fn prepend<T: Clone>(list: &mut Vec<T>, before: &[T]) {
    let after = std::mem::replace(list, before.to_vec());
    list.extend(after);
}

/// The setting called `name`, if there is one.
fn known(name: &str) -> anyhow::Result<String> {
    let command = SetLine::command();
    let names: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    if names.contains(&name) {
        return Ok(name.to_string());
    }
    let alike = names.iter().find(|known| known.starts_with(name) || name.starts_with(**known));
    let advice = alike.map_or("/set alone lists them".to_string(), |known| format!("did you mean {known}?"));
    bail!("{name} is no setting; {advice}")
}

/// What is said about flags, said about settings: without dashes and advice about `--help`.
fn as_typed(text: &str) -> String {
    let lines = text.lines().map(str::trim).take_while(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ").trim_start_matches("error: ").replace("--", "")
}

fn settings(desk: &Desk) -> String {
    let c = match desk.answer.sampling.config(&desk.model, desk.next_seed()) {
        Ok(config) => config,
        Err(error) => return format!("{error}\n"),
    };
    let max_tokens = desk.answer.max_tokens.map_or("none".to_string(), |n| n.to_string());
    let mirostat = c.mirostat.map_or("off".to_string(), |m| format!("{}, mirostat-eta {}", m.tau, m.eta));
    format!(
        "temp {}, top-k {}, top-p {}, min-p {}, typical {}\n\
         repeat-penalty {}, presence-penalty {}, frequency-penalty {}\n\
         dry-multiplier {}, dry-base {}, dry-allowed-length {}\n\
         xtc-probability {}, xtc-threshold {}\n\
         mirostat {mirostat}\n\
         logit-bias {:?}, stop {:?}\n\
         max-tokens {max_tokens}, seed of the next answer {}, think {}\n",
        c.temperature,
        c.top_k,
        c.top_p,
        c.min_p,
        c.typical_p,
        c.repeat_penalty,
        c.presence_penalty,
        c.frequency_penalty,
        c.dry.multiplier,
        c.dry.base,
        c.dry.allowed_length,
        c.xtc_probability,
        c.xtc_threshold,
        c.logit_bias,
        desk.answer.stop,
        c.seed,
        desk.answer.think().map_or("auto", |on| if on { "on" } else { "off" }),
    )
}

fn path(text: &str) -> anyhow::Result<PathBuf> {
    if text.is_empty() {
        bail!("expected the name of a file, as in `/save talk.json`");
    }
    let home = || std::env::var_os("HOME").map(PathBuf::from);
    Ok(match text.strip_prefix("~/").zip(home()) {
        Some((rest, home)) => home.join(rest),
        None => text.into(),
    })
}

fn save(desk: &Desk, path: &Path) -> anyhow::Result<()> {
    let is_ours = || input::json_file(path).is_ok_and(|json| talk::is_saved(&json));
    if path.exists() && !is_ours() {
        bail!(
            "{}: this file is no saved conversation, so it is left alone; choose another name",
            path.display()
        );
    }
    let text = serde_json::to_string_pretty(&desk.talk.to_json())? + "\n";
    write(path, text.as_bytes())
        .map_err(|e| anyhow!("{}: cannot save: {e}; choose another place or name", path.display()))?;
    out::text(&format!("Saved as {}.\n", path.display()))
}

/// Writes the file. Errors are the system's: those of the file's library name a temporary file.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = AtomicFile::create(path).map_err(|error| match error {
        hob_format::Error::Io { source, .. } => source,
        other => io::Error::other(other),
    })?;
    file.write_all(bytes)?;
    file.commit()
}

fn load(desk: &mut Desk, path: &Path) -> anyhow::Result<()> {
    let saved = input::json_file(path)?;
    desk.talk.load(&saved).map_err(|e| anyhow!("{}: {e}", path.display()))?;
    desk.keeper.restart();
    desk.keeper.replay(saved["messages"].as_array().map(Vec::as_slice).unwrap_or_default());
    if let Some(last) = desk.talk.last_answer() {
        out::text(&(out::harmless(&last) + "\n"))?;
    }
    Ok(())
}
