//! Tools: choosing one of several, filling its arguments, using what it answers; asking back; calling none where none fits.
//!
//! `tools.txt` has what people ask of well-known tools; `invented.rs` makes others up.

use super::phrase::{Slots, say};
use super::{Made, assistant, invented, spaced, user};
use hob_base::Random;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

/// A tool, a request for it, its arguments, what it answers and what is then said.
pub struct Use {
    pub tool: Value,
    pub request: String,
    pub arguments: Map<String, Value>,
    pub result: String,
    pub said: String,
    /// A request that lacks a required argument, and the question back.
    pub back: Option<(String, String)>,
}

/// A block of `tools.txt`.
struct Plan {
    head: &'static str,
    /// Name, type, whether required.
    args: Vec<(&'static str, &'static str, bool)>,
    /// Arguments of a request, and the request.
    asks: Vec<(&'static str, &'static str)>,
    back: &'static str,
    result: &'static str,
    said: &'static str,
}

static PLANS: LazyLock<Vec<Plan>> =
    LazyLock::new(|| include_str!("tools.txt").split("\n= ").skip(1).map(plan).collect());

fn plan(block: &'static str) -> Plan {
    let head = block.lines().next().unwrap_or_default();
    let mut plan = Plan { head, args: Vec::new(), asks: Vec::new(), back: "", result: "", said: "" };
    for (word, rest) in block.lines().skip(1).filter_map(|line| line.split_once(' ')) {
        match word {
            "arg" | "arg?" => {
                let (name, kind) = rest.split_once(' ').expect("an argument has a type");
                plan.args.push((name, kind, word == "arg"));
            }
            "ask" => plan.asks.push(rest.split_once(" :: ").expect("a request has arguments")),
            "back" => plan.back = rest,
            "result" => plan.result = rest,
            _ => plan.said = rest,
        }
    }
    plan
}

/// The declaration of a tool in the form of OpenAI's interface.
pub fn declare(name: &str, description: &str, args: &[(String, String, bool)]) -> Value {
    let property = |kind: &str| match kind {
        "string" | "integer" | "number" | "boolean" => json!({"type": kind}),
        values => json!({"type": "string", "enum": values.split('|').collect::<Vec<_>>()}),
    };
    let properties: Map<String, Value> = args.iter().map(|a| (a.0.clone(), property(&a.1))).collect();
    let required: Vec<&String> = args.iter().filter(|a| a.2).map(|a| &a.0).collect();
    let parameters = json!({"type": "object", "properties": properties, "required": required});
    json!({"name": name, "description": description, "parameters": parameters})
}

/// Texts that requests carry, filled before anything else.
fn carried(random: &mut Random, slots: &mut Slots) {
    let note = say(
        random,
        "{Please bring the <thing>.|See you on <day>.|I will be <minutes> minutes late.|The <event> starts at <time>.|\
         The <dish> is ready.|Thank you for the <gift>!|We meet at the <place>.|Can you call <name>?|The door is <colour>.|\
         I am in <city> until <day>.|Do not forget the <food>.|Happy birthday, <name>!|The <pet> is hungry.}",
    );
    let task = say(
        random,
        "{clean the <place>|call <name>|buy <a thing>|repair the <thing>|paint the <thing> <colour>|write to <full>|\
         plan the <event>|feed the <pet>|order <food>|learn <subject>}",
    );
    let search = say(
        random,
        "{<city> <place>|<s animal> in <country>|<dish> recipe|<hobby> in <city>|<adjective> <s thing>|<full>}",
    );
    let file =
        say(random, "{<thing>|<animal>|<subject>|<fruit>}{.txt|.md|.csv|.pdf|_<room>.txt|_<year>.csv}");
    let (a, b) = (20 + random.index(900), 2 + random.index(19));
    let (sign, result) = [("+", a + b), ("-", a - b), ("*", a * b)][random.index(3)];
    slots.set("sum_result", result);
    let sum = format!("{a} {sign} {b}");
    for (name, text) in [("note", note), ("task", task), ("search", search), ("file", file), ("sum", sum)] {
        slots.set(name, text);
    }
}

fn build(random: &mut Random, plan: &Plan) -> Use {
    let mut slots = Slots::default();
    carried(random, &mut slots);
    for (name, kind, _) in plan.args.iter().filter(|a| a.1.contains('|')) {
        let values: Vec<&str> = kind.split('|').collect();
        slots.set(name, values[random.index(values.len())]);
    }
    let (given, ask) = plan.asks[random.index(plan.asks.len())];
    let request = slots.say(random, ask);
    let arguments = given.split(',').map(|arg| argument(random, &mut slots, arg)).collect();
    let args: Vec<_> = plan.args.iter().map(|a| (a.0.to_owned(), a.1.to_owned(), a.2)).collect();
    let (name, description) = plan.head.split_once(" :: ").expect("a tool has a description");
    // The braces of a JSON object would be read as a choice.
    let inside = plan.result.trim_start_matches('{').trim_end_matches('}');
    let result = format!("{{{}}}", slots.say(random, inside));
    let said = slots.say(random, plan.said);
    let back = plan.back.split_once(" :: ");
    let back = back.map(|(asked, back)| (slots.say(random, asked), slots.say(random, back)));
    Use { tool: declare(name, description, &args), request, arguments, result, said, back }
}

/// `city`, `from=@city` or `on=true`: the name and the value of an argument.
fn argument(random: &mut Random, slots: &mut Slots, arg: &str) -> (String, Value) {
    let (name, value) = arg.split_once('=').unwrap_or((arg, ""));
    let value = match value.strip_prefix('@') {
        Some(slot) => slots.value(random, slot),
        None if value.is_empty() => slots.value(random, name),
        None => serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
    };
    (name.to_owned(), value)
}

fn known_or_invented(random: &mut Random, place: usize) -> Use {
    match PLANS.get(place) {
        Some(plan) => build(random, plan),
        None => invented::invented(random),
    }
}

/// One to five different tools; the first of the uses is the one that is asked for.
fn choose(random: &mut Random) -> (Vec<Use>, Vec<Value>) {
    // A third of the places are invented tools.
    let mut order: Vec<usize> = (0..PLANS.len() * 3 / 2).collect();
    random.shuffle(&mut order);
    order.truncate(1 + random.index(5));
    let uses: Vec<Use> = order.into_iter().map(|i| known_or_invented(random, i)).collect();
    let mut tools: Vec<Value> = Vec::new();
    for used in &uses {
        if !tools.iter().any(|t| t["name"] == used.tool["name"]) {
            tools.push(used.tool.clone());
        }
    }
    random.shuffle(&mut tools);
    (uses, tools)
}

fn called(random: &mut Random, used: &Use, messages: &mut Vec<Value>) {
    let call = json!({"name": used.tool["name"], "arguments": used.arguments});
    messages.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
    let (result, said) = if random.index(10) == 0 {
        let error = say(random, "{not found|no connection|not allowed|busy|not available}");
        (spaced(&json!({"error": error})), format!("Sorry, that did not work: {error}."))
    } else {
        (used.result.clone(), used.said.clone())
    };
    messages.push(json!({"role": "tool", "content": result}));
    messages.push(assistant(said));
}

/// A request that a tool fits: the call, its result, the answer; now and then a second one.
pub fn call(random: &mut Random) -> Made {
    let (uses, tools) = choose(random);
    let mut messages = Vec::new();
    for used in uses.iter().take(1 + random.index(6) / 5) {
        // Another invented tool of the same name would have another signature.
        if tools.contains(&used.tool) {
            messages.push(user(used.request.clone()));
            called(random, used, &mut messages);
        }
    }
    Made { messages, tools }
}

/// A request that lacks an argument: Ember asks back.
pub fn ask_back(random: &mut Random) -> Made {
    loop {
        let (uses, tools) = choose(random);
        if let Some((request, back)) = &uses[0].back {
            return Made { messages: vec![user(request.clone()), assistant(back.clone())], tools };
        }
    }
}

/// Talk that needs no tool although there are some, and requests that none of them fits.
pub fn no_call(random: &mut Random) -> Made {
    let (uses, tools) = choose(random);
    if random.index(2) == 0 && tools.len() > 1 {
        let name = &uses[0].tool["name"];
        let others = tools.into_iter().filter(|t| t["name"] != *name).collect();
        let said = say(
            random,
            "{I have no tool for that.|None of my tools can do that.|Sorry, I have no tool for that.}",
        );
        return Made { messages: vec![user(uses[0].request.clone()), assistant(said)], tools: others };
    }
    let made = match random.index(4) {
        0 => super::numbers::arithmetic(random),
        1 => super::texts::list(random),
        2 => super::facts::question(random),
        _ => super::talk::small_talk(random),
    };
    Made { tools, ..made }
}

#[cfg(test)]
mod tests {
    use super::super::phrase::plain;
    use super::*;

    #[test]
    fn arguments_fit_the_signature_and_are_copied_from_the_request() {
        for i in 0..2000 {
            let mut random = Random::new(9, i);
            let place = random.index(PLANS.len() * 2);
            let used = known_or_invented(&mut random, place);
            serde_json::from_str::<Value>(&used.result).expect("a result is JSON");
            let parameters = &used.tool["parameters"];
            for name in parameters["required"].as_array().expect("a list") {
                assert!(used.arguments.contains_key(name.as_str().expect("a name")), "{}", used.request);
            }
            for (name, value) in &used.arguments {
                let declared = &parameters["properties"][name];
                let fits = match declared["type"].as_str() {
                    Some("string") => value.is_string(),
                    Some("boolean") => value.is_boolean(),
                    _ => value.is_number(),
                };
                assert!(fits, "{name}: {value} for {declared}");
                let listed = declared["enum"].as_array().is_none_or(|values| values.contains(value));
                assert!(
                    listed && (value.is_boolean() || used.request.contains(&plain(value))),
                    "{}: {value}",
                    used.request
                );
            }
        }
    }
}
