//! Where other programs keep models.

use super::{Candidate, folders, huggingface, ollama};
use std::path::{Path, PathBuf};

/// What a search for other programs' models begins from. Read by the program, not here.
#[derive(Clone, Debug, Default)]
pub struct Home {
    /// The user's folder.
    pub home: PathBuf,
    /// `XDG_DATA_HOME`, `LOCALAPPDATA` or what the system has instead.
    pub data: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`, `APPDATA` or what the system has instead.
    pub config: Option<PathBuf>,
    /// `OLLAMA_MODELS`.
    pub ollama_models: Option<PathBuf>,
    /// `HF_HUB_CACHE`, or `hub` in `HF_HOME`.
    pub hf_cache: Option<PathBuf>,
    /// Folders of services, which belong to another user.
    pub services: Vec<PathBuf>,
}

/// The models that other programs of this machine hold. What cannot be read is left out; a file found twice is found once.
pub fn scan(home: &Home) -> Vec<Candidate> {
    let mut found: Vec<Candidate> = Vec::new();
    let mut add = |candidates: Vec<Candidate>| {
        for candidate in candidates {
            let same = |other: &Candidate| {
                other.files.iter().map(|f| &f.from).eq(candidate.files.iter().map(|f| &f.from))
            };
            if !found.iter().any(same) {
                found.push(candidate);
            }
        }
    };
    let below = |parts: &str| parts.split('/').fold(home.home.clone(), |path, part| path.join(part));
    let ollama_places =
        home.ollama_models.clone().into_iter().chain([below(".ollama/models")]).chain(home.services.clone());
    for place in ollama_places.filter(|p| ollama::is_store(p)) {
        add(ollama::models(&place).unwrap_or_default());
    }
    for place in [below(".lmstudio/models"), below(".cache/lm-studio/models")] {
        add(in_folders(&place, "LM Studio"));
    }
    let jan = home
        .config
        .iter()
        .chain(&home.data)
        .flat_map(|base| ["Jan/data/llamacpp/models", "Jan/data/models"].map(|p| base.join(p)));
    for place in jan.chain([below("jan/models")]) {
        add(in_folders(&place, "Jan"));
    }
    if let Some(base) = &home.data {
        add(in_folders(&base.join("nomic.ai").join("GPT4All"), "GPT4All"));
    }
    let caches = home.hf_cache.clone().into_iter().chain([below(".cache/huggingface/hub")]);
    for cache in caches.filter_map(|place| huggingface::cache(&place)) {
        add(huggingface::models(&cache).unwrap_or_default());
    }
    found
}

fn in_folders(place: &Path, program: &'static str) -> Vec<Candidate> {
    if place.is_dir() { folders::folder(place, Some(program)).unwrap_or_default() } else { Vec::new() }
}
