//! The fixture suites. Each runs over whatever it finds in its folder and reports case by case.

pub mod chat_templates;
pub mod gguf_types;
pub mod malformed;
pub mod models;
pub mod tokenizers;

use std::path::Path;

use crate::{
    Error,
    report::{Counts, Report},
    subject::Subject,
};

/// What a run of the suites is about.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// The folder that holds `models/`, `tokenizers/`, `chat_templates/`, `gguf_types/` and `malformed/`.
    pub root: &'a Path,
    /// Only some cases, see [`Report::new`].
    pub filter: Option<&'a str>,
    /// The engine under test; the cases that need one are skipped without it.
    pub subject: Option<&'a dyn Subject>,
}

type Suite = fn(Run<'_>, &mut Report) -> Result<(), Error>;

/// Suite name, which is also the folder's name, and its runner.
pub const SUITES: [(&str, Suite); 5] = [
    ("gguf_types", gguf_types::run),
    ("malformed", malformed::run),
    ("tokenizers", tokenizers::run),
    ("chat_templates", chat_templates::run),
    ("models", models::run),
];

/// Runs the suites named in `only` (all when empty) that `run.root` has a folder for, printing as they go.
///
/// # Errors
/// [`Error`] when a fixture itself is unreadable.
pub fn run_suites(run: Run<'_>, only: &[String]) -> Result<Counts, Error> {
    let mut total = Counts::default();
    for (name, suite) in SUITES {
        let asked = only.is_empty() || only.iter().any(|wanted| wanted == name);
        if !asked || !run.root.join(name).is_dir() {
            continue;
        }
        let mut report = Report::new(name, run.filter);
        suite(run, &mut report)?;
        total += report.finish();
    }
    Ok(total)
}
