//! Work on a list or a word that is given.

use super::phrase::say;
use super::words::words;
use super::{Made, pick, some};
use hob_base::Random;

const LISTS: [&str; 9] = ["thing", "female", "male", "city", "animal", "fruit", "job", "hobby", "colour"];

/// Sorting, counting, choosing from a list, making one.
pub fn list(random: &mut Random) -> Made {
    let source = words(pick(random, &LISTS));
    let count = 3 + random.index(4);
    let items = some(random, &source, count);
    let last = items[items.len() - 1];
    let place = random.index(3);
    let sorted = {
        let mut sorted = items.clone();
        sorted.sort_unstable();
        sorted.join(", ")
    };
    let lines = |mark: fn(usize) -> String| {
        items.iter().enumerate().map(|(n, i)| mark(n) + i).collect::<Vec<_>>().join("\n")
    };
    let (asked, answer) = match random.index(9) {
        0 => (SORT, sorted),
        1 => (
            "{How many words are in this list? LIST|Count these words: LIST|How many are there? LIST|How long is this list: LIST?}",
            format!("There are {}.", items.len()),
        ),
        2 => (
            "{What is the first word in this list: LIST?|Which comes first? LIST|Give me the first of these: LIST}",
            items[0].to_owned(),
        ),
        3 => (
            "{What is the last word in this list: LIST?|Which comes last? LIST|Give me the last of these: LIST}",
            last.to_owned(),
        ),
        4 => (
            "{Make a bullet list: LIST|Turn this into a bullet list: LIST|Write these as bullet points: LIST}",
            lines(|_| "- ".into()),
        ),
        5 => (
            "{Number these: LIST|Make a numbered list: LIST|Write these as a numbered list: LIST}",
            lines(|n| format!("{}. ", n + 1)),
        ),
        6 => {
            let ask = [
                "{What is the first|Which is the first|Give me the first} {word|entry} of LIST?",
                "{What is the second|Which is the second|Give me the second} {word|entry} of LIST?",
                "{What is the third|Which is the third|Give me the third} {word|entry} of LIST?",
            ];
            (ask[place], items[place].to_owned())
        }
        7 => (
            "{Reverse this list: LIST|Write this list backwards: LIST|Put these in the opposite order: LIST}",
            items.iter().rev().copied().collect::<Vec<_>>().join(", "),
        ),
        _ => (
            "{Write this list as JSON: LIST|Make a JSON {list|array}: LIST|Turn these words into a JSON {list|array}: LIST}",
            super::spaced(&serde_json::json!(items)),
        ),
    };
    Made::answer(say(random, asked).replace("LIST", &items.join(", ")), answer)
}

const SORT: &str = "{Sort these words from A to Z: LIST|Sort: LIST|Put these in alphabetical order: LIST|Sort this list: LIST|\
    Please sort these by the alphabet: LIST}";

/// Making a list of a kind, and finding what does not belong.
pub fn kinds(random: &mut Random) -> Made {
    const KINDS: [(&str, &str); 8] = [
        ("animals", "animal"),
        ("fruits", "fruit"),
        ("colours", "colour"),
        ("jobs", "job"),
        ("hobbies", "hobby"),
        ("cities", "city"),
        ("countries", "country"),
        ("languages", "language"),
    ];
    let (kind, list) = KINDS[random.index(KINDS.len())];
    let count = 3 + random.index(3);
    let mut items = some(random, &words(list), count);
    if random.index(2) == 0 {
        let number = ["three", "four", "five"][count - 3];
        let asked = say(
            random,
            "{Name COUNT KIND.|List COUNT KIND.|Give me COUNT KIND.|Tell me COUNT KIND.|Can you name COUNT KIND?|Write down COUNT KIND.|COUNT KIND, please.}",
        );
        return Made::answer(asked.replace("COUNT", number).replace("KIND", kind), items.join(", "));
    }
    let other = loop {
        let (name, other) = KINDS[random.index(KINDS.len())];
        if name != kind {
            break pick(random, &words(other));
        }
    };
    let at = random.index(items.len() + 1);
    items.insert(at, other);
    let asked = say(
        random,
        "{Which word does not belong: LIST?|Which word does not fit? LIST|Find the odd one out: LIST|One of these is different. Which? LIST}",
    );
    let one = kind.strip_suffix("ies").map_or(kind.trim_end_matches('s').to_owned(), |k| format!("{k}y"));
    let answer = format!("{other} does not fit, because it is not {}.", super::phrase::article(&one));
    Made::answer(asked.replace("LIST", &items.join(", ")), super::phrase::capital(&answer))
}

/// Capitals, spelling, first letters, length, number words.
pub fn letters(random: &mut Random) -> Made {
    let list = pick(random, &["thing", "animal", "fruit", "food", "job"]);
    let word = loop {
        let word = pick(random, &words(list));
        if !word.contains(' ') {
            break word;
        }
    };
    let (asked, answer) = match random.index(6) {
        0 => (
            "{Write this in capital letters: WORD|WORD in capital letters, please.|Make this upper case: WORD|Upper case: WORD}",
            word.to_uppercase(),
        ),
        1 => (
            "{Spell the word WORD.|How do you spell WORD?|Spell WORD|Write the letters of WORD.}",
            word.chars().map(String::from).collect::<Vec<_>>().join("-"),
        ),
        2 => (
            "{Which letter does WORD begin with?|What is the first letter of WORD?|First letter of WORD?}",
            format!("{word} begins with {}.", &word[..1]),
        ),
        3 => (
            "{Which letter does WORD end with?|What is the last letter of WORD?|Last letter of WORD?}",
            format!("{word} ends with {}.", &word[word.len() - 1..]),
        ),
        4 => return number_word(random),
        _ => (
            "{How many letters does WORD have?|How many letters are in the word WORD?|Count the letters of WORD.}",
            format!("{word} has {} letters.", word.len()),
        ),
    };
    Made::answer(say(random, asked).replace("WORD", word), answer)
}

fn number_word(random: &mut Random) -> Made {
    const ONES: &str = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen \
        seventeen eighteen nineteen";
    const TENS: &str = "twenty thirty forty fifty sixty seventy eighty ninety";
    let number = random.index(100);
    let one = |n: usize| ONES.split_whitespace().nth(n).unwrap_or_default();
    let text = match number {
        0..20 => one(number).to_owned(),
        _ => {
            let ten = TENS.split(' ').nth(number / 10 - 2).unwrap_or_default();
            if number.is_multiple_of(10) { ten.to_owned() } else { format!("{ten}-{}", one(number % 10)) }
        }
    };
    if random.index(2) == 0 {
        let asked =
            say(random, "{Write N as a word.|How do you write N in words?|N in words?|Spell the number N.}");
        return Made::answer(asked.replace('N', &number.to_string()), text);
    }
    let asked = say(random, "{Write T as a number.|Which number is T?|T as digits?|Write T in digits.}");
    Made::answer(asked.replacen('T', &text, 1), number.to_string())
}
