//! The part of `cargo metadata` that the rules need.

use std::collections::BTreeMap;

use serde::Deserialize;

/// `cargo metadata --no-deps`: the workspace's own packages.
#[derive(Debug, Default, Deserialize)]
pub struct Metadata {
    /// The members of the workspace.
    pub packages: Vec<Package>,
}

/// One member.
#[derive(Debug, Default, Deserialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Direct dependencies as declared, of every kind and target.
    #[serde(default)]
    pub dependencies: Vec<Dependency>,
    /// Feature name to what it enables; implicit ones of optional dependencies included.
    #[serde(default)]
    pub features: BTreeMap<String, Vec<String>>,
}

/// A declared dependency.
#[derive(Debug, Default, Deserialize)]
pub struct Dependency {
    /// The depended-on package's own name, whatever it is renamed to.
    pub name: String,
    /// None for a normal dependency, else `dev` or `build`.
    pub kind: Option<String>,
    /// Where it comes from; none for a path.
    pub source: Option<String>,
}

impl Dependency {
    /// Whether it only serves tests, examples and benches.
    pub fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}
