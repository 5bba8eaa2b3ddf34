//! From rows to one result, with the cells that it came from.

use super::decimal::Decimal;
use super::plan::SHOWN_MAX;
use super::run::{At, Row};
use super::{How, Number, Value};
use std::collections::BTreeMap;

/// What a step came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Finding {
    /// Its words.
    pub text: String,
    /// The cells that it rests on.
    pub cells: Vec<At>,
}

/// Said where there is nothing to say.
const NOTHING: &str = "nothing found";
/// Said where numbers go beyond what can be reckoned exactly.
const BEYOND: &str = "too large to reckon";

/// Takes rows together. `field` is none where rows are counted.
pub(super) fn reduce(how: How, field: Option<usize>, rows: &[(usize, &Row)]) -> Finding {
    let Some(field) = field else {
        let cells = rows.iter().flat_map(|(row, all)| {
            (0..all.cells.len())
                .filter(|field| all.cells[*field].is_some())
                .map(|field| At { row: *row, field })
        });
        return Finding { text: rows.len().to_string(), cells: cells.collect() };
    };
    let cells: Vec<(At, &Value)> = rows
        .iter()
        .filter_map(|(row, all)| {
            let cell = all.cells.get(field)?.as_ref()?;
            Some((At { row: *row, field }, &cell.value))
        })
        .collect();
    match how {
        How::Count => found(cells.len().to_string(), &cells),
        _ if cells.is_empty() => found(NOTHING.to_owned(), &[]),
        How::First => found(cells[0].1.to_string(), &cells[..1]),
        How::List => list(&cells),
        How::Sum | How::Mean => by_unit(&cells, |values| total(how, values)),
        How::Min | How::Max => extremes(how, &cells),
    }
}

fn found(text: String, cells: &[(At, &Value)]) -> Finding {
    Finding { text, cells: cells.iter().map(|(at, _)| *at).collect() }
}

/// Each different value, in the text's order.
fn list(cells: &[(At, &Value)]) -> Finding {
    let mut seen: Vec<String> = Vec::new();
    let mut known = std::collections::BTreeSet::new();
    for (_, value) in cells {
        let text = value.to_string();
        if known.insert(text.to_lowercase()) {
            seen.push(text);
        }
    }
    let more = seen.len().saturating_sub(SHOWN_MAX);
    seen.truncate(SHOWN_MAX);
    let mut text = seen.join(", ");
    if more > 0 {
        text += &format!(" and {more} more");
    }
    found(text, cells)
}

/// Numbers of different units are not added to each other: there is one result for each unit.
fn by_unit(cells: &[(At, &Value)], one: impl Fn(&[&Number]) -> String) -> Finding {
    let mut units: BTreeMap<&str, Vec<&Number>> = BTreeMap::new();
    for (_, value) in cells {
        if let Value::Number(number) = value {
            units.entry(&number.unit).or_default().push(number);
        }
    }
    let texts: Vec<String> = units.values().map(|numbers| one(numbers)).collect();
    found(texts.join(" and "), cells)
}

fn total(how: How, numbers: &[&Number]) -> String {
    let sum = numbers.iter().try_fold(Decimal::whole(0), |sum, number| sum.plus(number.value));
    let value = if how == How::Mean { sum.and_then(|sum| sum.over(numbers.len())) } else { sum };
    let unit = numbers.first().map(|number| number.unit.clone()).unwrap_or_default();
    value.map_or(BEYOND.to_owned(), |value| Number { value, unit }.to_string())
}

/// The least or most of dates, or of the numbers of each unit; it rests on the cells that have it.
fn extremes(how: How, cells: &[(At, &Value)]) -> Finding {
    let mut best: BTreeMap<&str, (At, &Value)> = BTreeMap::new();
    for (at, value) in cells {
        let unit = if let Value::Number(number) = value { number.unit.as_str() } else { "" };
        let entry = best.entry(unit).or_insert((*at, value));
        let order = order(value, entry.1);
        if order == Some(if how == How::Min { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater })
        {
            *entry = (*at, value);
        }
    }
    let cells: Vec<(At, &Value)> = best.into_values().collect();
    let texts: Vec<String> = cells.iter().map(|(_, value)| value.to_string()).collect();
    found(texts.join(" and "), &cells)
}

/// The order of two values that have one. A bare number is compared with whatever unit the other has.
pub(super) fn order(one: &Value, other: &Value) -> Option<std::cmp::Ordering> {
    match (one, other) {
        (Value::Number(a), Value::Number(b))
            if a.unit == b.unit || a.unit.is_empty() || b.unit.is_empty() =>
        {
            Some(a.value.cmp(&b.value))
        }
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
