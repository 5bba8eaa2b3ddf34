//! Hostile files: each has to be rejected with an error, quickly and without much memory.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Run;
use crate::{
    Error,
    probe::{Measured, Target, Verdict, run_child, this_program},
    report::Report,
    shared::{copy_with, read_bytes, read_json},
};

#[derive(Deserialize)]
struct Manifest {
    limits: Limits,
    cases: Vec<Case>,
}

#[derive(Deserialize, Clone, Copy)]
struct Limits {
    max_extra_bytes_allocated: usize,
    max_seconds: f64,
}

#[derive(Deserialize)]
struct Case {
    file: String,
    kind: String,
    why: String,
    #[serde(default)]
    apply_to: Option<String>,
    #[serde(default)]
    semantic: bool,
    #[serde(default)]
    expect: Expect,
}

#[derive(Deserialize, Clone, Copy, Default, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
enum Expect {
    #[default]
    Reject,
    Load,
    RejectOrLoad,
    ErrorOrEmpty,
}

/// Runs the suite over `malformed/manifest.json`.
///
/// # Errors
/// [`Error`] when the manifest or a model it refers to is unreadable.
pub fn run(run: Run<'_>, report: &mut Report) -> Result<(), Error> {
    let folder = run.root.join("malformed");
    let manifest: Manifest = read_json(&folder.join("manifest.json"))?;
    for case in &manifest.cases {
        if !report.wants(&case.file) {
            continue;
        }
        let targets = targets(case, run.subject.is_some());
        if targets.is_empty() {
            report.skip(&case.file, "no engine is linked in");
            continue;
        }
        let input = Input::prepare(run.root, &folder, case)?;
        report.case(&case.file, || check(&targets, input.path(), case, manifest.limits));
    }
    Ok(())
}

/// What to open, in order; the case passes as soon as one of them rejects what has to be rejected. Only well-formed
/// containers get as far as a model.
fn targets(case: &Case, engine: bool) -> Vec<Target> {
    let model = engine.then_some(Target::Model);
    match case.kind.as_str() {
        "gguf" if case.expect == Expect::Load => [Some(Target::Gguf), model].into_iter().flatten().collect(),
        "gguf" if case.semantic => model.into_iter().collect(),
        "gguf" => vec![Target::Gguf],
        "safetensors" => vec![Target::Safetensors],
        "chat_template" => vec![Target::Template],
        _ => model.into_iter().collect(),
    }
}

/// The case's own file, or a copy of a model with that file in it.
enum Input {
    File(PathBuf),
    Copy(tempfile::TempDir),
}

impl Input {
    fn prepare(root: &Path, folder: &Path, case: &Case) -> Result<Self, Error> {
        let file = folder.join(&case.file);
        let Some(model) = &case.apply_to else { return Ok(Self::File(file)) };
        // The kind is the name of the file that is replaced. Held-out sets may keep their models elsewhere.
        copy_with(&root.join(model), &case.kind, &read_bytes(&file)?).map(Self::Copy)
    }

    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Copy(folder) => folder.path(),
        }
    }
}

fn check(targets: &[Target], path: &Path, case: &Case, limits: Limits) -> Result<(), String> {
    let program = this_program()?;
    for &target in targets {
        let outcome = match run_child(&program, target, path, limits.max_seconds)? {
            Verdict::Measured(measured) => judge(&measured, case.expect, limits),
            Verdict::Broken(how) => Err(how),
        };
        outcome.map_err(|message| format!("{message} ({})", case.why))?;
    }
    Ok(())
}

fn judge(measured: &Measured, expect: Expect, limits: Limits) -> Result<(), String> {
    if let Some(panic) = &measured.panicked {
        return Err(panic.clone());
    }
    if measured.peak_extra_bytes > limits.max_extra_bytes_allocated {
        return Err(format!("allocated {} bytes", measured.peak_extra_bytes));
    }
    if measured.seconds > limits.max_seconds {
        return Err(format!("took {:.1} s", measured.seconds));
    }
    match (&measured.rejected, expect) {
        (Some(message), Expect::Reject) if message.trim().is_empty() => {
            Err("rejected without a message".to_owned())
        }
        (Some(_), Expect::Reject | Expect::RejectOrLoad | Expect::ErrorOrEmpty) => Ok(()),
        (None, Expect::Load | Expect::RejectOrLoad) => Ok(()),
        (None, Expect::ErrorOrEmpty) if measured.empty => Ok(()),
        (None, Expect::Reject | Expect::ErrorOrEmpty) => Err("accepted".to_owned()),
        (Some(message), Expect::Load) => Err(format!("this one is valid, but was rejected: {message}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { max_extra_bytes_allocated: 100, max_seconds: 1.0 };

    fn measured(rejected: Option<&str>) -> Measured {
        let rejected = rejected.map(str::to_owned);
        Measured { rejected, panicked: None, empty: false, peak_extra_bytes: 100, seconds: 1.0 }
    }

    #[test]
    fn accepting_what_is_malformed_fails() {
        assert!(judge(&measured(Some("bad magic")), Expect::Reject, LIMITS).is_ok());
        assert!(judge(&measured(None), Expect::Reject, LIMITS).is_err());
        assert!(judge(&measured(Some("")), Expect::Reject, LIMITS).is_err());
    }

    #[test]
    fn refusing_what_is_valid_fails() {
        assert!(judge(&measured(None), Expect::Load, LIMITS).is_ok());
        assert!(judge(&measured(Some("no")), Expect::Load, LIMITS).is_err());
    }

    #[test]
    fn either_way_and_empty_results() {
        assert!(judge(&measured(None), Expect::RejectOrLoad, LIMITS).is_ok());
        assert!(judge(&measured(None), Expect::ErrorOrEmpty, LIMITS).is_err());
        assert!(judge(&Measured { empty: true, ..measured(None) }, Expect::ErrorOrEmpty, LIMITS).is_ok());
    }

    #[test]
    fn limits_hold_for_rejections_too() {
        let rejected = measured(Some("no"));
        for broken in [
            Measured { peak_extra_bytes: 101, ..rejected.clone() },
            Measured { seconds: 1.1, ..rejected.clone() },
            Measured { panicked: Some("index".to_owned()), ..rejected },
        ] {
            assert!(judge(&broken, Expect::Reject, LIMITS).is_err(), "{broken:?}");
        }
    }
}
