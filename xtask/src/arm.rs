//! `cargo xtask arm`: the NEON variants under emulation, on a machine that is not ARM.
//!
//! Debian's `rustc-web` ships a standard library for arm64; it, a cross linker and qemu lie under `target/arm`.
//! Emulated time says nothing about speed: this is about results only.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{
    debian::{self, Packages},
    shell::{cargo, run, target_dir},
    steps::Outcome,
};

const TARGET: &str = "aarch64-unknown-linux-gnu";

/// Crates with code that differs on ARM or feeds it.
const CRATES: [&str; 2] = ["hob-kernels", "hob-quant"];

/// Emulated CPUs: everything (i8mm, bf16, SVE2), plain NEON, and NEON with dotprod and fp16.
const CPUS: [&str; 3] = ["max", "cortex-a57", "neoverse-n1"];

/// What is downloaded. What has a version in its name are the compiler's libraries and the LLVM they use.
const PACKAGES: Packages = Packages {
    folder: "arm",
    foreign: &["arm64"],
    names: &[
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
    ],
    versioned: &[("libstd-rust-web-dev", "libstd-rust-web-"), ("libstd-rust-web-", "libllvm")],
};

/// Brings the tools if they are missing, builds the tests for ARM and runs them on three emulated CPUs.
pub fn run_arm() -> Result<Outcome> {
    if let Some(reason) = debian::unsupported_here() {
        return Ok(Outcome::Skipped(reason));
    }
    let root = match PACKAGES.bring() {
        Ok(root) => root,
        Err(error) => return Ok(Outcome::Skipped(format!("the cross tools could not be had: {error:#}"))),
    };
    write_linker(&root)?;
    for cpu in CPUS {
        eprintln!("  emulated CPU: {cpu}");
        run(&mut test_command(&root, cpu))?;
    }
    Ok(Outcome::Passed)
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
