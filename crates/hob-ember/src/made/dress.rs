//! What people put around their requests.

use super::Tone::{self, Closed, Loose};
use super::{Made, assistant, draw, phrase, talk, user};
use hob_base::Random;
use serde_json::{Value, json};

/// Adds what surrounds requests: a system message, a greeting, thanks, another request, careless writing.
pub fn dress(random: &mut Random, mut made: Made, tone: Tone) -> Made {
    if tone == Loose && random.index(5) == 0 {
        careless(random, &mut made.messages[0]);
    }
    if random.index(16) == 0 {
        let hello =
            [user(phrase::say(random, talk::GREETINGS)), assistant(phrase::say(random, talk::WELCOME))];
        made.messages.splice(0..0, hello);
    }
    if tone != Closed && random.index(10) == 0 {
        let (more, tone) = draw(random);
        if tone == Loose {
            made.messages.extend(more.messages);
        }
    }
    if random.index(20) == 0 {
        made.messages.push(user(phrase::say(random, talk::THANKS)));
        made.messages.push(assistant(phrase::say(random, talk::PLEASURE)));
    }
    if random.index(7) == 0 {
        let system = json!({"role": "system", "content": phrase::say(random, talk::SYSTEMS)});
        made.messages.insert(0, system);
    }
    made
}

/// Small letters, no full stop, two letters swapped, or a word of courtesy around it.
fn careless(random: &mut Random, message: &mut Value) {
    let text = message["content"].as_str().unwrap_or_default().to_owned();
    let text = match random.index(5) {
        0 => text.to_lowercase(),
        1 => text.trim_end_matches(['.', '?', '!']).to_owned(),
        2 => text.to_lowercase().trim_end_matches(['.', '?', '!']).to_owned(),
        3 => {
            phrase::say(random, "{Hi! |Hello, |Please: |One question: |Hey, |Sorry, one more thing: }")
                + &text
        }
        _ => {
            let mut bytes: Vec<char> = text.chars().collect();
            let at = random.index(bytes.len().max(2) - 1);
            if bytes.len() > 6 && bytes[at].is_ascii_lowercase() && bytes[at + 1].is_ascii_lowercase() {
                bytes.swap(at, at + 1);
            }
            bytes.into_iter().collect()
        }
    };
    *message = user(text);
}
