//! No unfinished work, no debugging, no silent test skips, no paths of one machine.

use super::{
    Violation,
    mask::Masked,
    repo::{Repo, SourceFile},
};

/// Macros that mark unfinished work or a debugging session.
const MACROS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

/// Words that mark unfinished work in comments; in two pieces so that this file does not contain them.
const WORDS: [&str; 2] = [concat!("FIX", "ME"), concat!("TO", "DO")];

/// Folders that exist on one machine only; in two pieces for the same reason.
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/", "hob")];

/// Finds left-overs in all texts.
pub fn check(repo: &Repo) -> Vec<Violation> {
    let mut found = Vec::new();
    for file in &repo.files {
        found.extend(machine_paths(file));
    }
    for (file, masked) in repo.rust_files() {
        found.extend(unfinished(file, masked));
        found.extend(ignored_tests(file, masked));
    }
    found
}

fn machine_paths(file: &SourceFile) -> Vec<Violation> {
    find(
        file,
        &file.text,
        |line| MACHINE_PATHS.into_iter().find(|path| contains_path(line, path)),
        |path| format!("`{path}` is a path of one machine; write it relative to the repository"),
    )
}

/// A path starts where a word, a dot or another path component does not precede it.
fn contains_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back().unwrap_or(' ');
        !before.is_alphanumeric() && !['.', '_', '-', '/', '}', '>'].contains(&before)
    })
}

fn unfinished(file: &SourceFile, masked: &Masked) -> Vec<Violation> {
    let say = |what: &str| format!("left-over `{what}`; finish the work or file an issue");
    let mut found =
        find(file, &masked.code, |line| MACROS.into_iter().find(|name| has_word(line, name)), say);
    found.extend(find(
        file,
        &masked.comments,
        |line| WORDS.into_iter().find(|word| has_word(line, word)),
        say,
    ));
    found
}

fn ignored_tests(file: &SourceFile, masked: &Masked) -> Vec<Violation> {
    find(
        file,
        &masked.code,
        |line| line.contains("#[ignore]").then_some("#[ignore]"),
        |what| format!("`{what}` without a reason; write `#[ignore = \"why\"]`"),
    )
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().unwrap_or(' ');
        let after = line[at + word.len()..].chars().next().unwrap_or(' ');
        let free = |c: char| !c.is_alphanumeric() && c != '_';
        free(before) && (word.ends_with('!') || free(after))
    })
}

fn find(
    file: &SourceFile,
    view: &str,
    pick: impl Fn(&str) -> Option<&'static str>,
    say: impl Fn(&str) -> String,
) -> Vec<Violation> {
    let lines = view.lines().enumerate();
    let hits = lines.filter_map(|(index, line)| pick(line).map(|what| (index + 1, what)));
    hits.map(|(line, what)| Violation::new(format!("{}:{line}", file.path), say(what))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &str, text: &str) -> Vec<String> {
        let repo = Repo { files: vec![SourceFile::new(path, text)], ..Repo::default() };
        check(&repo).into_iter().map(|violation| violation.place).collect()
    }

    #[test]
    fn planted_leftovers_are_found() {
        assert_eq!(places("a.rs", "fn f() {\n    todo!()\n}"), ["a.rs:2"]);
        assert_eq!(places("a.rs", "fn f() { dbg!(1); }"), ["a.rs:1"]);
        assert_eq!(places("a.rs", &format!("// {}: later", WORDS[0])), ["a.rs:1"]);
        assert_eq!(places("a.rs", "#[test]\n#[ignore]\nfn f() {}"), ["a.rs:2"]);
        assert_eq!(places("a.md", &format!("see {}x", MACHINE_PATHS[0])), ["a.md:1"]);
    }

    #[test]
    fn lookalikes_are_not() {
        assert!(places("a.rs", "// a method\nconst A: &str = \"todo!\"; fn my_todo() {}").is_empty());
        assert!(places("a.rs", "#[ignore = \"needs a GPU\"]\nfn f() {}").is_empty());
        assert!(places("a.md", &format!("in ..{}x or net{}", MACHINE_PATHS[0], MACHINE_PATHS[0])).is_empty());
    }
}
