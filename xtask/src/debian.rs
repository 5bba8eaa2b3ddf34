//! Debian packages, unpacked below a folder of `target/`: nothing is installed, apt's own state stays untouched, and no root
//! is needed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::shell::{output, run, target_dir, works};

/// What an emulator needs from Debian.
pub struct Packages {
    /// Folder of `target/` that all lies in.
    pub folder: &'static str,
    /// Architectures beside this machine's own that packages are of.
    pub foreign: &'static [&'static str],
    /// Packages by name.
    pub names: &'static [&'static str],
    /// Packages whose names carry a version, each found by following the dependency of the one before that begins like this.
    pub versioned: &'static [(&'static str, &'static str)],
}

/// Why packages cannot be had on this machine, if so.
pub fn unsupported_here() -> Option<String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Some("emulated runs need x86-64 Linux".to_owned());
    }
    let missing =
        ["apt-get", "apt-cache", "dpkg"].into_iter().find(|tool| !works(Command::new(tool).arg("--version")));
    missing.map(|tool| format!("no {tool}: what emulates comes from Debian packages"))
}

impl Packages {
    /// The folder in which the packages lie unpacked. A stamp with their names says that an earlier run completed.
    pub fn bring(&self) -> Result<PathBuf> {
        let base = target_dir().join(self.folder);
        let (root, stamp) = (base.join("root"), base.join("complete"));
        let wanted = self.names.join("\n");
        if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(root);
        }
        for folder in ["root", "debs", "lists", "cache"] {
            let old = base.join(folder);
            if old.exists() {
                fs::remove_dir_all(&old).with_context(|| format!("cannot clear {}", old.display()))?;
            }
        }
        for folder in ["root", "debs", "lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(base.join(folder)).with_context(|| format!("cannot create {folder}"))?;
        }
        run(self.apt(&base, "apt-get").args(["update", "-qq"]))?;
        let names = self.resolve(&base)?;
        run(self
            .apt(&base, "apt-get")
            .current_dir(base.join("debs"))
            .args(["download", "-qq"])
            .args(&names))?;
        self.unpack(&base.join("debs"), &root)?;
        fs::remove_dir_all(base.join("debs"))?;
        fs::write(&stamp, wanted)?;
        Ok(root)
    }

    /// An apt call with lists and caches of its own and the foreign architectures added.
    fn apt(&self, base: &Path, tool: &str) -> Command {
        let mut command = Command::new(tool);
        for architecture in std::iter::once(&"amd64").chain(self.foreign) {
            command.args(["-o", &format!("APT::Architectures::={architecture}")]);
        }
        command.args(["-o", "Debug::NoLocking=1"]);
        command.args(["-o", &format!("Dir::State::Lists={}", base.join("lists").display())]);
        command.args(["-o", &format!("Dir::Cache={}", base.join("cache").display())]);
        // Apt drops to a user that may not write below a private target folder, and warns about it; the download is ours.
        command.args(["-o", "APT::Sandbox::User="]);
        command
    }

    fn resolve(&self, base: &Path) -> Result<Vec<String>> {
        let mut names: Vec<String> = self.names.iter().map(|name| (*name).to_owned()).collect();
        let mut from = String::new();
        for (owner, prefix) in self.versioned {
            let owner = if from.is_empty() { owner } else { from.as_str() };
            let listing = output(self.apt(base, "apt-cache").args(["depends", owner]))?;
            from = first_dependency(&listing, prefix)
                .with_context(|| format!("expected {owner} to depend on {prefix}*, found:\n{listing}"))?;
            names.push(format!("{from}:amd64"));
        }
        Ok(names)
    }

    fn unpack(&self, debs: &Path, root: &Path) -> Result<()> {
        let mut count = 0;
        for entry in fs::read_dir(debs)? {
            let path = entry?.path();
            output(Command::new("dpkg").arg("-x").arg(&path).arg(root))?;
            count += 1;
        }
        if count < self.names.len() {
            bail!("expected at least {} packages, apt brought {count}", self.names.len());
        }
        Ok(())
    }
}

fn first_dependency(listing: &str, prefix: &str) -> Option<String> {
    let names = listing.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    names.map(str::trim).find(|name| name.starts_with(prefix)).map(str::to_owned)
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
