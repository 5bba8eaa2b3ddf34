//! Tools: choosing one of several, filling its arguments, using what it answers, and calling none where none fits.

use super::words::{CITIES, DAYS, NAMES, THINGS};
use super::{Made, assistant, pick, user};
use hob_base::Random;
use serde_json::{Value, json};

/// A tool, a request for it, its arguments, what it answers and what is then said.
struct Use {
    tool: Value,
    request: String,
    arguments: Value,
    result: Value,
    said: String,
}

fn tool(name: &str, description: &str, properties: Value, required: &[&str]) -> Value {
    let parameters = json!({"type": "object", "properties": properties, "required": required});
    json!({"name": name, "description": description, "parameters": parameters})
}

fn weather(random: &mut Random) -> Use {
    let (city, degrees) = (pick(random, &CITIES), 1 + random.index(30));
    let sky = pick(random, &["sunny", "cloudy", "rainy", "windy"]);
    Use {
        tool: tool("get_weather", "The weather in a city", json!({"city": {"type": "string"}}), &["city"]),
        request: pick(
            random,
            &["What is the weather in {}?", "How warm is it in {}?", "Will I need a coat in {}?"],
        )
        .replace("{}", city),
        arguments: json!({"city": city}),
        result: json!({"city": city, "sky": sky, "degrees": degrees}),
        said: format!("In {city} it is {sky} with {degrees} degrees."),
    }
}

fn timer(random: &mut Random) -> Use {
    let minutes = 1 + random.index(59);
    Use {
        tool: tool("set_timer", "Sets a timer", json!({"minutes": {"type": "integer"}}), &["minutes"]),
        request: pick(
            random,
            &["Set a timer for {} minutes.", "Wake me in {} minutes.", "Remind me in {} minutes."],
        )
        .replace("{}", &minutes.to_string()),
        arguments: json!({"minutes": minutes}),
        result: json!({"ok": true}),
        said: format!("The timer is set to {minutes} minutes."),
    }
}

fn message(random: &mut Random) -> Use {
    let (name, thing, day) = (pick(random, &NAMES), pick(random, &THINGS), pick(random, &DAYS));
    let text = match random.index(2) {
        0 => format!("Please bring the {thing}."),
        _ => format!("See you on {day}."),
    };
    let properties = json!({"to": {"type": "string"}, "text": {"type": "string"}});
    Use {
        tool: tool("send_message", "Sends a message to a person", properties, &["to", "text"]),
        request: format!("Send {name} this message: {text}"),
        arguments: json!({"to": name, "text": text}),
        result: json!({"ok": true}),
        said: format!("I sent the message to {name}."),
    }
}

fn shopping(random: &mut Random) -> Use {
    let (thing, count) = (pick(random, &THINGS), 1 + random.index(9));
    let properties = json!({"item": {"type": "string"}, "count": {"type": "integer"}});
    Use {
        tool: tool("add_to_list", "Adds an item to the shopping list", properties, &["item"]),
        request: pick(
            random,
            &["Put {} on my shopping list.", "I need {}, add it to the list.", "Add {} to the list."],
        )
        .replace("{}", &format!("{count} {thing}s")),
        arguments: json!({"item": thing, "count": count}),
        result: json!({"ok": true, "items": 3 + count}),
        said: format!("I added {count} {thing}s to your list."),
    }
}

fn event(random: &mut Random) -> Use {
    let (name, day, hour) = (pick(random, &NAMES), pick(random, &DAYS), 8 + random.index(11));
    let properties =
        json!({"title": {"type": "string"}, "day": {"type": "string"}, "hour": {"type": "integer"}});
    Use {
        tool: tool("add_event", "Adds an event to the calendar", properties, &["title", "day", "hour"]),
        request: format!("Add a meeting with {name} on {day} at {hour} o'clock."),
        arguments: json!({"title": format!("Meeting with {name}"), "day": day, "hour": hour}),
        result: json!({"ok": true}),
        said: format!("The meeting with {name} is in your calendar on {day} at {hour} o'clock."),
    }
}

const USES: [fn(&mut Random) -> Use; 5] = [weather, timer, message, shopping, event];

/// One to four different tools; the first of the order is the one that is used.
fn choose(random: &mut Random) -> (Use, Vec<Value>) {
    let mut order: Vec<usize> = (0..USES.len()).collect();
    random.shuffle(&mut order);
    order.truncate(1 + random.index(4));
    let used = USES[order[0]](random);
    let mut tools: Vec<Value> = order[1..].iter().map(|i| USES[*i](random).tool).collect();
    tools.insert(random.index(tools.len() + 1), used.tool.clone());
    (used, tools)
}

/// A request that a tool fits: the call, its result, the answer.
pub fn call(random: &mut Random) -> Made {
    let (used, tools) = choose(random);
    let call = json!({"name": used.tool["name"], "arguments": used.arguments});
    let messages = vec![
        user(used.request),
        json!({"role": "assistant", "content": null, "tool_calls": [call]}),
        json!({"role": "tool", "content": used.result.to_string()}),
        assistant(used.said),
    ];
    Made { messages, tools }
}

/// Talk that needs no tool although there are some.
pub fn no_call(random: &mut Random) -> Made {
    let (_, tools) = choose(random);
    Made { tools, ..super::talk::small_talk(random) }
}
