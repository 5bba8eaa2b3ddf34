//! What strangers may ask for. Every number that a request brings is judged against one of these.

use std::time::Duration;

/// Questions that are asked of models elsewhere at a time: each has a thread.
pub const ELSEWHERE_MAX: usize = 32;
/// Bytes of a request's body.
pub const BODY_BYTES_MAX: usize = 32 << 20;
/// Bytes of a body that are read although the request is refused.
pub const DISCARDED_BYTES_MAX: usize = 256 << 10;
/// How long reading such a body may take.
pub const DISCARD_TIME: Duration = Duration::from_secs(2);
/// Nesting of JSON.
pub const JSON_DEPTH_MAX: usize = 64;
/// Bytes of all headers of a request.
pub const HEADER_BYTES_MAX: usize = 64 << 10;
/// Connections at a time; more wait in the system's queue.
pub const CONNECTIONS_MAX: usize = 4096;
/// How long a client may take over its headers.
pub const HEADER_TIME: Duration = Duration::from_secs(15);
/// How long a client may take over its body.
pub const BODY_TIME: Duration = Duration::from_secs(120);
/// How long a client may leave what it asked for unread before it counts as gone.
pub const READ_TIME: Duration = Duration::from_secs(120);
/// How often a stream that has nothing to say shows that it lives.
pub const KEEP_ALIVE_TIME: Duration = Duration::from_secs(15);
/// Messages of a conversation.
pub const MESSAGES_MAX: usize = 4096;
/// Tools of a request.
pub const TOOLS_MAX: usize = 512;
/// Answers to one prompt.
pub const CHOICES_MAX: i64 = 8;
/// Prompts of one request for continuations.
pub const PROMPTS_MAX: usize = 32;
/// Values about which a request says whether they may leave.
pub const ANSWERS_MAX: usize = 10_000;
/// Stop texts of a request.
pub const STOPS_MAX: usize = 16;
/// Bytes of one stop text.
pub const STOP_BYTES_MAX: usize = 1024;
/// Texts of one request for embeddings.
pub const INPUTS_MAX: usize = 2048;
/// Alternatives that are told for each token.
pub const TOP_LOGPROBS_MAX: i64 = 20;
/// Entries of a logit bias.
pub const BIASES_MAX: usize = 1024;
/// Longest answer that may be asked for, and longest context.
pub const TOKENS_MAX: i64 = 1 << 24;
/// Bytes of a model's name.
pub const NAME_BYTES_MAX: usize = 512;
/// Answers that are kept so that they can be gone on with, and the bytes they may take.
pub const STORED_MAX: usize = 1024;
/// Bytes of kept answers.
pub const STORED_BYTES_MAX: usize = 64 << 20;
/// Frames that wait for a client that reads slowly; the answer itself waits behind them.
pub const FRAMES_MAX: usize = 16;
/// Jobs that wait for a model.
pub const WAITING_MAX: usize = 64;
/// Files that a model may be made of.
pub const FILES_MAX: usize = 256;
/// Requests about kept conversations that work on the disk at a time.
pub const CHATS_AT_ONCE: usize = 8;
/// How often conversations are looked through for those that a rule lets go.
pub const EXPIRY_TIME: Duration = Duration::from_secs(3600);
/// Wrong passphrases that nobody has to wait after.
pub const UNLOCK_TRIES: u32 = 3;
/// The longest wait after another one.
pub const UNLOCK_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Imports and exports of conversations at a time.
pub const CARRIES_AT_ONCE: usize = 2;
/// Bytes of a file of conversations.
pub const IMPORT_BYTES_MAX: u64 = 2 << 30;
