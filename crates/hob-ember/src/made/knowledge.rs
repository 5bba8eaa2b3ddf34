//! The little that Ember knows: capitals, opposites, forms of words, animals, simple definitions. And that it knows no more.

use super::phrase::{Slots, article, capital, say};
use super::{Made, pick};
use hob_base::Random;
use std::collections::HashMap;
use std::sync::LazyLock;

type Pairs = Vec<(&'static str, &'static str)>;

/// The pairs of `knowledge.txt` by the name of their line.
static TABLES: LazyLock<HashMap<&str, Pairs>> = LazyLock::new(|| {
    let pairs = |line: &'static str| line.split(", ").filter_map(|pair| pair.split_once('=')).collect();
    let lines = include_str!("knowledge.txt").lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, line)| (name, pairs(line))).collect()
});

/// How a pair `<x>`, `<y>` is asked for and answered, both ways where that works.
const FORMS: &[(&str, &str, &str, usize)] = &[
    (
        "capital",
        "{What is the capital {city |}of <x>?|What is <x>'s capital?|Which city is the capital of <x>?|Name the capital of <x>.|\
         Do you know the capital of <x>?|capital of <x>?|Tell me the capital of <x>.}",
        "{The capital of <x> is <y>.|<y> is the capital of <x>.}",
        4,
    ),
    (
        "capital",
        "{<y> is the capital of which country?|Which country has the capital <y>?|Of which country is <y> the capital?}",
        "<y> is the capital of <x>.",
        2,
    ),
    (
        "opposite",
        "{What is the opposite of <x>?|Opposite of <x>?|What is the opposite of \"<x>\"?|Give me the opposite of <x>.|\
         Which word means the opposite of <x>?|Tell me the opposite of the word <x>.}",
        "The opposite of <x> is <y>.",
        3,
    ),
    (
        "past",
        "{What is the past tense of <x>?|What is the past of \"<x>\"?|Past tense of <x>?|Put the verb <x> into the past.|\
         How do you say <x> in the past?|Give me the past tense of {the verb |}<x>.}",
        "The past tense of <x> is <y>.",
        3,
    ),
    (
        "plural",
        "{What is the plural of <x>?|Plural of <x>?|How do you write more than one <x>?|One <x>, two ...?|\
         Give me the plural of {the word |}<x>.}",
        "The plural of <x> is <y>.",
        2,
    ),
    (
        "young",
        "{What is a young <x> called?|What do you call a baby <x>?|What is the young of <a x>?|How is a young <x> called?}",
        "A young <x> is called <a y>.",
        1,
    ),
    (
        "sound",
        "{What sound does <a x> make?|What does <a x> do?|Which sound do you hear from <a x>?}",
        "<^a x> <y>.",
        1,
    ),
    (
        "home",
        "{Where does <a x> live?|What is the home of <a x> called?|Where is the home of <a x>?}",
        "<^a x> lives in <a y>.",
        1,
    ),
    (
        "colour",
        "{What colour is <x>?|Which colour does <x> have?|What is the colour of <x>?}",
        "<^x> is <y>.",
        1,
    ),
    (
        "define",
        "{What is <a x>?|What does the word <x> mean?|What does \"<x>\" mean?|Explain the word <x>.|Define <x>.|\
         Can you explain what <a x> is?|Tell me what <a x> is.|Meaning of <x>?|Explain <x> in one sentence.|What do you understand by <a x>?}",
        "<^a x> is <y>.",
        6,
    ),
    ("ask", "<x>", "<y>", 4),
];

/// A question about what Ember knows.
pub fn fact(random: &mut Random) -> Made {
    let shares: usize = FORMS.iter().map(|f| f.3).sum();
    let mut place = random.index(shares + 3);
    for (table, question, answer, share) in FORMS {
        if place < *share {
            let pairs = &TABLES[table];
            let (x, y) = pairs[random.index(pairs.len())];
            let mut slots = Slots::default();
            slots.set("x", x);
            slots.set("y", y.replace(';', ","));
            let asked = slots.say(random, question);
            return Made::answer(asked, fix(x, slots.say(random, answer)));
        }
        place -= share;
    }
    kind(random)
}

/// Words that take no article.
fn fix(word: &str, answer: String) -> String {
    match word {
        "snow" | "weather" | "winter" => capital(answer.trim_start_matches("A ")),
        _ => answer,
    }
}

/// What kind of thing something is, with a choice or without.
fn kind(random: &mut Random) -> Made {
    let pairs = &TABLES["kind"];
    let (thing, kind) = pairs[random.index(pairs.len())];
    let other = loop {
        let other = pairs[random.index(pairs.len())].1;
        if other != kind && !(kind == "bird" && other == "animal") {
            break other;
        }
    };
    let proper =
        thing.starts_with(char::is_uppercase) || ["red", "blue", "gold", "iron", "silver"].contains(&thing);
    let game = ["chess", "football", "tennis"].contains(&thing);
    let named = if proper || game { thing.to_owned() } else { article(thing) };
    let (first, second) = if random.index(2) == 0 { (kind, other) } else { (other, kind) };
    let mut slots = Slots::default();
    for (slot, text) in
        [("x", named.as_str()), ("first", first), ("second", second), ("y", kind), ("z", other)]
    {
        slots.set(slot, text);
    }
    let answer = slots.say(random, "<^x> is <a y>.");
    match random.index(4) {
        0 => Made::answer(slots.say(random, "{Is <x> <a z>?|Would you call <x> <a z>?}"), format!("No. {answer}")),
        1 => Made::answer(slots.say(random, "{Is <x> <a y>?|Is it true that <x> is <a y>?}"), format!("Yes. {answer}")),
        _ => Made::answer(
            slots.say(random, "{Is <x> <a first> or <a second>?|What is <x>: <a first> or <a second>?|<^x>: <first> or <second>?}"),
            answer,
        ),
    }
}

const UNKNOWN: &[&str] = &[
    "{Who won the {football match|chess tournament|race|election} {yesterday|last <day>|in <year>|in <city>}?|How did <city> play on <day>?|\
     What was the score of the game on <day>?|Who is the best player of <city>?}",
    "{How much does <a thing> cost {in <city>|today|at the moment}?|What is the price of <a gift> in <city>?|How much is a flat in <city>?|\
     What is the price of {gold|oil|bread} today?|How much does <a job> earn in <city>?}",
    "{What is the weather {today|tomorrow|in <city>|on <day>}?|Will it rain {today|tomorrow|on <day>}?|How warm is it in <city> now?|What time is it?|\
     What is {today's date|the date today}?|What day is it today?}",
    "{Who is <full>?|When was <full> born?|What do you know about <full>?|Where does <full> live?|What is the phone number of <full>?}",
    "{I have a pain in my {leg|arm|back|head|chest}, what should I take?|Which {medicine|pills} should I take for my {cough|heart|stomach}?|\
     Is this mole dangerous?|How much of this medicine may I take?|Can I sue my <relation>?|Is my contract valid?|\
     Should I buy shares of {a bank|an oil company}?|Do I have to pay tax on <price> euros?}",
    "{What is in the news today?|What happened in <city> {yesterday|last week|in <year>}?|Who is the mayor of <city>?|\
     How many people live in <city>?|How far is it from <city> to <city2>?|When does the next train to <city> leave?|\
     Is the <place> in <city> open {today|on <day>}?|Which film won the prize in <year>?|Who wrote the song that I heard on <day>?}",
    "{What did I eat {yesterday|this morning}?|What is my name?|How old am I?|Where did I put my <thing>?|What is my <relation>'s name?|\
     When is my birthday?|What am I thinking of?}",
    "{Explain {quantum physics|the history of <country>|how a <vehicle> engine works} in detail.|Write a {novel|long report} about <country>.|\
     Translate this book into <language>.|What is the square root of <many>?|Who ruled <country> in <year>?|What is the meaning of life?}",
];

const UNSURE: &str = "{I do not know that. I am a very small model; a larger model may help.|I do not know that. A larger model may help.|\
    I am sorry, I do not know that. I am a very small model.|That is more than I know. I am a very small model; a larger model may help.|\
    I do not know. Please ask a larger model.}";

/// A question that Ember cannot answer and says so.
pub fn unknown(random: &mut Random) -> Made {
    let form = pick(random, UNKNOWN);
    let asked = say(random, form);
    let lead = say(random, "{||||Can you tell me: |I would like to know: |Tell me, }");
    let asked = if lead.starts_with("Tell") {
        asked.replacen(&asked[..1], &asked[..1].to_lowercase(), 1)
    } else {
        asked
    };
    let lead = if asked.starts_with('i') || asked.starts_with("I ") { String::new() } else { lead };
    Made::answer(capital(&format!("{lead}{asked}")), say(random, UNSURE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_its_table() {
        for (table, ..) in FORMS {
            assert!(TABLES[table].len() > 10, "{table}");
        }
        for (question, answer) in &TABLES["ask"] {
            assert!(question.ends_with('?') && answer.ends_with('.'), "{question} {answer}");
        }
        assert!(TABLES["capital"].len() >= 60 && TABLES["define"].len() >= 80);
    }
}
