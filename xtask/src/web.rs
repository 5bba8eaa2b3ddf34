//! The page: built into `web/dist`, from where the server's build script takes it, and checked.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{
    shell::{repo_root, run, works},
    steps::Outcome,
};

/// Installs exactly what `web/package-lock.json` names and builds the page.
pub fn run_build() -> Result<()> {
    if !works(npm().arg("--version")) {
        bail!("npm is not here; install Node 20 or newer, which brings it (Hob itself builds without)");
    }
    run(npm().arg("ci"))?;
    run(npm().args(["run", "build"]))
}

/// Types and unit tests of the page. Its browser tests need a built `hob` and are run by `npm run test:browser`.
pub fn run_checks() -> Result<Outcome> {
    if !works(npm().arg("--version")) {
        return Ok(Outcome::Skipped("npm is not here; the page cannot be checked without Node".to_owned()));
    }
    run(npm().arg("ci"))?;
    run(npm().args(["run", "check"]))?;
    run(npm().arg("test"))?;
    Ok(Outcome::Passed)
}

/// npm in `web/`; on Windows it is a script.
fn npm() -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(repo_root().join("web"));
    command
}
