//! Numbers as documents write them, with their units.
//!
//! What is grouped in threes is a thousand: `1,234` is more than a thousand, `1.234` a little more than one, `1.234,56` and
//! `1 234,56` are read as on the continent. Everything that could be two things, or none, is no number.

use super::decimal::Decimal;
use std::fmt;
use std::ops::Range;

/// Currencies that stand before an amount, or after it, by their codes.
const CODES: [&str; 14] =
    ["USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "CAD", "AUD", "SEK", "NOK", "DKK", "PLN", "CZK"];
/// Currencies by their signs.
pub(super) const SIGNS: [char; 5] = ['$', '€', '£', '¥', '₹'];
/// Characters of a unit, at most.
const UNIT_CHARS_MAX: usize = 16;

/// A number with its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// How much.
    pub value: Decimal,
    /// Of what; empty for a bare number.
    pub unit: String,
}

impl Number {
    /// A bare number.
    pub fn bare(value: Decimal) -> Self {
        Self { value, unit: String::new() }
    }

    /// Reads all of `text`.
    pub fn parse(text: &str) -> Option<Self> {
        let (mut is_negative, mut rest) = sign(text.trim());
        let (before, after) = prefix(rest);
        rest = after;
        if !is_negative {
            (is_negative, rest) = sign(rest);
        }
        let (whole, part, rest) = digits(rest)?;
        let value = Decimal::new(is_negative, &whole, &part)?;
        let (power, rest) = scale(rest.trim_start());
        let value = value.times_ten(power)?;
        let unit = match (before, rest.trim()) {
            (Some(unit), "") => unit,
            (None, rest) => suffix(rest)?,
            // Both sides would be two units.
            (Some(_), _) => return None,
        };
        Some(Self { value, unit })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit.as_str() {
            "" => self.value.fmt(f),
            sign if sign.chars().all(|c| SIGNS.contains(&c)) => {
                let text = self.value.to_string();
                match text.strip_prefix('-') {
                    Some(text) => write!(f, "-{sign}{text}"),
                    None => write!(f, "{sign}{text}"),
                }
            }
            unit => write!(f, "{} {unit}", self.value),
        }
    }
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// A currency before the digits.
fn prefix(text: &str) -> (Option<String>, &str) {
    if let Some(sign) = text.chars().next().filter(|c| SIGNS.contains(c)) {
        return (Some(one_name(&sign.to_string())), text[sign.len_utf8()..].trim_start());
    }
    match CODES.iter().find_map(|code| Some((*code, text.strip_prefix(code)?))) {
        Some((code, rest)) => (Some(code.to_owned()), rest.trim_start()),
        None => (None, text),
    }
}

/// Words for thousands.
fn scale(text: &str) -> (u32, &str) {
    let words = [("thousand", 3), ("million", 6), ("billion", 9)];
    let found = words.iter().find_map(|(word, power)| {
        let (head, rest) = text.split_at_checked(word.len())?;
        let is_word = head.eq_ignore_ascii_case(word) && !rest.starts_with(char::is_alphanumeric);
        is_word.then_some((*power, rest))
    });
    found.unwrap_or((0, text))
}

/// A unit after the digits.
fn suffix(text: &str) -> Option<String> {
    let is_unit = |c: char| c.is_alphabetic() || "%/²³°".contains(c) || SIGNS.contains(&c);
    (text.chars().count() <= UNIT_CHARS_MAX && text.chars().all(is_unit)).then(|| one_name(text))
}

/// Signs that mean one currency alone have its code as their name.
fn one_name(unit: &str) -> String {
    match unit {
        "€" => "EUR",
        "£" => "GBP",
        "percent" => "%",
        other => other,
    }
    .to_owned()
}

/// Digits before and after the point, and what follows them.
fn digits(text: &str) -> Option<(String, String, &str)> {
    let run = &text[..run(text)];
    let rest = &text[run.len()..];
    let marks: Vec<(usize, char)> = run.char_indices().filter(|(_, c)| !c.is_ascii_digit()).collect();
    let point = point(run, &marks);
    let (whole, part) = match point {
        Some(at) => (&run[..at], &run[at + 1..]),
        None => (run, ""),
    };
    let mut groups = whole.split(|c: char| !c.is_ascii_digit());
    let first = groups.next()?;
    let mut others = marks.iter().filter(|(at, _)| point.is_none_or(|point| *at < point)).map(|(_, c)| *c);
    let mark = others.next();
    let is_grouped = others.all(|c| Some(c) == mark) && groups.all(|group| group.len() == 3);
    let is_right = mark.is_none() || (is_grouped && (1..=3).contains(&first.len()));
    let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
    (is_right && !whole.is_empty()).then(|| (whole, part.to_owned(), rest))
}

/// How far digits go with what stands between them.
fn run(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = 0;
    for (at, c) in text.char_indices() {
        let next = at + c.len_utf8();
        let goes_on = match c {
            '0'..='9' => true,
            '.' | ',' => at > 0 && is_digit(next),
            '\'' | '\u{2019}' | ' ' | '\u{a0}' | '\u{202f}' => {
                at > 0 && is_digit(next) && is_digit(next + 1) && is_digit(next + 2) && !is_digit(next + 3)
            }
            _ => false,
        };
        if !goes_on {
            break;
        }
        end = next;
    }
    end
}

/// Where the point of a number is, if it has one.
fn point(run: &str, marks: &[(usize, char)]) -> Option<usize> {
    let (at, mark) = *marks.last().filter(|(_, mark)| matches!(mark, '.' | ','))?;
    let is_other = marks[..marks.len() - 1].iter().all(|(_, earlier)| *earlier != mark);
    let is_thousand = mark == ',' && run.len() - at == 4 && !run.starts_with('0');
    (is_other && (marks.len() > 1 || !is_thousand)).then_some(at)
}

/// A number's place with the currency or percent that stands at it, and with its minus.
pub(super) fn widened(text: &str, mut place: Range<usize>) -> Range<usize> {
    let after = &text[place.end..];
    let tight = after.trim_start_matches([' ', '\u{a0}', '\u{202f}']);
    let gap = after.len() - tight.len();
    let code = CODES
        .iter()
        .find(|code| tight.strip_prefix(**code).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)));
    let unit = match tight.chars().next().filter(|c| *c == '%' || SIGNS.contains(c)) {
        Some(c) => Some(c.len_utf8()),
        None => code.map(|code| code.len()),
    };
    if let Some(length) = unit {
        place.end += gap + length;
    }
    let before = &text[..place.start];
    let tight = before.trim_end_matches([' ', '\u{a0}', '\u{202f}']);
    let code = CODES
        .iter()
        .find(|code| tight.strip_suffix(**code).is_some_and(|rest| !rest.ends_with(char::is_alphanumeric)));
    let sign = tight.chars().next_back().filter(|c| unit.is_none() && SIGNS.contains(c));
    match (sign, code.filter(|_| unit.is_none())) {
        (Some(sign), _) => place.start = tight.len() - sign.len_utf8(),
        (None, Some(code)) => place.start = tight.len() - code.len(),
        _ => {}
    }
    // `5-7` is a range, `-7` a number.
    let mut before = text[..place.start].chars().rev();
    if let Some(minus) = before.next().filter(|c| matches!(c, '-' | '\u{2212}'))
        && before.next().is_none_or(|c| c.is_whitespace() || c == '(')
    {
        place.start -= minus.len_utf8();
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        Number::parse(text).map_or("none".into(), |number| number.to_string())
    }

    #[test]
    fn numbers_are_read_strictly() {
        let right = [
            ("1234", "1234"),
            ("1,234", "1234"),
            ("1,234.50", "1234.50"),
            ("1.234,56", "1234.56"),
            ("1 234,5", "1234.5"),
            ("12'345'678", "12345678"),
            ("1.234.567", "1234567"),
            ("1.234", "1.234"),
            ("0,123", "0.123"),
            ("3,5", "3.5"),
            ("-7", "-7"),
            ("−7 %", "-7 %"),
            ("$1,200", "$1200"),
            ("-$5", "-$5"),
            ("€ 30", "30 EUR"),
            ("30 €", "30 EUR"),
            ("EUR 1.234,56", "1234.56 EUR"),
            ("5 kg", "5 kg"),
            ("12 percent", "12 %"),
            ("$2.5 million", "$2500000"),
            ("4 thousand km", "4000 km"),
            ("80 km/h", "80 km/h"),
        ];
        for (text, expected) in right {
            assert_eq!(read(text), expected, "{text}");
        }
        for text in [
            "",
            "a",
            "1,23,456",
            "1,2345,678",
            "12 34",
            "1.2.3",
            "5 to 7",
            "$5 kg",
            "1-2",
            "--3",
            "12:30",
            "1e9",
            ".5",
        ] {
            assert_eq!(read(text), "none", "{text}");
        }
    }

    #[test]
    fn units_beside_a_number_belong_to_it() {
        let wide = |text: &str, number: &str| {
            let at = text.find(number).unwrap();
            text[widened(text, at..at + number.len())].to_owned()
        };
        assert_eq!(wide("costs $ 12.50 now", "12.50"), "$ 12.50");
        assert_eq!(wide("a loss of -12 % in", "12"), "-12 %");
        assert_eq!(wide("costs EUR 12 now", "12"), "EUR 12");
        assert_eq!(wide("costs 12 EUR now", "12"), "12 EUR");
        assert_eq!(wide("pages 5-7", "7"), "7");
        assert_eq!(wide("12 EURope", "12"), "12");
    }
}
