//! What can go wrong between a path and an answer.

use hob_base::Bytes;

/// Everything this library reports instead of answering.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file or directory cannot be read as a model.
    #[error(transparent)]
    Format(#[from] hob_format::Error),
    /// The contents are no model that Hob runs.
    #[error(transparent)]
    Model(#[from] hob_model::Error),
    /// The tokenizer or the chat template is damaged or unknown, or the template cannot render the conversation.
    #[error(transparent)]
    Tokenizer(#[from] hob_tokenizer::Error),
    /// The run itself failed.
    #[error(transparent)]
    Engine(#[from] hob_engine::Error),
    /// The model brings no tokenizer.
    #[error("this model has no tokenizer: expected {expected}; only token ids can be used with it")]
    NoTokenizer {
        /// Where one would be.
        expected: &'static str,
    },
    /// The tokenizer has ids that the weights lack.
    #[error(
        "the tokenizer has {tokens} tokens and the model's embedding {vocab} rows; are the two from one model?"
    )]
    VocabularyMismatch {
        /// Tokens of the tokenizer.
        tokens: usize,
        /// Rows of the embedding.
        vocab: usize,
    },
    /// A model that should guess ahead has another vocabulary.
    #[error(
        "the draft model has another vocabulary: token {id} is {draft:?} there and {model:?} in the model; take a smaller model of the same family and generation"
    )]
    DraftVocabulary {
        /// The first token that differs.
        id: u32,
        /// What it means to the model.
        model: String,
        /// What it means to the one that guesses.
        draft: String,
    },
    /// The system does not let the files be kept in memory.
    #[error(
        "cannot keep the model in memory ({needed}): {source}; raise the limit of locked memory (`ulimit -l`) or go without"
    )]
    Lock {
        /// The size of all tensors.
        needed: Bytes,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A chat was asked of a model without a template.
    #[error(
        "this model has no chat template: it continues text. Give a text to continue, or a template of your own"
    )]
    NoTemplate,
    /// Tools were offered to a model whose template does not show them, or writes calls in no form that is known.
    #[error(
        "this model takes no tools: its chat template has no place for them; leave them out, or take another model"
    )]
    NoTools,
    /// A tool cannot be offered as it is described.
    #[error("tools[{index}]: expected {expected}, found {found}")]
    Tool {
        /// Which one.
        index: usize,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: String,
    },
}
