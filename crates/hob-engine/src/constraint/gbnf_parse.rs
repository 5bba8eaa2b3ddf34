//! GBNF text to rules. Source: the grammar documentation in ggml-org/llama.cpp (`grammars/README.md`).

use super::grammar::Limits;
use super::{line_column, over_budget, rejected};
use crate::{Error, Result};

pub(super) const KIND: &str = "GBNF grammar";

/// One element of a rule's right side.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Literal(String),
    /// Ranges of characters, both ends included.
    Class {
        ranges: Vec<(char, char)>,
        negated: bool,
    },
    /// `.`
    Any,
    Rule(usize),
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Repeat {
        node: Box<Node>,
        min: u64,
        max: Option<u64>,
    },
}

/// Right sides by rule; rule 0 is `root`.
pub(super) fn parse(text: &str, limits: &Limits) -> Result<Vec<Node>> {
    let mut parser = Parser {
        text,
        at: 0,
        limits,
        names: vec!["root".into()],
        bodies: vec![None],
        uses: vec![0],
        depth: 0,
    };
    parser.space(true);
    while parser.at < text.len() {
        parser.rule()?;
        parser.space(true);
    }
    let mut rules = Vec::with_capacity(parser.bodies.len());
    for ((body, name), used_at) in parser.bodies.into_iter().zip(&parser.names).zip(&parser.uses) {
        rules.push(
            body.ok_or_else(|| rejected(KIND, line_column(text, *used_at), format!("no rule `{name}`")))?,
        );
    }
    Ok(rules)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    limits: &'a Limits,
    names: Vec<String>,
    bodies: Vec<Option<Node>>,
    /// Where each rule was first named.
    uses: Vec<usize>,
    depth: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        self.at += if found { what.len() } else { 0 };
        found
    }

    fn wrong(&self, message: impl Into<String>) -> Error {
        rejected(KIND, line_column(self.text, self.at), message)
    }

    /// Skips blanks and comments, and line ends where a rule may go on.
    fn space(&mut self, lines: bool) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' => self.at += 1,
                '\n' | '\r' if lines => self.at += 1,
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                _ => break,
            }
        }
    }

    fn name(&mut self) -> Option<usize> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let length = self.rest().find(|c| !is_word(c)).unwrap_or(self.rest().len());
        if length == 0 {
            return None;
        }
        let name = self.text[self.at..self.at + length].to_string();
        let start = self.at;
        self.at += length;
        Some(self.names.iter().position(|n| *n == name).unwrap_or_else(|| {
            self.names.push(name);
            self.bodies.push(None);
            self.uses.push(start);
            self.names.len() - 1
        }))
    }

    fn rule(&mut self) -> Result<()> {
        let start = self.at;
        let index = self.name().ok_or_else(|| self.wrong("expected a rule name"))?;
        if self.names.len() > RULE_COUNT_MAX {
            return Err(over_budget(KIND, line_column(self.text, start), "rules", RULE_COUNT_MAX as u64));
        }
        self.space(false);
        if !self.eat("::=") {
            return Err(self.wrong("expected `::=`"));
        }
        self.space(true);
        if self.bodies[index].is_some() {
            return Err(rejected(
                KIND,
                line_column(self.text, start),
                format!("rule `{}` twice", self.names[index]),
            ));
        }
        self.bodies[index] = Some(self.choice(false)?);
        match self.peek() {
            None | Some('\n' | '\r') => Ok(()),
            Some(c) => Err(self.wrong(format!("expected the end of the rule, found `{c}`"))),
        }
    }

    fn choice(&mut self, nested: bool) -> Result<Node> {
        let mut options = vec![self.sequence(nested)?];
        while self.eat("|") {
            self.space(true);
            options.push(self.sequence(nested)?);
        }
        Ok(if options.len() == 1 { options.swap_remove(0) } else { Node::Choice(options) })
    }

    fn sequence(&mut self, nested: bool) -> Result<Node> {
        let mut items = Vec::new();
        while let Some(item) = self.item()? {
            self.space(nested);
            items.push(self.repeated(item, nested)?);
        }
        Ok(if items.len() == 1 { items.swap_remove(0) } else { Node::Sequence(items) })
    }

    fn item(&mut self) -> Result<Option<Node>> {
        Ok(match self.peek() {
            Some('"') => Some(self.literal()?),
            Some('[') => Some(self.class()?),
            Some('.') => {
                self.at += 1;
                Some(Node::Any)
            }
            Some('(') => Some(self.group()?),
            Some('<' | '!') => {
                return Err(self.wrong("token references are not supported; use Lark's `<[id]>`"));
            }
            _ => self.name().map(Node::Rule),
        })
    }

    fn group(&mut self) -> Result<Node> {
        let start = self.at;
        self.depth += 1;
        if self.depth > self.limits.nesting_max {
            let limit = self.limits.nesting_max as u64;
            return Err(over_budget(KIND, line_column(self.text, start), "nesting levels", limit));
        }
        self.at += 1;
        self.space(true);
        let inner = self.choice(true)?;
        if !self.eat(")") {
            return Err(self.wrong("expected `)`"));
        }
        self.depth -= 1;
        Ok(inner)
    }

    /// Applies the `* + ? {m,n}` that follow an item.
    fn repeated(&mut self, mut node: Node, nested: bool) -> Result<Node> {
        let mut stacked = 0;
        loop {
            let (min, max) = match self.peek() {
                Some('*') => (0, None),
                Some('+') => (1, None),
                Some('?') => (0, Some(1)),
                Some('{') => self.counts()?,
                _ => return Ok(node),
            };
            self.at += 1;
            stacked += 1;
            if max.is_some_and(|max| max < min) || stacked > STACKED_MAX {
                return Err(self.wrong(
                    "expected a repetition `{min,max}` with min up to max, and at most eight in a row",
                ));
            }
            node = Node::Repeat { node: Box::new(node), min, max };
            self.space(nested);
        }
    }

    /// Reads `{m`, `{m,` or `{m,n` and stops at the closing brace.
    fn counts(&mut self) -> Result<(u64, Option<u64>)> {
        self.at += 1;
        let min = self.number()?;
        let mut max = Some(min);
        if self.eat(",") {
            self.space(false);
            max = if self.peek() == Some('}') { None } else { Some(self.number()?) };
        }
        match self.peek() {
            Some('}') => Ok((min, max)),
            _ => Err(self.wrong("expected `}`")),
        }
    }

    fn number(&mut self) -> Result<u64> {
        self.space(false);
        let length = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return Err(self.wrong("expected a number"));
        }
        let value = self.rest()[..length].parse().unwrap_or(u64::MAX);
        if value > self.limits.repeat_max {
            return Err(over_budget(
                KIND,
                line_column(self.text, self.at),
                "repetitions",
                self.limits.repeat_max,
            ));
        }
        self.at += length;
        self.space(false);
        Ok(value)
    }

    fn literal(&mut self) -> Result<Node> {
        self.at += 1;
        let mut text = String::new();
        while !self.eat("\"") {
            text.push(self.character()?);
        }
        Ok(Node::Literal(text))
    }

    fn class(&mut self) -> Result<Node> {
        self.at += 1;
        let negated = self.eat("^");
        let mut ranges = Vec::new();
        while !self.eat("]") {
            let first = self.character()?;
            let is_range = self.rest().starts_with('-') && !self.rest()[1..].starts_with(']');
            let last = if is_range {
                self.at += 1;
                self.character()?
            } else {
                first
            };
            if last < first {
                return Err(self.wrong(format!("range from `{first}` down to `{last}`")));
            }
            ranges.push((first, last));
        }
        Ok(Node::Class { ranges, negated })
    }

    fn character(&mut self) -> Result<char> {
        let c = self.peek().ok_or_else(|| self.wrong("the text ends inside a literal or a class"))?;
        self.at += c.len_utf8();
        if c != '\\' {
            return Ok(c);
        }
        let escaped = self.peek().ok_or_else(|| self.wrong("the text ends after a backslash"))?;
        self.at += escaped.len_utf8();
        match escaped {
            'x' => self.hex(2),
            'u' => self.hex(4),
            'U' => self.hex(8),
            't' => Ok('\t'),
            'r' => Ok('\r'),
            'n' => Ok('\n'),
            '\\' | '"' | '[' | ']' | '-' | '^' | '/' => Ok(escaped),
            _ => Err(self.wrong(format!("unknown escape `\\{escaped}`"))),
        }
    }

    fn hex(&mut self, digits: usize) -> Result<char> {
        let code = self.rest().get(..digits).filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()));
        let found = code.and_then(|t| u32::from_str_radix(t, 16).ok()).and_then(char::from_u32);
        let c = found
            .ok_or_else(|| self.wrong(format!("expected {digits} hexadecimal digits of a character")))?;
        self.at += digits;
        Ok(c)
    }
}

/// The most rules of a grammar.
const RULE_COUNT_MAX: usize = 2_000;
/// The most repetition signs after one item.
const STACKED_MAX: usize = 8;
