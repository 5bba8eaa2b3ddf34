//! What `hob shrink` found out, for programs and as a page for people.

use super::narrow::Narrowed;
use crate::eval::{Flip, Flips};
use crate::open::{self, ComputeArg, RunArgs};
use crate::out;
use crate::parent::Parent;
use anyhow::{Context, anyhow};
use hob::LanguageModel;
use hob_base::Bytes;
use hob_eval::{Bench, Divergence, Heard, Traffic, Windows};
use hob_shrink::{Measure, Outcome};
use plotters::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Tokens of a prompt and of an answer whose speed is measured.
const PROMPT: usize = 256;
const ANSWER: usize = 32;

/// Places that are shown where parent and child would go on differently.
const FLIPS: usize = 8;

/// A tensor of the small file.
#[derive(Serialize)]
pub struct TensorLine {
    pub name: String,
    #[serde(rename = "type")]
    pub format: String,
    pub bytes: u64,
    /// Nats per token.
    pub predicted_divergence: f64,
}

/// What was asked for and measured.
#[derive(Serialize)]
pub struct Found {
    pub model: PathBuf,
    /// Bytes asked for, where any were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
    /// Of a mobile child: bytes of weights that stay in memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_bytes: Option<u64>,
    /// How wide it is, where narrower ones were tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub narrowed: Option<Narrowed>,
    pub divergence: Measure,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence_untrained: Option<Measure>,
    pub tokens: usize,
    pub held_out_tokens: usize,
    pub seed: u64,
    pub data: Vec<PathBuf>,
}

/// Everything that is known of a small file.
#[derive(Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub found: Found,
    pub file: PathBuf,
    pub bytes: u64,
    pub bytes_before: u64,
    pub bits_per_weight: f64,
    pub predicted_divergence: f64,
    pub types: BTreeMap<String, usize>,
    pub tensors: Vec<TensorLine>,
    /// Bytes of a file, and the least divergence predicted for that size.
    pub frontier: Vec<(u64, f64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// What the files themselves do, run as the program runs them.
#[derive(Serialize)]
pub struct Measured {
    pub divergence: Divergence,
    /// Where the two would go on differently, the farthest first.
    pub flips: Vec<Flip>,
    pub parent: Speed,
    pub child: Speed,
}

/// Tokens per second.
#[derive(Serialize)]
pub struct Speed {
    pub prefill: f64,
    pub decode: f64,
}

/// A model and what was made of it, run by the engine.
pub struct Both {
    parent: LanguageModel,
    child: LanguageModel,
}

impl Both {
    /// Opens them.
    pub fn open(parent: &Path, child: &Path, threads: usize, compute: ComputeArg) -> anyhow::Result<Self> {
        let run = RunArgs { threads: u16::try_from(threads).ok(), compute, ..RunArgs::default() };
        Ok(Self { parent: open::model(parent, &run)?, child: open::model(child, &run)? })
    }

    /// How far the child is from its parent on `tokens`, in windows of `window`.
    pub fn divergence(
        &self,
        tokens: &[u32],
        window: usize,
        heard: &mut dyn FnMut(Heard<'_>),
    ) -> anyhow::Result<Divergence> {
        let [parent, child] = [&self.parent, &self.child].map(LanguageModel::engine);
        let windows = Windows { length: window, bos: None, count_max: None, kv: parent.config().kv };
        let tokens = tokens.iter().copied();
        Ok(hob_eval::kl_divergence(parent.model(), child.model(), parent.cpu(), tokens, windows, heard)?)
    }
}

impl Report {
    /// The figures of `outcome`, which was written to `file`; `measured` is left to [`Report::measure`].
    pub fn new(found: Found, parent: &Parent, outcome: &Outcome, file: PathBuf) -> anyhow::Result<Self> {
        // Of a directory the weights count: what else is in it says what they are.
        let weights = if file.is_dir() { file.join("model.safetensors") } else { file.clone() };
        let bytes = std::fs::metadata(&weights).map_or(0, |m| m.len());
        let mut types = BTreeMap::new();
        for choice in &outcome.plan.choices {
            *types.entry(choice.candidate.format.to_string()).or_default() += 1;
        }
        let tensor = |c: &hob_shrink::Choice| TensorLine {
            name: c.name.clone(),
            format: c.candidate.format.to_string(),
            bytes: c.candidate.bytes,
            predicted_divergence: c.candidate.cost,
        };
        Ok(Self {
            found,
            file,
            bytes,
            bytes_before: parent.bytes,
            bits_per_weight: 8.0 * bytes as f64 / parent.network.layout().len() as f64,
            predicted_divergence: outcome.plan.cost,
            types,
            tensors: outcome.plan.choices.iter().map(tensor).collect(),
            frontier: outcome.frontier.clone(),
            measured: None,
        })
    }

    /// Runs parent and child as they are on `tokens`, in windows of `window`.
    pub fn measure(&mut self, tokens: &[u32], window: usize, threads: usize) -> anyhow::Result<()> {
        let both = Both::open(&self.found.model, &self.file, threads, ComputeArg::Fast)?;
        let mut flips = Flips::new(FLIPS);
        let mut heard = |heard: Heard<'_>| {
            if let Heard::Token(scored) = heard {
                flips.hear(scored);
            }
        };
        let divergence = both.divergence(tokens, window, &mut heard)?;
        let flips = flips.told(both.parent.tokenizer()?);
        let (parent, child) = (speed(&both.parent)?, speed(&both.child)?);
        self.measured = Some(Measured { divergence, flips, parent, child });
        Ok(())
    }

    /// Writes the page, and the figures beside it.
    pub fn write(&self, page: &Path) -> anyhow::Result<()> {
        out::write_whole(page, self.page()?.as_bytes())?;
        let figures = serde_json::to_string_pretty(self)? + "\n";
        out::write_whole(&page.with_extension("json"), figures.as_bytes())
    }

    /// For a terminal.
    pub fn lines(&self) -> String {
        let types: Vec<String> = self.types.iter().map(|(ty, count)| format!("{count} {ty}")).collect();
        format!(
            "{}\n\
             size        {}{}, {:.3} bits per weight\n\
             {}{}\
             types       {}\n\
             divergence  {}\n\
             {}predicted   {:.5}\n",
            self.file.display(),
            Bytes(self.bytes),
            self.found.budget.map_or(String::new(), |budget| {
                format!(" of {} ({:.1} %)", Bytes(budget), 100.0 * self.bytes as f64 / budget as f64)
            }),
            self.bits_per_weight,
            self.found.resident_bytes.map_or(String::new(), |bytes| {
                format!("in memory   {}, without the table of layers' own inputs\n", Bytes(bytes))
            }),
            self.found.narrowed.as_ref().map_or(String::new(), Narrowed::line),
            types.join(", "),
            in_nats(self.found.divergence),
            self.found
                .divergence_untrained
                .map_or(String::new(), |m| format!("untrained   {}\n", in_nats(m))),
            self.predicted_divergence,
        )
    }

    /// A page that needs nothing but itself.
    fn page(&self) -> anyhow::Result<String> {
        let mut page = String::new();
        let title = escaped(&self.file.file_name().unwrap_or_default().to_string_lossy());
        write!(page, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n")?;
        writeln!(page, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
        write!(page, "<title>{title}</title>\n<style>{STYLE}</style>\n<main>\n<h1>{title}</h1>\n")?;
        writeln!(
            page,
            "<p>Made from {} with <code>hob shrink</code>{}: {}, {:.2} bits per weight, {:.1} times smaller \
             than its parent.</p>",
            escaped(&self.found.model.display().to_string()),
            self.found.budget.map_or(String::new(), |budget| format!(" to fit into {}", Bytes(budget))),
            Bytes(self.bytes),
            self.bits_per_weight,
            self.bytes_before as f64 / self.bytes as f64
        )?;
        self.quality(&mut page)?;
        write!(page, "<h2>Size and quality</h2>\n<figure>{}", self.curve()?)?;
        writeln!(
            page,
            "<figcaption>The least divergence predicted for each size of this model. The ring is this file as \
             measured.</figcaption></figure>"
        )?;
        self.tensors(&mut page)?;
        self.flips(&mut page)?;
        let data: Vec<String> = self.found.data.iter().map(|p| escaped(&p.display().to_string())).collect();
        let data = if data.is_empty() { "text that the parent wrote itself".into() } else { data.join(", ") };
        write!(
            page,
            "<h2>How it was made</h2>\n<p>Hob {}, {} tokens of {}, of which {} were kept aside for the figures above; seed \
             {}.</p>\n</main>\n</html>\n",
            env!("CARGO_PKG_VERSION"),
            self.found.tokens,
            data,
            self.found.held_out_tokens,
            self.found.seed
        )?;
        Ok(page)
    }

    fn quality(&self, page: &mut String) -> std::fmt::Result {
        write!(page, "<h2>What it costs</h2>\n<table>\n")?;
        let mut row = |what: &str, value: String| {
            writeln!(page, "<tr><th scope=\"row\">{what}</th><td>{value}</td></tr>")
        };
        let nats = |m: Measure| format!("{:.5} ± {:.5} nats per token", m.mean, m.error);
        row("divergence from the parent, text kept aside", nats(self.found.divergence))?;
        if let Some(m) = self.found.divergence_untrained {
            row("the same before training", nats(m))?;
        }
        row("predicted", format!("{:.5}", self.predicted_divergence))?;
        if let Some(m) = &self.measured {
            let d = &m.divergence;
            row("run as it ships: divergence", format!("{:.5} ± {:.5}", d.mean, d.mean_error))?;
            row(
                "half of the tokens below, 99 %, 99.9 %",
                format!("{:.5}, {:.4}, {:.4}", d.median, d.p99, d.p999),
            )?;
            let same = format!("{:.2} % ± {:.2}", 100.0 * d.same_top, 100.0 * d.same_top_error);
            row("same most probable token", same)?;
            let (a, b) = (d.reference.perplexity, d.other.perplexity);
            let ratio = format!(
                "{a:.3} and {b:.3}, logarithm of the ratio {:+.5} ± {:.5}",
                d.log_ratio, d.log_ratio_error
            );
            row("perplexity, parent and this", ratio)?;
            let both = |a: f64, b: f64| format!("{a:.0} and {b:.0} tokens/s ({:.2} times)", b / a);
            row("reading a prompt, parent and this", both(m.parent.prefill, m.child.prefill))?;
            row("writing, parent and this", both(m.parent.decode, m.child.decode))?;
        }
        page.push_str("</table>\n");
        Ok(())
    }

    fn flips(&self, page: &mut String) -> std::fmt::Result {
        let flips = self.measured.as_ref().map_or(&[][..], |m| &m.flips);
        if flips.is_empty() {
            return Ok(());
        }
        page.push_str("<h2>Where the two differ most</h2>\n<p>Where each would go on with another word, farthest first.</p>\n");
        page.push_str(
            "<table class=\"flips\">\n<tr><th>after</th><th>parent</th><th>this</th><th>the text</th></tr>\n",
        );
        for flip in flips {
            let Flip { before, reference, other, text, .. } = flip;
            let [before, reference, other, text] = [before, reference, other, text].map(|t| escaped(t));
            writeln!(
                page,
                "<tr><td>…{before}</td><td><code>{reference}</code></td><td><code>{other}</code></td>\
                 <td><code>{text}</code></td></tr>"
            )?;
        }
        page.push_str("</table>\n");
        Ok(())
    }

    fn tensors(&self, page: &mut String) -> std::fmt::Result {
        let mut by_type: BTreeMap<&str, (usize, u64, f64)> = BTreeMap::new();
        for t in &self.tensors {
            let sums = by_type.entry(t.format.as_str()).or_default();
            *sums = (sums.0 + 1, sums.1 + t.bytes, sums.2 + t.predicted_divergence);
        }
        let total: f64 = self.tensors.iter().map(|t| t.predicted_divergence).sum();
        let share = |cost: f64| format!("{:.1} %", 100.0 * cost / total.max(f64::MIN_POSITIVE));
        page.push_str("<h2>Types</h2>\n<table>\n<tr><th>type</th><th>tensors</th><th>size</th><th>share of the cost</th></tr>\n");
        for (ty, (count, bytes, cost)) in by_type {
            writeln!(
                page,
                "<tr><td>{ty}</td><td>{count}</td><td>{}</td><td>{}</td></tr>",
                Bytes(bytes),
                share(cost)
            )?;
        }
        page.push_str("</table>\n<details><summary>Every tensor</summary>\n<table>\n");
        page.push_str("<tr><th>tensor</th><th>type</th><th>size</th><th>share of the cost</th></tr>\n");
        for t in &self.tensors {
            writeln!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escaped(&t.name),
                t.format,
                Bytes(t.bytes),
                share(t.predicted_divergence)
            )?;
        }
        page.push_str("</table>\n</details>\n");
        Ok(())
    }

    fn curve(&self) -> anyhow::Result<String> {
        let mut svg = String::new();
        self.draw(&mut svg).map_err(|e| anyhow!("{e}")).context("cannot draw sizes and divergences")?;
        Ok(svg)
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        // A logarithm has no room for what costs nothing.
        let points: Vec<(f64, f64)> =
            self.frontier.iter().map(|(bytes, cost)| (megabytes(*bytes), cost.max(1e-6))).collect();
        let here = (megabytes(self.bytes), self.found.divergence.mean.max(1e-6));
        let all = || points.iter().chain([&here]);
        let end = |of: fn(&(f64, f64)) -> f64, pick: fn(f64, f64) -> f64| all().map(of).fold(of(&here), pick);
        let (left, right) = (end(|p| p.0, f64::min), end(|p| p.0, f64::max));
        let (low, high) = (end(|p| p.1, f64::min), end(|p| p.1, f64::max));
        let root = SVGBackend::with_string(svg, (720, 400)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(16)
            .x_label_area_size(52)
            .y_label_area_size(88)
            .build_cartesian_2d(0.95 * left..1.02 * right, (0.7 * low..1.4 * high).log_scale())?;
        chart
            .configure_mesh()
            .x_desc("megabytes")
            .y_desc("nats per token")
            .label_style(("sans-serif", 16))
            .axis_desc_style(("sans-serif", 16))
            .y_label_formatter(&|y| if *y < 0.001 { format!("{y:.0e}") } else { format!("{y:.3}") })
            .light_line_style(TRANSPARENT)
            .draw()?;
        let (blue, orange) = (RGBColor(31, 119, 180), RGBColor(214, 98, 0));
        chart.draw_series(LineSeries::new(points, blue.stroke_width(2)))?;
        chart.draw_series([Circle::new(here, 6, orange.stroke_width(3))])?;
        root.present()?;
        Ok(())
    }
}

/// A divergence for a terminal.
pub fn in_nats(m: Measure) -> String {
    format!("{:.5} ± {:.5} nats per token from the parent, on text kept aside", m.mean, m.error)
}

fn speed(model: &LanguageModel) -> anyhow::Result<Speed> {
    let engine = model.engine();
    let traffic = Traffic::new(model.files(), engine.model().spec())?;
    let longest = engine.model().spec().context.saturating_sub(ANSWER + 1).clamp(1, PROMPT);
    let bench =
        Bench { prompts: vec![longest], decodes: vec![(longest, ANSWER)], repeats: 3, ..Bench::default() };
    let report = hob_eval::measure(engine, &traffic, &bench, None)?;
    Ok(Speed { prefill: report.prefill[0].tokens_s.median, decode: report.decode[0].tokens_s.median })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c1c1e;--paper:#fff;--line:#d5d5da}\
@media(prefers-color-scheme:dark){:root{--ink:#e8e8ea;--paper:#18181a;--line:#3a3a3e}}\
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\
main{max-width:46rem;margin:0 auto;padding:1.5rem 1rem 4rem}\
h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin-top:2.2rem}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
th,td{text-align:left;font-weight:400;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top;\
overflow-wrap:anywhere}\
.flips td+td,.flips th+th{white-space:nowrap}\
figure{margin:0}figure svg{max-width:100%;height:auto;border-radius:6px}figcaption,summary{opacity:.75}\
summary{cursor:pointer;margin-top:1rem}";
