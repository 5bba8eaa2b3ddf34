//! `cargo xtask fixtures`: builds and runs the fixtures runner of `hob-testkit`.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, bail};

use crate::shell::{cargo, run, shared_dir, target_dir};

/// `../shared/fixtures`, when this checkout has it.
pub fn default_root() -> Option<PathBuf> {
    shared_dir().map(|shared| shared.join("fixtures")).filter(|fixtures| fixtures.is_dir())
}

/// Runs every suite found under `root`. With the crates as the tests build them, so that nothing is compiled twice; kernels are
/// optimised there, too.
pub fn run_fixtures(root: Option<PathBuf>, rest: &[String]) -> Result<()> {
    let Some(root) = root.or_else(default_root) else {
        bail!("no fixtures: expected ../shared/fixtures beside the checkout; name a folder with --root DIR");
    };
    let root = std::path::absolute(root)?;
    run(&mut cargo(["build", "--quiet", "--workspace", "--bin", "hob-fixtures"]))?;
    let runner = target_dir().join("debug").join(format!("hob-fixtures{}", std::env::consts::EXE_SUFFIX));
    run(Command::new(runner).arg("--root").arg(root).args(rest))
}
