//! A place in a text, and what is there.

use crate::Label;
use std::collections::BTreeMap;
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
    // By where they begin; of findings that do not overlap only the neighbours can overlap another.
    let mut kept: BTreeMap<usize, Finding> = BTreeMap::new();
    for finding in found {
        let Range { start, end } = finding.range;
        let before = kept.range(..end).next_back().is_some_and(|(_, other)| other.range.end > start);
        if start < end && !before {
            kept.insert(start, finding);
        }
    }
    kept.into_values().collect()
}
