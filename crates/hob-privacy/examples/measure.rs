use hob_privacy::*;
use serde::Deserialize;
use std::collections::BTreeMap;
#[derive(Deserialize)]
struct Span { #[serde(rename = "type")] ty: String, start: usize, end: usize, value: String }
#[derive(Deserialize)]
struct Row { text: String, spans: Vec<Span> }
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let detector = Detector::default();
    let mut score = [Score::default(); 3];
    let mut by: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut misses = Vec::new();
    let mut fps: BTreeMap<&str, (usize, Vec<String>)> = BTreeMap::new();
    let start = std::time::Instant::now();
    let mut bytes = 0;
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let row: Row = serde_json::from_str(line).unwrap();
        bytes += row.text.len();
        let at: Vec<usize> = row.text.char_indices().map(|(i, _)| i).chain([row.text.len()]).collect();
        let found = detector.by_rules(&row.text);
        let ranges: Vec<_> = found.iter().map(|f| f.range.clone()).collect();
        let marked: Vec<_> = row.spans.iter().map(|s| at[s.start]..at[s.end]).collect();
        for (s, t) in score.iter_mut().zip([0.9, 0.7, 0.5]) { s.add(&row.text, &marked, &ranges, t); }
        for (span, m) in row.spans.iter().zip(&marked) {
            assert_eq!(&row.text[m.clone()], span.value);
            let covered = ranges.iter().any(|r| r.start <= m.start && m.end <= r.end);
            let e = by.entry(span.ty.clone()).or_default();
            e.0 += 1; e.1 += usize::from(covered);
            if !covered { misses.push((span.ty.clone(), span.value.clone(), row.text.clone())); }
        }
        for f in &found {
            if !marked.iter().any(|m| m.start < f.range.end && f.range.start < m.end) {
                let e = fps.entry(f.by).or_default();
                e.0 += 1;
                e.1.push(row.text[f.range.clone()].to_owned());
            }
        }
    }
    println!("{} bytes in {:?}", bytes, start.elapsed());
    for (s, t) in score.iter().zip([0.9, 0.7, 0.5]) { println!("IoU {t}: recall {:.3} precision {:.3} F2 {:.3} {:?}", s.recall(), s.precision(), s.f2(), s); }
    println!("{by:?}");
    for (k, (n, v)) in fps { println!("FP {k}: {n} {:?}", &v[..v.len().min(6)]); }
    for want in std::env::args().skip(2) { for m in misses.iter().filter(|m| m.0 == want).take(12) { println!("MISS {m:?}"); } }
}
