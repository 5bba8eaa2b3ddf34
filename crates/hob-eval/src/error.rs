//! What can go wrong with a measurement.

use std::path::PathBuf;

/// Why something was not measured or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model file could not be read or written.
    #[error(transparent)]
    Format(#[from] hob_format::Error),
    /// A model file could not become a model.
    #[error(transparent)]
    Model(#[from] hob_model::Error),
    /// A step could not run.
    #[error(transparent)]
    Step(#[from] hob_model::StepError),
    /// A directory of a synthetic model could not be made.
    #[error("{path}: {source}; is the place writable?")]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The engine could not run.
    #[error(transparent)]
    Engine(#[from] hob_engine::Error),
    /// The name of a synthetic model is unknown.
    #[error("expected one of the shapes {known}, found {found:?}")]
    UnknownShape {
        /// The name given.
        found: String,
        /// All names.
        known: String,
    },
    /// The weight type of a synthetic model is unknown, or does not go with its shape.
    #[error(
        "expected a weight type among {known}, found {found:?}; write NAME:TYPE, as in llama-3.2-1b:Q4_0"
    )]
    UnknownWeights {
        /// The type given.
        found: String,
        /// All types for this shape.
        known: String,
    },
    /// There is not enough text to score.
    #[error("expected at least {needed} tokens, found {found}; give more text or a shorter window")]
    TooFewTokens {
        /// Tokens there are.
        found: usize,
        /// Tokens that a measurement takes.
        needed: usize,
    },
    /// Two models cannot be compared token by token.
    #[error("expected two models of one vocabulary, found {reference} and {other} tokens")]
    Vocabularies {
        /// Tokens of the reference.
        reference: usize,
        /// Tokens of the other.
        other: usize,
    },
    /// The model makes vectors, not text.
    #[error("expected a model that generates text, found an embedding model")]
    NotGenerative,
    /// A sequence is longer than the model's context.
    #[error(
        "expected sequences of at most {context} tokens, the model's context, found {positions}; measure fewer"
    )]
    TooLong {
        /// Positions of the longest sequence, what is decoded included.
        positions: usize,
        /// Positions that the model was trained for.
        context: usize,
    },
    /// The model's scores are not numbers.
    #[error("expected finite logits, found NaN or infinity at scored token {token}; is the file damaged?")]
    NotFinite {
        /// Index among the scored tokens.
        token: u64,
    },
}
