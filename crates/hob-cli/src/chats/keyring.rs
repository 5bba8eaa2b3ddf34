//! A key in the keyring of the system, through the system's own tool: `secret-tool` of libsecret, or `security` of macOS.
//!
//! The tool is started with a list of arguments, and the key goes through its standard input: nobody sees it among the
//! arguments of a process.

use crate::fail::note;
use crate::platform;
use anyhow::{Context, anyhow, bail};
use hob_chats::{Secret, Wrapping};
use std::io::Write;
use std::process::{Command, Output, Stdio};

const LABEL: &str = "Hob: key of the conversations";
const SERVICE: &str = "hob-chats";
const IS_MAC: bool = cfg!(target_os = "macos");

/// Makes a key and puts it into the keyring.
pub fn make() -> anyhow::Result<(Secret, Wrapping)> {
    let (key, account) = (Secret::new_key()?, platform::new_id().to_string());
    let digits = key.digits().unwrap_or_default();
    if IS_MAC {
        // Commands are read from standard input, so that the key is no argument.
        let line =
            format!("add-generic-password -U -a {account} -s {SERVICE} -l \"{LABEL}\" -w {}\n", &*digits);
        run(&["-i"], Some(&line))?;
    } else {
        let label = format!("--label={LABEL}");
        run(&["store", &label, "service", SERVICE, "account", &account], Some(&digits))?;
    }
    // What doesn't come back now won't later either.
    let kept = look_up(&account)?;
    if kept.digits() != key.digits() {
        bail!("the keyring gave another key than was put into it; nothing was changed");
    }
    Ok((key, Wrapping::Keyring { account }))
}

/// The key of an account.
pub fn look_up(account: &str) -> anyhow::Result<Secret> {
    let found = if IS_MAC {
        run(&["find-generic-password", "-a", account, "-s", SERVICE, "-w"], None)
    } else {
        run(&["lookup", "service", SERVICE, "account", account], None)
    };
    let digits = found.context("the key of the conversations is in the keyring of the system")?;
    Secret::from_digits(&digits).context("the keyring")
}

/// Takes a key out of the keyring that nothing needs any more. That it stays there does no harm.
pub fn clear(wrapping: &Wrapping) {
    let Wrapping::Keyring { account } = wrapping else { return };
    let cleared = if IS_MAC {
        run(&["delete-generic-password", "-a", account, "-s", SERVICE], None)
    } else {
        run(&["clear", "service", SERVICE, "account", account], None)
    };
    if let Err(error) = cleared {
        note(&format!("the key of before stays in the keyring: {error:#}"));
    }
}

fn run(arguments: &[&str], input: Option<&str>) -> anyhow::Result<String> {
    if cfg!(windows) {
        bail!("no tool for the keyring of this system is known; use --passphrase or --key-file");
    }
    let (tool, from) =
        if IS_MAC { ("security", "macOS") } else { ("secret-tool", "libsecret-tools, or libsecret") };
    let mut command = Command::new(tool);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            anyhow!("{tool} is not installed (it comes with {from}); use --passphrase or --key-file, or install it")
        }
        _ => anyhow!("cannot start {tool}: {e}"),
    })?;
    if let Some(mut pipe) = child.stdin.take()
        && let Some(input) = input
    {
        // A tool that ends without reading says why below.
        let _ = pipe.write_all(input.as_bytes());
    }
    let Output { status, stdout, stderr } = child.wait_with_output()?;
    if !status.success() {
        let why = String::from_utf8_lossy(&stderr).trim().to_owned();
        let why = if why.is_empty() { "it found nothing, or the keyring is locked".to_owned() } else { why };
        bail!("{tool} failed: {why}");
    }
    String::from_utf8(stdout).map_err(|_| anyhow!("{tool}: expected text"))
}
