//! `docs/deps.md` has one line per direct external dependency; the README opens with its two commands.

use std::collections::{BTreeMap, BTreeSet};

use super::{Violation, repo::Repo};

const LEDGER: &str = "docs/deps.md";

/// What stands above the table of the page's packages.
const PAGE_HEADING: &str = "\n## Of the page";

/// The two commands a newcomer needs.
const COMMANDS: [&str; 2] = ["cargo xtask start", "cargo xtask test"];

/// "At the top" in lines.
const README_TOP_LINES: usize = 25;

/// Compares the ledger with what the manifests declare, both ways.
pub fn check_dependencies(repo: &Repo) -> Vec<Violation> {
    let Some(text) = repo.text(LEDGER) else {
        return vec![Violation::new(LEDGER, "missing; it holds a line per direct external dependency")];
    };
    // Packages of the page have a table of their own; npm knows them, cargo does not.
    let of_crates = text.split(PAGE_HEADING).next().unwrap_or_default();
    let listed: BTreeSet<&str> = of_crates.lines().filter_map(first_cell).collect();
    let mut used = BTreeMap::new();
    for package in &repo.metadata.packages {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.source.is_some()) {
            used.entry(dependency.name.as_str()).or_insert(package.name.as_str());
        }
    }
    let missing = used.iter().filter(|(name, _)| !listed.contains(*name)).map(|(name, user)| {
        Violation::new(
            LEDGER,
            format!("no line for {name}, which {user} uses: what it saves, who keeps it, its packages"),
        )
    });
    let stale = listed.iter().filter(|name| !used.contains_key(*name));
    let stale = stale
        .map(|name| Violation::new(LEDGER, format!("lists {name}, which no crate uses; remove the line")));
    missing.chain(stale).collect()
}

/// The name that opens the first cell of a table row, a note after it allowed; none for headings and rules.
fn first_cell(line: &str) -> Option<&str> {
    let cell = line.strip_prefix('|')?.split('|').next()?;
    let name = cell.split_whitespace().next()?.trim_matches('`');
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    (is_name && name != "crate" && !name.starts_with('-')).then_some(name)
}

/// The README's first lines name both commands.
pub fn check_readme(repo: &Repo) -> Vec<Violation> {
    let Some(text) = repo.text("README.md") else {
        return vec![Violation::new("README.md", "missing")];
    };
    let top: Vec<&str> = text.lines().take(README_TOP_LINES).collect();
    let missing = COMMANDS.into_iter().filter(|command| !top.iter().any(|line| line.contains(command)));
    missing
        .map(|command| {
            let message = format!("expected `{command}` within the first {README_TOP_LINES} lines");
            Violation::new("README.md", message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            metadata::{Dependency, Metadata, Package},
            repo::SourceFile,
        },
        *,
    };

    fn repo(files: &[(&str, &str)], dependencies: &[&str]) -> Repo {
        let dependencies = dependencies.iter().map(|name| Dependency {
            name: (*name).to_owned(),
            kind: None,
            source: Some("registry".to_owned()),
        });
        let package =
            Package { name: "hob".to_owned(), dependencies: dependencies.collect(), ..Package::default() };
        let files = files.iter().map(|(path, text)| SourceFile::new(path, text)).collect();
        Repo { files, metadata: Metadata { packages: vec![package] }, ..Repo::default() }
    }

    const TABLE: &str = "| crate | saves |\n|---|---|\n| `half` | f16 |\n| serde (tests only) | derive |\n";

    #[test]
    fn missing_and_stale_lines_are_violations() {
        assert_eq!(check_dependencies(&repo(&[(LEDGER, TABLE)], &["half", "serde"])), []);
        assert_eq!(check_dependencies(&repo(&[(LEDGER, TABLE)], &["half", "serde", "rand"])).len(), 1);
        assert_eq!(check_dependencies(&repo(&[(LEDGER, TABLE)], &["half"])).len(), 1);
        assert_eq!(check_dependencies(&repo(&[], &[])).len(), 1);
    }

    #[test]
    fn a_readme_that_hides_a_command_is_a_violation() {
        let good = "# Hob\n\n    cargo xtask start\n    cargo xtask test\n";
        assert_eq!(check_readme(&repo(&[("README.md", good)], &[])), []);
        let late = format!("# Hob\ncargo xtask start\n{}cargo xtask test\n", "\n".repeat(30));
        assert_eq!(check_readme(&repo(&[("README.md", &late)], &[])).len(), 1);
    }
}
