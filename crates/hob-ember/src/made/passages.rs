//! Short passages put together from facts, so that it is known what they say and what they do not say.
//!
//! `passages.txt` has the sentences: what a passage opens with, and facts with a sentence, a question, an answer and a question
//! to be answered with yes or no, between `::`. A `core` fact is said by the opening.

use super::phrase::Slots;
use hob_base::Random;
use serde_json::Value;
use std::sync::LazyLock;

/// One thing that a kind of passage can say.
struct Plan {
    key: &'static str,
    sentence: Option<&'static str>,
    question: &'static str,
    answer: &'static str,
    whether: &'static str,
}

/// A kind of passage.
#[derive(Default)]
struct Kind {
    topic: &'static str,
    open: &'static str,
    close: &'static str,
    title: &'static str,
    summary: &'static str,
    plans: Vec<Plan>,
}

static KINDS: LazyLock<Vec<Kind>> =
    LazyLock::new(|| include_str!("passages.txt").split("\n= ").skip(1).map(kind).collect());

/// Reads one block of `passages.txt`.
fn kind(block: &'static str) -> Kind {
    let mut kind = Kind::default();
    for (word, rest) in block.lines().filter_map(|line| line.split_once(' ')) {
        match word {
            "topic" => kind.topic = rest,
            "open" => kind.open = rest,
            "close" => kind.close = rest,
            "title" => kind.title = rest,
            "summary" => kind.summary = rest,
            _ => kind.plans.push(plan(word, rest)),
        }
    }
    kind
}

fn plan(word: &str, rest: &'static str) -> Plan {
    let mut parts = rest.split(" :: ");
    let mut part = || parts.next().expect("a fact of passages.txt has all its parts");
    let key = part();
    let sentence = (word == "fact").then(&mut part);
    Plan { key, sentence, question: part(), answer: part(), whether: part() }
}

/// Something that a passage says, or that it could have said.
pub struct Fact {
    /// Name of a JSON field for it.
    pub key: &'static str,
    pub value: Value,
    pub answer: String,
    plan: &'static Plan,
}

/// A passage and what it says.
pub struct Passage {
    pub text: String,
    pub topic: &'static str,
    pub title: String,
    pub summary: String,
    pub facts: Vec<Fact>,
    /// Facts of the same kind that were left out.
    pub missing: Vec<Fact>,
    slots: Slots,
}

/// A passage of three to eight sentences.
pub fn passage(random: &mut Random) -> Passage {
    let kind = &KINDS[random.index(KINDS.len())];
    let mut slots = Slots::default();
    let open = slots.say(random, kind.open);
    let (title, summary) = (slots.say(random, kind.title), slots.say(random, kind.summary));
    let (mut said, mut more): (Vec<&Plan>, Vec<&Plan>) =
        kind.plans.iter().partition(|p| p.sentence.is_none());
    random.shuffle(&mut more);
    let dropped = more.split_off(2 + random.index(more.len() - 3));
    let mut text = open;
    for plan in &more {
        text.push(' ');
        text += &slots.say(random, plan.sentence.unwrap_or_default());
    }
    if !kind.close.is_empty() {
        text.push('\n');
        text += &slots.say(random, kind.close);
    }
    said.append(&mut more);
    let facts = said.into_iter().map(|p| fact(random, &mut slots, p)).collect();
    // What was left out has values of its own, which are never shown.
    let missing = dropped.into_iter().map(|p| fact(random, &mut slots, p)).collect();
    Passage { text, topic: kind.topic, title, summary, facts, missing, slots }
}

fn fact(random: &mut Random, slots: &mut Slots, plan: &'static Plan) -> Fact {
    let value = slots.value(random, plan.key);
    Fact { key: field(plan.key), value, answer: slots.say(random, plan.answer), plan }
}

/// What a slot is called as a field of JSON.
fn field(slot: &str) -> &str {
    match slot {
        "full" | "full2" => "full_name",
        "gift" => "item",
        "many" => "total",
        "name2" => "person",
        "relation" => "family",
        "sky" => "weather",
        other => other,
    }
}

impl Passage {
    /// A question about a fact that the passage has, or that is missing.
    pub fn question(&mut self, random: &mut Random, fact: usize, missing: bool) -> String {
        let fact = if missing { &self.missing[fact] } else { &self.facts[fact] };
        self.slots.say(random, fact.plan.question)
    }

    /// A question to be answered with yes or no, and whether it is yes.
    pub fn whether(&mut self, random: &mut Random, fact: usize) -> (String, bool) {
        let plan = self.facts[fact].plan;
        let yes = random.index(2) == 0;
        let mut slots = self.slots.clone();
        if !yes {
            slots.change(random, plan.key);
        }
        (slots.say(random, plan.whether), yes)
    }
}
