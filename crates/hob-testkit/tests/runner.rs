//! The runner as a program: exit codes and closing lines, over planted fixtures.
#![allow(clippy::unwrap_used, reason = "a test stops where its set-up fails")]
#![allow(clippy::disallowed_methods, reason = "writes fixtures into temporary folders")]

use std::{
    path::Path,
    process::{Command, Output},
};

fn run(root: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hob-fixtures"));
    command.arg("--root").arg(root).args(args).output().unwrap()
}

fn closing_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

fn write_malformed(root: &Path, expect: &str) {
    let folder = root.join("malformed");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("magic.gguf"), b"GGUF").unwrap();
    let manifest = serde_json::json!({
        "limits": {"max_extra_bytes_allocated": 1 << 26, "max_seconds": 5},
        "cases": [{"file": "magic.gguf", "kind": "gguf", "why": "four bytes", "expect": expect}],
    });
    std::fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
}

#[test]
fn a_rejected_file_passes_in_a_child_process() {
    let root = tempfile::tempdir().unwrap();
    write_malformed(root.path(), "reject");
    let output = run(root.path(), &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(closing_line(&output), "1 passed, 0 failed");
}

#[test]
fn a_failing_case_is_named_and_ends_with_1() {
    let root = tempfile::tempdir().unwrap();
    write_malformed(root.path(), "load");
    let output = run(root.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("FAIL malformed/magic.gguf: "), "{output:?}");
    assert_eq!(closing_line(&output), "0 passed, 1 failed");
}

#[test]
fn a_folder_without_fixtures_is_not_a_success() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(run(root.path(), &[]).status.code(), Some(1));
    assert_eq!(run(root.path(), &["no_such_suite"]).status.code(), Some(1));
}
