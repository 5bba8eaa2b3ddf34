//! Tools with names and parameters that are put together from words, so that signatures are read and not remembered.

use super::phrase::{Slots, plural, say, word};
use super::tools::{Use, declare};
use hob_base::Random;
use serde_json::{Map, Value, json};

/// A verb in a request, in a name, in a description, in the past.
const VERBS: &[[&str; 4]] = &[
    ["find", "find", "Finds", "found"],
    ["order", "order", "Orders", "ordered"],
    ["book", "reserve", "Reserves", "booked"],
    ["move", "move", "Moves", "moved"],
    ["sell", "sell", "Sells", "sold"],
    ["rent", "rent", "Rents", "rented"],
    ["check", "check", "Checks", "checked"],
    ["repair", "repair", "Repairs", "repaired"],
    ["deliver", "deliver", "Delivers", "delivered"],
    ["pack", "pack", "Packs", "packed"],
    ["paint", "paint", "Paints", "painted"],
    ["count", "count", "Counts", "counted"],
    ["register", "add", "Registers", "registered"],
    ["remove", "delete", "Removes", "removed"],
    ["print", "print", "Prints", "printed"],
    ["copy", "copy", "Copies", "copied"],
    ["collect", "fetch", "Collects", "collected"],
    ["clean", "clean", "Cleans", "cleaned"],
];

/// A slot, what its parameter may be called, its type, how a request says it.
const PARTS: &[(&str, &str, &str, &str)] = &[
    ("city", "{city|town|location|place|where}", "string", "in <city>"),
    ("day", "{day|weekday|on_day|when|date}", "string", "on <day>"),
    ("full", "{customer|person|client|owner|full_name|user}", "string", "for <full>"),
    ("time", "{time|hour|start_time|at_time|clock}", "string", "at <time>"),
    (
        "price",
        "{price|max_price|limit|budget|euros}",
        "integer",
        "for {at most <price>|<price>|up to <price>} euros",
    ),
    ("room", "{room|room_number|number|target}", "integer", "{in|from} room <room>"),
    ("percent", "{discount|percent|rate|part}", "number", "with {a discount of|} <percent> percent"),
    ("material", "{material|made_of|type|kind}", "string", "made of <material>"),
    ("place", "{place|building|site|spot}", "string", "at the <place>"),
    ("language", "{language|lang|label_language}", "string", "with a label in <language>"),
];

/// What requests seldom mention.
const SPARE: &[(&str, &str)] = &[
    ("urgent", "boolean"),
    ("comment", "string"),
    ("page", "integer"),
    ("sort", "price|name"),
    ("copy_to", "string"),
];

/// A tool that does not exist, and a request for it.
pub fn invented(random: &mut Random) -> Use {
    let verb = VERBS[random.index(VERBS.len())];
    let list = if random.index(3) == 0 { "animal" } else { "thing" };
    let thing = word(random, list);
    let mut slots = Slots::default();
    slots.set("thing", thing);
    let colour = random.index(3) == 0;
    let object = slots.say(random, if colour { "the <colour> <thing>" } else { "the <thing>" });
    let (mut args, mut arguments) = (Vec::new(), Map::new());
    let mut give = |name: String, kind: &str, value: Value| {
        args.push((name.clone(), kind.to_owned(), true));
        arguments.insert(name, value);
    };
    if random.index(2) == 0 {
        give(say(random, "{item|name|what|object|product|thing}"), "string", json!(thing));
    }
    if colour {
        give(say(random, "{colour|color|shade|paint}"), "string", slots.value(random, "colour"));
    }
    let mut parts: Vec<_> = PARTS.to_vec();
    random.shuffle(&mut parts);
    parts.truncate(1 + random.index(3));
    let mut request = object;
    for (slot, name, kind, fragment) in parts {
        request += &format!(" {}", slots.say(random, fragment)).replace("  ", " ");
        let value = slots.value(random, slot);
        give(say(random, name), kind, value);
    }
    finish(random, verb, thing, request, args, arguments)
}

fn finish(
    random: &mut Random,
    verb: [&str; 4],
    thing: &str,
    object: String,
    mut args: Vec<(String, String, bool)>,
    arguments: Map<String, Value>,
) -> Use {
    // Two parts may draw the same name for their parameter; the later value stands.
    let mut seen = Vec::new();
    args.retain(|a| !seen.contains(&a.0) && (seen.push(a.0.clone()), true).1);
    random.shuffle(&mut args);
    if random.index(3) == 0 {
        let (name, kind) = SPARE[random.index(SPARE.len())];
        args.push((name.to_owned(), kind.to_owned(), false));
    }
    let noun = thing.replace(' ', "_");
    let name = match random.index(4) {
        0 => format!("{noun}_{}", verb[1]),
        1 => format!("{}{}", verb[1], super::phrase::capital(&noun)),
        2 => format!("{}.{}", plural(&noun), verb[1]),
        _ => format!("{}_{noun}", verb[1]),
    };
    let description = format!("{} {}", verb[2], plural(thing));
    let asked = say(
        random,
        "{Please VERB OBJECT.|^VERB OBJECT.|Can you VERB OBJECT?|I want to VERB OBJECT.|Could you VERB OBJECT, please?|\
         I would like to VERB OBJECT.}",
    );
    let request = asked
        .replace("^VERB", &super::phrase::capital(verb[0]))
        .replace("VERB", verb[0])
        .replace("OBJECT", &object);
    let (result, said) = (json!({"ok": true}), format!("I {} the {thing}.", verb[3]));
    Use {
        tool: declare(&name, &description, &args),
        request,
        arguments,
        result: super::spaced(&result),
        said,
        back: None,
    }
}
