//! `cargo xtask fixtures`: builds and runs the fixtures runner of `hob-testkit`.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::shell::{cargo, run, shared_dir};

/// `../shared/fixtures`, when this checkout has it.
pub fn default_root() -> Option<PathBuf> {
    shared_dir().map(|shared| shared.join("fixtures")).filter(|fixtures| fixtures.is_dir())
}

/// Runs every suite found under `root`. In release, because the suites multiply real matrices thousands of times.
pub fn run_fixtures(root: Option<PathBuf>, rest: &[String]) -> Result<()> {
    let Some(root) = root.or_else(default_root) else {
        bail!("no fixtures: expected ../shared/fixtures beside the checkout; name a folder with --root DIR");
    };
    let root = std::path::absolute(root)?;
    let mut command =
        cargo(["run", "--quiet", "--release", "-p", "hob-testkit", "--bin", "hob-fixtures", "--", "--root"]);
    run(command.arg(root).args(rest))
}
