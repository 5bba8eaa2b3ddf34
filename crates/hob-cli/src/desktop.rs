//! `hob desktop`: an entry in the menu of the desktop (freedesktop.org's, as on Linux and the BSDs) that opens the page.

use crate::{fail, out};
use anyhow::{Context, anyhow, bail};
use clap::Subcommand;
use std::fs;
use std::path::{Path, PathBuf};

const ICON: &str = include_str!("../../../web/public/icon.svg");
const ENTRY: &str = "applications/hob.desktop";
const PICTURE: &str = "icons/hicolor/scalable/apps/hob.svg";

/// What to do with the entry.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum Desktop {
    /// Put Hob into the menu of the desktop
    Install,
    /// Take it out again
    Uninstall,
}

/// Runs the command.
pub fn run(what: Desktop) -> anyhow::Result<()> {
    if cfg!(any(windows, target_os = "macos")) {
        bail!("this system has no menu entries of that kind; `hob open` opens the page");
    }
    let data =
        data_home().ok_or_else(|| anyhow!("neither XDG_DATA_HOME nor HOME is set, so there is no menu"))?;
    match what {
        Desktop::Install => {
            let program = std::env::current_exe().context("where this program lies")?;
            install(&data, &program)?;
            out::text(&format!("Hob is in the menu now ({})\n", data.join(ENTRY).display()))
        }
        Desktop::Uninstall if uninstall(&data)? => out::text("Hob is no longer in the menu\n"),
        Desktop::Uninstall => out::text("Hob was not in the menu\n"),
    }
}

/// Where menus and icons of this user are.
fn data_home() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")))
}

fn install(data: &Path, program: &Path) -> anyhow::Result<()> {
    let program = program.to_str().filter(|path| !path.contains(['\n', '\r'])).ok_or_else(|| {
        fail::usage(format!("the path of this program cannot stand in a menu: {}", program.display()))
    })?;
    write(&data.join(PICTURE), ICON)?;
    write(&data.join(ENTRY), &entry(program))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    out::write_whole(path, text.as_bytes())
}

/// Removes both files; whether the entry was there.
fn uninstall(data: &Path) -> anyhow::Result<bool> {
    let mut was_there = false;
    for (path, counts) in [(data.join(ENTRY), true), (data.join(PICTURE), false)] {
        match fs::remove_file(&path) {
            Ok(()) => was_there |= counts,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("cannot remove {}", path.display())),
        }
    }
    Ok(was_there)
}

/// The entry as the specification has it: the program in quotes, with what is special there escaped, and again for the
/// value as a whole.
fn entry(program: &str) -> String {
    let mut quoted = String::new();
    for c in program.chars() {
        match c {
            '"' | '`' | '$' => quoted.extend(['\\', '\\', c]),
            '\\' => quoted.push_str(r"\\\\"),
            '%' => quoted.push_str("%%"),
            c => quoted.push(c),
        }
    }
    format!(
        "[Desktop Entry]\nType=Application\nName=Hob\nGenericName=Language models\n\
         Comment=Chat with language models on this machine\nExec=\"{quoted}\" open\nIcon=hob\nTerminal=false\n\
         Categories=Utility;\nKeywords=chat;AI;language model;\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_and_goes() {
        let data = tempfile::tempdir().unwrap();
        install(data.path(), Path::new("/opt/my $tools/100%/hob")).unwrap();
        let text = fs::read_to_string(data.path().join(ENTRY)).unwrap();
        assert!(text.contains("Exec=\"/opt/my \\\\$tools/100%%/hob\" open\n"), "{text}");
        assert!(fs::read_to_string(data.path().join(PICTURE)).unwrap().starts_with("<svg"));
        assert!(uninstall(data.path()).unwrap() && !uninstall(data.path()).unwrap());
        assert!(!data.path().join(ENTRY).exists() && !data.path().join(PICTURE).exists());
        assert!(install(data.path(), Path::new("/a\nb")).is_err());
    }
}
