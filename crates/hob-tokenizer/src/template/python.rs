//! Values written the way Python writes them, because templates were written for Python.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, State};
use serde_json::Value as Json;

use super::none::is_none;

/// The time of day where the user is, broken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// Year of the Gregorian calendar.
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Days before each month in a common year.
const DAYS_BEFORE: [u16; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

impl LocalTime {
    /// Formats like Python's `strftime` in the C locale; a directive that is not known stays as it is.
    pub fn format(&self, format: &str) -> String {
        let mut out = String::with_capacity(format.len() + 16);
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('-') => {
                    let directive = chars.next().unwrap_or('%');
                    let text = self.directive(directive);
                    let short = text.trim_start_matches('0');
                    out.push_str(if short.is_empty() { "0" } else { short });
                }
                Some(directive) => out.push_str(&self.directive(directive)),
                None => out.push('%'),
            }
        }
        out
    }

    fn directive(&self, directive: char) -> String {
        let month = usize::from(self.month.clamp(1, 12)) - 1;
        let (weekday, hour12) = (self.weekday(), (self.hour + 11) % 12 + 1);
        match directive {
            'Y' => format!("{:04}", self.year),
            'y' => format!("{:02}", self.year.rem_euclid(100)),
            'm' => format!("{:02}", self.month),
            'd' => format!("{:02}", self.day),
            'e' => format!("{:2}", self.day),
            'H' => format!("{:02}", self.hour),
            'I' => format!("{hour12:02}"),
            'M' => format!("{:02}", self.minute),
            'S' => format!("{:02}", self.second),
            'j' => format!("{:03}", self.day_of_year()),
            'p' => if self.hour < 12 { "AM" } else { "PM" }.to_owned(),
            'B' => MONTHS[month].to_owned(),
            'b' | 'h' => MONTHS[month][..3].to_owned(),
            'A' => DAYS[weekday].to_owned(),
            'a' => DAYS[weekday][..3].to_owned(),
            'w' => weekday.to_string(),
            'u' => (if weekday == 0 { 7 } else { weekday }).to_string(),
            'F' => self.format("%Y-%m-%d"),
            'T' | 'X' => self.format("%H:%M:%S"),
            'R' => self.format("%H:%M"),
            'D' | 'x' => self.format("%m/%d/%y"),
            'c' => self.format("%a %b %e %H:%M:%S %Y"),
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            '%' => "%".to_owned(),
            other => format!("%{other}"),
        }
    }

    fn day_of_year(&self) -> u16 {
        let leap = (self.year % 4 == 0 && self.year % 100 != 0) || self.year % 400 == 0;
        let month = usize::from(self.month.clamp(1, 12));
        DAYS_BEFORE[month - 1] + u16::from(self.day) + u16::from(leap && month > 2)
    }

    /// 0 is Sunday. January 1 of year 1 was a Monday.
    fn weekday(&self) -> usize {
        let before = i64::from(self.year) - 1;
        let days = before * 365 + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
        (days + i64::from(self.day_of_year())).rem_euclid(7) as usize
    }
}

/// Rough size of a value in bytes.
pub(super) fn size(value: &Json) -> usize {
    match value {
        Json::String(text) => text.len() + 16,
        Json::Array(items) => items.iter().map(size).sum::<usize>() + 16,
        Json::Object(map) => map.iter().map(|(key, value)| key.len() + size(value)).sum::<usize>() + 16,
        _ => 16,
    }
}

/// Containers nested deeper than this are refused.
const DEPTH_MAX: usize = 100;

/// Options of `json.dumps`.
pub(super) struct JsonStyle {
    pub indent: Option<usize>,
    pub ensure_ascii: bool,
    pub sort_keys: bool,
    /// Between items, and between key and value.
    pub separators: Option<(String, String)>,
}

/// Writes `value` as JSON; every part of it costs fuel, because a small program can describe an endless value.
pub(super) fn to_json(state: &State<'_, '_>, value: &Value, style: &JsonStyle) -> Result<String, Error> {
    let mut writer = JsonWriter { out: String::new(), style, state };
    writer.value(value, 0)?;
    Ok(writer.out)
}

struct JsonWriter<'s> {
    out: String,
    style: &'s JsonStyle,
    state: &'s State<'s, 's>,
}

impl JsonWriter<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEPTH_MAX {
            return Err(Error::new(ErrorKind::InvalidOperation, "tojson: the value is nested too deeply"));
        }
        self.state.consume_fuel(1)?;
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.out.push_str(&number(value)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default())?,
            ValueKind::Seq | ValueKind::Iterable => self.list(value, depth)?,
            ValueKind::Map => self.map(value, depth)?,
            _ if is_none(value) => self.out.push_str("null"),
            _ => {
                let reason = format!("tojson: a value of type {} has no JSON form", value.kind());
                return Err(Error::new(ErrorKind::InvalidOperation, reason));
            }
        }
        Ok(())
    }

    fn list(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.out.push('[');
        let mut count = 0;
        for item in value.try_iter()? {
            self.begin_item(count, depth);
            self.value(&item, depth + 1)?;
            count += 1;
        }
        self.end(count, depth, ']');
        Ok(())
    }

    fn map(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.out.push('{');
        let mut keys = Vec::new();
        for key in value.try_iter()? {
            self.state.consume_fuel(1)?;
            keys.push(key);
        }
        if self.style.sort_keys {
            keys.sort();
        }
        for (count, key) in keys.iter().enumerate() {
            self.begin_item(count, depth);
            match key.kind() {
                ValueKind::String => self.string(key.as_str().unwrap_or_default())?,
                ValueKind::None => self.string("null")?,
                ValueKind::Bool => self.string(if key.is_true() { "true" } else { "false" })?,
                _ => self.string(&number(key))?,
            }
            self.out.push_str(self.style.separators.as_ref().map_or(": ", |(_, colon)| colon));
            self.value(&value.get_item(key)?, depth + 1)?;
        }
        self.end(keys.len(), depth, '}');
        Ok(())
    }

    fn begin_item(&mut self, count: usize, depth: usize) {
        if count > 0 {
            // With an indent Python drops the space after the comma.
            let default = if self.style.indent.is_some() { "," } else { ", " };
            self.out.push_str(self.style.separators.as_ref().map_or(default, |(comma, _)| comma));
        }
        self.line_break(depth + 1);
    }

    fn end(&mut self, count: usize, depth: usize, bracket: char) {
        if count > 0 {
            self.line_break(depth);
        }
        self.out.push(bracket);
    }

    fn line_break(&mut self, depth: usize) {
        if let Some(indent) = self.style.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(' ', indent.min(64) * depth));
        }
    }

    fn string(&mut self, text: &str) -> Result<(), Error> {
        use std::fmt::Write as _;
        self.state.consume_fuel(text.len() as u64 / 16)?;
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{C}' => self.out.push_str("\\f"),
                c if u32::from(c) < 0x20 || (self.style.ensure_ascii && !c.is_ascii()) => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        write!(self.out, "\\u{unit:04x}").expect("writing to a string cannot fail");
                    }
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
        Ok(())
    }
}

/// A number as Python prints it: floats keep a point, very large and small ones have an exponent of two digits.
fn number(value: &Value) -> String {
    let float = f64::try_from(value.clone()).ok().filter(|_| !value.is_integer());
    let Some(float) = float else { return value.to_string() };
    if !float.is_finite() {
        return match float.is_nan() {
            true => "NaN".to_owned(),
            false => (if float > 0.0 { "Infinity" } else { "-Infinity" }).to_owned(),
        };
    }
    let scientific = format!("{float:e}");
    let exponent: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return format!("{float:?}");
    }
    let mantissa = scientific.split('e').next().unwrap_or_default();
    format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs())
}
