//! Inputs made to exhaust something end in errors. None of these may hang, overflow the stack or eat memory; the test
//! run itself is the clock.

use serde_json::json;

use super::*;

/// Compiles and, where that succeeds, follows the grammar for a few tokens.
fn survive(grammar: Grammar) -> Result<()> {
    let mut c = compile(&grammar)?;
    for _ in 0..4 {
        let mask = c.mask()?;
        let Some(id) = mask.iter().next() else { break };
        c.accept(id)?;
    }
    Ok(())
}

fn assert_budget(grammar: Grammar) {
    let result = survive(grammar.clone());
    assert!(matches!(result, Err(Error::GrammarBudget { .. })), "{result:?}");
}

fn nested(open: &str, middle: &str, close: &str, depth: usize) -> String {
    format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
}

#[test]
fn deep_nesting() {
    let mut deep = json!({"type": "null"});
    for _ in 0..300 {
        deep = json!({"items": deep});
    }
    assert_budget(Grammar::json_schema(deep));
    assert!(Grammar::json_schema_text(&nested("{\"items\":", "true", "}", 100_000)).is_err());
    assert_budget(Grammar::lark(format!("start: {}", nested("(", "\"a\"", ")", 50_000))));
    assert_budget(Grammar::Gbnf(format!("root ::= {}", nested("(", "\"a\"", ")", 50_000))));
    assert!(survive(Grammar::Regex(nested("(", "a", ")", 50_000))).is_err());
    assert!(survive(Grammar::lark(format!("start: /{}/", nested("(", "a", ")", 50_000)))).is_err());
}

#[test]
fn huge_counts() {
    let big = 4_000_000_000u64;
    for key in ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"] {
        assert_budget(Grammar::json_schema(json!({key: big})));
        assert_budget(Grammar::json_schema(json!({"anyOf": [{key: 1e300}]})));
    }
    assert_budget(Grammar::json_schema(json!({"type": "string", "pattern": "(a{1000}){1000}"})));
    assert!(survive(Grammar::Regex("a{4000000000}".into())).is_err());
    assert_budget(Grammar::Regex("((a{500}){500}){500}".into()));
    assert_budget(Grammar::lark("start: \"a\"{1,2000000}"));
    assert_budget(Grammar::lark("start: \"a\"~2000000"));
    assert_budget(Grammar::lark("start: /(a{999}){999}/"));
    assert_budget(Grammar::Gbnf("root ::= \"a\"{2000000}".into()));
}

#[test]
fn large_counts_within_the_limit_are_survived() {
    let grammars = [
        Grammar::json_schema(json!({"type": "array", "minItems": 100_000, "maxItems": 100_000})),
        Grammar::json_schema(json!({"type": "string", "minLength": 99_999, "maxLength": 100_000})),
        Grammar::json_schema(json!({"type": "object", "minProperties": 50_000})),
        Grammar::Regex("[a-z]{100000}".into()),
        Grammar::Regex("(.*a.{1000})|(.*b.{1000})".into()),
        Grammar::lark("start: (\"a\" start | \"b\"){100000}"),
        Grammar::Gbnf("root ::= (\"a\"{300}){300}".into()),
        Grammar::Gbnf("root ::= ((([a-z]{100}){100}){100}){100}".into()),
    ];
    for grammar in grammars {
        let _either_way = survive(grammar);
    }
}

#[test]
fn growth_by_sharing() {
    // Each definition names the next one twice: 2^60 schemas on paper.
    let mut defs = serde_json::Map::new();
    for i in 0..60 {
        let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
        defs.insert(format!("d{i}"), json!({"allOf": [next, next], "type": "object"}));
    }
    defs.insert("d60".into(), json!({"type": "object"}));
    let _either_way = survive(Grammar::json_schema(json!({"$ref": "#/$defs/d0", "$defs": defs})));
    let rules: String = (0..60).map(|i| format!("r{i} ::= r{} r{}\n", i + 1, i + 1)).collect();
    let _either_way = survive(Grammar::Gbnf(format!("root ::= r0\n{rules}r60 ::= \"a\"\n")));
    let rules: String = (0..60).map(|i| format!("r{i}: r{} r{}\n", i + 1, i + 1)).collect();
    let _either_way = survive(Grammar::lark(format!("start: r0\n{rules}r60: \"a\" r0 | \"b\"\n")));
}

#[test]
fn ambiguity() {
    let grammars = [
        Grammar::lark("start: start start | \"a\" | \"\""),
        Grammar::Gbnf("root ::= root root root | \"a\" | \"b\" root | \"\"".into()),
        Grammar::Gbnf("root ::= (\"\"*)* \"a\"".into()),
        Grammar::Gbnf("root ::= root".into()),
        Grammar::lark("start: start"),
        Grammar::Regex("(a|a)*(a|aa)*(.*)*b".into()),
    ];
    for grammar in grammars {
        let _either_way = survive(grammar);
    }
}

#[test]
fn large_texts() {
    let names: Vec<String> = (0..200_000).map(|i| format!("name{i}")).collect();
    assert_budget(Grammar::json_schema(json!({"enum": names})));
    assert_budget(Grammar::Regex("a".repeat(2_000_000)));
    assert_budget(Grammar::lark("# ".repeat(1_000_000)));
    assert_budget(Grammar::Gbnf(" ".repeat(2_000_000)));
    let many: serde_json::Map<_, _> =
        (0..30_000).map(|i| (format!("p{i}"), json!({"type": "string"}))).collect();
    assert_budget(Grammar::json_schema(json!({"type": "object", "properties": many})));
}

#[test]
fn multi_byte_text_in_errors() {
    // llguidance cuts long values at byte 100 when it quotes them, wherever that falls.
    let odd = format!("x{}", "é".repeat(100));
    assert!(schema(json!({"type": "string", "minLength": odd})).is_err());
    assert!(
        schema(json!({"type": "number", "multipleOf": 0})).is_err_and(|e| matches!(e, Error::Grammar { .. }))
    );
    assert!(compile(&Grammar::Regex("é(".into())).is_err());
    assert!(compile(&Grammar::lark("start: \"é\" (")).is_err());
}

#[test]
fn embedded_schemas_do_not_pass_by_the_checks() {
    let error =
        compile(&Grammar::lark("start: \"%json {\" x\n  x: %json {\"x-guidance\": {\"lenient\": true}}"))
            .unwrap_err();
    assert!(matches!(&error, Error::Grammar { location, .. } if location == "2:6"), "{error}");
}

#[test]
fn lark_errors_carry_their_place() {
    let error = compile(&Grammar::lark("start: a\na: \"x\" |* \"y\"\n")).unwrap_err();
    assert!(matches!(&error, Error::Grammar { location, .. } if location.starts_with("2:")), "{error}");
    assert!(compile(&Grammar::lark("start: missing")).is_err());
    assert!(compile(&Grammar::lark("")).is_err());
}
