//! Tiny random models of every family, in every container, against the numbers of an independent implementation.
//!
//! Tolerances are those of the fixtures' README for f32 activations: exact mode is what is judged here.

mod embedding;
mod expected;
mod language;
mod mobile;
#[cfg(test)]
mod tests;
mod text;

use std::path::{Path, PathBuf};

use self::expected::{Expected, GgufCopy, Prompt};
use super::Run;
use crate::{
    Error,
    report::Report,
    shared::{copy_with, file_name, list, read_bytes, read_json},
    subject::{ModelUnderTest, Subject},
    tensors::Expectations,
};

/// Largest absolute error of a logit; logits have a standard deviation of about 1.5.
const LOGITS_ABS_MAX: f32 = 2e-3;

/// Largest relative error of a hidden state.
const HIDDEN_RELATIVE_MAX: f64 = 1e-3;

/// Greedy steps that the reference decided by less than this end the comparison.
const GREEDY_MARGIN_MIN: f32 = 5e-3;

/// Families that are refused where a directory has to become a GGUF file: those that embed, experts, and packed codes.
const NOT_IN_GGUF: [&str; 5] =
    ["bert_bge", "embeddinggemma", "gemma4_26b_a4b", "gemma4_mobile_e2b", "modernbert"];

/// One fixture folder with what it expects.
struct Family<'a> {
    name: String,
    folder: &'a Path,
    expected: Expected,
    tensors: Expectations,
}

/// Runs the suite over each folder of `models/` with an `expected.json`.
///
/// # Errors
/// [`Error`] when a fixture's expectations are unreadable.
pub fn run(run: Run<'_>, report: &mut Report) -> Result<(), Error> {
    for folder in list(&run.root.join("models"))? {
        let path = folder.join("expected.json");
        let name = file_name(&folder);
        if !path.is_file() || !report.wants(&name) {
            continue;
        }
        let Some(subject) = run.subject else {
            report.skip(&name, "no engine is linked in");
            continue;
        };
        let tensors = Expectations::load(&folder.join("expected.safetensors"))?;
        let family = Family { name, folder: &folder, expected: read_json(&path)?, tensors };
        run_family(subject, &family, report)?;
    }
    Ok(())
}

fn run_family(subject: &dyn Subject, family: &Family<'_>, report: &mut Report) -> Result<(), Error> {
    for container in containers(family.folder)? {
        let inside =
            container.strip_prefix(family.folder).unwrap_or(Path::new("")).to_string_lossy().into_owned();
        let label = if inside.is_empty() { "hf".to_owned() } else { inside };
        if let Some(mut model) = load(subject, family, &label, &container, report) {
            check_prompts(family, &label, &family.expected.prompts, true, &mut *model, report);
            text::check(family, &label, &*model, report);
            mobile::check(family, &label, &mut *model, report);
        }
        check_converted(subject, family, &label, &container, report);
        let newer = container.join("config.v5.json");
        if newer.is_file() {
            let copy = copy_with(&container, "config.json", &read_bytes(&newer)?)?;
            let label = format!("{label}-v5");
            if let Some(mut model) = load(subject, family, &label, copy.path(), report) {
                check_prompts(family, &label, &family.expected.prompts, true, &mut *model, report);
            }
        }
    }
    for (ty, value) in &family.expected.gguf {
        // A conversion that failed when the fixtures were made left its error's name here.
        if let Ok(copy) = GgufCopy::deserialize_from(value) {
            check_gguf(subject, family, ty, &copy, report);
        }
    }
    Ok(())
}

/// The fixture's own folder, or the folders in it that hold one model each in different containers.
fn containers(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let is_model = |path: &PathBuf| path.join("config.json").is_file();
    let own = folder.to_path_buf();
    if is_model(&own) { Ok(vec![own]) } else { Ok(list(folder)?.into_iter().filter(is_model).collect()) }
}

impl GgufCopy {
    fn deserialize_from(value: &serde_json::Value) -> Result<Self, serde_json::Error> {
        serde::Deserialize::deserialize(value)
    }
}

fn check_gguf(subject: &dyn Subject, family: &Family<'_>, ty: &str, copy: &GgufCopy, report: &mut Report) {
    let label = format!("gguf-{ty}");
    let Some(mut model) = load(subject, family, &label, &family.folder.join(&copy.file), report) else {
        return;
    };
    // Without runs of its own the file holds the full-precision weights.
    let (prompts, full) = match &copy.prompts {
        Some(prompts) => (prompts, false),
        None => (&family.expected.prompts, true),
    };
    check_prompts(family, &label, prompts, full, &mut *model, report);
}

/// The directory as the GGUF file that it becomes: the same numbers, words and conversations, or a refusal.
fn check_converted(
    subject: &dyn Subject,
    family: &Family<'_>,
    label: &str,
    container: &Path,
    report: &mut Report,
) {
    let label = format!("{label}-as-gguf");
    let name = format!("{}/{label}", family.name);
    if !report.wants(&name) {
        return;
    }
    if NOT_IN_GGUF.contains(&family.name.as_str()) {
        report.case(&format!("{name}/refused"), || match subject.convert(container) {
            Err(error) if error.contains("GGUF file cannot hold") => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err("was converted, although something is lost".to_owned()),
        });
    } else if let Some(mut model) = report.prepare(&format!("{name}/load"), || subject.convert(container)) {
        check_prompts(family, &label, &family.expected.prompts, true, &mut *model, report);
        text::check(family, &label, &*model, report);
    }
}

/// Loads a model as a case of its own, so that a failure counts once.
fn load(
    subject: &dyn Subject,
    family: &Family<'_>,
    label: &str,
    path: &Path,
    report: &mut Report,
) -> Option<Box<dyn ModelUnderTest>> {
    let name = format!("{}/{label}", family.name);
    if !report.wants(&name) {
        return None;
    }
    report.prepare(&format!("{name}/load"), || subject.load(path))
}

fn check_prompts(
    family: &Family<'_>,
    label: &str,
    prompts: &[Prompt],
    full: bool,
    model: &mut dyn ModelUnderTest,
    report: &mut Report,
) {
    for prompt in prompts {
        let name = format!("{}/{label}/{}", family.name, prompt.name);
        if !report.wants(&name) {
            continue;
        }
        if prompt.embedding_key.is_some() {
            embedding::check(family, &name, prompt, model, report);
        } else {
            language::check(family, &name, prompt, full, model, report);
        }
    }
    embedding::check_cosines(family, label, prompts, model, report);
}
