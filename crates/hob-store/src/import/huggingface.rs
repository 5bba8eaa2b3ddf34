//! The cache of Hugging Face's own library: `models--OWNER--NAME/snapshots/COMMIT/FILE` are links to `blobs/ETAG`.

use super::{Candidate, CandidateFile, name_for};
use crate::hub::quant::variants;
use crate::{Digest, Error, FilePath, ModelName, Settings};
use std::fs;
use std::path::{Path, PathBuf};

const ENTRIES_MAX: usize = 10_000;
/// Folders inside one another in a snapshot.
const DEPTH_MAX: usize = 3;
const PROGRAM: &str = "Hugging Face cache";

/// The repositories' folders, when `folder` is a cache or one repository in it; `None` when it is neither.
pub(crate) fn cache(folder: &Path) -> Option<Vec<PathBuf>> {
    let is_repo = |path: &Path| {
        path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("models--"))
            && path.join("snapshots").is_dir()
    };
    if is_repo(folder) {
        return Some(vec![folder.to_path_buf()]);
    }
    let entries = fs::read_dir(folder).ok()?.take(ENTRIES_MAX).flatten();
    let mut repos: Vec<PathBuf> = entries.map(|e| e.path()).filter(|p| is_repo(p)).collect();
    repos.sort();
    (!repos.is_empty()).then_some(repos)
}

/// The models of these repositories.
pub(crate) fn models(repos: &[PathBuf]) -> Result<Vec<Candidate>, Error> {
    let mut candidates = Vec::new();
    for repo in repos {
        let Some(name) = repo.file_name().and_then(|n| n.to_str()) else { continue };
        let Some(id) = name.strip_prefix("models--").map(|id| id.replace("--", "/")) else { continue };
        if let Some(snapshot) = snapshot(repo) {
            candidates.extend(in_snapshot(&snapshot, &id));
        }
    }
    Ok(candidates)
}

/// The snapshot that `main` means, else any.
fn snapshot(repo: &Path) -> Option<PathBuf> {
    let commit = crate::disk::read_small(&repo.join("refs").join("main"), 100).ok().flatten();
    let commit = commit.and_then(|c| String::from_utf8(c).ok()).map(|c| c.trim().to_owned());
    let is_commit = |c: &String| c.len() == 40 && c.bytes().all(|b| b.is_ascii_hexdigit());
    let snapshots = repo.join("snapshots");
    let named = commit.filter(is_commit).map(|c| snapshots.join(c)).filter(|p| p.is_dir());
    named.or_else(|| fs::read_dir(&snapshots).ok()?.flatten().map(|e| e.path()).find(|p| p.is_dir()))
}

fn in_snapshot(snapshot: &Path, id: &str) -> Vec<Candidate> {
    let mut files = Vec::new();
    walk(snapshot, "", 0, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let found: Vec<Candidate> = variants(files.iter().map(|f| f.path.as_str()))
        .into_iter()
        .filter_map(|variant| {
            let tag = variant.quant.clone().unwrap_or_else(|| crate::TAG_DEFAULT.into());
            let name = ModelName::parse(&format!("hf.co/{id}:{tag}")).ok()?;
            let flat = |i: &usize| {
                let path = FilePath::parse(files[*i].path.file_name()).ok()?;
                Some(CandidateFile { path, ..files[*i].clone() })
            };
            let files = variant.files.iter().map(flat).collect::<Option<Vec<_>>>()?;
            Some(candidate(name, snapshot, files))
        })
        .collect();
    if !found.is_empty() || !files.iter().any(|f| f.path.as_str() == "config.json") {
        return found;
    }
    let has_weights = files.iter().any(|f| f.path.as_str().ends_with(".safetensors"));
    let name = ModelName::parse(&format!("hf.co/{id}")).ok().or_else(|| name_for("", id));
    let keep = |f: &CandidateFile| {
        ![".bin", ".pt", ".h5", ".msgpack", ".onnx", ".md"].iter().any(|e| f.path.as_str().ends_with(e))
    };
    files.retain(keep);
    name.filter(|_| has_weights).map(|name| candidate(name, snapshot, files)).into_iter().collect()
}

/// The files of a snapshot, each behind a link to a blob whose name says what it contains.
fn walk(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<CandidateFile>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.take(ENTRIES_MAX).flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let name = format!("{prefix}{name}");
        if entry.path().is_dir() && depth < DEPTH_MAX {
            walk(&entry.path(), &format!("{name}/"), depth + 1, files);
        } else if let Ok(path) = FilePath::parse(&name)
            && let Some(file) = CandidateFile::new(&entry.path(), path)
        {
            // Blobs of large files are named by their SHA-256, others by Git's digest of 40 digits.
            let sha256 = file.from.file_name().and_then(|n| n.to_str()).and_then(|n| Digest::parse(n).ok());
            files.push(CandidateFile { sha256, ..file });
        }
    }
}

fn candidate(name: ModelName, place: &Path, files: Vec<CandidateFile>) -> Candidate {
    Candidate {
        name,
        program: Some(PROGRAM),
        place: place.to_path_buf(),
        files,
        settings: Settings::default(),
    }
}
