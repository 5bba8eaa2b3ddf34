//! Hugging Face: a repository is asked for its commit and its files; which of them are needed is decided here.

use crate::hub::ask::{Answer, ask, json};
use crate::hub::quant::{Variant, usual, variants};
use crate::pull::backoff::Backoff;
use crate::pull::reference::Choice;
use crate::pull::{Plan, RemoteFile};
use crate::{Digest, Error, FilePath, ModelName, Settings, Source};
use hob_egress::{Address, Egress};
use serde::Deserialize;

/// Pages of a listing followed; each has up to a thousand entries.
const PAGES_MAX: usize = 20;
/// Characters that stand for themselves in a path.
const PLAIN: &str = "-._~";

/// What to plan.
pub(crate) struct Wish<'a> {
    pub endpoint: &'a Address,
    pub repo: &'a str,
    pub choice: &'a Choice,
    pub revision: &'a str,
}

#[derive(Deserialize)]
struct Info {
    sha: String,
    /// `false`, `"auto"` or `"manual"`.
    #[serde(default)]
    gated: serde_json::Value,
    #[serde(default, rename = "cardData")]
    card: serde_json::Value,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    size: u64,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

/// Plans the pull of a repository's model.
pub(crate) fn plan(egress: &Egress, wish: &Wish<'_>, wait: &mut Backoff<'_>) -> Result<Plan, Error> {
    let repo = wish.repo;
    let info = wish.endpoint.at(&format!("/api/models/{repo}/revision/{}", escape(wish.revision)))?;
    let info: Info = json(
        &ask(egress, &info, "application/json", repo, wait)?.text,
        repo,
        "the description of a repository",
    )?;
    // What happens to the branch after this does not matter: everything is fetched from this commit.
    let is_commit = info.sha.len() == 40 && info.sha.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_commit {
        let found = info.sha.chars().take(60).collect();
        return Err(Error::Answer {
            what: repo.to_owned(),
            expected: "a commit of 40 hexadecimal digits",
            found,
        });
    }
    let entries = tree(egress, wish, &info.sha, wait)?;
    let chosen = choose(wish, &entries)?;
    let files =
        chosen.files.iter().map(|i| remote_file(wish, &info.sha, &entries[*i])).collect::<Result<_, _>>()?;
    let license = info.card["license_name"].as_str().or_else(|| info.card["license"].as_str());
    Ok(Plan {
        name: ModelName::parse(&format!("hf.co/{repo}:{}", chosen.tag))?,
        source: Source::HuggingFace { repo: repo.to_owned(), revision: info.sha },
        license: license.map(|text| text.chars().filter(|c| !c.is_control()).take(100).collect()),
        is_gated: !matches!(info.gated, serde_json::Value::Bool(false) | serde_json::Value::Null),
        files,
        settings: Settings::default(),
    })
}

fn tree(egress: &Egress, wish: &Wish<'_>, commit: &str, wait: &mut Backoff<'_>) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    let mut next =
        Some(wish.endpoint.at(&format!("/api/models/{}/tree/{commit}?recursive=true", wish.repo))?);
    for _ in 0..PAGES_MAX {
        let Some(address) = next else { break };
        let Answer { text, next: link } = ask(egress, &address, "application/json", wish.repo, wait)?;
        let page: Vec<Entry> = json(&text, wish.repo, "a list of files")?;
        entries.extend(page.into_iter().filter(|e| e.kind == "file"));
        next = link.map(|link| address.redirected(&link)).transpose()?;
    }
    Ok(entries)
}

/// The files of one model, and the tag it gets.
struct Chosen {
    files: Vec<usize>,
    tag: String,
}

fn choose(wish: &Wish<'_>, entries: &[Entry]) -> Result<Chosen, Error> {
    let all = variants(entries.iter().map(|e| e.path.as_str()));
    let there = |message: String| Error::NotThere {
        what: format!("{}{}", wish.repo, wished(wish.choice)),
        host: wish.endpoint.origin().host().to_owned(),
        message,
    };
    let tag_of = |v: &Variant| v.quant.clone().unwrap_or_else(|| crate::TAG_DEFAULT.into());
    let list = || {
        let names: Vec<&str> = all.iter().map(|v| v.quant.as_deref().unwrap_or(&v.stem)).collect();
        if names.is_empty() {
            "it has no GGUF file".to_owned()
        } else {
            format!("there are {}", names.join(", "))
        }
    };
    match wish.choice {
        Choice::Usual => match usual(&all) {
            Some(variant) => Ok(Chosen { files: variant.files.clone(), tag: tag_of(variant) }),
            None => {
                safetensors(entries).ok_or_else(|| there("it has neither GGUF nor safetensors files".into()))
            }
        },
        Choice::Quant(quant) => {
            let same = |v: &&Variant| v.quant.as_deref().is_some_and(|q| q.eq_ignore_ascii_case(quant));
            let found = all.iter().find(same).ok_or_else(|| there(list()))?;
            Ok(Chosen { files: found.files.clone(), tag: tag_of(found) })
        }
        Choice::File(path) => {
            let at = entries.iter().position(|e| e.path == *path).ok_or_else(|| there(list()))?;
            let found = all.iter().find(|v| v.files.contains(&at));
            let found = found.ok_or_else(|| there("that file is no GGUF model".into()))?;
            Ok(Chosen { files: found.files.clone(), tag: file_tag(found, &all) })
        }
    }
}

fn wished(choice: &Choice) -> String {
    match choice {
        Choice::Usual => String::new(),
        Choice::Quant(quant) => format!(":{quant}"),
        Choice::File(path) => format!("/{path}"),
    }
}

/// A tag for a file that was named: the type of its weights, unless another file has the same.
fn file_tag(chosen: &Variant, all: &[Variant]) -> String {
    let is_alone = all.iter().filter(|v| v.quant == chosen.quant).count() == 1;
    match &chosen.quant {
        Some(quant) if is_alone => quant.clone(),
        _ => {
            let stem = chosen.stem.rsplit('/').next().unwrap_or_default();
            let plain: String =
                stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
            plain.trim_matches('_').to_owned()
        }
    }
}

/// The files of a repository of safetensors that Hob reads.
fn safetensors(entries: &[Entry]) -> Option<Chosen> {
    let is_needed = |path: &str| {
        let file = path.rsplit('/').next().unwrap_or_default();
        // Only the language model's own folder and the modules of sentence transformers.
        let is_module = path.starts_with(|c: char| c.is_ascii_digit());
        let is_top = is_module || !path.contains('/');
        let is_small = file.ends_with(".json")
            || file.ends_with(".jinja")
            || file.ends_with(".model")
            || file.ends_with(".txt");
        is_top && (file.ends_with(".safetensors") || is_small)
    };
    let mut files: Vec<usize> =
        entries.iter().enumerate().filter(|(_, e)| is_needed(&e.path)).map(|(i, _)| i).collect();
    let weights = |i: &usize| entries[*i].path.ends_with(".safetensors");
    // Some repositories hold the weights twice: whole and in parts, or for another program.
    let has_index = entries.iter().any(|e| e.path == "model.safetensors.index.json");
    let is_ours = |path: &str| {
        let part = path.starts_with("model-") && path.contains("-of-");
        if has_index { part } else { path == "model.safetensors" }
    };
    if files.iter().any(|i| is_ours(&entries[*i].path)) {
        files.retain(|i| !weights(i) || is_ours(&entries[*i].path) || entries[*i].path.contains('/'));
    }
    let has_config = entries.iter().any(|e| e.path == "config.json");
    (has_config && files.iter().any(weights)).then(|| Chosen { files, tag: crate::TAG_DEFAULT.into() })
}

fn remote_file(wish: &Wish<'_>, commit: &str, entry: &Entry) -> Result<RemoteFile, Error> {
    // Before anything of it becomes an address or a path.
    let checked = FilePath::parse(&entry.path)?;
    let path: String = entry.path.split('/').map(escape).collect::<Vec<_>>().join("/");
    let address = wish.endpoint.at(&format!("/{}/resolve/{commit}/{path}", wish.repo))?;
    // A split set lies in one folder here, whatever folders the repository sorts it into.
    let is_gguf = entry.path.to_ascii_lowercase().ends_with(".gguf");
    let place = if is_gguf { checked.file_name() } else { checked.as_str() };
    let (bytes, sha256) = match &entry.lfs {
        // Gated repositories show stars instead to whoever has no access.
        Some(lfs) => (lfs.size, Digest::parse(&lfs.oid).ok()),
        None => (entry.size, None),
    };
    Ok(RemoteFile { path: FilePath::parse(place)?, address, bytes, sha256 })
}

/// Percent-encodes one component of a path.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match char::from(byte) {
            c if c.is_ascii_alphanumeric() || PLAIN.contains(c) => escaped.push(c),
            _ => escaped += &format!("%{byte:02X}"),
        }
    }
    escaped
}
