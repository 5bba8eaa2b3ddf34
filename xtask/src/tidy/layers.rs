//! Dependencies point down, except along the sideways edges of `layers.toml`; every crate uses the workspace's lints.

use std::collections::BTreeMap;

use super::{Violation, metadata::Package, repo::Repo};

/// The layer of test helpers and tools. It may use anything; only tests may use it.
const DEV: &str = "dev";

/// Compares `layers.toml` with the workspace.
pub fn check(repo: &Repo) -> Vec<Violation> {
    let mut found = check_listing(repo);
    let layer_of = layer_of(repo);
    for package in &repo.metadata.packages {
        found.extend(check_edges(repo, package, &layer_of));
        found.extend(check_lints(repo, package));
    }
    found.extend(check_sideways(repo));
    found
}

fn layer_of(repo: &Repo) -> BTreeMap<&str, &str> {
    let layers = repo.layers.layers.iter();
    layers.flat_map(|(layer, names)| names.iter().map(move |name| (name.as_str(), layer.as_str()))).collect()
}

fn check_listing(repo: &Repo) -> Vec<Violation> {
    let mut found = Vec::new();
    for package in &repo.metadata.packages {
        let times = repo.layers.layers.values().flatten().filter(|name| **name == package.name).count();
        if times != 1 {
            let message = format!("expected {} in exactly one layer, found it in {times}", package.name);
            found.push(Violation::new("layers.toml", message));
        }
    }
    for (layer, names) in &repo.layers.layers {
        for name in names {
            if !repo.metadata.packages.iter().any(|package| package.name == *name) {
                let message =
                    format!("{layer} lists {name}, which is no crate of the workspace; remove the line");
                found.push(Violation::new("layers.toml", message));
            }
        }
    }
    found
}

fn check_edges(repo: &Repo, package: &Package, layer_of: &BTreeMap<&str, &str>) -> Vec<Violation> {
    let Some(from) = layer_of.get(package.name.as_str()) else { return Vec::new() };
    let mut found = Vec::new();
    for dependency in &package.dependencies {
        let Some(to) = layer_of.get(dependency.name.as_str()) else { continue };
        let allowed = *from == DEV || (dependency.is_dev() && (*to == DEV || to <= from));
        let down = *to != DEV && *from != DEV && to < from;
        let sideways = from == to && is_sideways(repo, &package.name, &dependency.name);
        if !(allowed || down || sideways) {
            let message = format!(
                "{} ({from}) depends on {} ({to}); dependencies point down, a new sideways edge needs an ADR and a line \
                 in layers.toml",
                package.name, dependency.name
            );
            found.push(Violation::new(manifest(package), message));
        }
    }
    found
}

fn is_sideways(repo: &Repo, from: &str, to: &str) -> bool {
    repo.layers.sideways.iter().any(|edge| edge.from == from && edge.to == to)
}

/// A sideways line that no longer matches an edge is a door left open.
fn check_sideways(repo: &Repo) -> Vec<Violation> {
    let mut found = Vec::new();
    for edge in &repo.layers.sideways {
        let package = repo.metadata.packages.iter().find(|package| package.name == edge.from);
        let used = package.is_some_and(|package| package.dependencies.iter().any(|d| d.name == edge.to));
        if !used {
            let message = format!("the edge {} -> {} is not used; remove the line", edge.from, edge.to);
            found.push(Violation::new("layers.toml", message));
        }
        if edge.why.trim().is_empty() {
            found.push(Violation::new(
                "layers.toml",
                format!("the edge {} -> {} gives no reason", edge.from, edge.to),
            ));
        }
    }
    found
}

fn check_lints(repo: &Repo, package: &Package) -> Option<Violation> {
    let path = manifest(package);
    let inherits = repo.text(&path).is_some_and(|text| text.contains("[lints]\nworkspace = true"));
    (!inherits).then(|| Violation::new(path, "expected `[lints]` with `workspace = true`"))
}

fn manifest(package: &Package) -> String {
    if package.name == "xtask" {
        "xtask/Cargo.toml".to_owned()
    } else {
        format!("crates/{}/Cargo.toml", package.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            metadata::{Dependency, Metadata},
            repo::{Layers, SourceFile},
        },
        *,
    };

    fn repo(edges: &[(&str, &str, Option<&str>)], layers: &str) -> Repo {
        let names = ["hob-base", "hob-a", "hob-b", "hob-testkit"];
        let packages = names.map(|name| Package {
            name: name.to_owned(),
            dependencies: edges
                .iter()
                .filter(|(from, ..)| *from == name)
                .map(|(_, to, kind)| Dependency {
                    name: (*to).to_owned(),
                    kind: kind.map(str::to_owned),
                    source: None,
                })
                .collect(),
            ..Package::default()
        });
        let files =
            names.map(|n| SourceFile::new(&format!("crates/{n}/Cargo.toml"), "[lints]\nworkspace = true\n"));
        let layers: Layers = toml::from_str(layers).unwrap();
        Repo { files: files.into(), layers, metadata: Metadata { packages: packages.into() } }
    }

    const PLAIN: &str = "[layers]\nL0 = ['hob-base']\nL1 = ['hob-a', 'hob-b']\ndev = ['hob-testkit']\n";

    #[test]
    fn down_and_dev_edges_are_fine() {
        let edges = [
            ("hob-a", "hob-base", None),
            ("hob-base", "hob-testkit", Some("dev")),
            ("hob-testkit", "hob-a", None),
        ];
        assert_eq!(check(&repo(&edges, PLAIN)), []);
    }

    #[test]
    fn up_sideways_and_normal_edges_to_dev_are_violations() {
        for edge in [
            ("hob-base", "hob-a", None),
            ("hob-base", "hob-a", Some("dev")),
            ("hob-a", "hob-b", None),
            ("hob-a", "hob-b", Some("build")),
            ("hob-a", "hob-testkit", None),
        ] {
            assert_eq!(check(&repo(&[edge], PLAIN)).len(), 1, "{edge:?}");
        }
    }

    #[test]
    fn a_listed_sideways_edge_is_fine_until_it_is_unused() {
        let layers = format!("{PLAIN}[[sideways]]\nfrom = 'hob-a'\nto = 'hob-b'\nwhy = 'ADR 9'\n");
        assert_eq!(check(&repo(&[("hob-a", "hob-b", None)], &layers)), []);
        assert_eq!(check(&repo(&[], &layers)).len(), 1);
    }

    #[test]
    fn unlisted_unknown_and_doubly_listed_crates_are_violations() {
        let layers =
            "[layers]\nL0 = ['hob-base', 'hob-gone']\nL1 = ['hob-a', 'hob-base']\ndev = ['hob-testkit']\n";
        let found = check(&repo(&[], layers));
        assert_eq!(found.len(), 3, "{found:?}");
    }

    #[test]
    fn a_crate_without_the_workspace_lints_is_a_violation() {
        let mut repo = repo(&[], PLAIN);
        repo.files[1] = SourceFile::new("crates/hob-a/Cargo.toml", "[package]\n");
        assert_eq!(check(&repo).len(), 1);
    }
}
