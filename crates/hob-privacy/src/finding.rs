//! A place in a text, and what is there.

use crate::Label;
use std::ops::Range;

/// How sure it is that something is what it seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sure {
    /// Often something harmless.
    Weak,
    /// Mostly right.
    Likely,
    /// A check digit or a form that nothing else has.
    Certain,
}

/// Something that a text gives away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Bytes of the text.
    pub range: Range<usize>,
    /// What it is.
    pub label: Label,
    /// How sure that is.
    pub sure: Sure,
    /// What found it.
    pub by: &'static str,
}

/// Findings of which no two overlap, in the order of the text: the surer of two stays, then the longer.
pub(crate) fn settle(mut found: Vec<Finding>) -> Vec<Finding> {
    found.sort_by(|a, b| {
        (b.sure, b.range.len()).cmp(&(a.sure, a.range.len())).then(a.range.start.cmp(&b.range.start))
    });
    let mut kept: Vec<Finding> = Vec::new();
    for finding in found {
        let overlaps = |other: &Finding| other.range.start < finding.range.end && finding.range.start < other.range.end;
        if !finding.range.is_empty() && !kept.iter().any(overlaps) {
            kept.push(finding);
        }
    }
    kept.sort_by_key(|finding| finding.range.start);
    kept
}
