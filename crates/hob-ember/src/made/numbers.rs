//! Small numbers, comparisons, days and months.

use super::words::{DAYS, MONTHS, NAMES, THINGS};
use super::{Made, pick};
use hob_base::Random;

/// A sum, a difference or a product, bare or in a sentence.
pub fn arithmetic(random: &mut Random) -> Made {
    let (a, b) = (1 + random.index(50), 1 + random.index(50));
    let (low, high) = (a.min(b), a.max(b));
    match random.index(5) {
        0 => Made::answer(format!("What is {a} + {b}?"), format!("{a} + {b} = {}", a + b)),
        1 => Made::answer(format!("What is {high} - {low}?"), format!("{high} - {low} = {}", high - low)),
        2 => {
            let (a, b) = (1 + a % 12, 1 + b % 12);
            Made::answer(format!("What is {a} times {b}?"), format!("{a} x {b} = {}", a * b))
        }
        3 => {
            let (name, thing) = (pick(random, &NAMES), pick(random, &THINGS));
            let (low, more) = (2 + low % 10, 2 + high % 10);
            Made::answer(
                format!(
                    "{name} has {low} {thing}s and buys {more} more. How many {thing}s does {name} have now?"
                ),
                format!("{low} + {more} = {}. {name} has {} {thing}s.", low + more, low + more),
            )
        }
        _ => {
            let (name, thing) = (pick(random, &NAMES), pick(random, &THINGS));
            let (all, gone) = (high + 2, 2 + low % (high + 1));
            let gone = gone.min(all - 1);
            Made::answer(
                format!("{name} had {all} {thing}s and gave away {gone}. How many are left?"),
                format!("{all} - {gone} = {}. {} {thing}s are left.", all - gone, all - gone),
            )
        }
    }
}

/// Which number is larger, or whether one is even.
pub fn comparison(random: &mut Random) -> Made {
    let (a, b) = (random.index(200), random.index(200));
    match random.index(3) {
        0 if a != b => {
            Made::answer(format!("Which is larger, {a} or {b}?"), format!("{} is larger.", a.max(b)))
        }
        1 if a != b => {
            Made::answer(format!("Which is smaller, {a} or {b}?"), format!("{} is smaller.", a.min(b)))
        }
        _ => {
            let kind = if a % 2 == 0 { "even" } else { "odd" };
            Made::answer(format!("Is {a} even or odd?"), format!("{a} is {kind}."))
        }
    }
}

/// What comes before or after a day or a month.
pub fn date(random: &mut Random) -> Made {
    let (kind, list): (&str, &[&str]) =
        if random.index(2) == 0 { ("day", &DAYS) } else { ("month", &MONTHS) };
    let at = random.index(list.len());
    let (after, before) = (list[(at + 1) % list.len()], list[(at + list.len() - 1) % list.len()]);
    let here = list[at];
    match random.index(2) {
        0 => {
            Made::answer(format!("Which {kind} comes after {here}?"), format!("{after} comes after {here}."))
        }
        _ => Made::answer(
            format!("Which {kind} comes before {here}?"),
            format!("{before} comes before {here}."),
        ),
    }
}
