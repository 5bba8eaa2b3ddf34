//! Ollama's Modelfiles: where the weights are, and how the model wants to be used.

use super::{Candidate, folders};
use crate::hub::ollama::note;
use crate::{Error, Settings, disk};
use std::path::{Path, PathBuf};

/// Longest Modelfile read. Licences make them long.
const BYTES_MAX: u64 = 4 << 20;
/// Its commands. A file that begins with another word is none.
const COMMANDS: [&str; 9] =
    ["FROM", "PARAMETER", "TEMPLATE", "SYSTEM", "ADAPTER", "LICENSE", "MESSAGE", "REQUIRES", "#"];

/// What a Modelfile says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Modelfile {
    /// Path or name of the weights.
    pub from: Vec<String>,
    /// Paths of adapters.
    pub adapters: Vec<String>,
    pub settings: Settings,
}

/// The model that the Modelfile at `path` describes; `None` when the file is no Modelfile.
pub(crate) fn load(path: &Path) -> Result<Option<Candidate>, Error> {
    let is_called_so =
        path.file_name().is_some_and(|n| n.to_string_lossy().to_ascii_lowercase().contains("modelfile"));
    let text = match disk::read_small(path, BYTES_MAX) {
        Ok(Some(bytes)) => String::from_utf8(bytes).ok(),
        Err(_) if !is_called_so => None,
        other => other?.and_then(|bytes| String::from_utf8(bytes).ok()),
    };
    let refuse = |found: String| Error::Import { path: path.to_path_buf(), found };
    let Some(file) = text.as_deref().and_then(parse) else {
        return if is_called_so {
            Err(refuse("no Modelfile: expected a line FROM".into()))
        } else {
            Ok(None)
        };
    };
    if !file.adapters.is_empty() {
        return Err(refuse("it has an ADAPTER; merge it first (hob merge-lora)".into()));
    }
    let [from] = file.from.as_slice() else {
        return Err(refuse(format!("expected one line FROM, found {}", file.from.len())));
    };
    let target = expand(path, from);
    if !target.exists() {
        let what = "Hob adopts files: give FROM the path of one, or `hob import --scan` what Ollama holds";
        return Err(refuse(format!("FROM {from}: there is no such file beside it; {what}")));
    }
    let mut found = if target.is_file() { folders::file(&target)? } else { folders::folder(&target, None)? };
    if found.len() != 1 {
        return Err(refuse(format!("FROM {from}: expected one model there, found {}", found.len())));
    }
    let mut candidate = found.remove(0);
    candidate.settings = file.settings;
    candidate.place = path.to_path_buf();
    Ok(Some(candidate))
}

fn expand(modelfile: &Path, from: &str) -> PathBuf {
    let path = Path::new(from);
    if path.is_absolute() {
        path.to_path_buf()
    } else {
        modelfile.parent().unwrap_or(Path::new(".")).join(path)
    }
}

/// Reads a Modelfile; `None` when the text is none.
pub(crate) fn parse(text: &str) -> Option<Modelfile> {
    let mut file = Modelfile::default();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start_matches('\u{feff}').trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (command, rest) = line.split_once(char::is_whitespace)?;
        let command = command.to_ascii_uppercase();
        if !COMMANDS.contains(&command.as_str()) {
            return None;
        }
        let (name, rest) = match command.as_str() {
            "PARAMETER" | "MESSAGE" => rest.trim().split_once(char::is_whitespace)?,
            _ => ("", rest),
        };
        let value = value(rest.trim(), &mut lines)?;
        match command.as_str() {
            "FROM" => file.from.push(value),
            "ADAPTER" => file.adapters.push(value),
            "PARAMETER" => file.settings.parameters.push((name.to_owned(), value)),
            "MESSAGE" => file.settings.messages.push((name.to_ascii_lowercase(), value)),
            "TEMPLATE" | "SYSTEM" | "LICENSE" => {
                note(&mut file.settings, &command.to_ascii_lowercase(), value)
            }
            _ => {}
        }
    }
    (!file.from.is_empty()).then_some(file)
}

/// A value: the rest of the line, a quoted text, or a text in three quotes over several lines.
fn value<'a>(rest: &str, lines: &mut impl Iterator<Item = &'a str>) -> Option<String> {
    if let Some(start) = rest.strip_prefix("\"\"\"") {
        if let Some((text, _)) = start.split_once("\"\"\"") {
            return Some(text.to_owned());
        }
        let mut text = start.to_owned();
        loop {
            let line = lines.next()?;
            text.push('\n');
            if let Some((end, _)) = line.split_once("\"\"\"") {
                text += end;
                return Some(text.strip_prefix('\n').unwrap_or(&text).to_owned());
            }
            text += line;
        }
    }
    let quoted = rest.strip_prefix('"').and_then(|r| r.strip_suffix('"'));
    Some(quoted.unwrap_or(rest).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_texts_and_parameters_are_read() {
        let text = "# a comment\nFROM ./model.gguf\nparameter stop \"<end>\"\nPARAMETER temperature 0.7\n\
            SYSTEM \"\"\"\nYou are a cat.\nSay meow.\"\"\"\nTEMPLATE \"{{ .Prompt }}\"\nMESSAGE user hi\nLICENSE \"\"\"MIT\"\"\"\n";
        let file = parse(text).unwrap();
        assert_eq!(file.from, ["./model.gguf"]);
        assert_eq!(file.settings.system.as_deref(), Some("You are a cat.\nSay meow."));
        assert_eq!(file.settings.template.as_deref(), Some("{{ .Prompt }}"));
        assert_eq!(file.settings.license_text.as_deref(), Some("MIT"));
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(file.settings.parameters, [pair("stop", "<end>"), pair("temperature", "0.7")]);
    }

    #[test]
    fn other_texts_are_no_modelfiles() {
        for text in
            ["", "hello world", "FROM", "FROM a\nSYSTEM \"\"\"never ends", "#!/bin/sh\necho", "SYSTEM x"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
