//! Two hundred private values of twenty kinds that stand nowhere else, each in a sentence of its own.

/// How many there are.
pub const COUNT: usize = 200;
/// Kinds, ten values of each.
const KINDS: usize = 20;

/// A private value.
pub struct Canary {
    pub kind: &'static str,
    pub text: String,
    /// A part of it that says it all, where there is one: a surname, the name of a street.
    pub core: Option<String>,
    /// What somebody says with it.
    pub sentence: String,
}

impl Canary {
    /// Whether a form or a check digit gives it away, so that no setting is needed to hide it.
    pub fn has_form(&self) -> bool {
        matches!(
            self.kind,
            "email" | "phone" | "card" | "iban" | "key" | "ssn" | "ip" | "mac" | "coordinates" | "url"
        )
    }
}

/// All of them, the kinds in turn.
pub fn all() -> Vec<Canary> {
    let mut random = Random(0x5eed);
    (0..COUNT).map(|n| canary(n % KINDS, n / KINDS, &mut random)).collect()
}

/// The same numbers in each run (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.next() as usize % list.len()]
    }

    fn of(&mut self, letters: &str, count: usize) -> String {
        let letters = letters.as_bytes();
        (0..count).map(|_| char::from(letters[self.next() as usize % letters.len()])).collect()
    }

    fn digits(&mut self, count: usize) -> String {
        self.of("1234567890", count)
    }

    /// A word that no language has.
    fn word(&mut self) -> String {
        const PARTS: [&str; 14] = [
            "vra", "quo", "zin", "dre", "mol", "phi", "skur", "tab", "nex", "glo", "wim", "jor", "byl", "xan",
        ];
        (0..4).map(|_| self.pick(&PARTS)).collect()
    }

    fn name(&mut self) -> String {
        let word = self.word();
        word[..1].to_uppercase() + &word[1..]
    }
}

const FIRST: [&str; 10] =
    ["Maria", "Thomas", "Priya", "Kenji", "Olga", "Samuel", "Fatima", "Łukasz", "Ingrid", "Diego"];
const LAST: [&str; 10] = [
    "Gonzalvarez",
    "Thornbury",
    "Ramanathan",
    "Takemitsu",
    "Volkonskaya",
    "Okonkwo",
    "Benhaddou",
    "Żółkiewski",
    "Halvorsen",
    "Castellanos",
];

fn canary(kind: usize, n: usize, random: &mut Random) -> Canary {
    let word = random.word();
    let (kind, text, core, sentence) = match kind {
        0 => (
            "person",
            format!("{} {}", FIRST[n], LAST[n]),
            Some(LAST[n].to_owned()),
            "My doctor is {}, as you know.",
        ),
        1 => {
            let last = random.name();
            ("odd name", format!("{} {last}", random.name()), Some(last), "Then {} came in and sat down.")
        }
        2 => ("project", word, None, "We call the new plan {} among us."),
        3 => ("email", format!("{word}.{n}@mail.example"), Some(word), "Write to {} before noon."),
        4 => ("phone", format!("+49 30 {}", random.digits(8)), None, "Call me at {} after work."),
        5 => ("card", card(random, n.is_multiple_of(2)), None, "The card is {} and it is new."),
        6 => ("iban", iban(random, n.is_multiple_of(2)), None, "Pay it to {} this week."),
        7 => ("key", key(random, n), None, "Use {} for the machine."),
        8 => (
            "password",
            format!("Zr#{}\"{}", random.of(ALIKE, 7), random.of(ALIKE, 6)),
            None,
            "The password: {} is old.",
        ),
        9 => (
            "ssn",
            format!("{}-{}-{}", 501 + n * 7, 21 + n, 4100 + random.next() % 5000),
            None,
            "My social security number is {} still.",
        ),
        10 => ("ip", format!("198.51.{}.{}", 100 + n * 11, 120 + n * 9), None, "The box is at {} now."),
        11 => (
            "mac",
            format!("7a:3f:c1:{}:5e:{}", random.of("abcdef", 2), random.of("123456789", 2)),
            None,
            "Its card says {} on the back.",
        ),
        12 => {
            let street = random.name();
            ("address", format!("{} {street} Lane", 1200 + n * 37), Some(street), "I live at {} since May.")
        }
        13 => (
            "birth date",
            format!("{} April {}", 11 + n, 1941 + n * 4),
            None,
            "She was born on {} in a small town.",
        ),
        14 => ("passport", format!("C{}", random.digits(8)), None, "The passport is {} and valid."),
        15 => ("record", format!("MRN {}", random.digits(8)), None, "It stands in {} of the house."),
        16 => ("customer", format!("KD-{}-XF", random.digits(6)), None, "We have them as {} in our books."),
        17 => {
            let name = random.name();
            ("organisation", format!("{name} Optics"), Some(name), "I work for {} and like it.")
        }
        18 => ("coordinates", coordinates(random), None, "Meet me at {} then."),
        _ => (
            "url",
            format!("https://intra.{word}.example/case/{}", random.digits(5)),
            Some(word),
            "Look at {} first.",
        ),
    };
    let sentence = sentence.replace("{}", &text);
    Canary { kind, text, core, sentence }
}

/// Letters and digits of keys.
const ALIKE: &str = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// A place in a city.
fn coordinates(random: &mut Random) -> String {
    format!("52.5{}, 13.3{}", random.digits(4), random.digits(4))
}

/// A key of a well-known service.
fn key(random: &mut Random, n: usize) -> String {
    match n % 3 {
        0 => format!("sk-proj-{}", random.of(ALIKE, 40)),
        1 => format!("ghp_{}", random.of(ALIKE, 36)),
        _ => format!("AKIA{}", random.of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
    }
}

/// A number with the check digit of cards (ISO/IEC 7812).
fn card(random: &mut Random, in_groups: bool) -> String {
    let body = format!("4539{}", random.digits(11));
    let sum: u32 = body
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0') * if at % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    grouped(&format!("{body}{}", (10 - sum % 10) % 10), in_groups)
}

/// A German account with the check digits of ISO 13616.
fn iban(random: &mut Random, in_groups: bool) -> String {
    let body = random.digits(18);
    // D is 13, E is 14, and the check digits are 00 for now.
    let rest =
        format!("{body}131400").bytes().fold(0, |rest, digit| (rest * 10 + u32::from(digit - b'0')) % 97);
    grouped(&format!("DE{:02}{body}", 98 - rest), in_groups)
}

fn grouped(text: &str, in_groups: bool) -> String {
    let groups = text.as_bytes().chunks(if in_groups { 4 } else { text.len() });
    groups.map(|group| String::from_utf8_lossy(group).into_owned()).collect::<Vec<_>>().join(" ")
}
