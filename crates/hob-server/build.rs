//! Puts the built page, `web/dist`, into the program when that folder is there. Building it needs Node and is another
//! chore's business (`cargo xtask web`): nothing is run or downloaded from here.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a build script reads the repository and may stop"
)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let web = manifest.join("../../web");
    let dist = web.join("dist");
    println!("cargo::rerun-if-changed=build.rs");
    // A folder that is not there counts as changed in every build; watching the one around it sees when it comes.
    let watched = if dist.is_dir() { &dist } else { &web };
    if watched.is_dir() {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    let mut files = Vec::new();
    collect(&dist, "", &mut files);
    files.sort();
    let mut code = String::from("static FILES: &[(&str, &[u8])] = &[\n");
    for (name, path) in &files {
        writeln!(code, "    ({name:?}, include_bytes!({:?})),", path.display().to_string())
            .expect("to memory");
    }
    code += "];\n";
    std::fs::write(out.join("page_files.rs"), code).expect("the build's own folder can be written");
}

/// All files below a folder by their names relative to it, with `/` on every system.
fn collect(folder: &Path, outer: &str, files: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let name = format!("{outer}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else if let Ok(path) = path.canonicalize() {
            files.push((name, path));
        }
    }
}
