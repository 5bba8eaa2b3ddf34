//! The report: a Markdown table for people, one JSON document for programs.

use std::fmt::Write;

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    Options,
    install::{LLAMA, OPENVINO, Place},
    judge::{Judged, Verdict},
    measure,
};

/// Everything that is said at the end.
pub struct Report {
    verdicts: Vec<Verdict>,
    rounds: u32,
    quick: bool,
    threads: u32,
    hob: String,
    load: [Option<f64>; 2],
}

impl Report {
    /// The report of a run that began with `load_before`.
    pub fn new(options: &Options, place: &Place, load_before: Option<f64>, verdicts: Vec<Verdict>) -> Self {
        Self {
            verdicts,
            rounds: options.rounds(),
            quick: options.quick,
            threads: options.threads,
            hob: place.hob.display().to_string(),
            load: [load_before, measure::load_average()],
        }
    }

    /// Bars that are not met, those of cases that were not measured among them.
    pub fn missed(&self) -> usize {
        self.bars().filter(|b| b.met == Some(false)).count()
    }

    fn bars(&self) -> impl Iterator<Item = &Judged> {
        self.verdicts.iter().flat_map(|v| &v.bars)
    }

    /// One row per bar.
    pub fn table(&self) -> String {
        let mut t = format!(
            "{} threads, medians of {} rounds; peers: {LLAMA}, {}\n\n",
            self.threads, self.rounds, OPENVINO[0]
        );
        t.push_str("| case | Hob | against | theirs | result | bar | met |\n|---|---|---|---|---|---|---|\n");
        for verdict in &self.verdicts {
            for (index, bar) in verdict.bars.iter().enumerate() {
                row(&mut t, verdict, bar, index == 0);
            }
        }
        t.push('\n');
        for verdict in &self.verdicts {
            if let Err(why) = &verdict.measured {
                let _ = writeln!(t, "{}: not measured: {why}", verdict.case.name);
            }
        }
        let asked = self.bars().filter(|b| b.met.is_some()).count();
        let _ = writeln!(t, "bars: {} met, {} missed", asked - self.missed(), self.missed());
        if self.quick {
            t.push_str("--quick: these are no figures to keep\n");
        }
        t
    }

    /// The same and every single run.
    pub fn json(&self) -> Result<String> {
        let document = json!({
            "hob": self.hob, "peers": [LLAMA, OPENVINO[0], OPENVINO[1]], "threads": self.threads,
            "rounds": self.rounds, "quick": self.quick, "load_before": self.load[0], "load_after": self.load[1],
            "missed": self.missed(), "cases": self.verdicts.iter().map(case_json).collect::<Vec<_>>(),
        });
        Ok(serde_json::to_string_pretty(&document)?)
    }
}

fn case_json(verdict: &Verdict) -> Value {
    let mut case = json!({
        "name": verdict.case.name, "model": verdict.case.model, "unit": verdict.case.work.unit(), "bars": verdict.bars,
    });
    case["measured"] = json!(verdict.measured.as_ref().ok());
    case["not_measured"] = json!(verdict.measured.as_ref().err());
    case
}

fn row(t: &mut String, verdict: &Verdict, bar: &Judged, first: bool) {
    let unit = verdict.case.work.unit();
    let (name, hob) = match &verdict.measured {
        _ if !first => (String::new(), String::new()),
        Ok(measured) => (verdict.case.name.clone(), format!("{} {unit}", number(measured.runs[0].median()))),
        Err(_) => (verdict.case.name.clone(), "not measured".to_owned()),
    };
    let theirs = bar.theirs.map_or("-".to_owned(), number);
    let found = bar.found.map_or("-".to_owned(), |x| shown(x, &bar.bar));
    let met = match bar.met {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    let _ = writeln!(t, "| {name} | {hob} | {} | {theirs} | {found} | {} | {met} |", bar.against, bar.bar);
}

/// A result in the manner of its bar.
fn shown(found: f64, bar: &str) -> String {
    if bar.contains('%') {
        format!("{:.1} %", 100.0 * found)
    } else if bar.contains("MB") {
        format!("{found:.0} MB")
    } else {
        format!("{found:.2}x")
    }
}

/// Three or four digits that matter.
fn number(x: f64) -> String {
    match x.abs() {
        100.0.. => format!("{x:.0}"),
        10.0.. => format!("{x:.1}"),
        1.0.. => format!("{x:.2}"),
        _ => format!("{x:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::{
        cases,
        figure::Figure,
        judge::judge,
        measure::{Measured, Runs},
    };

    #[test]
    fn the_table_has_a_row_for_each_bar_and_says_what_was_not_measured() {
        let mut all = cases::all().into_iter().filter(|c| c.name.starts_with("prefill-512/8b"));
        let run = |role, value| {
            let figures = vec![Figure { value, gmacs: None, gb_s: None }];
            Runs { role, who: "someone".to_owned(), figures }
        };
        let runs = vec![run(cases::Role::Hob, 60.0), run(cases::Role::Llama, 40.0)];
        let measured = Measured { limits: vec![], runs, file_mb: 1.0 };
        let verdicts = vec![
            judge(all.next().unwrap(), Ok(measured)),
            judge(all.next().unwrap(), Err(anyhow::anyhow!("no network"))),
        ];
        let report =
            Report { verdicts, rounds: 5, quick: false, threads: 2, hob: String::new(), load: [None; 2] };
        let table = report.table();
        assert!(table.contains(
            "| prefill-512/8b-q4_0 | 60.0 tokens/s | someone | 40.0 | 1.50x | at least 1.3x llama.cpp | yes |"
        ));
        assert!(table.contains("prefill-512/8b-q4_k_m: not measured: no network"), "{table}");
        assert!(table.ends_with("bars: 1 met, 3 missed\n"));
        assert_eq!(report.missed(), 3);
        assert!(report.json().unwrap().contains("\"not_measured\": \"no network\""));
    }
}
