//! Named steps with durations, and the closing count.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How a step that did not fail ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ran and found nothing wrong.
    Passed,
    /// It could not run here; the reason says what is missing.
    Skipped(String),
}

/// Runs steps one after another and remembers how each ended.
#[derive(Debug, Default)]
pub struct Steps {
    done: Vec<(String, Outcome, Duration)>,
}

impl Steps {
    /// Runs one step. The first error ends the whole run, so its message is the last thing on the screen.
    pub fn run(&mut self, name: &str, step: impl FnOnce() -> Result<Outcome>) -> Result<()> {
        eprintln!("\n=> {name}");
        let start = Instant::now();
        let outcome = step().with_context(|| format!("step {name} failed, {}", self.closing_line(1)))?;
        let took = start.elapsed();
        match &outcome {
            Outcome::Passed => eprintln!("=> {name}: passed in {:.1} s", took.as_secs_f64()),
            Outcome::Skipped(reason) => eprintln!("=> {name}: SKIPPED, {reason}"),
        }
        self.done.push((name.to_owned(), outcome, took));
        Ok(())
    }

    /// The table of steps; the skipped ones are repeated here because a reader looks at the end first.
    pub fn summary(&self) -> String {
        let mut text = String::from("\n");
        for (name, outcome, took) in &self.done {
            let end = match outcome {
                Outcome::Passed => format!("{:>7.1} s", took.as_secs_f64()),
                Outcome::Skipped(reason) => format!("  skipped, {reason}"),
            };
            text.push_str(&format!("{name:<16}{end}\n"));
        }
        text
    }

    /// The line that CI reads: `steps: 12 passed, 0 failed, 1 skipped`.
    pub fn closing_line(&self, failed: usize) -> String {
        let passed = self.done.iter().filter(|(_, outcome, _)| *outcome == Outcome::Passed).count();
        format!("steps: {passed} passed, {failed} failed, {} skipped", self.done.len() - passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_passed_and_skipped_apart() {
        let mut steps = Steps::default();
        steps.run("one", || Ok(Outcome::Passed)).unwrap();
        steps.run("two", || Ok(Outcome::Skipped("no compiler".to_owned()))).unwrap();
        assert_eq!(steps.closing_line(0), "steps: 1 passed, 0 failed, 1 skipped");
        assert!(steps.summary().contains("skipped, no compiler"));
    }

    #[test]
    fn a_failure_names_the_step_and_the_count() {
        let mut steps = Steps::default();
        steps.run("one", || Ok(Outcome::Passed)).unwrap();
        let error = steps.run("two", || anyhow::bail!("broken")).unwrap_err();
        assert_eq!(format!("{error:#}"), "step two failed, steps: 1 passed, 1 failed, 0 skipped: broken");
    }
}
