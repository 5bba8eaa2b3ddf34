//! From what a target wrote to a plan that can be carried out, or to what is wrong with it and where.

use super::members::{Members, Wrong, kind, quoted, text, wrong};
use super::plan::{EXTRACTS_MAX, FIELDS_MAX, LIST_MAX, PLAN_BYTES_MAX, STEPS_MAX, WORDS_CHARS_MAX};
use super::value::one_line;
use super::{End, Field, How, Kind, Piece, Plan, Step, Test, What};
use serde_json::Value;

/// What a plan can refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Headings that the card told, so their numbers.
    pub headings: usize,
}

/// What a step gives.
#[derive(Clone)]
enum Gives {
    Chunks,
    Rows(Vec<Field>),
    Result,
}

impl Gives {
    fn name(&self) -> &'static str {
        match self {
            Self::Chunks => "chunks",
            Self::Rows(_) => "rows",
            Self::Result => "a result",
        }
    }
}

/// The JSON of what a target wrote, which may stand between marks of code.
///
/// # Errors
/// It is too long, or none.
pub fn parse(text: &str) -> Result<Value, Wrong> {
    if text.len() > PLAN_BYTES_MAX {
        return Err(wrong("", format!("at most {PLAN_BYTES_MAX} bytes"), text.len().to_string()));
    }
    let text = text.trim();
    let inside = text.strip_prefix("```json").or_else(|| text.strip_prefix("```"));
    let text = inside.and_then(|text| text.strip_suffix("```")).unwrap_or(text);
    serde_json::from_str(text).map_err(|error| {
        wrong("", "one JSON object", format!("a problem in line {}, column {}", error.line(), error.column()))
    })
}

/// Checks all of a plan. `restore` puts back what was hidden from the target; what it gives appears in no error.
///
/// # Errors
/// The first thing that is wrong, and where.
pub fn check(plan: &Value, bounds: Bounds, restore: &dyn Fn(&str) -> String) -> Result<Plan, Wrong> {
    let mut members = Members::of(plan, "")?;
    let list = members.list("steps", STEPS_MAX)?;
    members.end()?;
    let Some((last, list)) = list.split_last() else {
        return Err(wrong("/steps", "a step at least", "none"));
    };
    let mut checker = Checker { bounds, restore, steps: Vec::new(), gives: Vec::new(), extracts: 0 };
    for (index, step) in list.iter().enumerate() {
        checker.step(step, &format!("/steps/{index}"))?;
    }
    let end = checker.end(last, &format!("/steps/{}", list.len()))?;
    Ok(Plan { steps: checker.steps, end })
}

struct Checker<'a> {
    bounds: Bounds,
    restore: &'a dyn Fn(&str) -> String,
    steps: Vec<Step>,
    gives: Vec<Gives>,
    extracts: usize,
}

const OPS: [(&str, Op); 6] = [
    ("select", Op::Select),
    ("extract", Op::Extract),
    ("filter", Op::Filter),
    ("reduce", Op::Reduce),
    ("answer", Op::Answer),
    ("compose", Op::Compose),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Op {
    Select,
    Extract,
    Filter,
    Reduce,
    Answer,
    Compose,
}

impl Checker<'_> {
    fn step(&mut self, value: &Value, place: &str) -> Result<(), Wrong> {
        let mut members = Members::of(value, place)?;
        let op = members.one_of("op", &OPS)?;
        if matches!(op, Op::Answer | Op::Compose) {
            return Err(wrong(place, "answer and compose as the last step alone", "steps after it"));
        }
        let name = members.name("name")?;
        if self.steps.iter().any(|step| step.name == name) {
            return Err(wrong(&members.at("name"), "a name of its own", quoted(&name)));
        }
        let (what, gives) = match op {
            Op::Select => self.select(&mut members)?,
            Op::Extract => self.extract(&mut members)?,
            Op::Filter => self.filter(&mut members)?,
            _ => self.reduce(&mut members)?,
        };
        members.end()?;
        self.steps.push(Step { name, what });
        self.gives.push(gives);
        Ok(())
    }

    fn select(&self, members: &mut Members) -> Result<(What, Gives), Wrong> {
        let place = members.at("headings");
        let heading = |(index, value): (usize, &Value)| {
            let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
            let number = number.filter(|number| (1..=self.bounds.headings).contains(number));
            let expected = || match self.bounds.headings {
                0 => "no heading, as there are none".to_owned(),
                most => format!("the number of a heading, from 1 to {most}"),
            };
            number
                .map(|number| number - 1)
                .ok_or_else(|| wrong(&format!("{place}/{index}"), expected(), kind(value)))
        };
        let headings =
            members.list("headings", LIST_MAX)?.iter().enumerate().map(heading).collect::<Result<_, _>>()?;
        let place = members.at("words");
        let words = members.list("words", LIST_MAX)?;
        let word = |(index, value): (usize, &Value)| {
            let place = format!("{place}/{index}");
            let word = one_line(&self.words(text(value, &place)?, &place)?).to_lowercase();
            if word.is_empty() { Err(wrong(&place, "a word", "none")) } else { Ok(word) }
        };
        let words = words.iter().enumerate().map(word).collect::<Result<_, _>>()?;
        Ok((What::Select { headings, words }, Gives::Chunks))
    }

    fn extract(&mut self, members: &mut Members) -> Result<(What, Gives), Wrong> {
        let from = self.reference(members.text("from")?, &members.at("from"), "chunks")?;
        let is_many = members.flag("many")?;
        let place = members.at("fields");
        let list = members.list("fields", FIELDS_MAX)?;
        let mut fields: Vec<Field> = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let mut members = Members::of(value, &format!("{place}/{index}"))?;
            let name = members.name("name")?;
            if fields.iter().any(|field| field.name == name) {
                return Err(wrong(&members.at("name"), "a name of its own", quoted(&name)));
            }
            let kind = members.one_of("type", &Kind::ALL.map(|kind| (kind.name(), kind)))?;
            let question = members.text("question")?;
            let question = self.words(question, &members.at("question"))?;
            members.end()?;
            fields.push(Field { name, kind, question });
        }
        self.extracts += 1;
        if fields.is_empty() {
            return Err(wrong(&place, "a field at least", "none"));
        }
        if self.extracts > EXTRACTS_MAX {
            return Err(wrong(&members.at("op"), format!("at most {EXTRACTS_MAX} extractions"), "one more"));
        }
        Ok((What::Extract { from, is_many, fields: fields.clone() }, Gives::Rows(fields)))
    }

    fn filter(&self, members: &mut Members) -> Result<(What, Gives), Wrong> {
        let (from, fields) = self.rows(members)?;
        let field = find(&fields, &members.text("field")?, &members.at("field"))?;
        let kind = fields[field].kind;
        let test = members.one_of("test", &Test::ALL)?;
        if !test.suits(kind) {
            return Err(wrong(
                &members.at("test"),
                format!("a test that suits a {}", kind.name()),
                "another",
            ));
        }
        let place = members.at("value");
        let value = match (members.text_if_any("value")?, test) {
            (None, Test::Known) => None,
            (Some(_), Test::Known) => return Err(wrong(&place, "null, as nothing is compared", "a value")),
            (None, _) => return Err(wrong(&place, format!("a {} in quotes", kind.name()), "nothing")),
            (Some(text), _) => {
                let value = kind.parse(&self.words(text, &place)?);
                Some(
                    value.ok_or_else(|| {
                        wrong(&place, format!("a {} in quotes", kind.name()), "something else")
                    })?,
                )
            }
        };
        Ok((What::Filter { from, field, test, value }, Gives::Rows(fields)))
    }

    fn reduce(&self, members: &mut Members) -> Result<(What, Gives), Wrong> {
        let (from, fields) = self.rows(members)?;
        let how = members.one_of("how", &How::ALL)?;
        let place = members.at("field");
        let field = members.text_if_any("field")?.map(|name| find(&fields, &name, &place)).transpose()?;
        match field {
            None if how != How::Count => return Err(wrong(&place, "the name of a field", "nothing")),
            Some(field) if !how.suits(fields[field].kind) => {
                let expected =
                    if how.suits(Kind::Date) { "a field of numbers or dates" } else { "a field of numbers" };
                return Err(wrong(&place, expected, format!("one of type {}", fields[field].kind.name())));
            }
            _ => {}
        }
        Ok((What::Reduce { from, how, field }, Gives::Result))
    }

    fn end(&self, value: &Value, place: &str) -> Result<End, Wrong> {
        let mut members = Members::of(value, place)?;
        let op = members.one_of("op", &OPS)?;
        let end = match op {
            Op::Answer => End::Answer(self.template(&members.text("text")?, &members.at("text"))?),
            Op::Compose => {
                let task = self.words(members.text("task")?, &members.at("task"))?;
                let at = members.at("from");
                let list = members.list("from", LIST_MAX)?;
                let refer = |(index, value): (usize, &Value)| {
                    let place = format!("{at}/{index}");
                    self.reference(text(value, &place)?, &place, "a result")
                };
                let from: Vec<usize> = list.iter().enumerate().map(refer).collect::<Result<_, _>>()?;
                if from.is_empty() {
                    return Err(wrong(&at, "the name of a reduce step at least", "none"));
                }
                End::Compose { task, from }
            }
            _ => return Err(wrong(place, "answer or compose as the last step", "another")),
        };
        members.end()?;
        Ok(end)
    }

    /// The pieces of a text with `{names}` of results.
    fn template(&self, text: &str, place: &str) -> Result<Vec<Piece>, Wrong> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some(open) = rest.find('{') {
            pieces.push(Piece::Text(self.words(rest[..open].to_owned(), place)?));
            let inside = &rest[open + 1..];
            let close = inside.find('}').ok_or_else(|| wrong(place, "a } for each {", "none"))?;
            pieces.push(Piece::Result(self.reference(inside[..close].to_owned(), place, "a result")?));
            rest = &inside[close + 1..];
        }
        pieces.push(Piece::Text(self.words(rest.to_owned(), place)?));
        Ok(pieces)
    }

    fn rows(&self, members: &mut Members) -> Result<(usize, Vec<Field>), Wrong> {
        let from = self.reference(members.text("from")?, &members.at("from"), "rows")?;
        let Gives::Rows(fields) = &self.gives[from] else { unreachable!("the reference is to rows") };
        Ok((from, fields.clone()))
    }

    /// The number of an earlier step that gives `wanted`.
    fn reference(&self, name: String, place: &str, wanted: &str) -> Result<usize, Wrong> {
        let expected = || format!("the name of an earlier step that gives {wanted}");
        let index = self.steps.iter().position(|step| step.name == name);
        let index = index.ok_or_else(|| wrong(place, expected(), quoted(&name)))?;
        match self.gives[index].name() {
            gives if gives == wanted => Ok(index),
            gives => Err(wrong(place, expected(), format!("{}, which gives {gives}", quoted(&name)))),
        }
    }

    /// Words with what was hidden put back.
    fn words(&self, text: String, place: &str) -> Result<String, Wrong> {
        let restored = (self.restore)(&text);
        if restored.chars().count() > WORDS_CHARS_MAX {
            let expected = format!("at most {WORDS_CHARS_MAX} characters with what was hidden");
            return Err(wrong(place, expected, "more"));
        }
        Ok(restored)
    }
}

fn find(fields: &[Field], name: &str, place: &str) -> Result<usize, Wrong> {
    let names = || fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = fields.iter().position(|field| field.name == name);
    found.ok_or_else(|| wrong(place, format!("one of the fields {}", names()), quoted(name)))
}

#[cfg(test)]
#[path = "check_tests.rs"]
pub(super) mod tests;
