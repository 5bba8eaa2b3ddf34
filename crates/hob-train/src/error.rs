//! What can go wrong, in words for the person who trains.

use std::path::PathBuf;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model has a part without a gradient here.
    #[error("this training core has no gradient for {what}")]
    Unsupported {
        /// The part.
        what: String,
    },
    /// A recipe that asks for something impossible.
    #[error("{key}: expected {expected}, found {found}")]
    Recipe {
        /// The setting, as the recipe writes it.
        key: String,
        /// What would do.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Text that cannot be read as training data.
    #[error("{}: {reason}", path.display())]
    Data {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// A tensor that does not fit the description.
    #[error("tensor {name}: expected {expected}, found {found}")]
    Tensor {
        /// Its name.
        name: String,
        /// What the description wants.
        expected: String,
        /// What the file has.
        found: String,
    },
    /// A file that holds no adapter, or a damaged one.
    #[error("adapter: {reason}")]
    Adapter {
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint that belongs to another run.
    #[error("{}: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// A loss that is no number: nothing after it would be.
    #[error("step {step}: the loss is {loss}; a lower learning rate or more warm-up steps usually helps")]
    Diverged {
        /// The step.
        step: u64,
        /// The loss.
        loss: f64,
    },
    /// Reading or writing a file.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A model file.
    #[error(transparent)]
    Format(#[from] hob_format::Error),
    /// A model's settings.
    #[error(transparent)]
    Model(#[from] hob_model::Error),
    /// A tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] hob_tokenizer::Error),
}
