//! Small numbers, comparisons, counting.

use super::Made;
use super::phrase::{Slots, say};
use hob_base::Random;

/// A sum, a difference, a product or a quotient, bare or in a sentence.
pub fn arithmetic(random: &mut Random) -> Made {
    if random.index(3) == 0 {
        return told(random);
    }
    let (a, b) = (1 + random.index(60), 1 + random.index(40));
    let (low, high) = (a.min(b), a.max(b));
    let (x, sign, y, result, words) = match random.index(5) {
        0 | 1 => (a, "+", b, a + b, "plus"),
        2 => (high, "-", low, high - low, "minus"),
        3 => (1 + a % 12, "x", 1 + b % 12, (1 + a % 12) * (1 + b % 12), "times"),
        _ => ((1 + a % 12) * (1 + b % 12), "/", 1 + b % 12, 1 + a % 12, "divided by"),
    };
    let times = if sign == "x" { "*" } else { sign };
    let form = say(
        random,
        "{What is X|How much is X|What is X|Calculate X|Work out X|X =|Please calculate X|Can you work out X|Tell me what X is|X}{?|}",
    );
    let bare = say(
        random,
        &format!("{{{x} {sign} {y}|{x} {sign} {y}|{x} {words} {y}|{x} {times} {y}|{x}{times}{y}}}"),
    );
    let form = if form.starts_with(['W', 'H', 'X']) { form } else { form.replace('?', ".") };
    Made::answer(form.replace('X', &bare).replace("=?", "= ?"), format!("{x} {sign} {y} = {result}"))
}

/// A sum in a little story.
fn told(random: &mut Random) -> Made {
    let mut slots = Slots::default();
    let (low, more) = (2 + random.index(18), 2 + random.index(12));
    let all = low + more;
    for (slot, number) in [("low", low), ("more", more), ("all", all), ("product", low * more)] {
        slots.set(slot, number);
    }
    let (asked, answer) = *pick_pair(random);
    Made::answer(slots.say(random, asked), slots.say(random, answer))
}

const TOLD: &[(&str, &str)] = &[
    (
        "<name> has <low> <s thing> and {buys|gets|finds} <more> more. How many <s thing> does <name> have{ now|}?",
        "<low> + <more> = <all>. <name> has <all> <s thing>.",
    ),
    (
        "<name> had <all> <s thing> and {gave away|lost|sold} <more>. How many {are left|does <he> have now}?",
        "<all> - <more> = <low>. There are <low> <s thing> left.",
    ),
    (
        "There are <low> <s animal> and <more> <s animal2> {on the farm|at the <place>}. How many animals are there?",
        "<low> + <more> = <all>. There are <all> animals.",
    ),
    (
        "One <thing> costs <low> euros. How much do <more> <s thing> cost?",
        "<low> x <more> = <product>. They cost <product> euros.",
    ),
    (
        "There are <more> boxes with <low> <s thing> each. How many <s thing> is that?",
        "<more> x <low> = <product>. That is <product> <s thing>.",
    ),
    (
        "<name> is <low> years old. How old will <he> be in <more> years?",
        "<low> + <more> = <all>. <name> will be <all> years old.",
    ),
    (
        "<name> has <low> euros and <name2> has <more> euros. How much do they have together?",
        "<low> + <more> = <all>. Together they have <all> euros.",
    ),
    (
        "{<name> shares <product> <s thing> among <more> people.|<product> <s thing> are shared by <more> people.} How many does each get?",
        "<product> / <more> = <low>. Each gets <low> <s thing>.",
    ),
];

fn pick_pair(random: &mut Random) -> &'static (&'static str, &'static str) {
    &TOLD[random.index(TOLD.len())]
}

/// Which number is larger, whether one is even, numbers in order, their largest and their sum.
pub fn comparison(random: &mut Random) -> Made {
    let count = 3 + random.index(4);
    let mut list: Vec<usize> = (0..count).map(|_| random.index(100)).collect();
    let shown = list.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let (a, b) = (list[0], list[1] + 100 * (list[0] == list[1]) as usize);
    list.sort_unstable();
    let sorted = list.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let ask = |random: &mut Random, text: &str| say(random, text).replace("LIST", &shown);
    match random.index(7) {
        0 => Made::answer(
            say(
                random,
                &format!(
                    "{{Which is {{larger|bigger}}, {a} or {b}?|Which number is larger: {a} or {b}?|{a} or {b}: which is more?}}"
                ),
            ),
            format!("{} is larger than {}.", a.max(b), a.min(b)),
        ),
        1 => Made::answer(
            say(
                random,
                &format!(
                    "{{Which is smaller, {a} or {b}?|Which number is smaller: {a} or {b}?|{a} or {b}: which is less?}}"
                ),
            ),
            format!("{} is smaller than {}.", a.min(b), a.max(b)),
        ),
        2 => {
            let kind = if a % 2 == 0 { "even" } else { "odd" };
            Made::answer(
                say(random, &format!("{{Is {a} even or odd?|Is the number {a} even or odd?}}")),
                format!("{a} is {kind}."),
            )
        }
        3 => Made::answer(
            ask(
                random,
                "{What is the largest number: LIST?|Which of these numbers is the largest? LIST|Find the maximum of LIST.}",
            ),
            format!("The largest number is {}.", list[list.len() - 1]),
        ),
        4 => Made::answer(
            ask(
                random,
                "{What is the smallest number: LIST?|Which of these numbers is the smallest? LIST|Find the minimum of LIST.}",
            ),
            format!("The smallest number is {}.", list[0]),
        ),
        5 => Made::answer(
            ask(
                random,
                "{Sort these numbers: LIST|Put these numbers in order: LIST|Sort from small to large: LIST}",
            ),
            sorted,
        ),
        _ => Made::answer(
            say(
                random,
                &format!("{{Count from {a} to {}.|Write the numbers from {a} to {}.}}", a + count, a + count),
            ),
            (a..=a + count).map(|n| n.to_string()).collect::<Vec<_>>().join(", "),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_right() {
        for i in 0..1000 {
            let made = arithmetic(&mut Random::new(11, i));
            let said = made.messages[1]["content"].as_str().expect("text");
            let (sum, rest) = said.split_once(" = ").expect("a sum");
            let parts: Vec<&str> = sum.split(' ').collect();
            let (a, b): (usize, usize) =
                (parts[0].parse().expect("a number"), parts[2].parse().expect("a number"));
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            let right = match parts[1] {
                "+" => a + b,
                "-" => a - b,
                "x" => a * b,
                _ => a / b,
            };
            assert_eq!(digits.parse(), Ok(right), "{said}");
        }
    }
}
