//! Chat templates: from a conversation to the text a model was trained on.
//!
//! Templates are Jinja programs that come with the model file, so they run without access to anything but their
//! input, and with limits on work, output and nesting; `limits.rs` says how far they reach. `openai.rs` rewrites what
//! clients send to what templates take.

mod detect;
mod forms;
mod limits;
mod markup;
mod none;
mod openai;
mod python;
mod resume;

use std::fmt;
use std::sync::OnceLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Serde, Value};
use minijinja::{Environment, ErrorKind, State, UndefinedBehavior};
use serde_json::{Map, Value as Json};

pub use detect::ThinkingMarkers;
pub use openai::adapt_tools;
pub use python::LocalTime;

use crate::Error;

/// Work a template may do whatever its input: an instruction costs one, 64 bytes of produced text cost one.
const FUEL_BASE: u64 = 400_000;

/// Additional work for each byte of the conversation.
const FUEL_PER_BYTE: u64 = 16;

/// Depth of macro calls and nested blocks.
const RECURSION_MAX: usize = 120;

/// Longest template that is compiled.
const SOURCE_BYTES_MAX: usize = 1 << 20;

/// The template of the ChatML format, for models that bring none.
const CHATML: &str = "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + \
                      '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}\
                      {% endif %}";

/// What a template is rendered with; the names are those that templates use.
#[derive(Debug, Clone, Copy, Default)]
pub struct TemplateInput<'a> {
    /// The conversation: objects with `role`, `content` (text, or a list of parts) and whatever else the template
    /// knows, such as `tool_calls` or `reasoning_content`.
    pub messages: &'a [Json],
    /// Tools in the form of the OpenAI interface; `None` and an empty slice both mean that there are none.
    pub tools: Option<&'a [Json]>,
    /// Documents for retrieval.
    pub documents: Option<&'a [Json]>,
    /// Ends the text where the model's answer begins.
    pub add_generation_prompt: bool,
    /// Text of the BOS token; `None` leaves the variable undefined.
    pub bos_token: Option<&'a str>,
    /// Text of the EOS token; `None` leaves the variable undefined.
    pub eos_token: Option<&'a str>,
    /// Everything else the template may ask for, such as `enable_thinking`.
    pub extra: Option<&'a Map<String, Json>>,
    /// The time `strftime_now` gives; without it a template that asks for the time fails.
    pub now: Option<LocalTime>,
}

/// A compiled chat template.
pub struct ChatTemplate {
    env: Environment<'static>,
    source: String,
    /// Found out when first needed.
    forms: OnceLock<forms::Forms>,
}

impl fmt::Debug for ChatTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatTemplate").field("source_bytes", &self.source.len()).finish()
    }
}

impl ChatTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// [`Error::Template`] where it is no valid template, longer than a MiB, or has an expression of thousands of words.
    pub fn new(source: &str) -> Result<Self, Error> {
        if source.len() > SOURCE_BYTES_MAX {
            let reason = format!("expected at most {SOURCE_BYTES_MAX} bytes, found {}", source.len());
            return Err(Error::Template { reason });
        }
        let rewritten = markup::rewrite(&without_generation_tags(source));
        limits::check_source(&rewritten).map_err(|reason| Error::Template { reason })?;
        let mut env = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        env.set_syntax(syntax.map_err(|e| failure(&e))?);
        env.set_undefined_behavior(UndefinedBehavior::Lenient);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        env.set_recursion_limit(RECURSION_MAX);
        limits::teach(&mut env);
        none::teach(&mut env);
        markup::teach(&mut env);
        env.add_filter("tojson", tojson);
        env.add_function("raise_exception", raise_exception);
        env.add_template_owned("chat", rewritten).map_err(|e| failure(&e))?;
        Ok(Self { env, source: source.to_owned(), forms: OnceLock::new() })
    }

    /// The ChatML template, which many models without a template of their own follow.
    pub fn chatml() -> Self {
        Self::new(CHATML).expect("the built-in template compiles")
    }

    /// The template's text.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Renders a conversation exactly as `apply_chat_template` of transformers does.
    ///
    /// # Errors
    /// [`Error::Refused`] where the template itself raises an exception, [`Error::Template`] where it fails or exceeds
    /// a limit.
    pub fn render(&self, input: &TemplateInput<'_>) -> Result<String, Error> {
        self.render_within(input, FUEL_BASE)
    }

    /// Renders with `fuel` in place of [`FUEL_BASE`].
    fn render_within(&self, input: &TemplateInput<'_>, fuel: u64) -> Result<String, Error> {
        let mut env = self.env.clone();
        let now = input.now;
        env.add_function("strftime_now", move |format: &str| match now {
            Some(now) => Ok(now.format(format)),
            None => {
                Err(minijinja::Error::new(ErrorKind::InvalidOperation, "the time of day is not known here"))
            }
        });
        let (context, bytes) = context(input);
        env.set_fuel(Some(fuel + FUEL_PER_BYTE * bytes as u64));
        let template = env.get_template("chat").map_err(|e| failure(&e))?;
        template.render(context).map_err(|e| failure(&e))
    }
}

/// The variables of the template, and the size of the conversation.
fn context(input: &TemplateInput<'_>) -> (Value, usize) {
    let mut bytes = 0;
    let mut list = |items: &[Json]| {
        bytes += items.iter().map(python::size).sum::<usize>();
        Value::from(Serde(items))
    };
    let mut optional = |items: Option<&[Json]>| match items {
        Some(items) if !items.is_empty() => list(items),
        _ => none::python_none(),
    };
    let (tools, documents) = (optional(input.tools), optional(input.documents));
    let mut pairs = vec![
        ("tools", tools),
        ("documents", documents),
        ("messages", list(input.messages)),
        ("add_generation_prompt", Value::from(input.add_generation_prompt)),
    ];
    pairs.extend(input.bos_token.map(|token| ("bos_token", Value::from(token))));
    pairs.extend(input.eos_token.map(|token| ("eos_token", Value::from(token))));
    for (name, value) in input.extra.into_iter().flatten() {
        bytes += python::size(value);
        pairs.push((name, Value::from(Serde(value))));
    }
    (Value::from_pairs(pairs), bytes)
}

/// `{% generation %}` only tells trainers which part is the model's; what it encloses is rendered as it is.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        // Behind both braces: `{%}` opens a tag without closing it.
        let Some(end) = rest[start + 2..].find("%}").map(|len| start + 2 + len) else { break };
        let tag = &rest[start + 2..end];
        let name = tag.trim_matches(['-', '+']).trim();
        out.push_str(&rest[..start]);
        let replacement = match name {
            "generation" => "if true",
            "endgeneration" => "endif",
            _ => name,
        };
        if replacement == name {
            out.push_str(&rest[start..end + 2]);
        } else {
            out.push_str(&rest[start..end + 2].replacen(name, replacement, 1));
        }
        rest = &rest[end + 2..];
    }
    out.push_str(rest);
    out
}

fn raise_exception(message: &str) -> Result<Value, minijinja::Error> {
    let refused = Refused(message.to_owned());
    Err(minijinja::Error::new(ErrorKind::InvalidOperation, "raise_exception").with_source(refused))
}

/// Carries the template's own words through the template engine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

fn failure(error: &minijinja::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(Refused(message)) = inner.downcast_ref() {
            return Error::Refused { message: message.chars().take(1000).collect() };
        }
        cause = inner.source();
    }
    Error::Template { reason: error.to_string().chars().take(1000).collect() }
}

/// Python's `json.dumps` with `ensure_ascii=False`, without the HTML escaping of Jinja's own filter.
fn tojson(
    state: &State<'_, '_>,
    value: &Value,
    indent: Option<Value>,
    options: Kwargs,
) -> Result<Value, minijinja::Error> {
    let indent = match indent {
        Some(indent) => Some(indent),
        None => options.get::<Option<Value>>("indent")?,
    };
    let separators = options.get::<Option<Vec<String>>>("separators")?;
    let style = python::JsonStyle {
        indent: indent.and_then(|indent| usize::try_from(indent).ok()),
        ensure_ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
        separators: separators.and_then(|pair| <[String; 2]>::try_from(pair).ok().map(|[a, b]| (a, b))),
    };
    options.assert_all_used()?;
    Ok(Value::from(python::to_json(state, value, &style)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(source: &str) -> Result<String, Error> {
        let messages = [serde_json::json!({"role": "user", "content": "Hi"})];
        let now = LocalTime { year: 2026, month: 7, day: 26, hour: 12, minute: 34, second: 56 };
        ChatTemplate::new(source)?.render(&TemplateInput {
            messages: &messages,
            add_generation_prompt: true,
            now: Some(now),
            ..TemplateInput::default()
        })
    }

    #[test]
    fn python_spelling_of_values() {
        for (source, expected) in [
            (
                "{{ none }}|{{ true }}|{{ false }}|{{ 1.0 }}|{{ 7 // 2 }}|{{ 1 / 2 }}",
                "None|True|False|1.0|3|0.5",
            ),
            ("{{ ['a', 1, none, {'k': true}] }}", "['a', 1, None, {'k': True}]"),
            ("{{ 'x: ' ~ none ~ ' ' ~ true }}", "x: None True"),
            ("{{ {'b': [1, 2.0], 'a': 'é<'} | tojson }}", "{\"b\": [1, 2.0], \"a\": \"é<\"}"),
            ("{{ [1, {'a': []}] | tojson(indent=2) }}", "[\n  1,\n  {\n    \"a\": []\n  }\n]"),
            ("{{ messages[0]['content'][::-1] }} {{ messages[-1].role.upper() }}", "iH USER"),
            (
                "{{ strftime_now('%d %b %Y, %A %-d %H:%M:%S %j %%') }}",
                "26 Jul 2026, Sunday 26 12:34:56 207 %",
            ),
            ("{% generation %}a{% endgeneration %}{%- generation -%} b {%- endgeneration -%} c", "abc"),
            (
                "{% set ns = namespace(n=0) %}{% for x in [1,2,3] %}{% if x == 3 %}{% break %}{% endif %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}",
                "3",
            ),
            ("{% for k, v in {'b': 1, 'a': 2}.items() %}{{ k }}{{ v }}{% endfor %}", "b1a2"),
        ] {
            assert_eq!(render(source).unwrap(), expected, "{source}");
        }
    }

    #[test]
    fn a_refusal_keeps_the_words_of_the_template() {
        let error = render("{{ raise_exception('roles must alternate') }}").unwrap_err();
        assert!(matches!(&error, Error::Refused { message } if message == "roles must alternate"), "{error}");
    }

    #[test]
    fn bombs_end_in_errors() {
        for source in [
            "{% for i in range(1000000000000) %}x{% endfor %}",
            "{{ 'a' * 100000000000 }}",
            "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
            "{% if messages %}{{ messages[0].content }}",
            "{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
            "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
            "{{ ([[1] * 1000] * 1000000) | tojson }}",
            "{% include 'other' %}",
        ] {
            let error = render(source).unwrap_err();
            assert!(matches!(error, Error::Template { .. }), "{source}: {error}");
        }
    }

    #[test]
    fn braces_that_share_a_sign_are_no_tag() {
        assert_eq!(without_generation_tags("a{%}b %}{% generation %}"), "a{%}b %}{% if true %}");
        assert!(matches!(render("{%}"), Err(Error::Template { .. })));
    }

    #[test]
    fn chatml() {
        let messages = [serde_json::json!({"role": "user", "content": "Hi"})];
        let input =
            TemplateInput { messages: &messages, add_generation_prompt: true, ..TemplateInput::default() };
        assert_eq!(
            ChatTemplate::chatml().render(&input).unwrap(),
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        );
    }
}
