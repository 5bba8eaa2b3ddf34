//! What the tagger sees of a token: its form, the words around it, where it stands on its line, which lists know it.

use super::tokens::Token;
use crate::words::WORDS;
use crate::{Finding, Sure};
use std::collections::HashMap;
use std::sync::LazyLock;

/// Lists of words, a line each: its name, a tab, its words.
pub const LISTS: &str = include_str!("lists.txt");

/// Words known to lists, with a bit for each list.
static KNOWN: LazyLock<HashMap<&'static str, u16>> = LazyLock::new(|| {
    let mut known: HashMap<&str, u16> = HashMap::new();
    for (i, line) in LISTS.lines().enumerate() {
        let words = line.split_once('\t').map_or("", |(_, words)| words);
        words.split(' ').for_each(|word| *known.entry(word).or_default() |= 1 << i);
    }
    WORDS.lines().for_each(|word| *known.entry(word).or_default() |= COMMON);
    known
});

/// The bit of words that are common in English.
const COMMON: u16 = 1 << 15;

/// A token with everything that its features are made of.
struct Seen {
    lower: String,
    shape: String,
    lists: u16,
    /// Whether a rule found something here, and what.
    rule: &'static str,
    spaced: bool,
}

/// Features of every token, as numbers of buckets.
pub(super) fn features(text: &str, tokens: &[Token], rules: &[Finding], buckets: u32) -> Vec<Vec<u32>> {
    let seen: Vec<Seen> = tokens.iter().map(|token| see(text, token, rules)).collect();
    let lines = lines(&seen);
    let mostly_lower = {
        let words = seen.iter().filter(|s| s.shape.starts_with(['x', 'X']));
        let (low, all) =
            words.fold((0, 0), |(low, all), s| (low + usize::from(s.shape.starts_with('x')), all + 1));
        low == all
    };
    (0..seen.len()).map(|i| of(&seen, i, lines[i], mostly_lower, buckets)).collect()
}

fn see(text: &str, token: &Token, rules: &[Finding]) -> Seen {
    let word = &text[token.range.clone()];
    let lower = word.to_lowercase();
    let rule = rules.iter().find(|f| f.range.start <= token.range.start && token.range.end <= f.range.end);
    let rule = rule.filter(|f| f.sure > Sure::Weak).map_or("", |f| f.label.name());
    Seen {
        lists: KNOWN.get(lower.as_str()).copied().unwrap_or(0),
        shape: shape(word),
        lower,
        rule,
        spaced: token.spaced,
    }
}

/// Kinds of characters, runs shortened: `Xxx` for a name, `dddd` for a year.
fn shape(word: &str) -> String {
    let mut shape = String::new();
    let mut run = ('\0', 0);
    for c in word.chars() {
        let kind = match c {
            _ if c.is_uppercase() => 'X',
            _ if c.is_alphabetic() => 'x',
            _ if c.is_numeric() => 'd',
            '\n' => 'n',
            _ => c,
        };
        run = if kind == run.0 { (kind, run.1 + 1) } else { (kind, 1) };
        if run.1 <= if kind == 'd' { 5 } else { 2 } {
            shape.push(kind);
        }
    }
    shape
}

/// For every token: its number on its line, and how many the line has.
fn lines(seen: &[Seen]) -> Vec<(usize, usize)> {
    let mut places = Vec::with_capacity(seen.len());
    for line in seen.split_inclusive(|s| s.lower == "\n") {
        let count = line.iter().filter(|s| s.lower != "\n").count();
        places.extend((0..line.len()).map(|i| (i, count)));
    }
    places
}

fn of(seen: &[Seen], i: usize, (place, count): (usize, usize), mostly_lower: bool, buckets: u32) -> Vec<u32> {
    let at = |offset: isize| i.checked_add_signed(offset).and_then(|i| seen.get(i));
    let lower = |offset| at(offset).map_or("", |s| s.lower.as_str());
    let shape = |offset| at(offset).map_or("", |s| s.shape.as_str());
    let lists = |offset| at(offset).map_or(0, |s| s.lists);
    let here = &seen[i];
    let mut out = Vec::with_capacity(48);
    let mut put = |kind: &str, parts: &[&str]| out.push(bucket(kind, parts, buckets));
    put("b", &[]);
    put("w", &[lower(0)]);
    put("w-1", &[lower(-1)]);
    put("w+1", &[lower(1)]);
    put("w-2", &[lower(-2)]);
    put("w+2", &[lower(2)]);
    put("w-21", &[lower(-2), lower(-1)]);
    put("w+12", &[lower(1), lower(2)]);
    put("w-101", &[lower(-1), shape(0), lower(1)]);
    put("s", &[shape(0)]);
    put("s-10", &[shape(-1), shape(0)]);
    put("s0+1", &[shape(0), shape(1)]);
    put("s-1+1", &[shape(-1), shape(0), shape(1)]);
    put("s-2", &[shape(-2), shape(-1), shape(0)]);
    put("s+2", &[shape(0), shape(1), shape(2)]);
    let chars: Vec<char> = here.lower.chars().collect();
    for n in 1..=4 {
        if chars.len() > n {
            let (head, tail): (String, String) =
                (chars[..n].iter().collect(), chars[chars.len() - n..].iter().collect());
            put("p", &[&head]);
            put("e", &[&tail]);
        }
    }
    let number = |n: usize| n.min(9).to_string();
    put("length", &[&number(chars.len())]);
    put("line", &[&number(count.min(6)), shape(0)]);
    put("first", &[if place == 0 { "first" } else { "" }, shape(0)]);
    put("last", &[if place + 1 == count { "last" } else { "" }, shape(0)]);
    put("lower", &[if mostly_lower { "all" } else { "" }, shape(0)]);
    put("rule", &[here.rule]);
    put("rule-1", &[at(-1).map_or("", |s| s.rule)]);
    put("rule+1", &[at(1).map_or("", |s| s.rule)]);
    put("spaced", &[if here.spaced { "y" } else { "n" }, shape(-1), shape(0)]);
    for (offset, kind) in [(0, "l"), (-1, "l-1"), (1, "l+1"), (-2, "l-2"), (2, "l+2")] {
        let lists = lists(offset);
        for bit in (0..16).filter(|bit| lists >> bit & 1 == 1) {
            put(kind, &[&bit.to_string(), if offset == 0 { shape(0) } else { "" }]);
        }
        if lists == 0 {
            put(kind, &["none", shape(offset)]);
        }
    }
    out
}

/// A number below `buckets` for a feature (FNV-1a).
fn bucket(kind: &str, parts: &[&str], buckets: u32) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut feed = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    kind.bytes().for_each(&mut feed);
    for part in parts {
        feed(0xff);
        part.bytes().for_each(&mut feed);
    }
    ((hash ^ hash >> 32) % u64::from(buckets)) as u32
}
