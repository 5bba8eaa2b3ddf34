//! `unsafe` only in the files that `layers.toml` lists.

use super::{Violation, mask::Masked, repo::Repo};

/// Finds `unsafe` outside islands, and islands without any.
pub fn check(repo: &Repo) -> Vec<Violation> {
    let mut found = Vec::new();
    for (file, masked) in repo.rust_files() {
        let listed = repo.layers.islands.iter().any(|island| covers(&island.path, &file.path));
        if let Some(line) = unsafe_line(masked)
            && !listed
        {
            let message =
                "`unsafe` outside an island; write it safely, or list the file in layers.toml with a reason";
            found.push(Violation::new(format!("{}:{line}", file.path), message));
        }
    }
    for island in &repo.layers.islands {
        let mut covered = repo.rust_files().filter(|(file, _)| covers(&island.path, &file.path));
        if !covered.any(|(_, masked)| unsafe_line(masked).is_some()) {
            let message = format!("the island {} has no unsafe code; remove the line", island.path);
            found.push(Violation::new("layers.toml", message));
        }
        if island.why.trim().is_empty() {
            found.push(Violation::new("layers.toml", format!("the island {} gives no reason", island.path)));
        }
    }
    found
}

/// `*` stands for one path segment, so `ops/*/x86_64.rs` lists that file of every operation.
fn covers(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len() && pattern.iter().zip(&path).all(|(p, s)| *p == "*" || p == s)
}

fn unsafe_line(masked: &Masked) -> Option<usize> {
    masked.code.lines().position(has_unsafe).map(|index| index + 1)
}

fn has_unsafe(line: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe")
}

#[cfg(test)]
mod tests {
    use super::{
        super::repo::{Island, SourceFile},
        *,
    };

    fn repo(text: &str, island: Option<&str>) -> Repo {
        let mut repo = Repo::default();
        repo.files.push(SourceFile::new("crates/k/src/ops/dot/x86_64.rs", text));
        repo.layers
            .islands
            .extend(island.map(|path| Island { path: path.to_owned(), why: "SIMD".to_owned() }));
        repo
    }

    #[test]
    fn unsafe_outside_an_island_is_a_violation() {
        let found = check(&repo("\nfn f() { unsafe { g() } }", None));
        assert_eq!(found[0].place, "crates/k/src/ops/dot/x86_64.rs:2");
        assert_eq!(check(&repo("#![allow(unsafe_code)] // unsafe\nconst A: &str = \"unsafe\";", None)), []);
    }

    #[test]
    fn islands_match_by_segment() {
        assert_eq!(check(&repo("unsafe fn f() {}", Some("crates/k/src/ops/*/x86_64.rs"))), []);
        assert_eq!(check(&repo("unsafe fn f() {}", Some("crates/k/src/*/x86_64.rs"))).len(), 2);
    }

    #[test]
    fn an_island_without_unsafe_is_a_violation() {
        assert_eq!(check(&repo("fn f() {}", Some("crates/k/src/ops/dot/x86_64.rs"))).len(), 1);
    }
}
