//! What can go wrong when a tokenizer or a chat template is built or a template is rendered.

/// Why a vocabulary, tokenizer file or chat template was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The vocabulary belongs to a kind of tokenizer that is not implemented.
    #[error("tokenizer model: expected one of {supported}, found {found:?}")]
    UnsupportedModel {
        /// The name in the file.
        found: String,
        /// The names that are implemented.
        supported: &'static str,
    },
    /// The GGUF pre-tokenizer name is not in the table.
    #[error(
        "tokenizer.ggml.pre: expected one of {supported}, found {found:?}; convert the model again, or ask for this one to be added"
    )]
    UnsupportedPre {
        /// The name in the file.
        found: String,
        /// The names in the table.
        supported: String,
    },
    /// A part of `tokenizer.json` is of a kind, or uses an option, that is not implemented.
    #[error("tokenizer.json: {part} {found:?} is not supported")]
    UnsupportedComponent {
        /// Which part: normalizer, pre_tokenizer, model, post_processor or decoder.
        part: &'static str,
        /// Its type, or the option.
        found: String,
    },
    /// The text is not the JSON that was expected.
    #[error("{what}: {reason}")]
    Json {
        /// Which document.
        what: &'static str,
        /// What the JSON reader said, with line and column.
        reason: String,
    },
    /// A field holds something else than it should.
    #[error("{field}: expected {expected}, found {found}")]
    Field {
        /// Where.
        field: &'static str,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// Two arrays that describe the same tokens have different lengths.
    #[error("{field}: expected {expected} entries, one per token, found {found}")]
    Length {
        /// The array.
        field: &'static str,
        /// Number of tokens.
        expected: usize,
        /// Number of entries.
        found: usize,
    },
    /// A token id lies outside of the vocabulary.
    #[error("{role}: expected a token id below {limit}, found {id}")]
    IdOutOfRange {
        /// Which token.
        role: String,
        /// The id in the file.
        id: u64,
        /// One past the largest id that is possible here.
        limit: u64,
    },
    /// Two different tokens claim one id.
    #[error("token id {id}: expected one token, found {first:?} and {second:?}")]
    DuplicateId {
        /// The id.
        id: u32,
        /// The token that came first.
        first: String,
        /// The token that came second.
        second: String,
    },
    /// A merge names a token that the vocabulary lacks.
    #[error("merge {index}: expected a token of the vocabulary, found {token:?}")]
    UnknownMerge {
        /// Position in the list of merges.
        index: usize,
        /// The text that is no token.
        token: String,
    },
    /// The vocabulary is larger than this crate accepts, or built to collide in its hash tables.
    #[error("vocabulary: expected {expected}, found {found}")]
    Vocabulary {
        /// The limit.
        expected: &'static str,
        /// What exceeds it.
        found: String,
    },
    /// A regular expression does not compile.
    #[error("pre-tokenizer pattern {pattern:?}: {reason}")]
    Pattern {
        /// The expression.
        pattern: String,
        /// What the compiler said.
        reason: String,
    },
    /// A SentencePiece `tokenizer.model` is damaged.
    #[error("tokenizer.model at byte {offset}: {reason}")]
    SentencePiece {
        /// Where reading stopped.
        offset: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// GGUF files have no way to say what this tokenizer does.
    #[error("a GGUF file cannot hold this tokenizer: {what}")]
    NotInGguf {
        /// What it does.
        what: String,
    },
    /// `tokenizer.json` has no way to say what this tokenizer does, or Hob does not write it.
    #[error("tokenizer.json cannot hold this tokenizer: {what}")]
    NotInJson {
        /// What it does.
        what: String,
    },
    /// A chat template does not parse, fails while it renders, or exceeds a limit.
    #[error("chat template: {reason}")]
    Template {
        /// What the template engine said, with the line.
        reason: String,
    },
    /// A message of a conversation has a form that no template could render.
    #[error("message {}: expected {expected}, found {found}; a prompt holds text only", index + 1)]
    Message {
        /// Position in the conversation, from zero; the text of the error counts from one, as people do.
        index: usize,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// The chat template itself refused the conversation (`raise_exception`).
    #[error("the chat template refused the conversation: {message}")]
    Refused {
        /// The template's own words.
        message: String,
    },
}
