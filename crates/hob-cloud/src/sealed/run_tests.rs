use super::super::check::{Bounds, check};
use super::*;
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::convert::Infallible;

const TEXT: &str = "# Ledger\n\n2026-01-31 Anna paid $1,200.50 for rent.\n2026-02-28 Bert paid $99.50 for light.\n\n# Notes\n\n\
    2026-03-01 Anna paid 30 € for paper.\n2026-03-02 anna paid $1.00 late.\nCoffee $3\nCoffee $3\n";

/// Reads lines of the form `DAY WHO paid AMOUNT for WHAT` as they are, which a model would do if it were perfect.
struct Lines;

impl Reader for Lines {
    type Error = Infallible;

    fn read(
        &mut self,
        chunk: &str,
        fields: &[Field],
        rows_max: usize,
    ) -> Result<Vec<Vec<Candidate>>, Infallible> {
        let paid = chunk.lines().filter(|line| line.contains(" paid "));
        let row = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let value = |field: &Field| match field.name.as_str() {
                "day" => words[0].to_owned(),
                "who" => words[1].to_owned(),
                "late" => line.contains("late").to_string(),
                _ => words[3].trim_matches(['$', '€']).to_owned(),
            };
            let cell = |field| Candidate { is_found: true, quote: line.to_owned(), value: value(field) };
            fields.iter().map(cell).collect()
        };
        Ok(paid.map(row).take(rows_max).collect())
    }

    fn compose(&mut self, task: &str, results: &str) -> Result<String, Infallible> {
        Ok(if task.contains("invent") { "It was 77.".into() } else { format!(" {task} {results} ") })
    }
}

fn solve_with<R: Reader<Error = Infallible>>(reader: &mut R, text: &str, plan: &Json) -> Solved {
    let document = Document::new(text).unwrap();
    let bounds = Bounds { headings: document.headings().len() };
    let plan = check(plan, bounds, &|text| text.to_owned()).unwrap();
    let Ok(solved) = run(&plan, &document, reader);
    solved
}

/// A plan that takes all, and goes on with `steps`.
fn plan(steps: &[Json]) -> Json {
    let field = |name: &str, kind: &str| json!({"name": name, "type": kind, "question": "?"});
    let mut all = vec![
        json!({"op": "select", "name": "all", "headings": [], "words": []}),
        json!({"op": "extract", "name": "rows", "from": "all", "many": true,
            "fields": [field("day", "date"), field("who", "string"), field("paid", "number"), field("late", "boolean")]}),
    ];
    all.extend_from_slice(steps);
    json!({"steps": all})
}

fn reduce(name: &str, from: &str, how: &str, field: Option<&str>) -> Json {
    json!({"op": "reduce", "name": name, "from": from, "how": how, "field": field})
}

fn filter(test: &str, field: &str, value: Option<&str>) -> Json {
    json!({"op": "filter", "name": "some", "from": "rows", "field": field, "test": test, "value": value})
}

fn answer(text: &str) -> Json {
    json!({"op": "answer", "text": text})
}

#[test]
fn rows_are_reduced_in_every_way() {
    let one = |how: &str, field: Option<&str>| {
        solve_with(&mut Lines, TEXT, &plan(&[reduce("r", "rows", how, field), answer("= {r}")]))
    };
    for (how, field, expected, cited) in [
        ("count", None, "= 4", 16),
        ("count", Some("who"), "= 4", 4),
        ("sum", Some("paid"), "= $1301.00 and 30 EUR", 4),
        ("mean", Some("paid"), "= $433.666667 and 30 EUR", 4),
        ("min", Some("paid"), "= $1.00 and 30 EUR", 2),
        ("max", Some("day"), "= 2026-03-02", 1),
        ("list", Some("who"), "= Anna, Bert", 4),
        ("first", Some("day"), "= 2026-01-31", 1),
        ("list", Some("late"), "= no, yes", 4),
    ] {
        let solved = one(how, field);
        assert_eq!((solved.answer.as_str(), solved.citations.len()), (expected, cited), "{how}");
        assert_eq!((solved.told, solved.dropped.all(), solved.reads), (Told::Plan, 0, 2));
    }
    let least = one("max", Some("day"));
    let cited = &least.citations[0];
    assert_eq!((cited.step.as_str(), cited.field.as_str(), cited.chunk, cited.line), ("rows", "day", 2, 9));
    assert_eq!(cited.quote, "2026-03-02 anna paid $1.00 late.");
}

#[test]
fn rows_are_filtered_in_every_way() {
    for (test, field, value, expected) in [
        ("equals", "who", Some("ANNA"), "3"),
        ("differs", "who", Some("Anna"), "1"),
        ("contains", "who", Some("er"), "1"),
        ("less", "paid", Some("50"), "2"),
        ("more", "paid", Some("$50"), "2"),
        ("equals", "paid", Some("30"), "1"),
        ("more", "day", Some("28 February 2026"), "2"),
        ("equals", "late", Some("true"), "1"),
        ("known", "who", None, "4"),
    ] {
        let steps = [filter(test, field, value), reduce("n", "some", "count", None), answer("{n}")];
        assert_eq!(solve_with(&mut Lines, TEXT, &plan(&steps)).answer, expected, "{test} {field}");
    }
    let none =
        [filter("equals", "who", Some("Carl")), reduce("n", "some", "sum", Some("paid")), answer("{n}")];
    let solved = solve_with(&mut Lines, TEXT, &plan(&none));
    assert_eq!((solved.answer.as_str(), solved.citations.len()), ("nothing found", 0));
}

#[test]
fn chunks_are_selected_by_heading_and_word() {
    let count = |headings: Json, words: Json| {
        let mut plan = plan(&[reduce("n", "rows", "count", None), answer("{n}")]);
        (plan["steps"][0]["headings"], plan["steps"][0]["words"]) = (headings, words);
        let solved = solve_with(&mut Lines, TEXT, &plan);
        (solved.answer, solved.reads)
    };
    assert_eq!(count(json!([1]), json!([])), ("2".into(), 1));
    assert_eq!(count(json!([]), json!(["PAPER", "nowhere"])), ("2".into(), 1));
    assert_eq!(count(json!([1]), json!(["paper"])), ("0".into(), 0));
}

#[test]
fn composed_words_rest_on_results() {
    let compose = |task: &str| {
        let steps =
            [reduce("n", "rows", "count", None), json!({"op": "compose", "task": task, "from": ["n"]})];
        solve_with(&mut Lines, TEXT, &plan(&steps))
    };
    let solved = compose("Say it:");
    assert_eq!((solved.answer.as_str(), solved.told), ("Say it: n: 4", Told::Reader));
    // A number that is in no result was made up.
    let solved = compose("Please invent.");
    assert_eq!((solved.answer.as_str(), solved.told), ("n: 4", Told::Results));
    assert_eq!(solved.results, [Heard { step: "n".into(), text: "4".into() }]);
}

/// Says what it was told to say.
struct Liar(Vec<Vec<Candidate>>);

impl Reader for Liar {
    type Error = Infallible;

    fn read(&mut self, _: &str, _: &[Field], _: usize) -> Result<Vec<Vec<Candidate>>, Infallible> {
        Ok(self.0.clone())
    }

    fn compose(&mut self, _: &str, _: &str) -> Result<String, Infallible> {
        Ok("9".repeat(100_000))
    }
}

fn said(quote: &str, value: &str) -> Candidate {
    Candidate { is_found: true, quote: quote.into(), value: value.into() }
}

#[test]
fn what_stands_nowhere_is_dropped_and_counted() {
    let plan = json!({"steps": [
        {"op": "select", "name": "all", "headings": [2], "words": []},
        {"op": "extract", "name": "rows", "from": "all", "many": true, "fields": [{"name": "paid", "type": "number", "question": "?"}]},
        reduce("n", "rows", "list", Some("paid")), answer("{n}")]});
    let rows = vec![
        vec![said("Coffee $3", "$3")],
        vec![said("Coffee $3", "3")],
        vec![said("Coffee $3", "3")],
        vec![said("Tea $3", "3")],
        vec![said("Coffee $3", "4")],
        vec![said("Coffee $3", "Coffee")],
        vec![Candidate { is_found: false, ..said("Coffee $3", "3") }],
        vec![],
        vec![said("Bert paid $99.50", "99.50")],
    ];
    let solved = solve_with(&mut Liar(rows), TEXT, &plan);
    // Coffee stands there twice; Bert stands in another chunk.
    assert_eq!((solved.answer.as_str(), solved.rows), ("$3", 2));
    assert_eq!(solved.dropped, Dropped { quotes: 2, values: 1, kinds: 1, repeats: 1 });
}

/// Pieces of the text and of others, as quotes and values.
fn candidate() -> impl Strategy<Value = Candidate> {
    let cut = (0..TEXT.len(), 0..60_usize).prop_map(|(start, length)| {
        TEXT.chars().skip(start).take(length).collect::<String>().replace('\n', "  ")
    });
    let words = || prop_oneof![3 => "[a-zA-Z0-9$,. €-]{0,12}", 1 => ".{0,30}"];
    let quote = prop_oneof![3 => cut, 1 => words()];
    (any::<bool>(), quote, words(), 0..12_usize, 0..8_usize).prop_map(|(own, quote, other, start, length)| {
        let value = if own { quote.chars().skip(start).take(length).collect() } else { other };
        Candidate { is_found: true, quote, value }
    })
}

proptest! {
    #[test]
    fn every_citation_stands_in_the_text(rows in prop::collection::vec(prop::collection::vec(candidate(), 0..6), 0..30)) {
        let steps = [
            reduce("a", "rows", "list", Some("who")), reduce("b", "rows", "sum", Some("paid")), reduce("c", "rows", "min", Some("day")),
            reduce("d", "rows", "count", None), answer("{a} {b} {c} {d}"),
        ];
        let solved = solve_with(&mut Liar(rows), TEXT, &plan(&steps));
        prop_assert!(solved.rows <= 2 * ROWS_PER_CHUNK_MAX);
        let blank = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let document = Document::new(TEXT).unwrap();
        for cited in &solved.citations {
            prop_assert_eq!(&TEXT[cited.range.clone()], &cited.quote);
            let chunk = &document.chunks()[cited.chunk - 1].range;
            prop_assert!(chunk.start <= cited.range.start && cited.range.end <= chunk.end);
            prop_assert_eq!(cited.line, 1 + TEXT[..cited.range.start].matches('\n').count());
            match cited.field.as_str() {
                "who" => prop_assert!(blank(&cited.quote).contains(&cited.value)),
                // Digits of what was understood stand in the quote as they are.
                "paid" => {
                    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
                    prop_assert!(digits(&cited.quote).contains(&digits(&cited.value)), "{cited:?}");
                }
                "day" => prop_assert!(cited.quote.contains(&cited.value)),
                _ => {}
            }
        }
    }

    #[test]
    fn a_plan_of_any_json_ends(values in prop::collection::vec(super::super::check::tests::any_json(), 1..6)) {
        let document = Document::new(TEXT).unwrap();
        let mut steps = plan(&[])["steps"].as_array().unwrap().clone();
        steps.extend(values);
        steps.push(answer("{a}"));
        if let Ok(plan) = check(&json!({"steps": steps}), Bounds { headings: 2 }, &|text| text.to_owned()) {
            let Ok(solved) = run(&plan, &document, &mut Lines);
            prop_assert!(solved.answer.len() <= 4 * ANSWER_CHARS_MAX + 8);
        }
    }
}

#[test]
fn the_longest_plan_has_a_bounded_answer() {
    let line = "2026-01-31 Annabella paid $1 for rent.\n";
    let text: String =
        (0..6000).map(|n| format!("{}\n", line.replace("Annabella", &format!("Anna{n}")))).collect();
    let steps = [reduce("a", "rows", "list", Some("who")), answer(&"{a}".repeat(600))];
    let solved = solve_with(&mut Lines, &text, &plan(&steps));
    assert!(solved.answer.chars().count() <= ANSWER_CHARS_MAX + 4 && solved.answer.ends_with(" ..."));
    assert!(
        solved.results[0].text.contains(" more")
            && solved.citations.len() == CITATIONS_MAX
            && solved.more > 0
    );
    let made_up = [reduce("a", "rows", "count", None), json!({"op": "compose", "task": "x", "from": ["a"]})];
    assert_eq!(solve_with(&mut Liar(vec![]), &text, &plan(&made_up)).answer, "a: 0");
}
