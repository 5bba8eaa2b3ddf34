//! What output may be constrained to, and how much work a constraint may cost.

use serde_json::Value;

use super::rejected;
use crate::Result;

/// A description of the allowed output.
#[derive(Clone, Debug, PartialEq)]
pub enum Grammar {
    /// JSON text that fits a schema.
    JsonSchema {
        /// The schema: an object or a boolean.
        schema: Value,
        /// How to read and write.
        options: JsonOptions,
    },
    /// Text that a regular expression matches from beginning to end.
    Regex(String),
    /// A grammar in llguidance's dialect of Lark, starting at the rule `start`.
    Lark {
        /// The grammar. Schemas inside it (`%json`) are refused, since they would pass by the checks made here.
        text: String,
        /// JSON schemas that the grammar refers to as `@name`, for instance the parameters of each tool.
        schemas: Vec<(String, Value)>,
        /// How to read and write those schemas.
        options: JsonOptions,
    },
    /// A grammar in llama.cpp's GBNF, starting at the rule `root`.
    Gbnf(String),
}

impl Grammar {
    /// A schema with default options.
    pub fn json_schema(schema: Value) -> Self {
        Self::JsonSchema { schema, options: JsonOptions::default() }
    }

    /// A schema from its text, with default options.
    ///
    /// # Errors
    /// [`Error::Grammar`](crate::Error::Grammar) with line and column if the text is not JSON.
    pub fn json_schema_text(text: &str) -> Result<Self> {
        let schema = serde_json::from_str(text)
            .map_err(|e| rejected("JSON schema", format!("{}:{}", e.line(), e.column()), e.to_string()))?;
        Ok(Self::json_schema(schema))
    }

    /// A Lark grammar that refers to no schema.
    pub fn lark(text: impl Into<String>) -> Self {
        Self::Lark { text: text.into(), schemas: Vec::new(), options: JsonOptions::default() }
    }

    /// What error messages call it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::JsonSchema { .. } => "JSON schema",
            Self::Regex(_) => "regex",
            Self::Lark { .. } => "Lark grammar",
            Self::Gbnf(_) => "GBNF grammar",
        }
    }
}

/// White space between the tokens of generated JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JsonWhitespace {
    /// Up to 64 characters of it wherever JSON allows it. Bounded because small models otherwise fall into emitting
    /// line breaks for ever.
    #[default]
    Flexible,
    /// At most one space wherever JSON allows white space: room for what models write by habit (`": "`), none to get
    /// lost in.
    Space,
    /// None.
    Compact,
}

/// How schemas are read and JSON is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JsonOptions {
    /// White space; flexible by default.
    pub whitespace: JsonWhitespace,
    /// Treat `oneOf` as `anyOf` where branches may overlap, so that output can fit more than one. Off by default: such
    /// schemas are rejected.
    pub one_of_as_any_of: bool,
}

/// Budgets for compiling and following a grammar. They count work, not time, so that the same grammar always fares the
/// same; the defaults keep compiling below about a second and a mask below some tens of milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Bytes of grammar text; default 1 MiB.
    pub source_bytes_max: usize,
    /// Nesting of schemas, brackets and groups; default 60.
    pub nesting_max: usize,
    /// Largest repetition count (`{m,n}`, `maxLength`, `minItems`, ...); default 100,000.
    pub repeat_max: u64,
    /// Symbols in the compiled grammar; default 200,000.
    pub symbol_count_max: usize,
    /// Work for the initial lexer, in llguidance's fuel units (about 50,000 a millisecond); default 1,000,000.
    pub compile_fuel: u64,
    /// Lexer work for one mask, same units; default 200,000.
    pub step_fuel: u64,
    /// Parser items for one mask; default 50,000.
    pub step_item_count_max: usize,
    /// Lexer states, 1 to 2 kB each, over the life of a constraint; default 50,000.
    pub lexer_state_count_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            source_bytes_max: 1 << 20,
            nesting_max: 60,
            repeat_max: 100_000,
            symbol_count_max: 200_000,
            compile_fuel: 1_000_000,
            step_fuel: 200_000,
            step_item_count_max: 50_000,
            lexer_state_count_max: 50_000,
        }
    }
}
