//! Fields of a passage as JSON: named in words or by a schema, numbers as numbers, what is not said as null.

use super::passages::{Passage, passage};
use super::phrase::{Slots, plain, say};
use super::{Made, spaced};
use hob_base::Random;
use serde_json::{Map, Value, json};

const ASKED: &str = "{Give KEYS as JSON.\n\nTEXT|TEXT\n\nExtract these fields as {a JSON object|JSON}: KEYS.|\
    Extract JSON with the {keys|fields} KEYS from this text: TEXT|Read the text and return JSON with KEYS.\n\nTEXT|\
    TEXT\n\nFill in a JSON object with the fields KEYS.|Return a JSON object with KEYS.\n\nText: TEXT|\
    {Find|Take|Get} KEYS from the text and answer in JSON only.\n\nTEXT|Text: TEXT\n\nFields: KEYS\n\nJSON:|\
    Convert this text to JSON. Use the keys KEYS.\n\nTEXT|I need KEYS from this text as JSON: TEXT}";

const BY_SCHEMA: &str = "{Fill in this JSON schema from the text.\n\nSchema: SCHEMA\n\nText: TEXT|TEXT\n\nAnswer with JSON that \
    fits this schema: SCHEMA|Extract the data as JSON.\nSchema: SCHEMA\n\nTEXT|Schema:\nSCHEMA\n\nText:\nTEXT\n\n\
    Reply with JSON only.|Return JSON for this schema: SCHEMA\n\nTEXT}";

/// Some of the facts of a passage, now and then one that it does not say.
pub fn extraction(random: &mut Random) -> Made {
    let passage = passage(random);
    let fields = fields(random, &passage);
    let keys = fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let asked = if random.index(3) == 0 {
        let schema = spaced(&schema(&passage, &fields));
        say(random, BY_SCHEMA).replace("SCHEMA", &schema)
    } else {
        say(random, ASKED).replace("KEYS", &keys)
    };
    Made::answer(asked.replace("TEXT", &passage.text), spaced(&Value::Object(fields)))
}

fn fields(random: &mut Random, passage: &Passage) -> Map<String, Value> {
    let mut entries: Vec<(&str, Value)> = passage.facts.iter().map(|f| (f.key, f.value.clone())).collect();
    random.shuffle(&mut entries);
    entries.truncate(1 + random.index(5));
    if random.index(4) == 0 && !passage.missing.is_empty() {
        let missing = &passage.missing[random.index(passage.missing.len())];
        entries.insert(random.index(entries.len() + 1), (missing.key, Value::Null));
    }
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn schema(passage: &Passage, fields: &Map<String, Value>) -> Value {
    let all = || passage.facts.iter().chain(&passage.missing);
    let kind = |key: &str| {
        let number = all().any(|f| f.key == key && f.value.is_number());
        json!({"type": if number { "integer" } else { "string" }})
    };
    let properties: Map<String, Value> = fields.keys().map(|key| (key.clone(), kind(key))).collect();
    json!({"type": "object", "properties": properties})
}

/// Kinds of lists: the sentence of one entry and its fields, by the name of their slot.
const LISTS: &[(&str, &[(&str, &str)])] = &[
    ("{<name> is <age> years old.|<name> is <age>.}", &[("name", "name"), ("age", "age")]),
    ("{<name> lives in <city>.|<name> is from <city>.}", &[("name", "name"), ("city", "city")]),
    (
        "{The <thing> costs <price> euros.|One <thing> is <price> euros.}",
        &[("product", "thing"), ("price", "price")],
    ),
    ("<name> paid <price> euros for <a gift>.", &[("name", "name"), ("price", "price"), ("item", "gift")]),
    (
        "{On <day> we visit the <place>.|The visit to the <place> is on <day>.}",
        &[("day", "day"), ("place", "place")],
    ),
    ("{<name> is <a job> in <city>.}", &[("name", "name"), ("job", "job"), ("city", "city")]),
    ("{The <event> is on <day>.|On <day> there is the <event>.}", &[("event", "event"), ("day", "day")]),
    ("{Room <room> belongs to <name>.|<name> works in room <room>.}", &[("room", "room"), ("name", "name")]),
];

/// Several entries as a list of objects.
pub fn objects(random: &mut Random) -> Made {
    let (sentence, fields) = LISTS[random.index(LISTS.len())];
    let (mut text, mut entries) = (Vec::new(), Vec::new());
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..2 + random.index(3) {
        let mut slots = Slots::default();
        let said = slots.say(random, sentence);
        let values: Vec<Value> = fields.iter().map(|(_, slot)| slots.value(random, slot)).collect();
        if seen.contains(&plain(&values[0])) {
            continue;
        }
        seen.push(plain(&values[0]));
        let entry: Map<String, Value> = fields.iter().map(|f| f.0.to_owned()).zip(values).collect();
        text.push(said);
        entries.push(Value::Object(entry));
    }
    let keys = fields.iter().map(|f| f.0).collect::<Vec<_>>().join(" and ");
    let asked = say(
        random,
        "{TEXT\n\n{Make|Return|Give me} a JSON list of objects with KEYS.|{List|Write} KEYS as a JSON {array|list}.\n\nTEXT|\
         Extract all entries as a JSON {array|list} with KEYS: TEXT|Turn this into a JSON list with the keys KEYS.\n\nTEXT}",
    );
    Made::answer(
        asked.replace("KEYS", &keys).replace("TEXT", &text.join(" ")),
        spaced(&Value::Array(entries)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(made: &Made) -> Value {
        let text = made.messages[1]["content"].as_str().expect("text");
        let value: Value = serde_json::from_str(text).expect("valid JSON");
        assert_eq!(spaced(&value), text);
        value
    }

    #[test]
    fn fields_are_copied_from_the_text_or_null() {
        for i in 0..1000 {
            let made = extraction(&mut Random::new(5, i));
            let asked = made.messages[0]["content"].as_str().expect("text");
            for (key, value) in answer(&made).as_object().expect("an object") {
                assert!(asked.contains(key.as_str()), "{key}: {asked}");
                assert!(value.is_null() || asked.contains(&plain(value)), "{value}: {asked}");
            }
        }
    }

    #[test]
    fn lists_have_an_object_for_each_sentence() {
        for i in 0..300 {
            let made = objects(&mut Random::new(6, i));
            let asked = made.messages[0]["content"].as_str().expect("text");
            for entry in answer(&made).as_array().expect("a list") {
                for value in entry.as_object().expect("an object").values() {
                    assert!(asked.contains(&plain(value)), "{asked}");
                }
            }
        }
    }
}
