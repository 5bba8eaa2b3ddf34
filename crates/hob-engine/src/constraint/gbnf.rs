//! llama.cpp's GBNF, translated to Lark.
//!
//! GBNF reads characters; llguidance reads lexemes, each as long as it gets. Whatever part of a grammar involves no
//! recursion becomes one lexeme, so a grammar without recursion means exactly what it says. In a recursive grammar two
//! neighbours whose characters overlap (`[a-z]* "x"` around a recursive rule) are read greedily: all output still
//! fits the grammar, but some texts of it cannot be produced.
//!
//! Differences from llama.cpp: left recursion is fine; token references (`<[12]>`) are refused.

use super::gbnf_parse::{KIND, Node, parse};
use super::grammar::Limits;
use super::rejected;
use crate::Result;

/// The Lark grammar for a GBNF grammar.
pub(super) fn to_lark(text: &str, limits: &Limits) -> Result<String> {
    let rules = parse(text, limits)?;
    let recursive = recursive_rules(&rules);
    let mut lark = Lark { recursive: &recursive, text: String::new(), lexeme_count: 0 };
    for (i, body) in rules.iter().enumerate() {
        let line = match recursive[i] {
            true => format!("r{i}: {}\n", lark.rule(body)),
            false => format!("T{i}: {}\n", terminal(body)),
        };
        lark.text.push_str(&line);
    }
    let start = if recursive[0] { "r0" } else { "T0" };
    let text = format!("start: {start}\n{}", lark.text);
    match text.len() > limits.source_bytes_max.saturating_mul(16) {
        true => Err(rejected(KIND, "start", "the grammar is too large")),
        false => Ok(text),
    }
}

/// Which rules are part of a recursion or lead to one.
fn recursive_rules(rules: &[Node]) -> Vec<bool> {
    let uses: Vec<Vec<usize>> = rules.iter().map(rules_used).collect();
    let mut waits_for: Vec<usize> = uses.iter().map(Vec::len).collect();
    let mut used_by = vec![Vec::new(); rules.len()];
    for (user, used) in uses.iter().enumerate() {
        used.iter().for_each(|u| used_by[*u].push(user));
    }
    let mut ready: Vec<usize> = (0..rules.len()).filter(|i| waits_for[*i] == 0).collect();
    let mut recursive = vec![true; rules.len()];
    while let Some(i) = ready.pop() {
        recursive[i] = false;
        for &user in &used_by[i] {
            waits_for[user] -= 1;
            if waits_for[user] == 0 {
                ready.push(user);
            }
        }
    }
    recursive
}

fn rules_used(node: &Node) -> Vec<usize> {
    let mut used = Vec::new();
    let mut open = vec![node];
    while let Some(node) = open.pop() {
        match node {
            Node::Rule(i) => used.push(*i),
            Node::Sequence(nodes) | Node::Choice(nodes) => open.extend(nodes),
            Node::Repeat { node, .. } => open.push(node),
            Node::Literal(_) | Node::Class { .. } | Node::Any => {}
        }
    }
    used
}

struct Lark<'a> {
    recursive: &'a [bool],
    text: String,
    lexeme_count: usize,
}

impl Lark<'_> {
    fn is_regular(&self, node: &Node) -> bool {
        rules_used(node).iter().all(|i| !self.recursive[*i])
    }

    /// The right side of a recursive rule.
    fn rule(&mut self, node: &Node) -> String {
        if self.is_regular(node) {
            return self.lexeme(std::slice::from_ref(node));
        }
        match node {
            Node::Sequence(nodes) => {
                // Neighbours without recursion become one lexeme: fewer of them is faster, and closer to GBNF.
                let runs =
                    nodes.chunk_by(|a, b| self.is_regular(a) && self.is_regular(b)).collect::<Vec<_>>();
                let parts = runs.iter().map(|run| match self.is_regular(&run[0]) {
                    true => self.lexeme(run),
                    false => self.rule(&run[0]),
                });
                format!("({})", parts.collect::<Vec<_>>().join(" "))
            }
            Node::Choice(nodes) => {
                let options: Vec<_> = nodes.iter().map(|n| self.rule(n)).collect();
                format!("({})", options.join(" | "))
            }
            Node::Repeat { max: Some(0), .. } => EMPTY.into(),
            Node::Repeat { node, min, max } => format!("({}){}", self.rule(node), counts(*min, *max)),
            Node::Rule(i) => format!("r{i}"),
            Node::Literal(_) | Node::Class { .. } | Node::Any => self.lexeme(std::slice::from_ref(node)),
        }
    }

    /// Names a lexeme of its own for `nodes` in sequence.
    fn lexeme(&mut self, nodes: &[Node]) -> String {
        let body: Vec<_> = nodes.iter().map(terminal).collect();
        if body.iter().all(|b| b == EMPTY) {
            return EMPTY.into();
        }
        let name = format!("L{}", self.lexeme_count);
        self.lexeme_count += 1;
        self.text.push_str(&format!("{name}: {}\n", body.join(" ")));
        name
    }
}

const EMPTY: &str = "\"\"";

/// The right side of a rule without recursion.
fn terminal(node: &Node) -> String {
    match node {
        Node::Literal(text) if text.is_empty() => EMPTY.into(),
        Node::Literal(text) => format!("/{}/", text.chars().map(escaped).collect::<String>()),
        Node::Any => "/(?s:.)/".into(),
        Node::Class { ranges, negated } => class(ranges, *negated),
        Node::Rule(i) => format!("T{i}"),
        Node::Sequence(nodes) if nodes.is_empty() => EMPTY.into(),
        Node::Sequence(nodes) => format!("({})", nodes.iter().map(terminal).collect::<Vec<_>>().join(" ")),
        Node::Choice(nodes) => format!("({})", nodes.iter().map(terminal).collect::<Vec<_>>().join(" | ")),
        Node::Repeat { max: Some(0), .. } => EMPTY.into(),
        Node::Repeat { node, min, max } => format!("({}){}", terminal(node), counts(*min, *max)),
    }
}

fn class(ranges: &[(char, char)], negated: bool) -> String {
    let inner: String = ranges.iter().map(|(a, b)| format!("{}-{}", escaped(*a), escaped(*b))).collect();
    match (ranges.is_empty(), negated) {
        // An empty class matches nothing and its negation everything.
        (true, true) => "/(?s:.)/".into(),
        (true, false) => "/[^\\x{0}-\\x{10FFFF}]/".into(),
        (false, negated) => format!("/[{}{inner}]/", if negated { "^" } else { "" }),
    }
}

fn counts(min: u64, max: Option<u64>) -> String {
    match (min, max) {
        (0, None) => "*".into(),
        (1, None) => "+".into(),
        (0, Some(1)) => "?".into(),
        (min, None) => format!("{{{min},}}"),
        (min, Some(max)) => format!("{{{min},{max}}}"),
    }
}

/// A character as regex syntax, by number unless it can mean nothing else.
fn escaped(c: char) -> String {
    if c.is_ascii_alphanumeric() { c.to_string() } else { format!("\\x{{{:X}}}", u32::from(c)) }
}
