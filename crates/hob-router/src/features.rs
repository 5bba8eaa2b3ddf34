//! What a prompt looks like, in microseconds: lengths, numbers, words of reasoning, choices. No model is asked.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Names of the features, in their order.
pub const NAMES: [&str; COUNT] = [
    "characters",
    "words",
    "words before the choices",
    "characters of a choice",
    "has choices",
    "share of digits",
    "numbers",
    "numbers before the choices",
    "words for quantities",
    "largest number",
    "decimal numbers",
    "mathematical signs",
    "percent signs",
    "dollar signs",
    "sentences",
    "commas",
    "letters of a word",
    "share of long words",
    "share of rare words",
    "rare words",
    "negations",
    "words that relate quantities",
    "words of condition",
    "words of a formal subject",
    "asks a question",
    "has a blank to fill",
    "share of capitals",
    "choices are numbers",
    "share of different words",
    "share of single letters",
    "says how",
    "says which",
    "speaks of statements",
    "quotation marks",
    "words of a sentence",
    "words of code",
    "judgements of a choice",
    "statements to judge",
];

/// How many there are.
pub const COUNT: usize = 38;

/// Characters of a prompt that are looked at: bounds the time of a decision, and what follows changes little.
const CHARACTERS_MAX: usize = 16_384;

/// Lists of words, a line each: its name, a tab, its words.
const LISTS: &str = include_str!("words.txt");

/// Words with a bit for each list.
static KNOWN: LazyLock<HashMap<&'static str, u8>> = LazyLock::new(|| {
    let mut known: HashMap<&str, u8> = HashMap::new();
    for (i, line) in LISTS.lines().enumerate() {
        let words = line.split_once('\t').map_or("", |(_, words)| words);
        words.split(' ').for_each(|word| *known.entry(word).or_default() |= 1 << i);
    }
    known
});

const QUANTITY: u8 = 1;
const RELATION: u8 = 1 << 1;
const NEGATION: u8 = 1 << 2;
const CONDITION: u8 = 1 << 3;
const SUBJECT: u8 = 1 << 4;
const CODE: u8 = 1 << 5;

/// Signs that stand in formulas.
const SIGNS: &str = "+*/=^<>≤≥√∫∑$%()[]{}|∀∃→∨∧¬~⊃•≡";

/// Words of a choice that is a judgement.
const JUDGEMENT_WORDS: usize = 3;

/// What is judged, where it has a number.
const NAMED: [&str; 5] = ["statement", "scenario", "claim", "assertion", "case"];

/// Letters that a word has to have to be long.
const LONG: usize = 9;

/// The features of a prompt, in the order of [`NAMES`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Features(pub [f32; COUNT]);

impl Features {
    /// What `prompt` looks like.
    pub fn of(prompt: &str) -> Self {
        let text = head(prompt);
        let (stem, choices) = choices(text);
        let (all, before) = (Words::of(text), Words::of(stem));
        let (numbers, numbers_before) = (Numbers::of(text), Numbers::of(stem));
        let characters = text.chars().count().max(1);
        let count = |what: &dyn Fn(char) -> bool| text.chars().filter(|c| what(*c)).count();
        let within = |what: &dyn Fn(char) -> bool| stem.chars().filter(|c| what(*c)).count();
        let part = |n: usize, of: usize| n as f32 / of.max(1) as f32;
        let flag = |is: bool| f32::from(u8::from(is));
        let with_digits = choices.iter().filter(|c| c.contains(|c: char| c.is_numeric())).count();
        let sentences = sentences(stem);
        Self([
            log(characters),
            log(all.count),
            log(before.count),
            part(choices.iter().map(|c| c.chars().count()).sum(), choices.len()).ln_1p(),
            flag(!choices.is_empty()),
            part(count(&|c| c.is_numeric()), characters),
            log(numbers.count),
            log(numbers_before.count),
            log(all.listed(QUANTITY)),
            numbers.largest.ln_1p() as f32 / 10.0,
            log(numbers.decimals),
            log(count(&|c| SIGNS.contains(c))),
            log(count(&|c| c == '%')),
            log(count(&|c| c == '$')),
            log(sentences),
            log(within(&|c| c == ',')),
            part(all.letters, all.count) / 10.0,
            part(all.long, all.count),
            part(all.rare, all.count),
            log(all.rare),
            log(all.listed(NEGATION)),
            log(all.listed(RELATION)),
            log(all.listed(CONDITION)),
            log(all.listed(SUBJECT)),
            flag(stem.contains('?')),
            flag(text.contains("__")),
            part(within(&char::is_uppercase), stem.chars().count()),
            flag(!choices.is_empty() && with_digits + 1 >= choices.len().max(2)),
            part(all.different, all.count),
            part(before.single, before.count),
            flag(before.has_how),
            flag(before.has_which),
            flag(all.has_statement),
            log(count(&|c| matches!(c, '"' | '“' | '”'))),
            part(before.count, sentences.max(1)).ln_1p(),
            log(all.listed(CODE)),
            judgements(&choices) as f32,
            statements(stem) as f32,
        ])
    }
}

fn log(n: usize) -> f32 {
    (n as f32).ln_1p()
}

/// As much of the prompt as is looked at.
fn head(prompt: &str) -> &str {
    prompt.char_indices().nth(CHARACTERS_MAX).map_or(prompt, |(end, _)| &prompt[..end])
}

/// What stands before the choices, and the choices: lines such as `A. Paris` or `B) Rome`.
fn choices(text: &str) -> (&str, Vec<&str>) {
    let mut found = Vec::new();
    let (mut at, mut stem) = (0, text.len());
    for line in text.split_inclusive('\n') {
        // In their order: "I." before the first choice is a Roman number.
        let is_next = |letter: u8| letter <= b'J' && usize::from(letter - b'A') == found.len();
        let is_choice =
            matches!(line.as_bytes(), [letter @ b'A'..=b'J', b'.' | b')', b' ', ..] if is_next(*letter));
        if is_choice {
            if found.is_empty() {
                stem = at;
            }
            found.push(line[3..].trim_end());
        }
        at += line.len();
    }
    (&text[..stem], found)
}

/// How many judgements each choice makes beyond the first: two in "Wrong, Not wrong". Every choice has so many short parts.
fn judgements(choices: &[&str]) -> usize {
    let is_short = |part: &str| (1..=JUDGEMENT_WORDS).contains(&part.split_whitespace().count());
    let parts = |choice: &&str| match choice.split(',').all(is_short) {
        true => choice.split(',').count(),
        false => 1,
    };
    choices.iter().map(parts).min().map_or(0, |parts| parts - 1)
}

/// Statements, scenarios and the like that are numbered, and paragraphs with Roman numbers: each is to be judged.
fn statements(stem: &str) -> usize {
    let pieces: Vec<&str> = stem.split_whitespace().collect();
    let is_roman = |text: &str| !text.is_empty() && text.chars().all(|c| matches!(c, 'I' | 'V' | 'X'));
    let is_number = |text: &str| {
        let text = text.trim_matches(['.', ',', ':', ';', '?', '(', ')', '|']);
        is_roman(text) || !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
    };
    let is_named = |pair: &[&str]| {
        let word = pair[0].to_lowercase();
        NAMED.contains(&word.trim_end_matches('s')) && is_number(pair[1])
    };
    let named = pieces.windows(2).filter(|pair| is_named(pair)).count();
    let is_heading = |piece: &&&str| {
        piece.strip_suffix(['.', ')']).is_some_and(|text| is_roman(text.trim_start_matches('(')))
    };
    named + pieces.iter().filter(is_heading).count()
}

/// Marks at which sentences end, followed by a blank or by nothing.
fn sentences(text: &str) -> usize {
    let mut after = text.chars().skip(1).chain(std::iter::once(' '));
    text.chars()
        .filter(|c| matches!(c, '.' | '?' | '!') & after.next().is_none_or(char::is_whitespace))
        .count()
}

/// Counts of words.
#[derive(Default)]
struct Words {
    count: usize,
    letters: usize,
    long: usize,
    rare: usize,
    single: usize,
    different: usize,
    lists: [usize; 6],
    has_how: bool,
    has_which: bool,
    has_statement: bool,
}

impl Words {
    fn of(text: &str) -> Self {
        let mut words = Self::default();
        let mut seen = std::collections::HashSet::new();
        // Letters, and an apostrophe with letters after it: "don't" is one word.
        let is_word = |c: char| c.is_alphabetic() || c == '\'';
        for piece in text.split(|c| !is_word(c)) {
            let word = piece.trim_matches('\'').to_lowercase();
            if word.is_empty() {
                continue;
            }
            words.add(&word);
            seen.insert(word);
        }
        words.different = seen.len();
        words
    }

    fn add(&mut self, word: &str) {
        let letters = word.chars().count();
        self.count += 1;
        self.letters += letters;
        self.long += usize::from(letters >= LONG);
        self.single += usize::from(letters == 1);
        self.rare += usize::from(!hob_privacy::is_common(word));
        self.has_how |= word == "how";
        self.has_which |= word == "which";
        self.has_statement |= word.starts_with("statement");
        let known = |word: &str| KNOWN.get(word).copied().unwrap_or(0);
        let mut lists = known(word);
        if word.ends_with("n't") {
            lists |= NEGATION;
        }
        // Things are spoken of in the plural too.
        lists |= word.strip_suffix('s').map_or(0, known) & (SUBJECT | CODE);
        self.lists.iter_mut().enumerate().for_each(|(i, n)| *n += usize::from(lists >> i & 1));
    }

    fn listed(&self, list: u8) -> usize {
        self.lists[list.trailing_zeros() as usize]
    }
}

/// Numbers written in digits.
#[derive(Default)]
struct Numbers {
    count: usize,
    decimals: usize,
    largest: f64,
}

impl Numbers {
    fn of(text: &str) -> Self {
        let mut numbers = Self::default();
        for piece in text.split(|c: char| !c.is_ascii_digit() && c != '.' && c != ',') {
            let digits: String = piece.trim_matches(['.', ',']).chars().filter(|c| *c != ',').collect();
            let Ok(value) = digits.parse::<f64>() else { continue };
            numbers.count += 1;
            numbers.decimals += usize::from(digits.contains('.'));
            numbers.largest = numbers.largest.max(value.min(1e12));
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn value(prompt: &str, name: &str) -> f32 {
        Features::of(prompt).0[NAMES.iter().position(|n| *n == name).unwrap()]
    }

    #[test]
    fn a_question_with_choices_is_taken_apart() {
        let prompt =
            "If x is not 3, which of these is twice 1,250.5?\nA. 2501\nB. 17\nC. 4\nD. none of them\nAnswer:";
        let counts = [
            ("has choices", 1.0),
            ("words before the choices", 9f32.ln_1p()),
            ("numbers", 5f32.ln_1p()),
            ("numbers before the choices", 2f32.ln_1p()),
            ("decimal numbers", 1f32.ln_1p()),
            ("largest number", 2501f32.ln_1p() / 10.0),
            ("negations", 2f32.ln_1p()),
            ("words for quantities", 1f32.ln_1p()),
            ("words of condition", 1f32.ln_1p()),
            ("choices are numbers", 1.0),
            ("says which", 1.0),
            ("sentences", 1f32.ln_1p()),
        ];
        for (name, expected) in counts {
            assert!((value(prompt, name) - expected).abs() < 1e-6, "{name}: {}", value(prompt, name));
        }
        assert_eq!((value("Hello.", "has choices"), value("Hello.", "asks a question")), (0.0, 0.0));
    }

    #[test]
    fn judgements_are_counted() {
        let pair =
            "Statement 1 | All cats sleep. Statement 2 | No dog barks.\nA. True, True\nB. True, False\n";
        assert_eq!((value(pair, "judgements of a choice"), value(pair, "statements to judge")), (1.0, 2.0));
        let roman = "Which are even?\nI. 2\nII. 3\n(III) 4\nA. I and II\nB. I, II, and III\n";
        assert_eq!((value(roman, "judgements of a choice"), value(roman, "statements to judge")), (0.0, 3.0));
        let list = "Who went?\nA. Anna, Tom\nB. Nobody at all went there, they say\n";
        assert_eq!((value(list, "judgements of a choice"), value(list, "statements to judge")), (0.0, 0.0));
    }

    proptest! {
        #[test]
        fn any_text_has_finite_features(text in any::<String>()) {
            prop_assert!(Features::of(&text).0.iter().all(|v| v.is_finite()));
        }
    }
}
