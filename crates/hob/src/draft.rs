//! A smaller model that guesses ahead for a larger one.

use crate::model::load;
use crate::{Error, LanguageModel, vocabulary};
use hob_engine::speculation::Draft;
use hob_format::ModelFiles;
use hob_tokenizer::Tokenizer;
use std::path::Path;

impl LanguageModel {
    /// Opens the model at `path` to guess ahead for this one, on the same threads; for
    /// [`Speculation::draft`](crate::Speculation).
    ///
    /// # Errors
    /// What is wrong with the file, a model that does not generate, and [`Error::DraftVocabulary`] where a token of one model
    /// means something else to the other: no guess could come true then.
    pub fn open_draft(&self, path: &Path) -> Result<Draft, Error> {
        self.draft(&hob_format::open(path)?)
    }

    /// Lets the model in `files` guess ahead, as [`LanguageModel::open_draft`] does with files at a path.
    ///
    /// # Errors
    /// As there.
    pub fn draft(&self, files: &ModelFiles) -> Result<Draft, Error> {
        let model = load(files, self.is_locked())?;
        if !model.spec().is_generative() {
            let (is, wanted) = ("makes vectors and no text", "guessing ahead");
            return Err(hob_engine::Error::WrongKind { is, wanted }.into());
        }
        same_tokens(self.tokenizer()?, &vocabulary::tokenizer(files)?)?;
        Ok(Draft::new(self.engine().beside(model)))
    }
}

/// Checks that ids mean the same in both. One may have more of them: published siblings differ in unused ones at the end.
fn same_tokens(large: &Tokenizer, small: &Tokenizer) -> Result<(), Error> {
    let shared = large.vocab_size().min(small.vocab_size()) as u32;
    for id in 0..shared {
        let (ours, theirs) = (large.token_bytes(id), small.token_bytes(id));
        if ours != theirs || large.is_special(id) != small.is_special(id) {
            let text = |bytes: Option<std::borrow::Cow<'_, [u8]>>| {
                String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
            };
            return Err(Error::DraftVocabulary { id, model: text(ours), draft: text(theirs) });
        }
    }
    Ok(())
}
