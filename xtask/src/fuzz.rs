//! `cargo xtask fuzz`: every target of `fuzz/` for some seconds.
//!
//! Calls the nightly compiler with libFuzzer's flags directly instead of through `cargo fuzz`: one tool less to
//! install, and the flags are here to read.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    shell::{cargo, output, repo_root, run, target_dir, works},
    steps::Outcome,
};

/// Coverage for libFuzzer and the address sanitizer; `fuzzing` and `debug_assertions` make targets check more.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Zsanitizer=address -Cdebug-assertions \
    -Ccodegen-units=1";

/// A target that needs more than this for one input is reported as a memory or time finding.
const LIMITS: [&str; 3] = ["-rss_limit_mb=2048", "-malloc_limit_mb=512", "-timeout=10"];

/// Builds all targets once, then runs each for `seconds`.
pub fn run_fuzz(seconds: u32, only: Option<&str>) -> Result<Outcome> {
    let fuzz = repo_root().join("fuzz");
    if !fuzz.join("Cargo.toml").is_file() {
        return Ok(Outcome::Skipped("this checkout has no fuzz/ folder".to_owned()));
    }
    if !works(Command::new("cargo").args(["+nightly", "--version"])) {
        return Ok(Outcome::Skipped(
            "no nightly toolchain; `rustup toolchain install nightly` brings it".to_owned(),
        ));
    }
    let targets = list_targets(&fuzz, only)?;
    let host = host_triple()?;
    let build_dir = target_dir().join("fuzz");
    run(nightly(&fuzz, &build_dir).args(["build", "--release", "--bins", "--target", &host]))?;
    for name in &targets {
        run_target(&fuzz, &build_dir.join(&host).join("release").join(name), name, seconds)?;
    }
    eprintln!("  {} fuzz targets ran {seconds} s each without a finding", targets.len());
    Ok(Outcome::Passed)
}

/// Whether the targets compile, with the stable compiler and what `cargo clippy` left of their dependencies.
pub fn check_targets() -> Result<()> {
    let manifest = repo_root().join("fuzz/Cargo.toml");
    run(cargo(["clippy", "--bins", "--manifest-path"]).arg(manifest).env("CARGO_TARGET_DIR", target_dir()))
}

fn run_target(fuzz: &Path, binary: &Path, name: &str, seconds: u32) -> Result<()> {
    let corpus = target_dir().join("fuzz-corpus").join(name);
    let findings = target_dir().join("fuzz-findings").join(name);
    for folder in [&corpus, &findings] {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let mut command = Command::new(binary);
    command
        .current_dir(fuzz)
        .args(LIMITS)
        .arg("-print_final_stats=1")
        .arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-artifact_prefix={}/", findings.display()));
    let dictionary = fuzz.join("dictionaries").join(format!("{name}.dict"));
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    // New inputs go to the first folder, below the build outputs; the committed seeds are only read.
    command.arg(&corpus);
    let seeds = fuzz.join("corpus").join(name);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    run(&mut command).with_context(|| {
        format!("fuzz target {name} found something; its input lies in {}", findings.display())
    })
}

fn nightly(fuzz: &Path, build_dir: &Path) -> Command {
    let mut command = Command::new("cargo");
    // `cargo xtask` itself runs under the stable toolchain, whose variables would win over `+nightly`.
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC").env_remove("CARGO");
    command.arg("+nightly").current_dir(fuzz).env("CARGO_TARGET_DIR", build_dir).env("RUSTFLAGS", FLAGS);
    command
}

/// The files in `fuzz/fuzz_targets`, in order of name.
fn list_targets(fuzz: &Path, only: Option<&str>) -> Result<Vec<String>> {
    let folder = fuzz.join("fuzz_targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path: PathBuf = entry?.path();
        if path.extension().is_some_and(|ext| ext == "rs")
            && let Some(stem) = path.file_stem().and_then(|stem| stem.to_str())
        {
            names.push(stem.to_owned());
        }
    }
    names.retain(|name| only.is_none_or(|only| only == name));
    names.sort();
    if names.is_empty() {
        bail!("no fuzz target{} in {}", only.map(|n| format!(" {n}")).unwrap_or_default(), folder.display());
    }
    Ok(names)
}

fn host_triple() -> Result<String> {
    let version = output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` printed no host line")?.to_owned())
}
