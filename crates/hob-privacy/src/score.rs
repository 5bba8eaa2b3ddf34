//! How well findings agree with spans that people marked, whatever the labels are called.
//!
//! A span is found where one finding, or several that touch, cover it so that what both have in common is at least a given part
//! of what either has (intersection over union). Recall is the part of the marked spans that were found, precision that of the
//! findings that have such a span. F2 counts recall twice as much. The measure is that of Presidio's evaluation of spans.

use std::ops::Range;

/// Counts over texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Spans that were marked.
    pub marked: usize,
    /// Those of them that were found.
    pub hit: usize,
    /// Findings.
    pub found: usize,
    /// Those of them that are marked.
    pub right: usize,
}

impl Score {
    /// Adds what was `found` in `text`, of which `marked` should have been.
    pub fn add(&mut self, text: &str, marked: &[Range<usize>], found: &[Range<usize>], iou_min: f64) {
        let (marked, found) = (joined(text, marked), joined(text, found));
        let same = |a: &Range<usize>, b: &Range<usize>| {
            let common = a.end.min(b.end).saturating_sub(a.start.max(b.start));
            let either = a.end.max(b.end) - a.start.min(b.start);
            common as f64 >= iou_min * either as f64 && common > 0
        };
        self.marked += marked.len();
        self.hit += marked.iter().filter(|m| found.iter().any(|f| same(m, f))).count();
        self.found += found.len();
        self.right += found.iter().filter(|f| marked.iter().any(|m| same(m, f))).count();
    }

    /// Part of the marked spans that were found.
    pub fn recall(&self) -> f64 {
        self.hit as f64 / self.marked.max(1) as f64
    }

    /// Part of the findings that were marked.
    pub fn precision(&self) -> f64 {
        self.right as f64 / self.found.max(1) as f64
    }

    /// Mean of both in which recall counts twice as much.
    pub fn f2(&self) -> f64 {
        let (p, r) = (self.precision(), self.recall());
        if p + r == 0.0 { 0.0 } else { 5.0 * p * r / (4.0 * p + r) }
    }
}

/// Spans of which only blanks and punctuation stand between them count as one: where one kind of thing ends and the next begins
/// is no question of privacy.
fn joined(text: &str, spans: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut spans = spans.to_vec();
    spans.sort_by_key(|span| span.start);
    let mut joined: Vec<Range<usize>> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last)
                if span.start <= last.end
                    || text[last.end..span.start].chars().all(|c| !c.is_alphanumeric()) =>
            {
                last.end = last.end.max(span.end);
            }
            _ => joined.push(span),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_count_where_they_are_nearly_the_same() {
        let mut score = Score::default();
        //          0         10        20
        let text = "Ada Lovelace wrote to Bo, 5 Elm St.";
        score.add(text, &[0..12, 22..24, 26..34], &[0..12, 22..24, 26..34], 0.9);
        assert_eq!(score, Score { marked: 2, hit: 2, found: 2, right: 2 });
        let (whole, last) = (0..12, 4..12);
        let [name, last] = [std::slice::from_ref(&whole), std::slice::from_ref(&last)];
        score.add(text, name, &[4..12, 15..18], 0.9);
        assert_eq!(score, Score { marked: 3, hit: 2, found: 4, right: 2 });
        score.add(text, name, last, 0.6);
        assert_eq!((score.hit, score.right), (3, 3));
        assert!((score.recall() - 0.75).abs() < 1e-9 && (score.precision() - 0.6).abs() < 1e-9);
        assert!((score.f2() - 5.0 * 0.45 / (2.4 + 0.75)).abs() < 1e-9);
    }
}
