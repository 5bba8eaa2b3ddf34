//! Ember, the model that is part of the program, so that Hob answers with nothing downloaded.
//!
//! Its file is `ember/ember.gguf` at the root of the repository; `ember/README.md` says what it is and can do.

use crate::Error;
use hob_base::SharedBytes;
use hob_format::{Gguf, ModelFiles};

/// The name that means the built-in model wherever a model is asked for by name.
pub const BUILTIN_NAME: &str = "ember";

/// Bytes at an address as good as that of a mapped file: blocks then start at cache lines as often as they do there. Kernels
/// are right at any address; GGUF aligns tensors to 32 bytes from the start of the file.
#[repr(C, align(64))]
struct Aligned<B: ?Sized>(B);

static EMBER: &Aligned<[u8]> = &Aligned(*include_bytes!("../../../ember/ember.gguf"));

/// The built-in model, to be given to [`LanguageModel::new`](crate::LanguageModel::new).
///
/// Weights are views of the program's own constants: nothing is copied, and the system reads of them what is touched.
///
/// # Errors
/// What is wrong with the file that was built in, as for any other file.
pub fn builtin() -> Result<ModelFiles, Error> {
    Ok(ModelFiles::Gguf(Gguf::from_bytes(SharedBytes::new(&EMBER.0))?))
}

/// Its file.
pub fn builtin_file() -> &'static [u8] {
    &EMBER.0
}

/// The size of its file.
pub fn builtin_bytes() -> u64 {
    EMBER.0.len() as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;
    use crate::{LanguageModel, Options};

    #[test]
    fn weights_are_views_of_the_program() {
        let program = EMBER.0.as_ptr_range();
        assert_eq!(program.start.addr() % 64, 0);
        let model = LanguageModel::new(builtin().unwrap(), &Options::default()).unwrap();
        assert!(!model.files().tensors().is_empty());
        for tensor in model.files().tensors() {
            let part = tensor.bytes.as_ptr_range();
            assert!(program.start <= part.start && part.end <= program.end, "{tensor:?} was copied");
        }
    }

    #[test]
    fn it_writes_and_has_words() {
        let model = LanguageModel::new(builtin().unwrap(), &Options::default()).unwrap();
        assert!(model.describe().generates && model.tokenizer().is_ok());
        assert!(model.describe().weight_bytes < builtin_bytes());
    }
}
