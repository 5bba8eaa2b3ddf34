//! The models that the server knows: the built-in one, those named at the start, and those of the store.

use crate::which::Which;
use hob_server::{Catalogue, Folder, Listed, Source};
use hob_store::{Model, Store};
use std::path::PathBuf;
use std::sync::Arc;

/// A catalogue over the store.
pub struct Stored {
    named: Folder,
    /// What is meant where a request names no model, if that is one of the store.
    default: Option<String>,
    store: Option<Store>,
}

impl Stored {
    /// The models `named` by paths or names of `store`, and everything in it.
    pub fn new(named: &[PathBuf], store: Option<Store>) -> Self {
        let all: Vec<Which> = named.iter().map(|name| Which::named(name)).collect();
        let default = match all.first() {
            Some(Which::Stored { name, .. }) => Some(name.display().to_string()),
            _ => None,
        };
        let paths = all.into_iter().filter_map(|which| match which {
            Which::At(path) => Some(path),
            Which::Builtin | Which::Stored { .. } => None,
        });
        Self { named: Folder::new(&paths.collect::<Vec<_>>(), None), default, store }
    }
}

impl Catalogue for Stored {
    fn list(&self) -> Vec<Listed> {
        let mut list = self.named.list();
        let models = self.store.iter().filter_map(|store| store.list().ok()).flat_map(|found| found.models);
        list.extend(models.map(listed));
        list
    }

    fn default_name(&self) -> String {
        self.default.clone().unwrap_or_else(|| self.named.default_name())
    }

    fn find(&self, name: &str) -> Option<Listed> {
        // The store knows short names and tags; whatever it says no to is no model.
        let stored = || self.store.as_ref()?.find(name).ok().map(listed);
        self.named.find(name).or_else(stored)
    }
}

fn listed(model: Model) -> Listed {
    Listed {
        name: model.name.to_string(),
        source: Source::At(model.path),
        bytes: model.bytes,
        modified: i64::try_from(model.manifest.added_at).unwrap_or(0),
        digest: model.digest.map(|digest| digest.to_string()),
        settings: Arc::new(model.manifest.settings),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_the_store_are_known_by_their_names() {
        let home = tempfile::tempdir().unwrap();
        let models = home.path().join("models");
        std::fs::create_dir(&models).unwrap();
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ember/ember.gguf");
        std::fs::copy(file, models.join("small.gguf")).unwrap();
        let catalogue = Stored::new(&[], Some(Store::in_data(home.path())));
        let names: Vec<String> = catalogue.list().into_iter().map(|m| m.name).collect();
        assert!(names.contains(&"ember".to_owned()) && names.len() == 2, "{names:?}");
        let found = catalogue.find("small").unwrap();
        assert!(found.source == Source::At(models.join("small.gguf")) && found.bytes > 1_000_000);
        assert!(catalogue.find("SMALL:latest").is_some() && catalogue.find("../small").is_none());
        assert_eq!(catalogue.default_name(), "ember");
    }
}
