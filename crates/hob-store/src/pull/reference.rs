//! What people write after `hob pull`.

use crate::{Error, ModelName};
use std::fmt;

/// Hosts that mean Hugging Face.
const HUGGING_FACE: [&str; 3] = ["hf.co", "huggingface.co", "www.huggingface.co"];
/// Prefixes that mean Ollama's registry.
const OLLAMA: [&str; 3] = ["registry.ollama.ai", "ollama.com", "ollama"];
/// The branch that is meant when none is said.
const REVISION_DEFAULT: &str = "main";

/// Something to pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A name of the catalogue.
    Catalogue {
        /// The name.
        name: String,
        /// The type of its weights.
        quant: Option<String>,
    },
    /// A repository at Hugging Face.
    HuggingFace {
        /// `owner/name`.
        repo: String,
        /// Which of its models.
        choice: Choice,
        /// Branch, tag or commit.
        revision: String,
    },
    /// A model of Ollama's registry.
    Ollama {
        /// `library` or a user.
        namespace: String,
        /// The model.
        model: String,
        /// Its tag.
        tag: String,
    },
}

/// Which model of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Whatever suits most people.
    Usual,
    /// The one with weights of this type.
    Quant(String),
    /// The one in this file.
    File(String),
}

impl Reference {
    /// Reads `NAME[:QUANT]`, `hf.co/OWNER/REPO[:QUANT|/FILE][@REVISION]`, `ollama/NAME[:TAG]`, or the address of a page.
    ///
    /// # Errors
    /// [`Error::Reference`] with what would do.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |expected: &str| Error::Reference {
            text: text.chars().take(200).collect(),
            expected: expected.into(),
        };
        let plain = text.trim().trim_end_matches('/');
        let plain = plain.strip_prefix("https://").or_else(|| plain.strip_prefix("http://")).unwrap_or(plain);
        let plain = plain.split(['?', '#']).next().unwrap_or_default();
        if let Some((host, rest)) = plain.split_once('/') {
            if HUGGING_FACE.contains(&host.to_ascii_lowercase().as_str()) {
                return hugging_face(rest).ok_or_else(|| {
                    refuse("expected hf.co/OWNER/REPO, with :QUANT or /FILE and @REVISION after it if wanted")
                });
            }
            if OLLAMA.contains(&host.to_ascii_lowercase().as_str()) {
                return ollama(rest)
                    .ok_or_else(|| refuse("expected ollama/NAME[:TAG] or ollama/USER/NAME[:TAG]"));
            }
            return Err(refuse(
                "expected a name of the catalogue (hob search), hf.co/OWNER/REPO or ollama/NAME",
            ));
        }
        let (name, quant) = match plain.split_once(':') {
            Some((name, quant)) => (name, Some(quant.to_owned())),
            None => (plain, None),
        };
        ModelName::parse(plain)?;
        Ok(Self::Catalogue { name: name.to_owned(), quant })
    }
}

/// As it may be written again.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalogue { name, quant } => {
                f.write_str(name)?;
                quant.as_ref().map_or(Ok(()), |quant| write!(f, ":{quant}"))
            }
            Self::HuggingFace { repo, choice, revision } => {
                write!(f, "hf.co/{repo}")?;
                match choice {
                    Choice::Usual => {}
                    Choice::Quant(quant) => write!(f, ":{quant}")?,
                    Choice::File(file) => write!(f, "/{file}")?,
                }
                if revision == REVISION_DEFAULT { Ok(()) } else { write!(f, "@{revision}") }
            }
            Self::Ollama { namespace, model, tag } if namespace == "library" => {
                write!(f, "ollama/{model}:{tag}")
            }
            Self::Ollama { namespace, model, tag } => write!(f, "ollama/{namespace}/{model}:{tag}"),
        }
    }
}

fn hugging_face(rest: &str) -> Option<Reference> {
    let (rest, revision) = match rest.rsplit_once('@') {
        Some((rest, revision)) => (rest, Some(revision)),
        None => (rest, None),
    };
    let mut parts = rest.splitn(3, '/');
    let (owner, name) = (parts.next()?, parts.next()?);
    let (mut file, mut page_revision) = (parts.next(), None);
    // Addresses of pages: /blob/REVISION/FILE, /resolve/REVISION/FILE, /tree/REVISION.
    if let Some((kind, rest)) = file.map(|f| f.split_once('/').unwrap_or((f, "")))
        && matches!(kind, "blob" | "resolve" | "tree" | "raw")
    {
        let (revision, path) = rest.split_once('/').unwrap_or((rest, ""));
        page_revision = Some(revision).filter(|r| !r.is_empty());
        file = Some(path).filter(|p| !p.is_empty() && kind != "tree");
    }
    let (name, quant) = match name.split_once(':') {
        Some((name, quant)) => (name, Some(quant)),
        None => (name, None),
    };
    let choice = match (file, quant) {
        (Some(_), Some(_)) => return None,
        (Some(file), None) => Choice::File(file.to_owned()),
        (None, Some(quant)) => Choice::Quant(quant.to_owned()),
        (None, None) => Choice::Usual,
    };
    let revision = revision.or(page_revision).unwrap_or(REVISION_DEFAULT);
    let is_revision =
        |r: &str| !r.is_empty() && r.len() <= 100 && r.chars().all(is_revision_char) && !r.contains("..");
    let repo = format!("{owner}/{name}");
    let is_fine = ModelName::parse(&repo).is_ok() && is_revision(revision);
    let quant_fine = quant.is_none_or(|q| ModelName::parse(&format!("x:{q}")).is_ok());
    (is_fine && quant_fine).then(|| Reference::HuggingFace { repo, choice, revision: revision.to_owned() })
}

/// Branches with slashes would need another way of asking; nobody publishes models on them.
fn is_revision_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

fn ollama(rest: &str) -> Option<Reference> {
    let name = ModelName::parse(rest).ok()?;
    let (namespace, model) = name.path().split_once('/').unwrap_or(("library", name.path()));
    if model.contains('/') {
        return None;
    }
    let [namespace, model, tag] = [namespace, model, name.tag()].map(str::to_owned);
    Some(Reference::Ollama { namespace, model, tag })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hf(repo: &str, choice: Choice, revision: &str) -> Reference {
        Reference::HuggingFace { repo: repo.into(), choice, revision: revision.into() }
    }

    #[test]
    fn all_ways_of_saying_it_are_understood() {
        let quant = |q: &str| Choice::Quant(q.into());
        let file = |f: &str| Choice::File(f.into());
        for (text, wanted) in [
            ("hf.co/o/r", hf("o/r", Choice::Usual, "main")),
            ("hf.co/o/r:Q8_0", hf("o/r", quant("Q8_0"), "main")),
            ("hf.co/o/r:Q8_0@abc123", hf("o/r", quant("Q8_0"), "abc123")),
            ("huggingface.co/o/r/sub/m.gguf@v1", hf("o/r", file("sub/m.gguf"), "v1")),
            ("https://huggingface.co/o/r", hf("o/r", Choice::Usual, "main")),
            ("https://huggingface.co/o/r/blob/main/m-Q4_0.gguf", hf("o/r", file("m-Q4_0.gguf"), "main")),
            ("https://huggingface.co/o/r/resolve/v2/m.gguf?download=true", hf("o/r", file("m.gguf"), "v2")),
            ("https://huggingface.co/o/r/tree/v2", hf("o/r", Choice::Usual, "v2")),
            (
                "ollama/smollm2:135m",
                Reference::Ollama {
                    namespace: "library".into(),
                    model: "smollm2".into(),
                    tag: "135m".into(),
                },
            ),
            (
                "ollama.com/library/smollm2",
                Reference::Ollama {
                    namespace: "library".into(),
                    model: "smollm2".into(),
                    tag: "latest".into(),
                },
            ),
            (
                "ollama/me/mine",
                Reference::Ollama { namespace: "me".into(), model: "mine".into(), tag: "latest".into() },
            ),
            ("qwen3-4b", Reference::Catalogue { name: "qwen3-4b".into(), quant: None }),
            ("qwen3-4b:q8_0", Reference::Catalogue { name: "qwen3-4b".into(), quant: Some("q8_0".into()) }),
        ] {
            assert_eq!(Reference::parse(text).unwrap(), wanted, "{text}");
            assert_eq!(Reference::parse(&wanted.to_string()).unwrap(), wanted, "{wanted}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "hf.co/o",
            "hf.co/../r",
            "hf.co/o/..",
            "hf.co/o/r@",
            "hf.co/o/r@a/../b",
            "hf.co/o/r:",
            "hf.co/o/r:a/b",
            "hf.co/o/r:../x",
            "ollama/a/b/c",
            "ollama/..",
            "example.com/o/r",
            "o/r",
            "qwen 3",
            "hf.co/o/r r",
        ] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
    }
}
