//! How well things are found in published sets that nothing was learned from.

use anyhow::Result;
use hob_privacy::{Detector, Reach, Score, Vault};
use hob_train::data::read_lines;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// Parts that a finding and a marked span have to have in common.
const IOUS: [f64; 3] = [0.9, 0.7, 0.5];

#[derive(Deserialize)]
struct Marked {
    text: String,
    spans: Vec<Span>,
}

/// Places count characters.
#[derive(Deserialize)]
struct Span {
    #[serde(rename = "type")]
    kind: String,
    start: usize,
    end: usize,
}

#[derive(Deserialize)]
struct Query {
    user_query: String,
    pii_units: Vec<String>,
}

/// Figures of `pii_presidio`, labels aside.
#[derive(Default)]
pub struct Spans {
    /// For each of [`IOUS`].
    pub scores: [Score; 3],
    /// Spans by kind: how many there are, how many lie wholly inside of findings.
    pub kinds: BTreeMap<String, [usize; 2]>,
    /// Findings where nothing is marked, by what found what.
    pub stray: BTreeMap<String, usize>,
}

/// Figures of `privacy_pupa`: what people called private, and what is left of it in what would be sent.
#[derive(Default)]
pub struct Leaks {
    /// Things that stand in the queries.
    pub units: usize,
    /// Those that are left as they are.
    pub exact: usize,
    /// Those whose letters and digits are left.
    pub normalised: usize,
    /// Bytes of the queries, and of what was hidden of them.
    pub bytes: [usize; 2],
}

/// Marked spans found and missed.
pub fn spans(detector: &Detector, tasks: &Path) -> Result<Spans> {
    let mut all = Spans::default();
    read_lines(&tasks.join("pii_presidio.jsonl.zst"), &mut |_, line| {
        let Ok(row) = serde_json::from_str::<Marked>(line) else { return Ok(true) };
        let at: Vec<usize> = row.text.char_indices().map(|(i, _)| i).chain([row.text.len()]).collect();
        let marked: Vec<Range<usize>> = row.spans.iter().map(|s| at[s.start]..at[s.end]).collect();
        let found = detector.find(&row.text);
        let ranges: Vec<Range<usize>> = found.iter().map(|f| f.range.clone()).collect();
        for (score, iou) in all.scores.iter_mut().zip(IOUS) {
            score.add(&row.text, &marked, &ranges, iou);
        }
        for (span, place) in row.spans.iter().zip(&marked) {
            let [count, hit] = all.kinds.entry(span.kind.clone()).or_default();
            *count += 1;
            *hit += usize::from(ranges.iter().any(|r| r.start <= place.start && place.end <= r.end));
        }
        for f in
            found.iter().filter(|f| !marked.iter().any(|m| m.start < f.range.end && f.range.start < m.end))
        {
            *all.stray.entry(format!("{} ({})", f.label, f.by)).or_default() += 1;
        }
        Ok(true)
    })?;
    Ok(all)
}

/// What is left of what people called private.
pub fn leaks(detector: &Detector, tasks: &Path) -> Result<Leaks> {
    let mut all = Leaks::default();
    read_lines(&tasks.join("privacy_pupa.jsonl.zst"), &mut |_, line| {
        let Ok(row) = serde_json::from_str::<Query>(line) else { return Ok(true) };
        let found = detector.find(&row.user_query);
        let sent = Vault::new().hide(&row.user_query, &found).to_lowercase();
        let plain = row.user_query.to_lowercase();
        all.bytes[0] += row.user_query.len();
        all.bytes[1] += found.iter().map(|f| f.range.len()).sum::<usize>();
        let units = row.pii_units.iter().map(|unit| unit.trim().to_lowercase());
        for unit in units.filter(|unit| !unit.is_empty() && plain.contains(unit.as_str())) {
            all.units += 1;
            all.exact += usize::from(sent.contains(&unit));
            all.normalised += usize::from(letters(&sent).contains(&letters(&unit)));
        }
        Ok(true)
    })?;
    Ok(all)
}

/// Prints all figures.
pub fn print(detector: &Detector, tasks: &Path) -> Result<()> {
    print!("{}", spans(detector, tasks)?);
    for reach in [Reach::Known, Reach::Unknown] {
        println!("privacy_pupa, {reach:?}: {}", leaks(&detector.clone().reaching(reach), tasks)?);
    }
    Ok(())
}

impl fmt::Display for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "spans of pii_presidio, labels aside:")?;
        for (score, iou) in self.scores.iter().zip(IOUS) {
            let (r, p, f2) = (score.recall(), score.precision(), score.f2());
            let (marked, found) = (score.marked, score.found);
            writeln!(
                f,
                "  IoU {iou}: recall {r:.3}, precision {p:.3}, F2 {f2:.3} ({marked} spans, {found} findings)"
            )?;
        }
        for (kind, [count, hit]) in &self.kinds {
            writeln!(f, "  {kind}: {hit} of {count} wholly covered")?;
        }
        self.stray
            .iter()
            .try_for_each(|(what, count)| writeln!(f, "  where nothing is marked: {count} {what}"))
    }
}

impl fmt::Display for Leaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        write!(
            f,
            "of {} units {} are left exactly ({:.1} %), {} but for blanks and marks ({:.1} %); {:.1} % of the text is hidden",
            self.units,
            self.exact,
            percent(self.exact, self.units),
            self.normalised,
            percent(self.normalised, self.units),
            percent(self.bytes[1], self.bytes[0])
        )
    }
}

/// Letters and digits alone.
fn letters(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hob_privacy::Terms;

    /// The tagger that is built in, on sets that it has not learned from.
    #[test]
    fn what_is_built_in_is_as_good_as_the_documentation_says() {
        let tasks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/tasks");
        if !tasks.join("pii_presidio.jsonl.zst").is_file() {
            eprintln!("SKIPPED: there is no ../shared/data beside this checkout");
            return;
        }
        let detector = Detector::new(Terms::default());
        let found = spans(&detector, &tasks).unwrap();
        assert!(found.scores[0].f2() >= 0.85, "{found}");
        for kind in ["CREDIT_CARD", "EMAIL_ADDRESS", "PHONE_NUMBER", "DOMAIN_NAME", "US_DRIVER_LICENSE"] {
            let [count, hit] = found.kinds[kind];
            assert_eq!(hit, count, "{kind}: {found}");
        }
        let by_rules = spans(&Detector::rules(Terms::default()), &tasks).unwrap();
        assert!(by_rules.stray.values().sum::<usize>() <= 9, "{by_rules}");
        let left = leaks(&detector.reaching(Reach::Unknown), &tasks).unwrap();
        assert!(100 * left.exact <= left.units && 100 * left.normalised <= 3 * left.units, "{left}");
    }
}
