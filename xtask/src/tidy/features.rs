//! At most six features in the workspace: each one doubles what has to be built and tested.

use super::{Violation, repo::Repo};

/// Features of all members together, `default` not counted.
const FEATURES_MAX: usize = 6;

/// Counts declared features.
pub fn check(repo: &Repo) -> Vec<Violation> {
    let names: Vec<String> = repo
        .metadata
        .packages
        .iter()
        .flat_map(|package| package.features.keys().map(move |feature| format!("{}/{feature}", package.name)))
        .filter(|name| !name.ends_with("/default"))
        .collect();
    if names.len() <= FEATURES_MAX {
        return Vec::new();
    }
    let message = format!(
        "expected at most {FEATURES_MAX} features in the workspace, found {}: {}",
        names.len(),
        names.join(", ")
    );
    vec![Violation::new("Cargo.toml", message)]
}

#[cfg(test)]
mod tests {
    use super::{
        super::metadata::{Metadata, Package},
        *,
    };

    #[test]
    fn the_seventh_feature_is_a_violation() {
        let with = |count: usize| {
            let mut package = Package { name: "hob".to_owned(), ..Package::default() };
            package.features.insert("default".to_owned(), Vec::new());
            package.features.extend((0..count).map(|index| (format!("f{index}"), Vec::new())));
            Repo { metadata: Metadata { packages: vec![package] }, ..Repo::default() }
        };
        assert_eq!(check(&with(6)), []);
        assert_eq!(check(&with(7)).len(), 1);
    }
}
