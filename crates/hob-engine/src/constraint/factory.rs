//! The tokenizer's side of constraints, shared by all of them.

use std::sync::{Arc, OnceLock};

use llguidance::api::{GrammarWithLexer, ParserLimits, TopLevelGrammar};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};
use toktrie::{ApproximateTokEnv, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie};

use super::distinct::{Distinct, Places, Spelling};
use super::grammar::{Grammar, JsonOptions, JsonWhitespace, Limits};
use super::schema::{Checked, Whole};
use super::session::Constraint;
use super::{gbnf, lark, over_budget, rejected, schema};
use crate::{Error, Result};

/// One entry of a vocabulary, in id order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VocabToken {
    /// The bytes that the token stands for in text; for a special token its name. Empty if it stands for nothing.
    pub bytes: Vec<u8>,
    /// Control tokens are never text; only a Lark grammar that names one allows it.
    pub special: bool,
}

type VocabSource = Box<dyn Fn() -> Vec<VocabToken> + Send + Sync>;

/// Compiles grammars for one vocabulary. Share it; it is built once per tokenizer.
pub struct ConstraintFactory {
    vocab: VocabSource,
    eos: Vec<u32>,
    parsers: OnceLock<Result<ParserFactory>>,
    spelling: OnceLock<Arc<Spelling>>,
}

/// Longer tokens (runs of spaces, mostly) are not offered under a grammar: the trie counts bytes in eight bits.
const TOKEN_BYTES_MAX: usize = 128;
/// The trie keeps token ids in 24 bits.
const VOCAB_COUNT_MAX: usize = 1 << 24;

impl std::fmt::Debug for ConstraintFactory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConstraintFactory").field("eos", &self.eos).finish_non_exhaustive()
    }
}

impl ConstraintFactory {
    /// `vocab` is called when the first grammar is compiled, not before. `eos`: the tokens that may end an answer.
    pub fn new(vocab: impl Fn() -> Vec<VocabToken> + Send + Sync + 'static, eos: Vec<u32>) -> Self {
        Self { vocab: Box::new(vocab), eos, parsers: OnceLock::new(), spelling: OnceLock::new() }
    }

    /// Builds what all grammars share (some hundred milliseconds for 128k tokens), for callers that have a thread to
    /// spare before the first [`ConstraintFactory::compile`] would do it.
    ///
    /// # Errors
    /// [`Error::Vocabulary`] if the vocabulary cannot be used.
    pub fn prepare(&self) -> Result<()> {
        self.parsers().map(drop)
    }

    fn parsers(&self) -> Result<&ParserFactory> {
        self.parsers.get_or_init(|| build(&(self.vocab)(), &self.eos)).as_ref().map_err(Error::clone)
    }

    /// Compiles a grammar. The result stands at the beginning of the answer.
    ///
    /// # Errors
    /// [`Error::Vocabulary`] if the vocabulary cannot be used; [`Error::Grammar`] if the grammar is wrong or asks for what
    /// cannot be enforced; [`Error::GrammarBudget`] if it asks for more than `limits`.
    pub fn compile(&self, grammar: &Grammar, limits: &Limits) -> Result<Constraint> {
        let parsers =
            self.parsers.get_or_init(|| build(&(self.vocab)(), &self.eos)).as_ref().map_err(Error::clone)?;
        let kind = grammar.kind();
        let Prepared { grammar: source, places, overlap } = prepare(grammar, limits)?;
        let init = llguidance::api::GrammarInit::Serialized(source);
        let quiet = llguidance::Logger::new(0, 0);
        let parser = parsers
            .create_parser_from_init_ext(init, quiet, InferenceCapabilities::default(), parser_limits(limits))
            .map_err(|e| compile_error(kind, &e.to_string(), limits, overlap))?;
        let mut matcher = Matcher::new(Ok(parser));
        if let Some(warning) = matcher.grammar_warnings().into_iter().find(|_| kind == "JSON schema") {
            // A warning here means that something is not enforced as written, unless the caller asked for that.
            if !matches!(grammar, Grammar::JsonSchema { options, .. } if options.one_of_as_any_of) {
                return Err(rejected(kind, "start", warning));
            }
        }
        let vocabulary = parsers.tok_env();
        let distinct = (!places.is_empty()).then(|| {
            let spelling = self.spelling.get_or_init(|| Arc::new(Spelling::new(vocabulary)));
            Distinct::new(Arc::new(places), Arc::clone(spelling))
        });
        Ok(Constraint::new(matcher, distinct, vocabulary.tok_trie().vocab_size(), self.eos.clone()))
    }
}

fn build(vocab: &[VocabToken], eos: &[u32]) -> Result<ParserFactory> {
    let wrong = |message: String| Err(Error::Vocabulary { message });
    if vocab.is_empty() || vocab.len() >= VOCAB_COUNT_MAX {
        return wrong(format!("expected 1 to {VOCAB_COUNT_MAX} tokens, found {}", vocab.len()));
    }
    let Some(&first) = eos.first() else {
        return wrong(
            "expected at least one end-of-sequence token, found none; answers could never end".into(),
        );
    };
    if let Some(id) = eos.iter().find(|id| **id as usize >= vocab.len()) {
        return wrong(format!("end-of-sequence token {id} is outside the {} tokens", vocab.len()));
    }
    let words: Vec<Vec<u8>> = vocab.iter().map(word).collect();
    let broken = |e: String| Error::Vocabulary { message: e };
    llguidance::panic_utils::catch_unwind(|| {
        let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, first), &words).with_eos_tokens(eos);
        let env: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory = ParserFactory::new_simple(&env)?;
        factory.quiet();
        Ok(factory)
    })
    .map_err(|e| broken(first_line(&e.to_string())))
}

/// A token in the trie's notation: a leading 0xff marks special tokens. That byte is in no UTF-8 text, so a plain token
/// with it can be left out.
fn word(token: &VocabToken) -> Vec<u8> {
    let marker = TokTrie::SPECIAL_TOKEN_MARKER;
    if token.bytes.is_empty() || token.bytes.len() > TOKEN_BYTES_MAX || token.bytes.contains(&marker) {
        return Vec::new();
    }
    if token.special { [&[marker], token.bytes.as_slice()].concat() } else { token.bytes.clone() }
}

/// What llguidance is given, and what it knows nothing of.
struct Prepared {
    grammar: TopLevelGrammar,
    /// Where items have to differ.
    places: Places,
    /// The first `oneOf` that may be refused.
    overlap: Option<String>,
}

fn prepare(grammar: &Grammar, limits: &Limits) -> Result<Prepared> {
    let kind = grammar.kind();
    let (mut places, mut overlap) = (Places::new(), None);
    let sized = |text: &str| match text.len() > limits.source_bytes_max {
        true => Err(over_budget(kind, "start", "bytes of text", limits.source_bytes_max as u64)),
        false => Ok(()),
    };
    let grammars = match grammar {
        Grammar::JsonSchema { schema, options } => {
            let checked = checked_schema(schema, options, limits, Whole::Yes)?;
            (places, overlap) = (checked.places, checked.overlap);
            vec![GrammarWithLexer::from_json_schema(checked.schema)]
        }
        Grammar::Regex(text) => {
            sized(text)?;
            lark::check_regex(kind, text, limits)
                .map_err(|(at, e)| e.at(kind, super::line_column(text, at)))?;
            match text.as_str() {
                // An empty pattern between slashes would read as a comment.
                "" => vec![GrammarWithLexer::from_lark("start: \"\"".into())],
                text => vec![GrammarWithLexer::from_regex(text)],
            }
        }
        Grammar::Lark { text, schemas, options } => {
            sized(text)?;
            lark::check(text, limits)?;
            let mut all = vec![GrammarWithLexer::from_lark(text.clone())];
            for (name, value) in schemas {
                let checked = checked_schema(value, options, limits, Whole::No)?;
                overlap = overlap.or(checked.overlap);
                let json_schema = Some(checked.schema);
                all.push(GrammarWithLexer { name: Some(name.clone()), json_schema, lark_grammar: None });
            }
            all
        }
        Grammar::Gbnf(text) => {
            sized(text)?;
            vec![GrammarWithLexer::from_lark(gbnf::to_lark(text, limits)?)]
        }
    };
    Ok(Prepared { grammar: TopLevelGrammar { grammars, max_tokens: None }, places, overlap })
}

/// The schema ready for llguidance. Its `x-guidance` member sets options, so ours replaces whatever a stranger wrote there.
fn checked_schema(value: &Value, options: &JsonOptions, limits: &Limits, whole: Whole) -> Result<Checked> {
    let mut checked = schema::check(value, limits, whole)?;
    let whitespace = match options.whitespace {
        JsonWhitespace::Flexible => json!({"whitespace_pattern": r"[\x20\x0A\x0D\x09]{1,64}"}),
        JsonWhitespace::Space => json!({"whitespace_pattern": r"\x20"}),
        JsonWhitespace::Compact => json!({"whitespace_flexible": false}),
    };
    let mut guidance = whitespace;
    guidance["coerce_one_of"] = Value::Bool(options.one_of_as_any_of);
    checked.schema["x-guidance"] = guidance;
    Ok(checked)
}

fn parser_limits(limits: &Limits) -> ParserLimits {
    ParserLimits {
        initial_lexer_fuel: limits.compile_fuel,
        step_lexer_fuel: limits.step_fuel,
        step_max_items: limits.step_item_count_max,
        max_lexer_states: limits.lexer_state_count_max,
        max_grammar_size: limits.symbol_count_max,
        verbose_errors: false,
        ..ParserLimits::default()
    }
}

pub(super) fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or("unknown failure").to_string()
}

/// llguidance reports failures as text; budgets and places are read back out of it.
fn compile_error(kind: &'static str, message: &str, limits: &Limits, overlap: Option<String>) -> Error {
    let line = first_line(message);
    if let Some(location) = overlap.filter(|_| line.contains("oneOf")) {
        return rejected(
            kind,
            location,
            "branches of `oneOf` may overlap, which cannot be enforced; give each a required property of its own, or set \
             JsonOptions::one_of_as_any_of to take it as `anyOf`",
        );
    }
    let budgets = [
        ("fuel", "lexer fuel", limits.compile_fuel),
        ("too big", "grammar symbols", limits.symbol_count_max as u64),
        ("schema too large", "schema nodes", 50_000),
        ("too deeply nested", "nesting levels", limits.nesting_max as u64),
        ("stack level exceeded", "nesting levels", limits.nesting_max as u64),
    ];
    if let Some((_, resource, limit)) = budgets.iter().find(|b| line.contains(b.0)) {
        return over_budget(kind, "start", resource, *limit);
    }
    if let Some((message, pointer)) = line.split_once(": #/") {
        return rejected(kind, format!("#/{pointer}"), message);
    }
    let (location, rest) = place(&line).unwrap_or_else(|| ("start".into(), line.clone()));
    // Places inside what GBNF was translated to would mislead.
    if kind == "GBNF grammar" { rejected(kind, "start", rest) } else { rejected(kind, location, rest) }
}

/// Splits `at 3(5): message` or `3(5): message`.
fn place(line: &str) -> Option<(String, String)> {
    let (at, rest) = line.strip_prefix("at ").unwrap_or(line).split_once("): ")?;
    let (row, column) = at.split_once('(')?;
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    (digits(row) && digits(column)).then(|| (format!("{row}:{column}"), rest.to_string()))
}
