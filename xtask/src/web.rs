//! The page: built into `web/dist`, from where the server's build script takes it, and checked.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::{
    shell::{cargo, repo_root, run, target_dir, works},
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

/// Types and unit tests of the page, and the page itself, so that what is built after it carries it.
pub fn run_checks() -> Result<Outcome> {
    if !works(npm().arg("--version")) {
        return Ok(Outcome::Skipped("npm is not here; the page cannot be checked without Node".to_owned()));
    }
    run_build()?;
    run(npm().args(["run", "check"]))?;
    run(npm().arg("test"))?;
    Ok(Outcome::Passed)
}

/// The page in a real browser, against the `hob` and the stand-in hub that the tests have built.
pub fn run_browser() -> Result<Outcome> {
    if !works(npm().arg("--version")) || !repo_root().join("web/dist/index.html").is_file() {
        return Ok(Outcome::Skipped("the page is not built; that needs Node".to_owned()));
    }
    if !has_browser() {
        // As root on Debian, in a container mostly; elsewhere people have a browser.
        eprintln!("   no Chromium is here; trying to install it");
        let _ = run(Command::new("apt-get").args([
            "install",
            "-y",
            "-qq",
            "--no-install-recommends",
            "chromium",
        ]));
    }
    if !has_browser() {
        return Ok(Outcome::Skipped("there is no Chromium; install one, or name it in CHROMIUM".to_owned()));
    }
    run(&mut cargo(["build", "--quiet", "--workspace", "--bin", "hob", "--example", "hub"]))?;
    let built = target_dir().join("debug");
    let named = |path: PathBuf| format!("{}{}", path.display(), std::env::consts::EXE_SUFFIX);
    let (hob, hub) = (named(built.join("hob")), named(built.join("examples/hub")));
    run(npm().args(["run", "test:browser"]).env("HOB", hob).env("HUB", hub))?;
    Ok(Outcome::Passed)
}

fn has_browser() -> bool {
    let places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    std::env::var_os("CHROMIUM").is_some() || places.iter().any(|place| Path::new(place).exists())
}

/// npm in `web/`; on Windows it is a script.
fn npm() -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(repo_root().join("web"));
    command
}
