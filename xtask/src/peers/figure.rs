//! One measured figure, and how it is read from what a program prints.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::Value;

/// What one run gave.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// In the unit of the case.
    pub value: f64,
    /// Billions of multiply-accumulates with weights a second, where the program says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gmacs: Option<f64>,
    /// Gigabytes of weights and cache a second, where the program says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gb_s: Option<f64>,
}

/// How an output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// `hob bench --json`, the prompt.
    HobPrefill,
    /// `hob bench --json`, the answer.
    HobDecode,
    /// `hob bench --json`, several sequences at once.
    HobTogether,
    /// `hob bench --json`, an answer that copies from its prompt, with guesses.
    HobLookUp,
    /// The same answer without guesses.
    HobPlain,
    /// `hob bench --json`, vectors of the largest batch.
    HobVectors,
    /// `llama-bench -o json`.
    LlamaBench,
    /// `llama-batched-bench --output-format jsonl`.
    Batched,
    /// `bench/outside.py`, seconds to the first byte.
    FirstByte,
    /// `bench/outside.py`, megabytes.
    PeakMemory,
    /// `{"value": x}`, as the scripts of `bench/` print.
    Value,
}

/// Runs a command to its end and reads its figure.
pub fn run_once(command: &mut Command, reads: Reads) -> Result<Figure> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let done = command.stdin(Stdio::null()).output().with_context(|| format!("could not start `{shown}`"))?;
    if !done.status.success() {
        let errors = String::from_utf8_lossy(&done.stderr);
        let last = errors.trim_end().lines().last().unwrap_or("it printed nothing");
        bail!("`{shown}` ended with {}: {last}", done.status);
    }
    let text = String::from_utf8_lossy(&done.stdout);
    read(&text, reads)
        .with_context(|| format!("`{shown}` printed {:?}", text.chars().take(200).collect::<String>()))
}

fn read(text: &str, reads: Reads) -> Result<Figure> {
    let json = match reads {
        // Libraries print lines of their own around the one that counts.
        Reads::Batched | Reads::Value => text.lines().rfind(|line| line.starts_with('{')).unwrap_or(""),
        _ => text,
    };
    let json: Value = serde_json::from_str(json).context("expected a JSON document")?;
    let at = |pointer: &str| json.pointer(pointer).and_then(Value::as_f64);
    let (value, gmacs, gb_s) = match reads {
        Reads::HobPrefill => (at("/report/prefill/0/tokens_s/median"), at("/report/prefill/0/gmacs"), None),
        Reads::HobDecode => (at("/report/decode/0/tokens_s/median"), None, at("/report/decode/0/gb_s")),
        Reads::HobTogether => (at("/report/together/0/tokens_s/median"), None, None),
        Reads::HobLookUp => (at("/report/look_up/0/guessed/median"), None, None),
        Reads::HobPlain => (at("/report/look_up/0/plain/median"), None, None),
        Reads::HobVectors => {
            // One text at a time always comes first.
            let batch = if at("/report/vectors/1/vectors_s/median").is_some() { 1 } else { 0 };
            let of = |field: &str| at(&format!("/report/vectors/{batch}/{field}"));
            (of("vectors_s/median"), of("gmacs"), None)
        }
        Reads::LlamaBench => (at("/0/avg_ts"), None, None),
        Reads::Batched => (at("/speed_tg"), None, None),
        Reads::FirstByte => (at("/first_byte_s"), None, None),
        Reads::PeakMemory => (at("/peak_bytes").map(|bytes| bytes / 1e6), None, None),
        Reads::Value => (at("/value"), None, None),
    };
    let value = value.filter(|v| v.is_finite()).with_context(|| format!("no figure for {reads:?} in it"))?;
    Ok(Figure { value, gmacs, gb_s })
}

/// The middle of some figures; `None` of none.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len().is_multiple_of(2) { (values[middle - 1] + upper) / 2.0 } else { upper })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_each_output() {
        let hob = r#"{"report": {"prefill": [{"tokens_s": {"median": 5.0}, "gmacs": 7.0}],
            "decode": [{"tokens_s": {"median": 3.0}, "gb_s": 2.0}],
            "together": [{"tokens_s": {"median": 8.0}}],
            "look_up": [{"plain": {"median": 2.0}, "guessed": {"median": 3.5}}],
            "vectors": [{"vectors_s": {"median": 90.0}, "gmacs": 1.0}, {"vectors_s": {"median": 99.0}, "gmacs": 1.5}]}}"#;
        assert_eq!(
            read(hob, Reads::HobPrefill).unwrap(),
            Figure { value: 5.0, gmacs: Some(7.0), gb_s: None }
        );
        assert_eq!(read(hob, Reads::HobDecode).unwrap(), Figure { value: 3.0, gmacs: None, gb_s: Some(2.0) });
        assert_eq!(read(hob, Reads::HobTogether).unwrap().value, 8.0);
        assert_eq!(read(hob, Reads::HobLookUp).unwrap().value, 3.5);
        assert_eq!(read(hob, Reads::HobPlain).unwrap().value, 2.0);
        assert_eq!(
            read(hob, Reads::HobVectors).unwrap(),
            Figure { value: 99.0, gmacs: Some(1.5), gb_s: None }
        );
        assert_eq!(read(r#"[{"avg_ts": 9.5}]"#, Reads::LlamaBench).unwrap().value, 9.5);
        assert_eq!(read("\n{\"speed_tg\": 4.5}\n", Reads::Batched).unwrap().value, 4.5);
        assert_eq!(read("Collecting statistics\n{\"value\": 1.5}\n", Reads::Value).unwrap().value, 1.5);
        assert_eq!(read(r#"{"peak_bytes": 2000000}"#, Reads::PeakMemory).unwrap().value, 2.0);
    }

    #[test]
    fn an_output_without_the_figure_is_an_error() {
        assert!(read("{}", Reads::Value).is_err());
        assert!(read("no JSON", Reads::LlamaBench).is_err());
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}
