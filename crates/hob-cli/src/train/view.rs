//! A run as it is seen: on a terminal one line that rewrites itself, elsewhere a line now and then.

use crate::out;
use crate::progress::span;
use hob_train::{Point, Trainer};
use serde_json::json;
use std::collections::VecDeque;
use std::io::{self, IsTerminal, Write};

/// Steps over which the speed is averaged.
const RECENT: usize = 20;

/// Bars of the sparkline.
const BARS: usize = 24;

/// Seconds between lines where there is no terminal.
const LINES_EVERY: f64 = 30.0;

/// What is shown of a run.
pub struct View {
    steps: u64,
    batch: usize,
    json: bool,
    is_terminal: bool,
    recent: VecDeque<f64>,
    since_line: f64,
    valid: Option<f64>,
}

impl View {
    /// A run of `steps` steps of `batch` tokens.
    pub fn new(steps: u64, batch: usize, json: bool) -> Self {
        let is_terminal = io::stderr().is_terminal() && !json;
        Self {
            steps,
            batch,
            json,
            is_terminal,
            recent: VecDeque::new(),
            since_line: f64::INFINITY,
            valid: None,
        }
    }

    /// Shows a step that took `seconds`.
    pub fn step(&mut self, trainer: &Trainer, point: Point, seconds: f64) -> anyhow::Result<()> {
        self.recent.push_back(seconds);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        self.valid = point.valid.or(self.valid);
        if self.json {
            let mut line = serde_json::to_value(point)?;
            line["tokens_per_second"] = json!(self.speed());
            return out::json_line(&line);
        }
        self.since_line += seconds;
        let is_due = self.is_terminal
            || self.since_line >= LINES_EVERY
            || point.valid.is_some()
            || point.step == self.steps;
        if is_due {
            self.since_line = 0.0;
            let line = self.line(trainer.points(), point);
            let (before, after) = if self.is_terminal { ("\r\x1b[K", "") } else { ("", "\n") };
            // A run goes on when nobody watches.
            let _ = write!(io::stderr(), "{before}{line}{after}");
        }
        Ok(())
    }

    /// Leaves the last line standing.
    pub fn end(&self) {
        if self.is_terminal {
            let _ = writeln!(io::stderr());
        }
    }

    fn speed(&self) -> f64 {
        (self.batch * self.recent.len()) as f64 / self.recent.iter().sum::<f64>()
    }

    fn line(&self, points: &[Point], point: Point) -> String {
        let left = (self.steps - point.step) as f64 * self.batch as f64 / self.speed();
        let valid = self.valid.map_or(String::new(), |v| format!(" (validation {v:.3})"));
        format!(
            "step {}/{}  loss {:.3}{valid}  {}  {:.0} tokens/s  {} left",
            point.step,
            self.steps,
            recent_loss(points),
            sparkline(points),
            self.speed(),
            span(left)
        )
    }
}

fn recent_loss(points: &[Point]) -> f64 {
    let recent = &points[points.len().saturating_sub(RECENT)..];
    recent.iter().map(|p| p.loss).sum::<f64>() / recent.len().max(1) as f64
}

/// The losses of the whole run as bars, each the mean of its share.
fn sparkline(points: &[Point]) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let share = points.len().div_ceil(BARS).max(1);
    let means: Vec<f64> =
        points.chunks(share).map(|c| c.iter().map(|p| p.loss).sum::<f64>() / c.len() as f64).collect();
    let (low, high) = means.iter().fold((f64::MAX, f64::MIN), |(l, h), m| (l.min(*m), h.max(*m)));
    let level = |m: &f64| LEVELS[((m - low) / (high - low).max(1e-9) * 7.0).round() as usize];
    means.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_short_and_say_what_is_left() {
        let points: Vec<Point> = (1..=100)
            .map(|step| Point { step, loss: 9.0 / step as f64 + 2.0, gradient: 1.0, rate: 0.1, valid: None })
            .collect();
        let mut view = View::new(400, 1000, false);
        view.recent.extend([0.5; 3]);
        view.valid = Some(2.5);
        let line = view.line(&points, points[99]);
        assert_eq!(
            line,
            "step 100/400  loss 2.100 (validation 2.500)  █▃▂▂▂▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  2000 tokens/s  3 min left"
        );
    }
}
