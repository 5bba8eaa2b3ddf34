//! Well-known models by short names. The list is part of the program, so that it can be searched offline; what it says of a
//! file is checked against the hub before anything is fetched.

use crate::pull::{Choice, Plan};
use crate::{Digest, Error, near};
use serde::Deserialize;
use std::sync::LazyLock;

const TEXT: &str = include_str!("catalogue.toml");

/// The list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// The models, sorted as they should be shown.
    #[serde(rename = "model")]
    pub entries: Vec<Entry>,
}

/// A model of the list.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What to type.
    pub name: String,
    /// What its makers call it.
    pub title: String,
    /// The family, in GGUF's words.
    pub architecture: String,
    /// Parameters, in billions as its makers count them.
    pub billions: f64,
    /// Parameters of which every token needs all, where its makers tell them from tables of which it needs a few rows.
    pub effective_billions: Option<f64>,
    /// Longest context.
    pub context: u64,
    /// SPDX name, or the makers' own.
    pub license: String,
    /// What it can do: `chat`, `thinking`, `tools`, `vision`, `embed`.
    pub capabilities: Vec<String>,
    /// Numbers that the cache's size follows from, where they are published.
    pub shape: Option<Shape>,
    /// Its files, the one most people want first.
    #[serde(rename = "file")]
    pub variants: Vec<Variant>,
}

/// What the size of a cache follows from.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Layers that keep all positions.
    pub layers: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Width of a head.
    pub head: u64,
    /// Layers that keep only the last `window` positions.
    #[serde(default)]
    pub window_layers: u64,
    /// Those positions.
    #[serde(default)]
    pub window: u64,
    /// Width of a head in those layers, where it is another.
    pub window_head: Option<u64>,
}

/// A file of a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The type of its weights.
    pub quant: String,
    /// The repository at Hugging Face.
    pub repo: String,
    /// The file, where a repository has several of the type.
    pub file: Option<String>,
    /// Its size in units of 10^9 bytes, as its publisher rounds it, where that is known.
    pub gigabytes: Option<f64>,
    /// What it contains, where it is known.
    pub sha256: Option<Digest>,
}

/// A model of the list with the file that is meant.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The model.
    pub entry: &'a Entry,
    /// The file.
    pub variant: &'a Variant,
}

impl Catalogue {
    /// The list that the program brings.
    pub fn built_in() -> &'static Self {
        static LIST: LazyLock<Catalogue> =
            LazyLock::new(|| toml::from_str(TEXT).expect("a test reads the list that is built in"));
        &LIST
    }

    /// The model called `name`, with weights of type `quant` if one was said.
    ///
    /// # Errors
    /// [`Error::Unknown`] with similar names; [`Error::NotThere`] when the list has no such type.
    pub fn find(&self, name: &str, quant: Option<&str>) -> Result<Found<'_>, Error> {
        let entry = self.entries.iter().find(|e| e.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            Error::Reference {
                text: name.to_owned(),
                expected: match near(name, self.entries.iter().map(|e| e.name.as_str())).as_slice() {
                    [] => {
                        "no model of the catalogue; `hob search` lists them, or give hf.co/OWNER/REPO".into()
                    }
                    names => format!("no model of the catalogue; did you mean {}?", names.join(" or ")),
                },
            }
        })?;
        let same = |v: &&Variant| quant.is_none_or(|q| v.quant.eq_ignore_ascii_case(q));
        let variant = entry.variants.iter().find(same).ok_or_else(|| Error::Reference {
            text: format!("{name}:{}", quant.unwrap_or_default()),
            expected: {
                let all: Vec<&str> = entry.variants.iter().map(|v| v.quant.as_str()).collect();
                let repo = entry.variants.first().map_or("OWNER/REPO", |v| v.repo.as_str());
                format!("the catalogue has {}; others may be in hf.co/{repo}", all.join(", "))
            },
        })?;
        Ok(Found { entry, variant })
    }

    /// The models that all words of `text` fit: names, families, makers' names, capabilities. All of them for no words.
    pub fn search(&self, text: &str) -> Vec<&Entry> {
        let words: Vec<String> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
        let fits = |e: &&Entry| {
            let all = format!("{} {} {} {}", e.name, e.title, e.architecture, e.capabilities.join(" "))
                .to_ascii_lowercase();
            words.iter().all(|word| all.contains(word.as_str()))
        };
        self.entries.iter().filter(fits).collect()
    }
}

impl Entry {
    /// The share of its weights that is read for every token.
    pub fn read_share(&self) -> f64 {
        self.effective_billions.map_or(1.0, |effective| (effective / self.billions).clamp(0.0, 1.0))
    }
}

impl Variant {
    /// Its size, rounded; the hub states the exact one.
    pub fn bytes(&self) -> Option<u64> {
        self.gigabytes.map(|gigabytes| (gigabytes * 1e9) as u64)
    }
}

impl Shape {
    /// Bytes of a cache of `positions`, with keys and values of two bytes.
    pub fn kv_bytes(&self, positions: u64) -> u64 {
        let each = |head: u64| 2 * 2 * self.kv_heads * head;
        let all = each(self.head).saturating_mul(self.layers.saturating_mul(positions));
        let near = self.window_layers.saturating_mul(positions.min(self.window));
        all.saturating_add(each(self.window_head.unwrap_or(self.head)).saturating_mul(near))
    }
}

impl Found<'_> {
    /// What to ask of the repository.
    pub(crate) fn choice(&self) -> Choice {
        match &self.variant.file {
            Some(file) => Choice::File(file.clone()),
            None => Choice::Quant(self.variant.quant.clone()),
        }
    }

    /// Whether the hub still has the file that the list vouches for.
    pub(crate) fn check(&self, plan: &Plan) -> Result<(), Error> {
        let ([file], Some(expected)) = (plan.files.as_slice(), self.variant.sha256) else { return Ok(()) };
        match file.sha256 {
            Some(found) if found != expected => {
                let file = format!("{}/{} at the hub", self.variant.repo, file.path);
                Err(Error::WrongDigest { file, expected, found })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::quant::quant_of;
    use crate::{FilePath, ModelName};

    #[test]
    fn every_entry_can_be_pulled_by_its_name() {
        let list = Catalogue::built_in();
        for entry in &list.entries {
            assert!(!entry.variants.is_empty() && !entry.license.is_empty(), "{}", entry.name);
            assert!(entry.billions > 0.0 && entry.billions < 10.0 && entry.context >= 256, "{}", entry.name);
            assert_eq!(list.entries.iter().filter(|e| e.name == entry.name).count(), 1, "{}", entry.name);
            for v in &entry.variants {
                ModelName::parse(&format!("{}:{}", entry.name, v.quant)).unwrap();
                ModelName::parse(&v.repo).unwrap();
                if let Some(file) = &v.file {
                    FilePath::parse(file).unwrap();
                    let quant = quant_of(file.strip_suffix(".gguf").unwrap());
                    assert!(quant.is_none_or(|q| q.eq_ignore_ascii_case(&v.quant)), "{file}");
                }
                let found = list.find(&entry.name, Some(&v.quant)).unwrap();
                assert_eq!((&found.variant.repo, &found.variant.file), (&v.repo, &v.file));
                // Between half a bit and 40 bits a parameter; embeddings make small files a little heavier.
                let billion = 1e9 * entry.billions;
                let fits = |b: u64| (b as f64) > billion / 16.0 && (b as f64) < billion * 5.0;
                assert!(v.bytes().is_none_or(fits), "{}:{}", entry.name, v.quant);
            }
        }
    }

    #[test]
    fn unknown_names_get_suggestions() {
        let list = Catalogue::built_in();
        let error = list.find("qwen3-0.6", None).unwrap_err().to_string();
        assert!(error.contains("did you mean qwen3-0.6b"), "{error}");
        let error = list.find("qwen3-0.6b", Some("Q1_X")).unwrap_err().to_string();
        assert!(error.contains("the catalogue has"), "{error}");
        assert!(list.search("qwen embed").iter().all(|e| e.capabilities.iter().any(|c| c == "embed")));
        assert_eq!(list.search("").len(), list.entries.len());
    }

    #[test]
    fn caches_grow_with_positions_up_to_their_window() {
        let shape =
            Shape { layers: 2, kv_heads: 4, head: 8, window_layers: 10, window: 100, window_head: Some(4) };
        assert_eq!(shape.kv_bytes(50), 2 * 2 * 4 * (8 * 2 + 4 * 10) * 50);
        assert_eq!(shape.kv_bytes(1000), 2 * 2 * 4 * (8 * 2 * 1000 + 4 * 10 * 100));
    }
}
