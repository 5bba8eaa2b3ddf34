//! `cargo xtask conformance`: other people's clients and suites against our server.
//!
//! This side builds Hob and installs pinned packages; `tools/conformance/run.py` starts servers, runs the suites and
//! prints the table. What cannot be installed is no reason to stop here: the table tells it as missing, which fails.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, repo_root, run, shared_dir, target_dir, works};

/// What `cargo xtask conformance` takes.
#[derive(clap::Args)]
pub struct Options {
    /// Only this suite; may be given several times
    #[arg(long, value_name = "SUITE")]
    only: Vec<String>,
    /// The program to test; without it the release is built
    #[arg(long, value_name = "PATH")]
    hob: Option<PathBuf>,
    /// Random schemas of each data set instead of all of them
    #[arg(long, value_name = "N")]
    sample: Option<u32>,
    /// One line of JSON for each suite instead of a table
    #[arg(long)]
    json: bool,
}

/// Prepares everything and runs the suites.
pub fn run_suites(options: &Options) -> Result<()> {
    let hob = match &options.hob {
        Some(path) => {
            path.canonicalize().with_context(|| format!("there is no program at {}", path.display()))?
        }
        None => {
            run(&mut cargo(["build", "--release", "-p", "hob-cli"]))?;
            target_dir().join("release").join(format!("hob{}", std::env::consts::EXE_SUFFIX))
        }
    };
    let tools = repo_root().join("tools").join("conformance");
    let place = target_dir().join("conformance");
    fs::create_dir_all(&place)?;
    let python = prepare_python(&tools, &place)?;
    let npm = prepare_npm(&tools.join("npm"), &place.join("npm"))?;
    let mut command = Command::new(python);
    command.arg(tools.join("run.py")).arg("--hob").arg(hob).arg("--npm").arg(npm);
    if let Some(shared) = shared_dir() {
        command.arg("--shared").arg(shared);
    }
    for suite in &options.only {
        command.arg("--only").arg(suite);
    }
    if let Some(count) = options.sample {
        command.arg("--sample").arg(count.to_string());
    }
    if options.json {
        command.arg("--json");
    }
    run(&mut command)
}

/// A virtual environment with the packages of `requirements.txt`, everything below them as `constraints.txt` has it.
fn prepare_python(tools: &Path, place: &Path) -> Result<PathBuf> {
    let env = place.join("env");
    let python = env.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !python.exists() {
        let Some(found) =
            ["python3", "python"].into_iter().find(|name| works(Command::new(name).arg("--version")))
        else {
            bail!("Python is not here; install Python 3.11 or newer");
        };
        run(Command::new(found).args(["-m", "venv"]).arg(&env))?;
    }
    let (requirements, constraints) = (tools.join("requirements.txt"), tools.join("constraints.txt"));
    let wanted = fs::read_to_string(&requirements)?;
    let stamp = Stamp::new(env.join("installed"), wanted.clone() + &fs::read_to_string(&constraints)?);
    if stamp.is_current() {
        return Ok(python);
    }
    let install = |what: &[&str]| {
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c"];
        run(Command::new(&python).args(pip).arg(&constraints).args(what))
    };
    if install(&["-r", &requirements.to_string_lossy()]).is_ok() {
        stamp.set()?;
        return Ok(python);
    }
    // One package that cannot be had must not take the others with it.
    for package in wanted.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Err(error) = install(&[package]) {
            eprintln!("   {error:#}");
        }
    }
    Ok(python)
}

/// A copy of the npm suites with their packages beside them, where imports look for them.
fn prepare_npm(from: &Path, to: &Path) -> Result<PathBuf> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    let stamp = Stamp::new(
        to.join("node_modules").join("installed"),
        fs::read_to_string(from.join("package-lock.json"))?,
    );
    if !stamp.is_current() {
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        match run(Command::new(npm).current_dir(to).args(["ci", "--no-audit", "--no-fund"])) {
            Ok(()) => stamp.set()?,
            Err(error) => eprintln!("   {error:#}"),
        }
    }
    Ok(to.to_path_buf())
}

/// A file that says what was installed, so that nothing is installed twice.
struct Stamp {
    path: PathBuf,
    text: String,
}

impl Stamp {
    fn new(path: PathBuf, text: String) -> Self {
        Self { path, text }
    }

    fn is_current(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|found| found == self.text)
    }

    fn set(&self) -> Result<()> {
        fs::write(&self.path, &self.text).with_context(|| format!("cannot write {}", self.path.display()))
    }
}
