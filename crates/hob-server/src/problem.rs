//! What is wrong with a request, told in the words of the interface it came through.

use crate::described::described;
use crate::wire;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

/// A request that is not answered, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// What kind of trouble it is.
    pub kind: Kind,
    /// For people.
    pub message: String,
    /// The field concerned.
    pub param: Option<String>,
    /// For programs.
    pub code: Option<&'static str>,
    /// Seconds after which it is worth trying again.
    pub retry_after: Option<u64>,
}

/// Kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is wrong.
    Invalid,
    /// There is no key, or a wrong one.
    Unauthorized,
    /// It comes from where it may not.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The thing is there, but not to be used in this way.
    Method,
    /// What is there stands against it.
    Conflict,
    /// It is encrypted, and nobody has opened it.
    Locked,
    /// Somebody else who had to be asked failed.
    Upstream,
    /// It is too large.
    TooLarge,
    /// It took too long to arrive.
    TooSlow,
    /// Hob does not do this.
    NotImplemented,
    /// Too much is going on.
    Overloaded,
    /// As much was asked for as this key may.
    Spent,
    /// It is our fault.
    Internal,
}

/// The interfaces, as far as their errors differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAI and llama-server.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Ollama.
    Ollama,
}

impl Dialect {
    /// The interface that a path belongs to.
    pub fn of(path: &str) -> Self {
        match path {
            path if path.starts_with("/api/") => Self::Ollama,
            path if path.starts_with("/v1/messages") => Self::Anthropic,
            _ => Self::OpenAi,
        }
    }
}

impl Problem {
    /// A problem of this kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), param: None, code: None, retry_after: None }
    }

    /// A field is not as it should be.
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(Kind::Invalid, message) }
    }

    /// The same with a code.
    pub fn code(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The same; it is worth trying again after so many seconds.
    pub fn after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self.kind {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Method => StatusCode::METHOD_NOT_ALLOWED,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Locked => StatusCode::LOCKED,
            Kind::Upstream => StatusCode::BAD_GATEWAY,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Kind::NotImplemented => StatusCode::NOT_IMPLEMENTED,
            Kind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Spent => StatusCode::TOO_MANY_REQUESTS,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The whole answer.
    pub fn respond(&self, dialect: Dialect) -> Response {
        let mut response = wire::json(self.status(), &self.body(dialect));
        let retry_after = self.retry_after.or_else(|| (self.kind == Kind::Overloaded).then_some(1));
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == Kind::Unauthorized {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    /// The answer's body, which is also how a stream reports that it cannot go on.
    pub fn body(&self, dialect: Dialect) -> Value {
        match dialect {
            Dialect::OpenAi => {
                let error = ErrorDetail {
                    message: self.message.clone(),
                    r#type: self.openai_type(),
                    param: self.param.clone(),
                    code: self.code,
                };
                json!(ErrorBody { error })
            }
            Dialect::Anthropic => json!({
                "type": "error",
                "error": {"type": self.anthropic_type(), "message": self.message},
                "request_id": null,
            }),
            Dialect::Ollama => json!({"error": self.message}),
        }
    }

    fn openai_type(&self) -> &'static str {
        match self.kind {
            Kind::Unauthorized => "authentication_error",
            Kind::Forbidden => "permission_error",
            Kind::NotFound => "not_found_error",
            Kind::NotImplemented => "not_implemented",
            Kind::Overloaded => "overloaded_error",
            Kind::Spent => "insufficient_quota",
            Kind::Internal => "server_error",
            Kind::Upstream => "upstream_error",
            Kind::Invalid | Kind::Method | Kind::Conflict | Kind::Locked | Kind::TooLarge | Kind::TooSlow => {
                "invalid_request_error"
            }
        }
    }

    fn anthropic_type(&self) -> &'static str {
        match self.kind {
            Kind::Unauthorized => "authentication_error",
            Kind::Forbidden => "permission_error",
            Kind::NotFound => "not_found_error",
            Kind::TooLarge => "request_too_large",
            Kind::Overloaded => "overloaded_error",
            Kind::Spent => "rate_limit_error",
            Kind::Internal | Kind::NotImplemented | Kind::Upstream => "api_error",
            Kind::Invalid | Kind::Method | Kind::Conflict | Kind::Locked | Kind::TooSlow => {
                "invalid_request_error"
            }
        }
    }
}

described! {
    /// What is said instead of an answer.
    pub struct ErrorBody {
        /// What is wrong.
        error: ErrorDetail,
    }

    /// What is wrong with a request.
    pub struct ErrorDetail {
        /// For people.
        message: String,
        /// What kind of trouble it is.
        r#type: &'static str,
        /// The field concerned.
        param: Option<String>,
        /// For programs.
        code: Option<&'static str>,
    }
}

impl From<hob::Error> for Problem {
    fn from(error: hob::Error) -> Self {
        use hob_engine::Error as Engine;
        let message = error.to_string();
        match error {
            hob::Error::Engine(Engine::PromptTooLong { found, limit }) => too_long(found, limit),
            hob::Error::Engine(Engine::QueueFull { .. }) => {
                Self::new(Kind::Overloaded, message).code("queue_full")
            }
            hob::Error::Engine(Engine::SamplerOption { field, .. }) => Self::invalid(field, message),
            hob::Error::Engine(Engine::Grammar { .. } | Engine::GrammarBudget { .. }) => {
                Self::invalid("response_format", message).code("unsupported_grammar")
            }
            hob::Error::Engine(Engine::ConstraintStopped { .. } | Engine::NoTokenLeft { .. }) => {
                Self::invalid("response_format", message).code("grammar_stopped")
            }
            hob::Error::Engine(Engine::EmptyPrompt) => Self::invalid("prompt", message),
            hob::Error::Engine(Engine::WrongKind { .. } | Engine::Step(_))
            | hob::Error::NoTokenizer { .. } => Self::invalid("model", message),
            hob::Error::NoTemplate => Self::invalid("model", message).code("no_chat_template"),
            hob::Error::Tokenizer(_) => Self::invalid("messages", message),
            hob::Error::NoTools | hob::Error::Tool { .. } => Self::invalid("tools", message),
            _ => Self::new(Kind::Internal, message),
        }
    }
}

/// Not the engine's sentence: programs that shorten a conversation and try again know this trouble by the words `this model's
/// maximum context length is`, whatever the code beside them says.
fn too_long(found: usize, limit: usize) -> Problem {
    let message = format!(
        "the prompt has {found} tokens and this model's maximum context length is {limit} tokens, one of them for the \
         answer; shorten the prompt, raise num_ctx, or set truncate to drop the oldest tokens"
    );
    Problem::invalid("messages", message).code("context_length_exceeded")
}
