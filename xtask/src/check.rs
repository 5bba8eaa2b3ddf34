//! `cargo xtask test`: every check in order, the first failure stops.

use anyhow::{Result, bail};

use crate::{
    arm, fixtures, fuzz,
    shell::{cargo, run, works},
    steps::{Outcome, Steps},
    tidy, web,
};

/// Values of `HOB_ISA`, with the CPU features that the variant needs.
const VARIANTS: [(&str, &[&str]); 3] = [
    ("scalar", &[]),
    ("avx2", &["avx2", "fma", "f16c"]),
    ("avx512", &["avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512vnni"]),
];

/// Crates whose results depend on which SIMD variant runs.
const VARIANT_CRATES: [&str; 2] = ["hob-kernels", "hob-model"];

/// Runs the checks; `quick` keeps those a developer wants before every commit.
pub fn run_checks(quick: bool) -> Result<()> {
    let mut steps = Steps::default();
    let nextest = have_or_install("nextest", "cargo-nextest");
    steps.run("fmt", || pass(run(&mut cargo(["fmt", "--all", "--check"]))))?;
    if !quick {
        steps.run("web", web::run_checks)?;
    }
    steps.run("clippy", || {
        pass(run(&mut cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])))
    })?;
    if !quick {
        steps.run("doc", || {
            pass(run(cargo(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings")))
        })?;
    }
    steps.run("tests", || pass(run_tests(nextest, &[], None)))?;
    if !quick {
        steps.run("doctests", || pass(run(&mut cargo(["test", "--workspace", "--doc"]))))?;
    }
    steps.run("tidy", || pass(tidy::run_tidy()))?;
    if !quick {
        run_long_checks(&mut steps, nextest)?;
    }
    eprint!("{}", steps.summary());
    println!("{}", steps.closing_line(0));
    Ok(())
}

fn run_long_checks(steps: &mut Steps, nextest: bool) -> Result<()> {
    steps.run("deny", check_dependencies)?;
    steps.run("browser", web::run_browser)?;
    steps.run("fixtures", || match fixtures::default_root() {
        Some(_) => pass(fixtures::run_fixtures(None, &[])),
        None => skip("there is no ../shared/fixtures beside this checkout"),
    })?;
    for (isa, features) in VARIANTS {
        steps.run(&format!("isa-{isa}"), || run_variant(nextest, isa, features))?;
    }
    // Fuzzing itself is the nightly run, `cargo xtask fuzz`; here its targets have to compile.
    steps.run("fuzz-targets", || pass(fuzz::check_targets()))?;
    steps.run("arm", arm::run_arm)
}

fn run_variant(nextest: bool, isa: &str, features: &[&str]) -> Result<Outcome> {
    if let Some(missing) = features.iter().find(|feature| !cpu_has(feature)) {
        return skip(&format!("this CPU has no {missing}; another machine has to cover it"));
    }
    pass(run_tests(nextest, &VARIANT_CRATES, Some(isa)))
}

/// One run of the unit and integration tests of these crates, or of all; without nextest plain `cargo test` does the same,
/// more slowly.
fn run_tests(nextest: bool, crates: &[&str], isa: Option<&str>) -> Result<()> {
    let mut command = if nextest {
        let mut command = cargo(["nextest", "run", "--workspace"]);
        command.args(["--no-tests=warn", "--failure-output=final", "--status-level=slow"]);
        // Chosen among all that is built: crates built by themselves have other features, and are built again.
        let chosen: Vec<String> = crates.iter().map(|name| format!("package({name})")).collect();
        if !chosen.is_empty() {
            command.args(["-E", &chosen.join(" + ")]);
        }
        command
    } else {
        let mut command = cargo(["test", "--lib", "--bins", "--tests"]);
        match crates {
            [] => command.arg("--workspace"),
            some => command.args(some.iter().flat_map(|name| ["-p", name])),
        };
        command
    };
    if let Some(isa) = isa {
        command.env("HOB_ISA", isa);
    }
    run(&mut command)
}

/// Licences, sources and bans of `deny.toml`. Advisories need a downloaded database, so they are a separate command.
fn check_dependencies() -> Result<Outcome> {
    if !have_or_install("deny", "cargo-deny") {
        return skip("cargo-deny is not installed and could not be; try `cargo install cargo-deny --locked`");
    }
    pass(run(&mut cargo([
        "deny",
        "--workspace",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ])))
}

/// Whether `cargo SUBCOMMAND` works, after an attempt to install it. A debug build without what debuggers read does: it takes
/// a third of the time to compile, and these tools run for seconds.
fn have_or_install(subcommand: &str, package: &str) -> bool {
    let works_now = || works(&mut cargo([subcommand, "--version"]));
    if works_now() {
        return true;
    }
    eprintln!("\n=> installing {package} (a few minutes, once per machine)");
    let mut install = cargo(["install", package, "--locked", "--debug"]);
    match run(install.env("CARGO_PROFILE_DEV_DEBUG", "0")) {
        Ok(()) => works_now(),
        Err(error) => {
            eprintln!("   {package} could not be installed: {error:#}");
            false
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn cpu_has(feature: &str) -> bool {
    match feature {
        "avx2" => is_x86_feature_detected!("avx2"),
        "fma" => is_x86_feature_detected!("fma"),
        "f16c" => is_x86_feature_detected!("f16c"),
        "avx512f" => is_x86_feature_detected!("avx512f"),
        "avx512bw" => is_x86_feature_detected!("avx512bw"),
        "avx512vl" => is_x86_feature_detected!("avx512vl"),
        "avx512dq" => is_x86_feature_detected!("avx512dq"),
        "avx512vnni" => is_x86_feature_detected!("avx512vnni"),
        other => unreachable!("VARIANTS asks for {other}, which cpu_has does not know"),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_has(_feature: &str) -> bool {
    false
}

fn pass(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Passed)
}

fn skip(reason: &str) -> Result<Outcome> {
    if reason.is_empty() {
        bail!("a skipped step has to say why");
    }
    Ok(Outcome::Skipped(reason.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_that_variants_ask_for_is_known() {
        for (_, features) in VARIANTS {
            for feature in features {
                cpu_has(feature);
            }
        }
    }
}
