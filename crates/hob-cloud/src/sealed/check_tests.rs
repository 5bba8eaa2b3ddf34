use super::*;
use proptest::prelude::*;
use serde_json::json;

fn wrong_of(plan: &Value) -> String {
    check(plan, Bounds { headings: 2 }, &|text| text.replace("[PERSON_1]", "Maria")).unwrap_err().to_string()
}

/// A plan of every step.
fn whole() -> Value {
    json!({"steps": [
        {"op": "select", "name": "all", "headings": [2], "words": ["Ask  [PERSON_1]"]},
        {"op": "extract", "name": "rows", "from": "all", "many": true, "fields": [
            {"name": "who", "type": "string", "question": "Who is it?"},
            {"name": "paid", "type": "number", "question": "What did [PERSON_1] pay?"},
            {"name": "day", "type": "date", "question": "When?"},
            {"name": "late", "type": "boolean", "question": "Was it late?"}]},
        {"op": "filter", "name": "hers", "from": "rows", "field": "who", "test": "equals", "value": "[PERSON_1]"},
        {"op": "filter", "name": "big", "from": "hers", "field": "paid", "test": "more", "value": "$1,000"},
        {"op": "reduce", "name": "count", "from": "big", "how": "count", "field": null},
        {"op": "reduce", "name": "last", "from": "big", "how": "max", "field": "day"},
        {"op": "answer", "text": "[PERSON_1] paid {count} times, last on {last}."}]})
}

/// The plan of every step with something else at `place`.
fn with(place: &str, value: Value) -> Value {
    let mut plan = whole();
    match plan.pointer_mut(place) {
        Some(old) => *old = value,
        None => {
            let (object, name) = place.rsplit_once('/').unwrap();
            plan.pointer_mut(object).unwrap()[name] = value;
        }
    }
    plan
}

#[test]
fn what_was_hidden_is_put_back_in_words_alone() {
    let plan =
        check(&whole(), Bounds { headings: 2 }, &|text| text.replace("[PERSON_1]", "Maria {count}")).unwrap();
    let What::Select { headings, words } = &plan.steps()[0].what else { panic!() };
    assert_eq!((headings.as_slice(), words.as_slice()), (&[1][..], &["ask maria {count}".to_owned()][..]));
    let End::Answer(pieces) = plan.end() else { panic!() };
    // Braces of a hidden value are words.
    assert_eq!(pieces[0], Piece::Text("Maria {count} paid ".into()));
    assert_eq!(pieces[1], Piece::Result(4));
}

/// Checks that a plan with `value` at `place` is refused with these words.
fn refused(all: &[(&str, Value, &str)]) {
    for (place, value, expected) in all {
        assert_eq!(wrong_of(&with(place, value.clone())), *expected);
    }
}

#[test]
fn wrong_selections_and_names_are_told_with_their_place() {
    refused(&[
        (
            "/steps/0/op",
            json!("exec"),
            "/steps/0/op: expected one of select, extract, filter, reduce, answer, compose, found \"exec\"",
        ),
        ("/steps/0/code", json!("import os"), "/steps/0: expected no other members, found \"code\""),
        (
            "/steps/0/headings/0",
            json!(3),
            "/steps/0/headings/0: expected the number of a heading, from 1 to 2, found 3",
        ),
        (
            "/steps/0/headings/0",
            json!(-1),
            "/steps/0/headings/0: expected the number of a heading, from 1 to 2, found -1",
        ),
        (
            "/steps/0/words",
            json!(vec!["a"; 65]),
            "/steps/0/words: expected a list of up to 64, found a list of 65",
        ),
        ("/steps/0/words/0", json!(" "), "/steps/0/words/0: expected a word, found none"),
        ("/steps/1/name", json!("all"), "/steps/1/name: expected a name of its own, found \"all\""),
        (
            "/steps/1/name",
            json!("A/b"),
            "/steps/1/name: expected a name of up to 32 small letters, digits and _, found \"A/b\"",
        ),
        (
            "/steps/1/from",
            json!("hers"),
            "/steps/1/from: expected the name of an earlier step that gives chunks, found \"hers\"",
        ),
        (
            "/steps/1/from",
            json!("rows"),
            "/steps/1/from: expected the name of an earlier step that gives chunks, found \"rows\"",
        ),
        (
            "/steps/2/from",
            json!("all"),
            "/steps/2/from: expected the name of an earlier step that gives rows, found \"all\", which gives chunks",
        ),
    ]);
}

#[test]
fn wrong_extractions_and_filters_are_told_with_their_place() {
    let long = "x".repeat(2001);
    refused(&[
        ("/steps/1/many", json!(1), "/steps/1/many: expected true or false, found 1"),
        ("/steps/1/fields", json!([]), "/steps/1/fields: expected a field at least, found none"),
        (
            "/steps/1/fields/1/name",
            json!("who"),
            "/steps/1/fields/1/name: expected a name of its own, found \"who\"",
        ),
        (
            "/steps/1/fields/0/type",
            json!("int"),
            "/steps/1/fields/0/type: expected one of string, number, date, boolean, found \"int\"",
        ),
        (
            "/steps/1/fields/0/question",
            json!(long),
            "/steps/1/fields/0/question: expected at most 2000 characters, found 2001",
        ),
        (
            "/steps/2/field",
            json!("age"),
            "/steps/2/field: expected one of the fields who, paid, day, late, found \"age\"",
        ),
        ("/steps/2/test", json!("less"), "/steps/2/test: expected a test that suits a string, found another"),
        (
            "/steps/3/value",
            json!("[PERSON_1]"),
            "/steps/3/value: expected a number in quotes, found something else",
        ),
        ("/steps/3/value", json!(1000), "/steps/3/value: expected a string, found 1000"),
        ("/steps/3/value", json!(null), "/steps/3/value: expected a number in quotes, found nothing"),
        (
            "/steps/3/test",
            json!("known"),
            "/steps/3/value: expected null, as nothing is compared, found a value",
        ),
        ("/steps/4/how", json!("sum"), "/steps/4/field: expected the name of a field, found nothing"),
    ]);
}

#[test]
fn wrong_ends_and_forms_are_told_with_their_place() {
    refused(&[
        (
            "/steps/5/how",
            json!("mean"),
            "/steps/5/field: expected a field of numbers, found one of type date",
        ),
        (
            "/steps/5/field",
            json!("who"),
            "/steps/5/field: expected a field of numbers or dates, found one of type string",
        ),
        (
            "/steps/6/text",
            json!("{rows}"),
            "/steps/6/text: expected the name of an earlier step that gives a result, found \"rows\", which gives rows",
        ),
        ("/steps/6/text", json!("{count"), "/steps/6/text: expected a } for each {, found none"),
        (
            "/steps/6/op",
            json!("select"),
            "/steps/6: expected answer or compose as the last step, found another",
        ),
        (
            "/steps/5",
            json!({"op": "answer", "text": ""}),
            "/steps/5: expected answer and compose as the last step alone, found steps after it",
        ),
        (
            "/steps/6",
            json!({"op": "compose", "task": "Say it.", "from": []}),
            "/steps/6/from: expected the name of a reduce step at least, found none",
        ),
        (
            "/steps/6",
            json!({"op": "compose", "task": "Say it.", "from": ["big"]}),
            "/steps/6/from/0: expected the name of an earlier step that gives a result, found \"big\", which gives rows",
        ),
        ("/steps/3", json!([]), "/steps/3: expected an object, found a list of 0"),
        ("/steps", json!([]), "/steps: expected a step at least, found none"),
        ("/steps", json!(vec![0; 25]), "/steps: expected a list of up to 24, found a list of 25"),
        ("/more", json!(1), "the plan: expected no other members, found \"more\""),
    ]);
    assert_eq!(wrong_of(&json!({})), "/steps: expected this member, found nothing");
    assert_eq!(wrong_of(&json!("steps")), "the plan: expected an object, found \"steps\"");
}

#[test]
fn extractions_are_counted_and_hidden_values_have_a_length() {
    let mut plan = whole();
    let steps = plan["steps"].as_array_mut().unwrap();
    for n in 0..4 {
        let mut step = steps[1].clone();
        step["name"] = format!("more{n}").into();
        steps.insert(2, step);
    }
    assert_eq!(wrong_of(&plan), "/steps/5/op: expected at most 4 extractions, found one more");
    let error = check(&whole(), Bounds { headings: 2 }, &|text| text.repeat(500)).unwrap_err();
    assert_eq!(error.expected, "at most 2000 characters with what was hidden");
}

#[test]
fn plans_are_found_in_what_models_write() {
    for text in ["{\"steps\":[]}", " ```json\n{\"steps\":[]}\n``` ", "```{\"steps\":[]}```"] {
        assert_eq!(parse(text).unwrap(), json!({"steps": []}));
    }
    let error = |text: &str| parse(text).unwrap_err().to_string();
    assert_eq!(
        error("{\"steps\":"),
        "the plan: expected one JSON object, found a problem in line 1, column 9"
    );
    assert!(error(&"[".repeat(9_000)).contains("a problem"));
    assert_eq!(error(&" ".repeat(40_000)), "the plan: expected at most 16384 bytes, found 40000");
}

/// Any JSON, with a liking for the words of plans.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "steps", "op", "select", "extract", "filter", "reduce", "answer", "compose", "name", "from", "a",
        "b", "all", "{a}", "sum", "fields", "string", "number", "", "{", "é", "1", "null", "text",
        "headings", "words", "many", "question", "type",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 128, 10, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..8).prop_map(|members| Value::Object(
                members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_is_too_much(value in any_json()) {
        let bounds = Bounds { headings: 3 };
        let _ = check(&value, bounds, &|text| text.to_owned());
        let _ = check(&json!({"steps": [value]}), bounds, &|text| text.to_owned());
    }

    #[test]
    fn a_plan_with_something_else_anywhere_is_refused_or_whole(place in 0_usize..60, value in any_json()) {
        fn change(whole: &mut Value, place: &mut usize, value: &Value) {
            if *place == 0 {
                *whole = value.clone();
            }
            *place = place.wrapping_sub(1);
            match whole {
                Value::Array(list) => list.iter_mut().for_each(|item| change(item, place, value)),
                Value::Object(members) => members.values_mut().for_each(|item| change(item, place, value)),
                _ => {}
            }
        }
        let mut plan = whole();
        change(&mut plan, &mut { place }, &value);
        if let Ok(plan) = check(&plan, Bounds { headings: 2 }, &|text| text.to_owned()) {
            for (index, step) in plan.steps().iter().enumerate() {
                let from = match step.what {
                    What::Select { .. } => continue,
                    What::Extract { from, .. } | What::Filter { from, .. } | What::Reduce { from, .. } => from,
                };
                prop_assert!(from < index);
            }
        }
    }
}
