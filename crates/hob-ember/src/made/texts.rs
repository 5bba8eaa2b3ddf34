//! Work on a text that is given: lists, rewriting, letters.

use super::words::{CITIES, DAYS, HOBBIES, NAMES, THINGS};
use super::{Made, pick, some};
use hob_base::Random;

/// Sorting, counting, choosing from a list, making one.
pub fn list(random: &mut Random) -> Made {
    let source: &[&str] = [&THINGS[..], &NAMES[..], &CITIES[..]][random.index(3)];
    let count = 3 + random.index(4);
    let items = some(random, source, count);
    let joined = items.join(", ");
    match random.index(6) {
        0 => {
            let mut sorted = items.clone();
            sorted.sort_unstable();
            Made::answer(format!("Sort these words from A to Z: {joined}"), sorted.join(", "))
        }
        1 => Made::answer(
            format!("How many words are in this list? {joined}"),
            format!("There are {} words.", items.len()),
        ),
        2 => Made::answer(format!("What is the first word in this list: {joined}?"), items[0]),
        3 => Made::answer(format!("What is the last word in this list: {joined}?"), items[items.len() - 1]),
        4 => {
            let lines: Vec<String> = items.iter().map(|i| format!("- {i}")).collect();
            Made::answer(format!("Make a bullet list: {joined}"), lines.join("\n"))
        }
        _ => {
            let lines: Vec<String> =
                items.iter().enumerate().map(|(n, i)| format!("{}. {i}", n + 1)).collect();
            Made::answer(format!("Number these: {joined}"), lines.join("\n"))
        }
    }
}

/// A sentence made polite, past, or a question.
pub fn rewriting(random: &mut Random) -> Made {
    let (name, thing, day) = (pick(random, &NAMES), pick(random, &THINGS), pick(random, &DAYS));
    let (city, hobby) = (pick(random, &CITIES), pick(random, &HOBBIES));
    match random.index(4) {
        0 => Made::answer(
            format!("Make this more polite: Give me the {thing}."),
            format!("Could you please give me the {thing}?"),
        ),
        1 => Made::answer(
            format!("Put this sentence into the past: {name} buys a {thing} in {city}."),
            format!("{name} bought a {thing} in {city}."),
        ),
        2 => Made::answer(
            format!("Turn this into a question: {name} likes {hobby}."),
            format!("Does {name} like {hobby}?"),
        ),
        _ => Made::answer(
            format!("Write a short message to {name}: the meeting is on {day} in {city}."),
            format!("Hello {name},\nour meeting is on {day} in {city}.\nBest wishes"),
        ),
    }
}

/// Capitals, spelling, first letters.
pub fn letters(random: &mut Random) -> Made {
    let word = pick(random, &THINGS);
    match random.index(3) {
        0 => Made::answer(format!("Write this in capital letters: {word}"), word.to_uppercase()),
        1 => {
            let spelled: Vec<String> = word.chars().map(|c| c.to_string()).collect();
            Made::answer(format!("Spell the word {word}."), spelled.join("-"))
        }
        _ => {
            let first: String = word.chars().take(1).collect();
            Made::answer(
                format!("Which letter does {word} begin with?"),
                format!("{word} begins with {first}."),
            )
        }
    }
}
