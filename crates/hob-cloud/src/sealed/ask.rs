//! Asks a target for a plan: once, and once more with what was wrong with the first.

use super::check::{check, parse};
use super::schema::schema;
use super::{Card, Plan, Wrong};
use crate::{Cloud, Constants, Ended, Error, Event, Question, Way, Wish};
use hob_privacy::{Answer, Label, Vault, restore};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// Longest plan, in tokens.
const PLAN_TOKENS: u64 = 2000;
/// How often a plan is asked for.
const TRIES: usize = 2;

/// What a target is told before the question. It is the same each time.
const TASK: &str = r#"You plan how a question about a document is answered. You do not see the document and never will: only its structure. A program carries your plan out where the document is, with a small model that reads one chunk at a time and copies what it finds. Reply with one JSON object, {"steps": [...]}, and nothing else.

Steps, in their order; each takes the name of an earlier step in "from":
{"op": "select", "name": N, "headings": [numbers], "words": [texts]} gives the chunks below any of these headings (empty: all) that contain any of these words (empty: all).
{"op": "extract", "name": N, "from": SELECT, "many": true or false, "fields": [{"name": F, "type": "string" or "number" or "date" or "boolean", "question": text}]} gives rows: at most one of each chunk, or several where many is true. Each question is asked of one chunk alone, so it says all that has to be known.
{"op": "filter", "name": N, "from": ROWS, "field": F, "test": "equals" or "differs" or "contains" or "less" or "more" or "known", "value": text or null} gives the rows that pass; rows without the field do not. The value is written as text: "1200.50", "2026-01-31", "true"; null for known.
{"op": "reduce", "name": N, "from": ROWS, "how": "count" or "sum" or "min" or "max" or "mean" or "list" or "first", "field": F or null} gives one result; null only to count rows.
The last step is one of:
{"op": "answer", "text": text with {N} where the result of a reduce step goes}
{"op": "compose", "task": what a small model shall write, "from": [names of reduce steps]}
Names are small letters, digits and strokes. At most 24 steps, 4 of them extract, and 8 fields each. Words in brackets such as [EMAIL_1] stand for something that you are not told; use them as they are.

Example: {"steps": [{"op": "select", "name": "all", "headings": [], "words": ["invoice"]}, {"op": "extract", "name": "rows", "from": "all", "many": true, "fields": [{"name": "amount", "type": "number", "question": "What is the total of the invoice?"}]}, {"op": "reduce", "name": "total", "from": "rows", "how": "sum", "field": "amount"}, {"op": "answer", "text": "The invoices come to {total}."}]}"#;

/// The same as a string of JSON.
static SYSTEM: LazyLock<String> = LazyLock::new(|| Value::from(TASK).to_string());
/// The form of plans.
static SCHEMA: LazyLock<String> = LazyLock::new(|| schema().to_string());

/// A request that was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// Bytes of its body.
    pub bytes: usize,
    /// Values that were hidden in it, by kind.
    pub hidden: BTreeMap<Label, usize>,
    /// Values that were found and sent as they are, by kind.
    pub shown: BTreeMap<Label, usize>,
    /// The entry of the ledger; none for an answer from memory.
    pub entry: Option<u64>,
    /// What it came to.
    pub ended: Ended,
}

/// A plan, and what it took to get it.
#[derive(Clone, Debug)]
pub struct Obtained {
    /// The plan, checked, with what was hidden put back.
    pub plan: Plan,
    /// As the target wrote it, placeholders and all.
    pub written: Value,
    /// What was wrong with the first one, if that was refused.
    pub refused: Option<Wrong>,
    /// The requests.
    pub sent: Vec<Sent>,
}

/// What is asked of a target.
pub fn question(card: &Card, text: &str) -> Question {
    let asked = format!("The question: {text}\n\n{}", card.text());
    Question {
        messages: vec![json!({"role": "user", "content": asked})],
        constants: Some(Constants { system: &SYSTEM, schema: &SCHEMA }),
        max_tokens: Some(PLAN_TOKENS),
        ..Question::default()
    }
}

/// How it is asked: by the target's name, as with `hob cloud ask`.
pub fn wish<'a>(question: &'a Question, target: &str) -> Wish<'a> {
    Wish::new(question, Way::Named(target.to_owned()))
}

/// Gets a plan from a target. `ask` hears the kinds that the user wants to be asked about.
///
/// # Errors
/// All that keeps a question from being sent or answered, and [`Error::BadPlan`] for a target that plans wrongly twice.
pub fn obtain(
    cloud: &Cloud,
    target: &str,
    card: &Card,
    text: &str,
    ask: &mut dyn FnMut(Label, &BTreeSet<&str>) -> Answer,
) -> Result<Obtained, Error> {
    let mut question = question(card, text);
    let (mut sent, mut refused, mut vault) = (Vec::new(), None, Vault::new());
    loop {
        let wish = Wish { known: Some(&vault), is_fresh: refused.is_some(), ..wish(&question, target) };
        let said = say(cloud, &wish, ask)?;
        sent.push(said.sent);
        vault = said.vault;
        let put_back = |words: &str| restore(words, &vault);
        let checked =
            parse(&said.text).and_then(|written| Ok((check(&written, card.bounds(), &put_back)?, written)));
        let wrong = match checked {
            Ok((plan, written)) => return Ok(Obtained { plan, written, refused, sent }),
            Err(wrong) => wrong,
        };
        if sent.len() == TRIES {
            return Err(Error::BadPlan { target: target.to_owned(), wrong });
        }
        again(&mut question, &wrong);
        refused = Some(wrong);
    }
}

/// Adds what is wrong with what came. It says nothing but what the target wrote itself; it is looked through like all words, which
/// would leave holes in the plan's own words, so the plan is not repeated.
fn again(question: &mut Question, wrong: &Wrong) {
    let asked =
        format!("Your last plan cannot be carried out. At {wrong}. Reply with the whole plan, corrected.");
    question.messages.push(json!({"role": "user", "content": asked}));
}

/// What a target said, with placeholders.
struct Said {
    text: String,
    vault: Vault,
    sent: Sent,
}

fn say(
    cloud: &Cloud,
    wish: &Wish<'_>,
    ask: &mut dyn FnMut(Label, &BTreeSet<&str>) -> Answer,
) -> Result<Said, Error> {
    let plan = cloud.plan(wish, ask)?;
    let Some(cleared) = plan.cleared() else { return Err(Error::Offline) };
    let (bytes, hidden, shown) = (cleared.bytes().len(), cleared.hidden().clone(), cleared.shown().clone());
    let Some(mut answering) = cloud.begin(plan)? else { return Err(Error::Offline) };
    // Put back before it is read as JSON, a hidden value with a quotation mark in it would become part of the plan's form.
    answering.leave_hidden();
    let mut text = String::new();
    while let Some(event) = answering.next()? {
        if let Event::Text(piece) = event {
            text.push_str(&piece);
        }
    }
    let sent = Sent { bytes, hidden, shown, entry: answering.entry(), ended: answering.ended() };
    Ok(Said { text, vault: answering.vault().clone(), sent })
}
