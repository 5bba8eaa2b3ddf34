//! Plain files and folders of models, as people, LM Studio, Jan and GPT4All keep them.

use super::{Candidate, CandidateFile, name_for};
use crate::hub::quant::variants;
use crate::model::files_in;
use crate::{Error, FilePath, Settings, TAG_DEFAULT};
use std::path::Path;

/// The model in the GGUF file at `path`, with the other parts of a split one; or the model whose `config.json` or weights
/// the file is.
pub(crate) fn file(path: &Path) -> Result<Vec<Candidate>, Error> {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let is = |ending: &str| name.to_ascii_lowercase().ends_with(ending);
    if is(".safetensors") || name == "config.json" {
        return Ok(safetensors(folder, None).into_iter().collect());
    }
    if !is(".gguf") {
        // Blobs of other programs have no ending; their content says what they are.
        hob_format::Gguf::open(path)
            .map_err(|e| Error::Import { path: path.to_path_buf(), found: e.to_string() })?;
        let stem = format!(
            "model-{}",
            name.chars().filter(char::is_ascii_alphanumeric).take(12).collect::<String>()
        );
        let file = FilePath::parse(&format!("{stem}.gguf")).ok().and_then(|p| CandidateFile::new(path, p));
        let candidate = name_for("", &stem).zip(file).map(|(name, file)| candidate(name, path, vec![file]));
        return Ok(candidate.into_iter().collect());
    }
    Ok(ggufs(folder, "", None)?
        .into_iter()
        .filter(|c| c.files.iter().any(|f| f.path.file_name() == name))
        .collect())
}

/// The models in a folder and the folders in it.
pub(crate) fn folder(path: &Path, program: Option<&'static str>) -> Result<Vec<Candidate>, Error> {
    if let Some(candidate) = safetensors(path, program) {
        return Ok(vec![candidate]);
    }
    ggufs(path, "", program)
}

/// Every GGUF model below `folder`, named after where it lies.
fn ggufs(folder: &Path, prefix: &str, program: Option<&'static str>) -> Result<Vec<Candidate>, Error> {
    let files = files_in(folder)?;
    let mut candidates = Vec::new();
    for variant in variants(files.iter().map(|f| f.path.as_str())) {
        let (above, stem) = variant.stem.rsplit_once('/').unwrap_or(("", &variant.stem));
        // Where the file's folder has a name of its own, as with Jan's `model.gguf`, that says more.
        let name = match (stem, above) {
            ("model", above) if !above.is_empty() => {
                name_for(prefix, above).or_else(|| name_for(prefix, stem))
            }
            _ => name_for(&[prefix, above].join("/"), stem),
        };
        let found = variant.files.iter().map(|i| {
            let path = FilePath::parse(files[*i].path.file_name()).ok()?;
            CandidateFile::new(&files[*i].path.below(folder), path)
        });
        let Some((name, found)) = name.zip(found.collect::<Option<Vec<_>>>()) else { continue };
        let place = found[0].from.clone();
        candidates.push(Candidate { program, ..candidate(name, &place, found) });
    }
    Ok(candidates)
}

/// The model of safetensors in `folder`, if it is one.
pub(crate) fn safetensors(folder: &Path, program: Option<&'static str>) -> Option<Candidate> {
    if !folder.join("config.json").is_file() {
        return None;
    }
    let needed =
        |name: &str| [".safetensors", ".json", ".jinja", ".model", ".txt"].iter().any(|e| name.ends_with(e));
    let files: Vec<CandidateFile> = files_in(folder)
        .ok()?
        .into_iter()
        .filter(|f| needed(&f.path.as_str().to_ascii_lowercase()))
        .filter_map(|f| CandidateFile::new(&f.path.below(folder), f.path))
        .collect();
    let has_weights = files.iter().any(|f| f.path.as_str().ends_with(".safetensors"));
    let folder = std::fs::canonicalize(folder).ok().filter(|_| has_weights)?;
    let stem = folder.file_name()?.to_str()?.to_owned();
    let name = name_for("", &stem).or_else(|| name_for("", &format!("model-{TAG_DEFAULT}")))?;
    Some(Candidate { program, ..candidate(name, &folder, files) })
}

fn candidate(name: crate::ModelName, place: &Path, files: Vec<CandidateFile>) -> Candidate {
    Candidate { name, program: None, place: place.to_path_buf(), files, settings: Settings::default() }
}
