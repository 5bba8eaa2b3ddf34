//! `cargo xtask x86 --bochs PATH`: the kernels of AVX-512 and AVX-VNNI on emulated CPUs, on a machine that has neither.
//!
//! What emulates single programs (qemu-user) knows no AVX-512, so a whole machine is emulated: Bochs starts Debian's kernel
//! from a CD image, which runs the test program and nothing else. Debian's own Bochs (2.7) is too old: it contradicts
//! itself about the registers that are saved, and the kernel then does without vectors. 3.0 and newer are right, built with
//! `--enable-x86-64 --enable-avx --enable-evex --with-nogui`. Where VCVTNE2PS2BF16 reads behind its first operand
//! (`op1.vmm32u(n)` for the upper half in `cpu/avx/avx512_bf16.cc`), tests of bf16 fail and are right to.
//! Emulated time says nothing about speed: this is about results only.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    debian::{self, Packages},
    shell::{cargo, output, run, target_dir},
};

/// What to run, and on what.
#[derive(Args)]
pub struct Options {
    /// The program `bochs`, 3.0 or newer
    #[arg(long)]
    bochs: PathBuf,
    /// Only tests whose names contain one of these
    tests: Vec<String>,
}

struct Cpu {
    /// As Bochs calls it.
    model: &'static str,
    /// `HOB_ISA` of the tests.
    isa: &'static str,
    /// The tests that run there if none are asked for; empty: all.
    tests: &'static [&'static str],
}

/// AVX-512 with VNNI and BF16, then AVX2 with VNNI.
const CPUS: [Cpu; 2] = [
    Cpu { model: "sapphire_rapids", isa: "avx512", tests: &[] },
    Cpu { model: "arrow_lake", isa: "avx2", tests: &["ops::linear"] },
];

const PACKAGES: Packages = Packages {
    folder: "x86",
    foreign: &[],
    names: &[
        "bochsbios",
        "vgabios",
        "isolinux",
        "syslinux-common",
        "xorriso",
        "libisoburn1",
        "libisofs6",
        "libburn4",
        "libjte2",
        "cpio",
        "busybox-static",
    ],
    versioned: &[("linux-image-cloud-amd64", "linux-image-")],
};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// 580 is FSRM: Linux copies forward in a way that needs ERMS beside it, which it switches off where a model register is
/// missing. The rest saves emulated time, or waiting for clocks that do not tick.
const BOOT: &str = "console=ttyS0 loglevel=1 clearcpuid=580 mitigations=off lsm=capability tsc=reliable lpj=1000000 nowatchdog";

/// What the machine says when the tests are over, before their exit code.
const ENDED: &str = "the tests ended with ";

/// Brings what is missing, builds the tests and runs them on each of the emulated CPUs.
pub fn run_x86(options: &Options) -> Result<()> {
    if let Some(reason) = debian::unsupported_here() {
        bail!("{reason}");
    }
    if !options.bochs.is_file() {
        bail!("expected the program bochs at {}, found no file", options.bochs.display());
    }
    let root = PACKAGES.bring()?;
    let tests = build_tests()?;
    let room = target_dir().join("x86/machine");
    for cpu in CPUS {
        eprintln!("  emulated CPU: {}, HOB_ISA={}", cpu.model, cpu.isa);
        let asked: Vec<&str> = options.tests.iter().map(String::as_str).collect();
        let chosen = if asked.is_empty() { cpu.tests } else { &asked };
        if room.exists() {
            fs::remove_dir_all(&room)?;
        }
        fs::create_dir_all(room.join("cd"))?;
        let command = format!("HOB_ISA={} /tests --test-threads=1 {}", cpu.isa, chosen.join(" "));
        write_first_process(&root, &tests, &room, &command)?;
        write_cd(&root, &room)?;
        write_machine(&root, cpu.model, &room)?;
        let started = Command::new(&options.bochs)
            .args(["-q", "-unlock", "-f"])
            .arg(room.join("bochsrc"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(room.join("bochs.err"))?)
            .spawn();
        let machine = started.with_context(|| format!("could not start {}", options.bochs.display()))?;
        Machine(machine).follow(&room)?;
    }
    Ok(())
}

/// The kernels' test program without shared libraries: it will be alone in its machine.
fn build_tests() -> Result<PathBuf> {
    let mut command = cargo(["test", "-p", "hob-kernels", "--lib", "--no-run"]);
    command
        .args(["--message-format", "json-render-diagnostics", "--target", TARGET])
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "-C target-feature=+crt-static")
        // Emulated instructions are dear: better code costs less to compile than slow code to emulate.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "2")
        .env("CARGO_TARGET_DIR", target_dir().join("x86/build"))
        .stderr(Stdio::inherit());
    let messages = output(&mut command)?;
    let path = messages.lines().filter_map(executable).next_back();
    path.context("cargo named no test program")
}

/// The program that one of cargo's messages is about.
fn executable(message: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    Some(PathBuf::from(message.get("executable")?.as_str()?))
}

/// The archive of all that the machine's memory holds when it starts: the tests, and a script that runs `command`.
fn write_first_process(root: &Path, tests: &Path, room: &Path, command: &str) -> Result<()> {
    // What was said last is lost if the power goes before the serial line has carried it.
    let script = format!(
        "#!/busybox sh\n{command} 2>&1\necho \"{ENDED}$?\"\n/busybox sleep 2\n/busybox poweroff -f\n"
    );
    fs::write(room.join("init"), script)?;
    fs::copy(root.join("bin/busybox"), room.join("busybox"))?;
    fs::copy(tests, room.join("tests"))?;
    run(Command::new("chmod").arg("+x").arg(room.join("init")))?;
    let mut archive = Command::new(root.join("bin/cpio"))
        .args(["--create", "--quiet", "--format=newc"])
        .current_dir(room)
        .stdin(Stdio::piped())
        .stdout(fs::File::create(room.join("cd/initrd"))?)
        .spawn()
        .context("could not start cpio")?;
    archive.stdin.take().context("cpio takes names")?.write_all(b"init\nbusybox\ntests\n")?;
    if !archive.wait()?.success() {
        bail!("cpio could not pack the tests");
    }
    Ok(())
}

/// A CD that starts Debian's kernel with that archive.
fn write_cd(root: &Path, room: &Path) -> Result<()> {
    let cd = room.join("cd");
    let kernel = fs::read_dir(root.join("boot"))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")))
        .context("the kernel's package has no /boot/vmlinuz-*")?;
    fs::copy(kernel, cd.join("vmlinuz"))?;
    fs::copy(root.join("usr/lib/ISOLINUX/isolinux.bin"), cd.join("isolinux.bin"))?;
    fs::copy(root.join("usr/lib/syslinux/modules/bios/ldlinux.c32"), cd.join("ldlinux.c32"))?;
    let entry = format!("DEFAULT l\nLABEL l\n KERNEL vmlinuz\n INITRD initrd\n APPEND {BOOT}\n");
    fs::write(cd.join("isolinux.cfg"), entry)?;
    run(Command::new(root.join("usr/bin/xorriso"))
        .env("LD_LIBRARY_PATH", root.join("usr/lib/x86_64-linux-gnu"))
        .args(["-as", "mkisofs", "-quiet", "-b", "isolinux.bin", "-c", "boot.cat", "-no-emul-boot"])
        .args(["-boot-load-size", "4", "-boot-info-table", "-o"])
        .args([&room.join("cd.iso"), &cd]))
}

fn write_machine(root: &Path, model: &str, room: &Path) -> Result<()> {
    let (root, room) = (root.display(), room.display());
    let text = format!(
        "cpu: model={model}, count=1, ips=50000000\n\
         memory: guest=2048, host=2048\n\
         romimage: file={root}/usr/share/bochs/BIOS-bochs-latest\n\
         vgaromimage: file={root}/usr/share/vgabios/vgabios.bin\n\
         ata0-master: type=cdrom, path={room}/cd.iso, status=inserted\n\
         boot: cdrom\n\
         display_library: nogui\n\
         log: {room}/bochs.log\n\
         com1: enabled=1, mode=file, dev={room}/serial\n\
         clock: sync=none\n"
    );
    Ok(fs::write(Path::new(&room.to_string()).join("bochsrc"), text)?)
}

/// A running emulator; gone when dropped.
struct Machine(Child);

impl Machine {
    /// Prints what the machine says until it switches itself off; an error unless the tests ended well.
    fn follow(&mut self, room: &Path) -> Result<()> {
        let mut seen = 0;
        loop {
            let ended = self.0.try_wait()?;
            let said = fs::read(room.join("serial")).unwrap_or_default();
            std::io::stderr().write_all(&said[seen..])?;
            seen = said.len();
            let said = String::from_utf8_lossy(&said);
            match (ended, exit_code(&said)) {
                (Some(_), Some(0)) => return Ok(()),
                (Some(_), Some(code)) => bail!("the tests ended with {code}; their output above says why"),
                (Some(status), None) => {
                    bail!("the emulator ended with {status}; {} says why", room.join("bochs.log").display())
                }
                (None, _) if said.contains("Kernel panic") => bail!("the emulated machine broke down"),
                (None, _) => sleep(Duration::from_millis(300)),
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It has ended already, or never will.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The exit code of the tests, once they are over.
fn exit_code(said: &str) -> Option<u32> {
    let (code, _) = said.rsplit_once(ENDED)?.1.split_once(char::is_whitespace)?;
    code.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_s_last_words_hold_the_exit_code() {
        let ended = |code: &str| format!("test result: ok.\r\n{ENDED}{code}");
        assert_eq!(exit_code(&ended("0\r\n")), Some(0));
        assert_eq!(exit_code(&ended("101\r\n")), Some(101));
        assert_eq!(exit_code(&ended("10")), None, "the line is not complete yet");
        assert_eq!(exit_code("test result: ok"), None);
    }

    #[test]
    fn cargo_s_messages_name_the_program() {
        let message = r#"{"reason":"compiler-artifact","executable":"/t/deps/hob_kernels-1"}"#;
        assert_eq!(executable(message), Some(PathBuf::from("/t/deps/hob_kernels-1")));
        assert_eq!(executable(r#"{"reason":"compiler-artifact","executable":null}"#), None);
        assert_eq!(executable("warning: not a message"), None);
    }
}
