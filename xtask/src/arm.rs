//! `cargo xtask arm`: the NEON variants under emulation, on a machine that is not ARM.
//!
//! Debian's `rustc-web` ships a standard library for arm64; it, a cross linker and qemu are downloaded and unpacked
//! under `target/arm`. Nothing is installed and apt's own state stays untouched, so no root is needed.
//! Emulated time says nothing about speed: this is about results only.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    shell::{cargo, output, run, target_dir, works},
    steps::Outcome,
};

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Crates with code that differs on ARM or feeds it.
const CRATES: [&str; 2] = ["hob-kernels", "hob-quant"];

/// Emulated CPUs: everything (i8mm, bf16, SVE2), plain NEON, and NEON with dotprod and fp16.
const CPUS: [&str; 3] = ["max", "cortex-a57", "neoverse-n1"];

/// What is downloaded; `LIBRARIES` adds the packages whose names carry a version.
const PACKAGES: [&str; 25] = [
    "rustc-web",
    "libstd-rust-web-dev:amd64",
    "libstd-rust-web-dev:arm64",
    "qemu-user-static",
    "gcc-aarch64-linux-gnu",
    "gcc-12-aarch64-linux-gnu",
    "cpp-12-aarch64-linux-gnu",
    "binutils-aarch64-linux-gnu",
    "libgcc-12-dev-arm64-cross",
    "libgcc-s1-arm64-cross",
    "libc6-arm64-cross",
    "libc6-dev-arm64-cross",
    "linux-libc-dev-arm64-cross",
    "libz3-4",
    "libedit2",
    "libbsd0",
    "libmd0",
    "libxml2",
    "libicu72",
    "libffi8",
    "libgmp10",
    "libisl23",
    "libmpc3",
    "libmpfr6",
    "libjansson4",
];

/// Packages found by following one dependency: the compiler's libraries and the LLVM they use.
const LIBRARIES: [(&str, &str); 2] =
    [("libstd-rust-web-dev", "libstd-rust-web-"), ("libstd-rust-web-", "libllvm")];

/// Brings the tools if they are missing, builds the tests for ARM and runs them on three emulated CPUs.
pub fn run_arm() -> Result<Outcome> {
    if let Some(reason) = unsupported_here() {
        return Ok(Outcome::Skipped(reason));
    }
    let root = match bring_tools() {
        Ok(root) => root,
        Err(error) => return Ok(Outcome::Skipped(format!("the cross tools could not be had: {error:#}"))),
    };
    for cpu in CPUS {
        eprintln!("  emulated CPU: {cpu}");
        run(&mut test_command(&root, cpu))?;
    }
    Ok(Outcome::Passed)
}

fn unsupported_here() -> Option<String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Some("the emulated ARM run needs x86-64 Linux".to_owned());
    }
    let missing =
        ["apt-get", "apt-cache", "dpkg"].into_iter().find(|tool| !works(Command::new(tool).arg("--version")));
    missing.map(|tool| format!("no {tool}: the ARM compiler comes from Debian packages"))
}

/// The unpacked tools. A stamp with the package list says that an earlier run completed.
fn bring_tools() -> Result<PathBuf> {
    let base = target_dir().join("arm");
    let (root, stamp) = (base.join("root"), base.join("complete"));
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(root);
    }
    if base.exists() {
        fs::remove_dir_all(&base).with_context(|| format!("cannot clear {}", base.display()))?;
    }
    for folder in ["root", "debs", "lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(base.join(folder)).with_context(|| format!("cannot create {folder}"))?;
    }
    run(apt(&base, "apt-get").args(["update", "-qq"]))?;
    let packages = resolve_packages(&base)?;
    run(apt(&base, "apt-get").current_dir(base.join("debs")).args(["download", "-qq"]).args(&packages))?;
    unpack(&base.join("debs"), &root)?;
    write_linker(&root)?;
    fs::remove_dir_all(base.join("debs"))?;
    fs::write(&stamp, wanted)?;
    Ok(root)
}

/// An apt call with lists and caches of its own and arm64 added, leaving the machine's apt as it is.
fn apt(base: &Path, tool: &str) -> Command {
    let mut command = Command::new(tool);
    for option in ["APT::Architectures::=amd64", "APT::Architectures::=arm64", "Debug::NoLocking=1"] {
        command.args(["-o", option]);
    }
    command.args(["-o", &format!("Dir::State::Lists={}", base.join("lists").display())]);
    command.args(["-o", &format!("Dir::Cache={}", base.join("cache").display())]);
    // Apt drops to a user that may not write below a private target folder, and warns about it; the download is ours.
    command.args(["-o", "APT::Sandbox::User="]);
    command
}

fn resolve_packages(base: &Path) -> Result<Vec<String>> {
    let mut packages: Vec<String> = PACKAGES.iter().map(|name| (*name).to_owned()).collect();
    let mut from = String::new();
    for (owner, prefix) in LIBRARIES {
        let owner = if from.is_empty() { owner } else { &from };
        let listing = output(apt(base, "apt-cache").args(["depends", owner]))?;
        from = first_dependency(&listing, prefix)
            .with_context(|| format!("expected {owner} to depend on {prefix}*, found:\n{listing}"))?;
        packages.push(format!("{from}:amd64"));
    }
    Ok(packages)
}

fn first_dependency(listing: &str, prefix: &str) -> Option<String> {
    let names = listing.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    names.map(str::trim).find(|name| name.starts_with(prefix)).map(str::to_owned)
}

fn unpack(debs: &Path, root: &Path) -> Result<()> {
    let mut count = 0;
    for entry in fs::read_dir(debs)? {
        let path = entry?.path();
        output(Command::new("dpkg").arg("-x").arg(&path).arg(root))?;
        count += 1;
    }
    if count < PACKAGES.len() {
        bail!("expected at least {} packages, apt brought {count}", PACKAGES.len());
    }
    Ok(())
}

/// The cross compiler looks for its libraries below `/`; the wrapper points it at the unpacked tree.
fn write_linker(root: &Path) -> Result<()> {
    let path = linker(root);
    let gcc = root.join("usr/bin/aarch64-linux-gnu-gcc");
    fs::write(&path, format!("#!/bin/sh\nexec '{}' --sysroot='{}' \"$@\"\n", gcc.display(), root.display()))?;
    run(Command::new("chmod").arg("+x").arg(&path))
}

fn linker(root: &Path) -> PathBuf {
    root.join("link-for-arm.sh")
}

/// `cargo test` with Debian's compiler. Doc tests are left out: they would run under the wrong rustdoc.
fn test_command(root: &Path, cpu: &str) -> Command {
    let qemu = root.join("usr/bin/qemu-aarch64-static");
    let libraries = root.join("usr/aarch64-linux-gnu");
    let mut command = cargo(["test", "--quiet", "--lib", "--tests", "--target", TARGET]);
    command.args(CRATES.iter().flat_map(|name| ["-p", name]));
    // The first CPU has every instruction set and runs everything; on the others only what they choose differently.
    if cpu != CPUS[0] {
        command.args(["--", "ops::linear", "isa::", "simd::"]);
    }
    command
        // Emulated instructions are dear: better code costs less to compile than slow code to emulate.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "2")
        .env("RUSTC", root.join("usr/bin/rustc"))
        .env("LD_LIBRARY_PATH", root.join("usr/lib/x86_64-linux-gnu"))
        .env("CARGO_TARGET_DIR", target_dir().join("arm/build"))
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", linker(root))
        .env(
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER",
            format!("{} -cpu {cpu} -L {}", qemu.display(), libraries.display()),
        );
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_dependency_with_a_version_in_its_name() {
        let listing =
            "libstd-rust-web-dev\n  Depends: libc6\n  Depends: libstd-rust-web-1.96\n  Conflicts: <x>\n";
        assert_eq!(first_dependency(listing, "libstd-rust-web-").as_deref(), Some("libstd-rust-web-1.96"));
        assert_eq!(first_dependency(listing, "libllvm"), None);
    }
}
