//! What can go wrong in the engine.

/// The result of engine operations.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything the engine reports instead of answering.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model cannot take these tokens.
    #[error(transparent)]
    Step(#[from] hob_model::StepError),
    /// A prompt is longer than the context.
    #[error(
        "the prompt has {found} tokens and the context holds {limit}, one of them for the answer; raise the context length, or choose to drop the oldest tokens (context shift)"
    )]
    PromptTooLong {
        /// Tokens of the prompt.
        found: usize,
        /// Positions of the context.
        limit: usize,
    },
    /// The prompt is empty, or the tokenizer has no tokens for it, and the model has none that begins a text.
    #[error("the prompt has no tokens; there is nothing to continue")]
    EmptyPrompt,
    /// Embeddings were asked of a model that generates text, or text of an encoder.
    #[error("this model {is}; {wanted} needs another one")]
    WrongKind {
        /// What the model is.
        is: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
    /// The caller stopped the run.
    #[error("stopped")]
    Stopped,
    /// As many jobs wait as may.
    #[error(
        "the queue is full: {} answers run and {} jobs wait with {} prompt tokens before them; try again later", load.running, load.waiting, load.prompt_tokens
    )]
    QueueFull {
        /// What has to be done first, from which the time until then can be guessed.
        load: crate::scheduler::Load,
    },
    /// A job was not done by its deadline.
    #[error("the deadline of this job has passed; give it more time, or a higher priority")]
    DeadlinePassed,
    /// A sampling option lies outside its range.
    #[error("sampling option {field}: expected {allowed}, found {value}")]
    SamplerOption {
        /// Name of the field in `SamplerConfig`.
        field: &'static str,
        /// What was given.
        value: String,
        /// What is accepted.
        allowed: &'static str,
    },
    /// The model produced a logit that is not a finite number.
    #[error(
        "logit of token {id}: expected a finite number, found {value}; the weights or the input of this model are damaged"
    )]
    LogitNotFinite {
        /// First token concerned.
        id: u32,
        /// What was found: NaN or an infinity.
        value: f32,
    },
    /// The mask, the banned tokens, or both together leave nothing to choose.
    #[error(
        "no token left to choose: {allowed} allowed by the grammar, {banned} banned; relax one of the two"
    )]
    NoTokenLeft {
        /// Tokens that the mask allows (all of them without a mask).
        allowed: usize,
        /// Tokens that the options ban.
        banned: usize,
    },
    /// A grammar, schema or regular expression was not accepted.
    #[error("{kind} at {location}: {message}")]
    Grammar {
        /// What was compiled: `JSON schema`, `regex`, `Lark grammar` or `GBNF grammar`.
        kind: &'static str,
        /// JSON pointer (`#/properties/a`), `line:column`, or `start` where the compiler names no place.
        location: String,
        /// What was expected and found.
        message: String,
    },
    /// A grammar asks for more than its budget.
    #[error(
        "{kind} at {location}: needs more than the budget of {limit} {resource}; simplify it or raise the limit"
    )]
    GrammarBudget {
        /// What was compiled.
        kind: &'static str,
        /// Where, as in [`Error::Grammar`].
        location: String,
        /// What ran out.
        resource: &'static str,
        /// The budget.
        limit: u64,
    },
    /// A token was accepted that the constraint does not allow here.
    #[error(
        "token {id} does not fit the grammar after {position} tokens; it was not drawn under the current mask"
    )]
    TokenNotAllowed {
        /// The token.
        id: u32,
        /// Tokens accepted before it.
        position: usize,
    },
    /// The constraint cannot go on: a budget ran out while generating, or it was used after an earlier failure.
    #[error("the answer cannot go on under its grammar after {position} tokens: {message}")]
    ConstraintStopped {
        /// Tokens accepted so far.
        position: usize,
        /// The reason.
        message: String,
    },
    /// The vocabulary cannot be used for constrained output.
    #[error("vocabulary for constrained output: {message}")]
    Vocabulary {
        /// What was expected and found.
        message: String,
    },
}
