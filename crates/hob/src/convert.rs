//! Hugging Face directories as GGUF files hold them.

use crate::{Error, vocabulary};
use hob_format::{Gguf, HfModel, ModelFiles};
use hob_model::Config;
use std::borrow::Cow;

/// The model in `files` as a GGUF file holds it: itself, or what its directory would be. Weights stay where they are, apart
/// from norms and, of some families, queries and keys.
///
/// # Errors
/// What is wrong with the directory, and [`hob_model::Error::NotInGguf`] or [`hob_tokenizer::Error::NotInGguf`] where a GGUF
/// file could not hold the very same model.
pub fn as_gguf(files: &ModelFiles) -> Result<Cow<'_, Gguf>, Error> {
    match files {
        ModelFiles::Gguf(gguf) => Ok(Cow::Borrowed(gguf)),
        ModelFiles::Hf(model) => {
            let config = Config::new(files)?;
            // Of the families with SentencePiece's vocabularies, Gemma 4 alone is read by its merges.
            let by_merges = config.architecture().starts_with("gemma4");
            let keys = vocabulary::gguf_keys(model, &name(model), config.vocab()?, by_merges)?;
            Ok(Cow::Owned(hob_model::to_gguf(model, keys)?))
        }
    }
}

/// What people call the model: the last part of what it was loaded from when it was saved, else its folder.
fn name(model: &HfModel) -> String {
    let saved =
        model.config.get("_name_or_path").and_then(|v| v.as_str()).map(|path| path.trim_end_matches('/'));
    let saved = saved.and_then(|path| path.rsplit('/').next()).filter(|name| !name.is_empty());
    let folder = || {
        model.dir.canonicalize().ok().and_then(|dir| Some(dir.file_name()?.to_string_lossy().into_owned()))
    };
    saved.map(str::to_owned).or_else(folder).unwrap_or_else(|| "model".to_owned())
}
