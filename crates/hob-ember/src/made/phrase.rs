//! Text with choices and slots, from which every row draws its own wording.
//!
//! `{a|b}` is one of its parts, which may hold choices themselves. `<city>` is a word of the list `city`, the same wherever it
//! stands in one conversation, `<city2>` another one. `<^x>` begins with a capital, `<a x>` has its article, `<s x>` is the
//! plural. A person `<name>` brings `<full>`, `<he>`, `<his>` and `<him>`.

use super::words;
use hob_base::Random;
use serde_json::{Value, json};

/// What the slots of one conversation are filled with.
#[derive(Clone, Default)]
pub struct Slots(Vec<(String, Value)>);

impl Slots {
    /// Fills `name` with `value`, from now on.
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.into()));
    }

    /// The value of `name`, drawn now if it has none.
    pub fn value(&mut self, random: &mut Random, name: &str) -> Value {
        if let Some((_, value)) = self.0.iter().find(|(known, _)| known == name) {
            return value.clone();
        }
        let value = self.draw(random, name);
        self.set(name, value.clone());
        value
    }

    /// The value of `name` as text.
    pub fn text(&mut self, random: &mut Random, name: &str) -> String {
        plain(&self.value(random, name))
    }

    /// Fills `name` with something else than before.
    pub fn change(&mut self, random: &mut Random, name: &str) {
        let before = self.value(random, name);
        self.0.retain(|(known, _)| known != name);
        while self.value(random, name) == before {
            self.0.retain(|(known, _)| known != name);
        }
    }

    fn draw(&mut self, random: &mut Random, name: &str) -> Value {
        let list = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let digit = &name[list.len()..];
        match list {
            "name" | "he" | "his" | "him" | "full" => {
                self.person(random, digit);
                self.value(random, name)
            }
            "time" => {
                json!(format!("{}:{}", 7 + random.index(14), ["00", "15", "30", "45"][random.index(4)]))
            }
            "date" => json!(format!("{} {}", 1 + random.index(28), word(random, "month"))),
            _ => self.unlike(random, list),
        }
    }

    /// A word or number of `list` that no other slot has.
    fn unlike(&self, random: &mut Random, list: &str) -> Value {
        let range = words::list(list).split_once('-').and_then(|(from, to)| {
            let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
            Some((from, to - from + 1))
        });
        loop {
            let value = match range {
                Some((from, len)) => json!(from + random.index(len)),
                None => json!(word(random, list)),
            };
            if !self.0.iter().any(|(_, known)| confused(known, &value)) {
                return value;
            }
        }
    }

    fn person(&mut self, random: &mut Random, digit: &str) {
        let (list, forms) = match random.index(2) {
            0 => ("female", ["she", "her", "her"]),
            _ => ("male", ["he", "his", "him"]),
        };
        let name = self.unlike(random, list);
        let full = format!("{} {}", plain(&name), word(random, "surname"));
        self.set(&format!("name{digit}"), name);
        self.set(&format!("full{digit}"), full);
        for (slot, form) in ["he", "his", "him"].iter().zip(forms) {
            self.set(&format!("{slot}{digit}"), form);
        }
    }

    /// `text` with its choices made and its slots filled.
    pub fn say(&mut self, random: &mut Random, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '<']) {
            out += &rest[..at];
            let open = rest.as_bytes()[at];
            rest = &rest[at + 1..];
            if open == b'<' {
                let end = rest.find('>').expect("a slot of our own is closed");
                out += &self.slot(random, &rest[..end]);
                rest = &rest[end + 1..];
            } else {
                let (parts, len) = choices(rest);
                let chosen = parts[random.index(parts.len())];
                out += &self.say(random, chosen);
                rest = &rest[len..];
            }
        }
        out + rest
    }

    fn slot(&mut self, random: &mut Random, slot: &str) -> String {
        if let Some(name) = slot.strip_prefix('^') {
            return capital(&self.slot(random, name));
        }
        if let Some(name) = slot.strip_prefix("a ") {
            return article(&self.text(random, name));
        }
        if let Some(name) = slot.strip_prefix("s ") {
            return plural(&self.text(random, name));
        }
        self.text(random, slot)
    }
}

/// Whether one is found where the other is looked for: `salad` and `potato salad`.
fn confused(a: &Value, b: &Value) -> bool {
    match (a.as_str(), b.as_str()) {
        // Shorter ones are pronouns, which stand in many words.
        (Some(a), Some(b)) if a.len() > 3 && b.len() > 3 => a.contains(b) || b.contains(a),
        _ => a == b,
    }
}

/// The parts of the choice that begins `text`, and the bytes up to behind its closing brace.
fn choices(text: &str) -> (Vec<&str>, usize) {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'|' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            b'}' if depth == 0 => {
                parts.push(&text[start..at]);
                return (parts, at + 1);
            }
            b'}' => depth -= 1,
            _ => {}
        }
    }
    panic!("a choice of our own is closed: {text}");
}

/// One of the words of the list `name`.
pub fn word(random: &mut Random, name: &str) -> &'static str {
    let words = || words::list(name).split(',');
    let place = random.index(words().count());
    words().nth(place).unwrap_or_default().trim()
}

/// `text` with no slots known before.
pub fn say(random: &mut Random, text: &str) -> String {
    Slots::default().say(random, text)
}

/// A value as it stands in a sentence.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// With a capital at its beginning.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

/// With `a` or `an`.
pub fn article(text: &str) -> String {
    // Written with a vowel, spoken with a consonant.
    let consonant = ["uni", "use", "one", "euro"].iter().any(|p| text.starts_with(p));
    let vowel = text.to_lowercase().starts_with(['a', 'e', 'i', 'o', 'u']) || text.starts_with("hour");
    if vowel && !consonant { format!("an {text}") } else { format!("a {text}") }
}

const IRREGULAR: &str = "child=children, mouse=mice, foot=feet, tooth=teeth, man=men, woman=women, sheep=sheep, fish=fish, \
    goose=geese, knife=knives, wolf=wolves, leaf=leaves, loaf=loaves, shelf=shelves, deer=deer, moose=moose, potato=potatoes, \
    tomato=tomatoes, person=people, ox=oxen, half=halves, scarf=scarves, thief=thieves, wife=wives, calf=calves, lynx=lynxes";

/// More than one of `word`.
pub fn plural(word: &str) -> String {
    let (before, last) = word.rsplit_once(' ').map_or(("", word), |(b, l)| (&word[..=b.len()], l));
    let irregular = IRREGULAR.split(", ").filter_map(|pair| pair.split_once('=')).find(|p| p.0 == last);
    let many = match irregular {
        Some((_, many)) => many.to_owned(),
        None if last.ends_with(['s', 'x']) || last.ends_with("ch") || last.ends_with("sh") => {
            format!("{last}es")
        }
        None if last.ends_with('y') && !["ay", "ey", "oy"].iter().any(|e| last.ends_with(e)) => {
            format!("{}ies", &last[..last.len() - 1])
        }
        None => format!("{last}s"),
    };
    format!("{before}{many}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_stay_what_they_are_and_choices_are_made() {
        let mut random = Random::new(1, 1);
        let mut slots = Slots::default();
        slots.set("x", "hour");
        assert_eq!(slots.say(&mut random, "{<a x>|<a x>} {{a|a}b|ab}"), "an hour ab");
        let said = slots.say(&mut random, "<city> <city2> <city>");
        let parts: Vec<&str> = said.split(' ').collect();
        assert_eq!(parts[0], parts[2]);
        assert_ne!(parts[0], parts[1]);
    }

    #[test]
    fn plurals_and_articles_are_english() {
        let many = ["box", "cherry", "key", "scarf", "fish", "watch", "toy shop"].map(plural);
        assert_eq!(many, ["boxes", "cherries", "keys", "scarves", "fish", "watches", "toy shops"]);
        assert_eq!(
            ["apple", "university", "owl", "drum"].map(article).join(", "),
            "an apple, a university, an owl, a drum"
        );
    }
}
