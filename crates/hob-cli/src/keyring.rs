//! The system's own store of secrets, by the tool that comes with it: `secret-tool` of libsecret on Linux, `security` on macOS.
//! Secrets go through pipes, never through arguments, which every program of the machine can read.

use anyhow::{Context, anyhow, bail};
use std::io::{ErrorKind, Write};
use std::process::{Command, Output, Stdio};

/// Under which all of Hob's secrets are filed.
const SERVICE: &str = "hob";

/// Keeps a secret.
pub fn store(account: &str, secret: &str) -> anyhow::Result<()> {
    let output = if cfg!(target_os = "macos") {
        // Its commands come through standard input too; the secret in hexadecimal needs no quoting.
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let line = format!("add-generic-password -U -s {SERVICE} -a {account} -X {hex}\n");
        run("security", &["-i"], Some(&line))?
    } else {
        let label = format!("--label=Hob: {account}");
        run("secret-tool", &["store", &label, "service", SERVICE, "account", account], Some(secret))?
    };
    if output.status.success() { Ok(()) } else { bail!("the keyring refused: {}", complaint(&output)) }
}

/// A secret that was kept.
pub fn find(account: &str) -> anyhow::Result<String> {
    let output = if cfg!(target_os = "macos") {
        run("security", &["find-generic-password", "-s", SERVICE, "-a", account, "-w"], None)?
    } else {
        run("secret-tool", &["lookup", "service", SERVICE, "account", account], None)?
    };
    let text = String::from_utf8(output.stdout.clone()).unwrap_or_default();
    match text.trim_end_matches('\n') {
        "" => bail!("the keyring has none for {account} ({})", complaint(&output)),
        secret => Ok(secret.to_owned()),
    }
}

/// Lets go of a secret; one that is not there is no matter.
pub fn forget(account: &str) -> anyhow::Result<()> {
    if cfg!(target_os = "macos") {
        run("security", &["delete-generic-password", "-s", SERVICE, "-a", account], None)?;
    } else {
        run("secret-tool", &["clear", "service", SERVICE, "account", account], None)?;
    }
    Ok(())
}

fn run(tool: &str, args: &[&str], input: Option<&str>) -> anyhow::Result<Output> {
    if cfg!(windows) {
        bail!("the keyring of Windows is not used yet; take a variable of the environment or a file");
    }
    let mut command = Command::new(tool);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => anyhow!("{tool} is not installed, and the keyring is reached through it"),
        _ => anyhow!("cannot start {tool}: {error}"),
    })?;
    if let Some(mut pipe) = child.stdin.take() {
        // A tool that reads nothing says by its status what it thinks.
        let _ = pipe.write_all(input.unwrap_or_default().as_bytes());
    }
    child.wait_with_output().with_context(|| format!("cannot hear {tool}"))
}

fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let text = text.trim();
    if text.is_empty() { "it does not say why".to_owned() } else { text.chars().take(200).collect() }
}
