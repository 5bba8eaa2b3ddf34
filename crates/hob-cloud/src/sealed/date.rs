//! Days as documents write them.

use std::fmt;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// Reads all of `text`: `2026-01-31`, `31.01.2026`, `31 January 2026`, `January 31, 2026`, or with strokes where day and
    /// month cannot be taken for each other. Parts of a date are none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let numbers = |mark: char| -> Option<[u32; 3]> {
            let parts: Vec<u32> = text.split(mark).map(whole).collect::<Option<_>>()?;
            parts.try_into().ok()
        };
        if let Some([year, month, day]) = numbers('-') {
            return Self::new(year, month, day);
        }
        if let Some([day, month, year]) = numbers('.') {
            return Self::new(year, month, day);
        }
        if let Some([first, second, year]) = numbers('/') {
            return match (first > 12, second > 12) {
                (true, false) => Self::new(year, second, first),
                (false, true) => Self::new(year, first, second),
                _ if first == second => Self::new(year, first, second),
                _ => None,
            };
        }
        Self::spelled(text)
    }

    fn spelled(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split([' ', ',', '\u{a0}']).filter(|word| !word.is_empty()).collect();
        let [first, second, year] = words.try_into().ok()?;
        let (month, day) =
            month(first).map(|month| (month, second)).or_else(|| Some((month(second)?, first)))?;
        let day =
            day.trim_end_matches("st").trim_end_matches("nd").trim_end_matches("rd").trim_end_matches("th");
        Self::new(whole(year)?, month, whole(day.trim_end_matches('.'))?)
    }

    fn new(year: u32, month: u32, day: u32) -> Option<Self> {
        let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        let is_day = (1000..=9999).contains(&year) && (1..=days).contains(&day);
        is_day.then_some(Self { year: year as u16, month: month as u8, day: day as u8 })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

fn whole(text: &str) -> Option<u32> {
    let is_whole = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_whole { text.parse().ok() } else { None }
}

/// The number of a month by its name, or by three letters of it.
pub(super) fn month(word: &str) -> Option<u32> {
    let word = word.trim_end_matches('.').to_lowercase();
    let is_name = |name: &str| {
        name == word
            || (word.len() == 3 && name.starts_with(&word))
            || (word == "sept" && name.starts_with("sept"))
    };
    MONTHS.iter().position(|name| is_name(name)).map(|index| index as u32 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_in_the_usual_forms() {
        for text in [
            "2026-01-31",
            "31.01.2026",
            "31.1.2026",
            "31/01/2026",
            "1/31/2026",
            "31 January 2026",
            "January 31st, 2026",
            "Jan. 31 2026",
            "31. jan 2026",
        ] {
            assert_eq!(
                Date::parse(text).map(|date| date.to_string()).as_deref(),
                Some("2026-01-31"),
                "{text}"
            );
        }
        assert!(Date::parse("2024-02-29") < Date::parse("1.3.2024"));
    }

    #[test]
    fn what_could_be_another_day_is_none() {
        for text in [
            "",
            "02/03/2026",
            "2026-02-30",
            "1900-02-29",
            "January 2026",
            "31.01.26",
            "yesterday",
            "2026-13-01",
            "0000-01-01",
            "-2026-01-01",
            "1 2 3",
            "99999-01-01",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }
}
