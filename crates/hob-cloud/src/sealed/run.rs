//! Carries a plan out: the only thing that ever does. It knows the text, the plan and a [`Reader`], and nothing else.

use super::cite::{Miss, Page};
use super::plan::{ANSWER_CHARS_MAX, ROWS_PER_CHUNK_MAX};
use super::reduce::{Finding, order, reduce};
use super::{
    Candidate, Citation, Document, Dropped, End, Field, Heard, Piece, Plan, Reader, Solved, Step, Test, Told,
    Value, What,
};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Range;

/// Citations that are kept of an answer, at most.
const CITATIONS_MAX: usize = 1000;

/// A cell that stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cell {
    pub value: Value,
    /// Where in the document its quote stands.
    pub quote: Range<usize>,
}

/// A row of a table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub chunk: usize,
    pub extract: usize,
    pub cells: Vec<Option<Cell>>,
}

/// A cell's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub row: usize,
    pub field: usize,
}

/// Carries out a plan.
///
/// # Errors
/// The reader's.
pub fn run<R: Reader>(plan: &Plan, document: &Document, reader: &mut R) -> Result<Solved, R::Error> {
    let mut run = Run {
        plan,
        document,
        reader,
        made: Vec::new(),
        rows: Vec::new(),
        dropped: Dropped::default(),
        reads: 0,
    };
    for (index, step) in plan.steps.iter().enumerate() {
        let made = run.step(index, step)?;
        run.made.push(made);
    }
    run.end()
}

/// What a step made.
enum Made {
    Chunks(Vec<usize>),
    /// Numbers of rows.
    Rows(Vec<usize>),
    Result(Finding),
}

struct Run<'a, R> {
    plan: &'a Plan,
    document: &'a Document,
    reader: &'a mut R,
    made: Vec<Made>,
    rows: Vec<Row>,
    dropped: Dropped,
    reads: usize,
}

impl<R: Reader> Run<'_, R> {
    fn step(&mut self, index: usize, step: &Step) -> Result<Made, R::Error> {
        Ok(match &step.what {
            What::Select { headings, words } => Made::Chunks(self.select(headings, words)),
            What::Extract { from, is_many, fields } => {
                Made::Rows(self.extract(index, *from, *is_many, fields)?)
            }
            What::Filter { from, field, test, value } => {
                let holds = |row: &usize| holds(&self.rows[*row], *field, *test, value.as_ref());
                Made::Rows(self.rows_of(*from).iter().copied().filter(holds).collect())
            }
            What::Reduce { from, how, field } => {
                let rows: Vec<(usize, &Row)> =
                    self.rows_of(*from).iter().map(|row| (*row, &self.rows[*row])).collect();
                Made::Result(reduce(*how, *field, &rows))
            }
        })
    }

    fn select(&self, headings: &[usize], words: &[String]) -> Vec<usize> {
        let below = |chunk: usize| {
            let all = self.document.headings();
            headings.is_empty()
                || headings.iter().filter_map(|h| all.get(*h)).any(|h| h.chunks.contains(&chunk))
        };
        let says = |chunk: usize| {
            let text = super::value::one_line(self.document.chunk(chunk)).to_lowercase();
            words.is_empty() || words.iter().any(|word| text.contains(word.as_str()))
        };
        (0..self.document.chunks().len()).filter(|chunk| below(*chunk) && says(*chunk)).collect()
    }

    fn extract(
        &mut self,
        step: usize,
        from: usize,
        is_many: bool,
        fields: &[Field],
    ) -> Result<Vec<usize>, R::Error> {
        let Made::Chunks(chunks) = &self.made[from] else { unreachable!("checked: the step gives chunks") };
        let rows_max = if is_many { ROWS_PER_CHUNK_MAX } else { 1 };
        let first = self.rows.len();
        for chunk in chunks.clone() {
            let said = self.reader.read(self.document.chunk(chunk), fields, rows_max)?;
            self.reads += 1;
            let page = Page::new(self.document.chunk(chunk));
            let began = self.rows.len();
            for candidates in said.iter().take(rows_max) {
                self.row(&page, (chunk, step), fields, candidates, began);
            }
        }
        Ok((first..self.rows.len()).collect())
    }

    /// Keeps what stands in the text of a row that a reader gave; a row of nothing is none.
    fn row(
        &mut self,
        page: &Page,
        (chunk, extract): (usize, usize),
        fields: &[Field],
        said: &[Candidate],
        began: usize,
    ) {
        let start = self.document.chunks()[chunk].range.start;
        let (mut cells, mut times) = (Vec::new(), usize::MAX);
        for (index, field) in fields.iter().enumerate() {
            let said = said.get(index).filter(|said| said.is_found);
            let found = said.map(|said| page.cite(field.kind, &said.quote, &said.value));
            cells.push(match found {
                None => None,
                Some(Ok(found)) => {
                    times = times.min(found.times);
                    let quote = start + found.quote.start..start + found.quote.end;
                    Some(Cell { value: found.value, quote })
                }
                Some(Err(miss)) => {
                    self.miss(miss);
                    None
                }
            });
        }
        if cells.iter().all(Option::is_none) {
            return;
        }
        // A text that says something once supports one row.
        let alike = self.rows[began..].iter().filter(|row| row.cells == cells).count();
        if alike >= times {
            self.dropped.repeats += 1;
        } else {
            self.rows.push(Row { chunk, extract, cells });
        }
    }

    fn miss(&mut self, miss: Miss) {
        match miss {
            Miss::Quote => self.dropped.quotes += 1,
            Miss::Value => self.dropped.values += 1,
            Miss::Kind => self.dropped.kinds += 1,
        }
    }

    fn rows_of(&self, step: usize) -> &[usize] {
        let Made::Rows(rows) = &self.made[step] else { unreachable!("checked: the step gives rows") };
        rows
    }

    fn result(&self, step: usize) -> &Finding {
        let Made::Result(finding) = &self.made[step] else {
            unreachable!("checked: the step gives a result")
        };
        finding
    }

    fn end(self) -> Result<Solved, R::Error> {
        let plan = self.plan;
        let steps: Vec<usize> = match &plan.end {
            End::Answer(pieces) => pieces.iter().filter_map(Piece::result).collect(),
            End::Compose { from, .. } => from.clone(),
        };
        let cells: BTreeSet<At> =
            steps.iter().flat_map(|step| self.result(*step).cells.iter().copied()).collect();
        let more = cells.len().saturating_sub(CITATIONS_MAX);
        let citations = cells.into_iter().take(CITATIONS_MAX).filter_map(|at| self.citation(at)).collect();
        let results = self.made.iter().zip(&plan.steps).filter_map(|(made, step)| match made {
            Made::Result(finding) => Some(Heard { step: step.name.clone(), text: finding.text.clone() }),
            _ => None,
        });
        let (results, rows) = (results.collect(), self.rows.len());
        let (dropped, reads) = (self.dropped, self.reads);
        let (answer, told) = match &plan.end {
            End::Answer(pieces) => (self.filled(pieces), Told::Plan),
            End::Compose { task, from } => self.composed(task, from)?,
        };
        Ok(Solved { answer: short(answer), told, citations, more, results, dropped, reads, rows })
    }

    /// What the reader writes of results, unless it speaks of numbers that it was not given.
    fn composed(self, task: &str, from: &[usize]) -> Result<(String, Told), R::Error> {
        let line = |step: &usize| format!("{}: {}", self.plan.steps[*step].name, self.result(*step).text);
        let results = short(from.iter().map(line).collect::<Vec<_>>().join("\n"));
        let said = self.reader.compose(task, &results)?;
        let said = said.trim();
        let given = format!("{task} {results}");
        let is_grounded = !said.is_empty() && numbers(said).is_subset(&numbers(&given));
        Ok(if is_grounded { (said.to_owned(), Told::Reader) } else { (results, Told::Results) })
    }

    fn filled(&self, pieces: &[Piece]) -> String {
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(words) => text.push_str(words),
                Piece::Result(step) => text.push_str(&self.result(*step).text),
            }
            // A plan may name a long list often.
            if text.len() > 4 * ANSWER_CHARS_MAX {
                break;
            }
        }
        text
    }

    fn citation(&self, at: At) -> Option<Citation> {
        let row = &self.rows[at.row];
        let cell = row.cells.get(at.field)?.as_ref()?;
        let step = &self.plan.steps[row.extract];
        let What::Extract { fields, .. } = &step.what else { return None };
        Some(Citation {
            step: step.name.clone(),
            field: fields[at.field].name.clone(),
            value: cell.value.to_string(),
            chunk: row.chunk + 1,
            line: self.document.line_of(cell.quote.start),
            range: cell.quote.clone(),
            quote: self.document.text()[cell.quote.clone()].to_owned(),
        })
    }
}

/// Whether a row passes.
fn holds(row: &Row, field: usize, test: Test, beside: Option<&Value>) -> bool {
    let Some(cell) = row.cells.get(field).and_then(Option::as_ref) else { return false };
    let Some(beside) = beside else { return test == Test::Known };
    let small = |value: &Value| value.to_string().to_lowercase();
    let is_same = || match order(&cell.value, beside) {
        Some(order) => order == Ordering::Equal,
        None => small(&cell.value) == small(beside),
    };
    match test {
        Test::Equals => is_same(),
        Test::Differs => !is_same(),
        Test::Contains => small(&cell.value).contains(&small(beside)),
        Test::Less => order(&cell.value, beside) == Some(Ordering::Less),
        Test::More => order(&cell.value, beside) == Some(Ordering::Greater),
        Test::Known => true,
    }
}

/// The runs of digits in a text.
fn numbers(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()).collect()
}

/// No longer than an answer may be.
fn short(text: String) -> String {
    match text.char_indices().nth(ANSWER_CHARS_MAX) {
        Some((at, _)) => format!("{} ...", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
