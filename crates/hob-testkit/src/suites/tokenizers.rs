//! Real vocabularies: ids of texts, line by line, against the original tokenizers'.

use std::path::Path;

use serde::Deserialize;

use super::Run;
use crate::{
    Error,
    compare::require_ids,
    report::Report,
    shared::{file_name, list, read_json, read_text},
    subject::{Encode, TokenizerUnderTest},
};

/// What separates the texts of an `.inp` file.
const SEPARATOR: &str = "\n__ggml_vocab_test__\n";

#[derive(Deserialize)]
struct Extra {
    vocab: String,
    cases: Vec<ExtraCase>,
}

#[derive(Deserialize)]
struct ExtraCase {
    text: String,
    ids: Vec<u32>,
    #[serde(default)]
    ids_parse_special: Option<Vec<u32>>,
    #[serde(default)]
    ids_add_special: Option<Vec<u32>>,
    /// Where false, two published implementations disagree, and neither can be required.
    #[serde(default)]
    also_by_transformers: Option<bool>,
}

/// Runs the suite over every `*.gguf` with `.inp` and `.out`, and every `extra-*.json`.
///
/// # Errors
/// [`Error`] when a fixture is unreadable.
pub fn run(run: Run<'_>, report: &mut Report) -> Result<(), Error> {
    let folder = run.root.join("tokenizers");
    for path in list(&folder)? {
        let name = file_name(&path);
        if !report.wants(name.trim_end_matches(".json")) {
            continue;
        }
        if name.ends_with(".gguf") {
            if let Some(tokenizer) = load(run, &path, &name, report) {
                check_lines(&path, &name, &*tokenizer, report)?;
            }
        } else if name.starts_with("extra-") && name.ends_with(".json") {
            let extra: Extra = read_json(&path)?;
            let name = name.trim_end_matches(".json");
            if let Some(tokenizer) = load(run, &folder.join(&extra.vocab), name, report) {
                check_extra(name, &extra, &*tokenizer, report);
            }
        }
    }
    Ok(())
}

fn load(run: Run<'_>, path: &Path, name: &str, report: &mut Report) -> Option<Box<dyn TokenizerUnderTest>> {
    let Some(subject) = run.subject else {
        report.skip(name, "no engine is linked in");
        return None;
    };
    report.prepare(&format!("{name}/load"), || subject.load_tokenizer(path))
}

fn check_lines(
    path: &Path,
    name: &str,
    tokenizer: &dyn TokenizerUnderTest,
    report: &mut Report,
) -> Result<(), Error> {
    let beside = |ending: &str| path.with_file_name(format!("{name}.{ending}"));
    let (texts, ids) = (read_text(&beside("inp"))?, read_text(&beside("out"))?);
    let (texts, lines): (Vec<&str>, Vec<&str>) = (texts.split(SEPARATOR).collect(), ids.lines().collect());
    // The file of texts may end with a separator, which is followed by nothing.
    let texts = if texts.len() == lines.len() + 1 { &texts[..lines.len()] } else { &texts[..] };
    if texts.len() != lines.len() {
        let message =
            format!("expected as many texts as lines of ids, found {} and {}", texts.len(), lines.len());
        return Err(Error::form(path, message));
    }
    for (index, (text, line)) in texts.iter().zip(lines).enumerate() {
        report.case(&format!("{name}/{index}"), || {
            let ids = line.split_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>();
            let ids = ids.map_err(|error| format!("line {index} of the ids: {error}"))?;
            require(&ids, text, Encode { add_special: false, parse_special: true }, tokenizer)
        });
    }
    Ok(())
}

fn check_extra(name: &str, extra: &Extra, tokenizer: &dyn TokenizerUnderTest, report: &mut Report) {
    let settled = extra.cases.iter().enumerate().filter(|(_, case)| case.also_by_transformers != Some(false));
    for (index, case) in settled {
        let ways = [
            ("plain", Some(&case.ids), Encode::default()),
            (
                "parse_special",
                case.ids_parse_special.as_ref(),
                Encode { add_special: false, parse_special: true },
            ),
            ("add_special", case.ids_add_special.as_ref(), Encode { add_special: true, parse_special: true }),
        ];
        for (way, ids, options) in ways {
            if let Some(ids) = ids {
                report
                    .case(&format!("{name}/{index}/{way}"), || require(ids, &case.text, options, tokenizer));
            }
        }
    }
}

fn require(
    ids: &[u32],
    text: &str,
    options: Encode,
    tokenizer: &dyn TokenizerUnderTest,
) -> Result<(), String> {
    let found = tokenizer.encode(text, options)?;
    require_ids(ids, &found).map_err(|message| format!("{text:?}: {message}"))
}
