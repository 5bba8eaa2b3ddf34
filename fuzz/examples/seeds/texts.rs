//! Seeds that are text.

use std::path::Path;

use hob_format::Error;
use hob_fuzz::{BASE_CONFIGS, SMALL_TOKENIZERS};

/// Texts in which added tokens, scripts, digits and white space meet.
const TEXTS: [(&str, &str); 5] = [
    ("words", "Hello, hello the world's 1234 tests"),
    ("spaces", " \t\r\n\n  \u{A0}\u{3000}the  \n"),
    ("scripts", "日本語 é e\u{301} हिन्दी \u{1F469}\u{200D}\u{1F4BB} ﬁ²"),
    ("structure", "<s>[CLS]<|end|><tool> <mask></s><0x0A>"),
    ("broken", "\u{FFFD}\u{0}\u{7F}▁▁hello"),
];

const MESSAGES: &str = r#"[{"role":"system","content":"s"},{"role":"user","content":"Hi"},
{"role":"assistant","content":"<think>a</think>b","tool_calls":[{"function":{"name":"f","arguments":{"x":[1,2.5,null]}}}]}]"#;
const VARIABLES: &str = r#"{"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],
"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{}}}}],
"extra":{"enable_thinking":false}}"#;

/// As clients of the OpenAI interface send them.
const SENT: &str = r#"[{"role":"developer","content":[{"type":"text","text":"s"}]},{"role":"user","content":"Hi"},
{"role":"assistant","content":null,"refusal":null,"tool_calls":[{"id":"call_0","function":{"name":"f","arguments":"{\"x\": 1}"}}]},
{"role":"tool","tool_call_id":"call_0","content":"21"},{"role":"assistant","content":"It is "}]"#;

const TEMPLATES: [(&str, &str, &str); 7] = [
    (
        "sent",
        "{% for m in messages %}[{{ m.role }}]{% if m.content is string %}{{ m.content }}{% endif %}{% for c in m.tool_calls %}\
         {{ c.id }}{{ c.function.arguments | tojson }}{% endfor %}{{ m.name }}{% endfor %}",
        SENT,
    ),
    (
        "strict",
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}{% endif %}{{ m.content[0].text + '' }}\
         {% for c in m.tool_calls %}{% if c.id | length != 9 %}{{ raise_exception('id') }}{% endif %}\
         {{ '<' + c.function.arguments + '>' }}{% endfor %}{% endfor %}",
        SENT,
    ),
    (
        "chatml",
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}\
         {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
        MESSAGES,
    ),
    (
        "tools",
        "{%- set ns = namespace(n=0, last=none) -%}{{ bos_token }}{% if tools is not none %}{{ tools | tojson(indent=4) }}\
         {% endif %}{% for m in messages[::-1] %}{% set ns.n = ns.n + 1 %}{% if m.content is string %}\
         {{ m.content.split('</think>')[-1].lstrip('\\n') | trim }}{% else %}{{ m.content[0]['text'] }}{% endif %}\
         {% endfor %}{{ ns.n }}{% if enable_thinking is defined and enable_thinking is false %}<think>{% endif %}",
        VARIABLES,
    ),
    (
        "macros",
        "{% macro f(x, y='a') %}{{ x ~ y }}{% endmacro %}{% for k, v in messages[0].items() %}{{ f(k, y=v) }}\
         {{ loop.index0 }}{% break %}{% endfor %}{% generation %}{{ 7 // 2 }}{{ 1 / 3 }}{% endgeneration %}",
        MESSAGES,
    ),
    (
        "functions",
        "{{ strftime_now('%d %b %Y') }}{{ range(3) | list }}{{ 'a' * 3 }}{{ [1, none, {'k': true}] }}\
         {{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(', ') }}\
         {{ {'a': 1} | dictsort }}{% if messages | length > 5 %}{{ raise_exception('too many') }}{% endif %}",
        MESSAGES,
    ),
    ("nothing", "", "[]"),
];

/// The first byte says which kind of grammar it is.
const GRAMMARS: [(&str, u8, &str); 12] = [
    ("schema_true", 0, "true"),
    (
        "schema_object",
        0,
        r#"{"type":"object","properties":{"a":{"type":"integer","minimum":0,"maximum":9},"b":{"enum":["x",null,1.5]}},
"required":["a"],"additionalProperties":false}"#,
    ),
    (
        "schema_refs",
        0,
        r##"{"$defs":{"n":{"anyOf":[{"type":"null"},{"type":"array","items":{"$ref":"#/$defs/n"},"maxItems":3}]}},"$ref":"#/$defs/n"}"##,
    ),
    (
        "schema_text",
        1,
        r#"{"oneOf":[{"type":"string","pattern":"^a+$","maxLength":5},{"type":"string","format":"date"},{"const":{"a":[]}}]}"#,
    ),
    ("schema_numbers", 1, r#"{"type":["number","boolean"],"exclusiveMinimum":-1.5,"multipleOf":0.5}"#),
    (
        "schema_all_of",
        0,
        r#"{"allOf":[{"type":"array","prefixItems":[true],"minItems":1},{"items":{"type":"null"}}]}"#,
    ),
    ("regex", 2, r"(ab|[0-9]{2,3})+é?\.\w*"),
    ("regex_empty", 2, ""),
    (
        "gbnf",
        3,
        "root ::= \"a\" (ws [0-9a-f]{1,4})* | item\nitem ::= [^\"\\\\] | \"\\x41\"+ # c\nws ::= [ \\t\\n]?\n",
    ),
    ("gbnf_recursive", 3, "root ::= \"[\" root? \"]\""),
    (
        "lark",
        4,
        "start: \"a\" item+ /[0-9]+/ | TOKEN\nitem: \"b\"~1..3 [\"c\"]\nTOKEN: /x{2}/i\n%ignore / +/\n",
    ),
    ("lark_recursive", 4, "start: \"(\" start? \")\" | <|end|>"),
];

/// Writes all of them below `corpus`.
pub fn write(corpus: &Path) -> Result<(), Error> {
    for (at, json) in SMALL_TOKENIZERS.iter().enumerate() {
        let bytes = [json.as_bytes(), b"\0", TEXTS[at].1.as_bytes()].concat();
        write_seed(
            corpus,
            "tokenizer_json",
            ["byte_level", "sentencepiece", "wordpiece", "unigram"][at],
            &bytes,
        )?;
    }
    for (name, text) in TEXTS {
        write_seed(corpus, "tokenizer_encode", name, text.as_bytes())?;
    }
    for (name, source, json) in TEMPLATES {
        write_seed(corpus, "chat_template", name, &[source, json].join("\0").into_bytes())?;
    }
    for (name, kind, source) in GRAMMARS {
        write_seed(corpus, "json_schema", name, &[&[kind], source.as_bytes()].concat())?;
    }
    for (at, config) in BASE_CONFIGS.iter().enumerate() {
        let bytes = [&[at as u8], config.as_bytes()].concat();
        write_seed(corpus, "model_config", &format!("family_{at:02}"), &bytes)?;
    }
    Ok(())
}

fn write_seed(corpus: &Path, target: &str, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = corpus.join(target).join(name);
    let folder = path.parent().expect("joined above");
    let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, bytes));
    written.map_err(|source| Error::Io { path, action: "create", source })
}
