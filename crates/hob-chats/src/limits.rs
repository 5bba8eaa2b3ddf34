//! How much of anything is kept. Larger than what people write, smaller than what would make the file a burden.

/// Fewest letters of an id.
pub const ID_MIN: usize = 8;
/// Most letters of an id.
pub const ID_MAX: usize = 32;
/// Bytes of a title.
pub const TITLE_BYTES_MAX: usize = 1000;
/// Bytes of a folder's name.
pub const FOLDER_BYTES_MAX: usize = 400;
/// Folders that may be marked as private.
pub const PRIVATE_FOLDERS_MAX: usize = 10_000;
/// Bytes of the instructions that stand before a conversation.
pub const SYSTEM_BYTES_MAX: usize = 1 << 20;
/// Bytes of a model's name.
pub const MODEL_BYTES_MAX: usize = 512;
/// Bytes of a message's text, and of its thought.
pub const TEXT_BYTES_MAX: usize = 8 << 20;
/// Places of an answer that somebody else wrote: more than are ever asked about.
pub const PLACES_MAX: usize = 64;
/// Files that go with a message.
pub const ATTACHMENTS_MAX: usize = 64;
/// Bytes of all files that go with a message.
pub const ATTACHMENTS_BYTES_MAX: usize = 16 << 20;
/// Bytes of a file's name.
pub const NAME_BYTES_MAX: usize = 1000;
/// Bytes of what is said about an answer that failed.
pub const TROUBLE_BYTES_MAX: usize = 16 << 10;
/// Bytes of a schema of answers, and of what is said about a function.
pub const SCHEMA_BYTES_MAX: usize = 256 << 10;
/// Functions of a conversation, and calls of an answer.
pub const TOOLS_MAX: usize = 128;
/// Bytes of a function's name.
pub const TOOL_NAME_BYTES_MAX: usize = 256;
/// Bytes of a call's arguments, and of its result.
pub const CALL_BYTES_MAX: usize = 1 << 20;
/// Messages of a conversation, all branches together.
pub const MESSAGES_MAX: usize = 100_000;
/// The last moment that every reader of JSON can name, in milliseconds since 1970.
pub const TIME_MAX: i64 = 8_640_000_000_000_000;
/// Conversations, messages or hits that one question brings.
pub const PAGE_MAX: usize = 1000;
/// Bytes of messages after which a page of them ends.
pub const PAGE_BYTES_MAX: usize = 8 << 20;
/// Bytes of a text that is looked for.
pub const QUERY_BYTES_MAX: usize = 1000;
/// Bytes that one conversation may have in a file that is imported.
pub const CONVERSATION_BYTES_MAX: u64 = 128 << 20;
/// Conversations of an imported file about which something is said one by one.
pub const SKIPPED_MAX: usize = 20;
/// Letters of the shortest passphrase.
pub const PASSPHRASE_LETTERS_MIN: usize = 8;
/// Bytes of a passphrase.
pub const PASSPHRASE_BYTES_MAX: usize = 1000;
/// Rounds of PBKDF2-HMAC-SHA256 between a passphrase and its key: what OWASP recommends, about a third of a second.
pub const PASSPHRASE_ROUNDS: u32 = 600_000;
/// Rounds after which a file that says so is not believed: nobody should wait for an hour.
pub const PASSPHRASE_ROUNDS_MAX: u32 = 60_000_000;
/// Days that a rule may say: a hundred years.
pub const DAYS_MAX: u32 = 36_525;

/// Tokens of a prompt or an answer: more than any model takes.
pub const TOKENS_MAX: u64 = 1 << 40;
