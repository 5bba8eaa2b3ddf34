//! What can be wrong with a model file's contents.

use hob_format::Error as FormatError;

/// Why a file cannot become a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The container or one of its metadata values is damaged.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// No family has this name.
    #[error("architecture {found:?} is not supported; supported are: {supported}")]
    UnknownArchitecture {
        /// The file's own name for it.
        found: String,
        /// Names of all families.
        supported: String,
    },
    /// A setting is missing or out of range.
    #[error("{key}: expected {expected}, found {found}")]
    Setting {
        /// Metadata key or field of `config.json`.
        key: String,
        /// What would do.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// The family needs a tensor that the file lacks.
    #[error("tensor {name} is missing; is the download complete?")]
    MissingTensor {
        /// Name in the file's own convention.
        name: String,
    },
    /// A tensor has another shape or type than the settings imply.
    #[error("tensor {name}: expected {expected}, found {found}; is this file for another model size?")]
    Tensor {
        /// Name in the file's own convention.
        name: String,
        /// Shape or type wanted.
        expected: String,
        /// Shape or type present.
        found: String,
    },
    /// GGUF files have no way to say what this model is.
    #[error("a GGUF file cannot hold this model: {what}")]
    NotInGguf {
        /// What has no place there.
        what: String,
    },
    /// `config.json` has no way to say what this model is.
    #[error("a Hugging Face directory cannot hold this model: {what}")]
    NotInHf {
        /// What has no place there.
        what: String,
    },
    /// The file has weights that the family would ignore.
    #[error(
        "{count} tensors of the file have no place in this architecture, the first is {first}; is it a variant Hob does not know?"
    )]
    UnclaimedTensors {
        /// How many.
        count: usize,
        /// One of them.
        first: String,
    },
}

/// Why a step cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StepError {
    /// A token id outside the vocabulary.
    #[error("token id {id} is outside the vocabulary of {vocab}")]
    TokenOutOfRange {
        /// The id.
        id: u32,
        /// Size of the vocabulary.
        vocab: usize,
    },
    /// More positions than the model has embeddings for.
    #[error("{found} positions are more than the {limit} this model can embed")]
    TooLong {
        /// Positions wanted.
        found: usize,
        /// Positions there are.
        limit: usize,
    },
}
