use super::*;

fn gbnf(text: &str) -> Constraint {
    compile(&Grammar::Gbnf(text.into())).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn without_recursion_every_text_is_reachable() {
    let c = gbnf("root ::= [a-z]* \"x\" tail? # neighbours that overlap\ntail ::= \"-\" [^0-9\\n]{2,3}\n");
    for text in ["x", "abcx", "xx", "abx-éx", "xxxx-ab?"] {
        assert!(accepts(&c, text.as_bytes()), "{text}");
    }
    for text in ["", "ab", "x-", "x-a", "x-a1", "x-abcd", "x\n"] {
        assert!(!accepts(&c, text.as_bytes()), "{text}");
    }
}

#[test]
fn escapes_classes_and_counts() {
    let c =
        gbnf(r#"root ::= "\x41\u00e9\U0001F600\n\t\"\\" [\]\-^/a-c-]{2} . ("p" | "q" | ) "r"{2,} "s"{0}"#);
    let start = "Aé\u{1F600}\n\t\"\\";
    for rest in ["]-?rr", "^/\nprr", "a-漢qrrrr"] {
        assert!(accepts(&c, format!("{start}{rest}").as_bytes()), "{rest}");
    }
    for rest in ["d-?rr", "]-?r", "]-?sr", "]-?rrs"] {
        assert!(!accepts(&c, format!("{start}{rest}").as_bytes()), "{rest}");
    }
}

/// JSON in GBNF, with white space as a rule of its own.
const JSON: &str = r#"
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
# at most one break
ws ::= | " " | "\n" [ \t]{0,20}
"#;

#[test]
fn recursion_reads_json() {
    let c = gbnf(JSON);
    for text in [r#"{}"#, r#"{"a": [1, -2.5e+3, {"b": "\u00e9 x"}], "c": null}"#, "{\n  \"a\": true\n}\n"] {
        assert!(accepts(&c, text.as_bytes()), "{text}");
    }
    for text in [r#"[]"#, r#"{"a":01}"#, r#"{"a":1,}"#, r#"{"a"  :1}"#] {
        assert!(!accepts(&c, text.as_bytes()), "{text}");
    }
    for seed in 0..60 {
        let text = walk(&c, seed, 40);
        assert!(is_json(&text), "{}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn balanced_and_left_recursive_rules() {
    let c = gbnf("root ::= \"(\" root \")\" root | \"\"");
    for (text, fits) in [("", true), ("()", true), ("(()())()", true), ("(", false), (")(", false)] {
        assert_eq!(accepts(&c, text.as_bytes()), fits, "{text}");
    }
    let c = gbnf("root ::= root \"+\" [0-9]+ | [0-9]+");
    for (text, fits) in [("1", true), ("1+22+3", true), ("+1", false), ("1+", false)] {
        assert_eq!(accepts(&c, text.as_bytes()), fits, "{text}");
    }
}

#[test]
fn mistakes_carry_their_place() {
    let cases = [
        ("root ::= \"a", "1:12"),
        ("root ::= [a", "1:12"),
        ("root ::= (\"a\"", "1:14"),
        ("root = \"a\"", "1:6"),
        ("root ::= missing", "1:10"),
        ("root ::= \"a\"\nroot ::= \"b\"", "2:1"),
        ("root ::= \"a\" )", "1:14"),
        ("root ::= [z-a]", "1:14"),
        ("root ::= \"\\q\"", "1:13"),
        ("root ::= \"a\"{3,1}", "1:18"),
        ("root ::= <[7]>", "1:10"),
        ("other ::= \"a\"", "1:1"),
        ("", "1:1"),
    ];
    for (text, expected) in cases {
        match compile(&Grammar::Gbnf(text.into())) {
            Err(Error::Grammar { kind: "GBNF grammar", location, .. }) => {
                assert_eq!(location, expected, "{text}")
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}
