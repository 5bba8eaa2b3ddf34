//! Counting cases and showing those that fail.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Failing cases printed per suite; a broken kernel would fill the screen otherwise.
const SHOWN_MAX: usize = 60;

/// The cases of one suite.
#[derive(Debug)]
pub struct Report {
    suite: &'static str,
    filter: Option<String>,
    passed: usize,
    failed: usize,
    skipped: usize,
    left_out: usize,
}

impl Report {
    /// An empty report. A filter with a slash names cases from the left (`models/gemma4_e2b/hf`, the suite's name may be
    /// left out); one without is looked for anywhere in their names.
    pub fn new(suite: &'static str, filter: Option<&str>) -> Self {
        let filter =
            filter.map(|filter| filter.strip_prefix(&format!("{suite}/")).unwrap_or(filter).to_owned());
        Self { suite, filter, passed: 0, failed: 0, skipped: 0, left_out: 0 }
    }

    /// Whether a case below `name` may pass the filter. For work that serves several cases and is worth avoiding.
    pub fn wants(&self, name: &str) -> bool {
        match &self.filter {
            Some(filter) if filter.contains('/') => filter.starts_with(name) || name.starts_with(filter),
            _ => true,
        }
    }

    fn selects(&self, name: &str) -> bool {
        match &self.filter {
            Some(filter) if filter.contains('/') => name.starts_with(filter),
            Some(filter) => name.contains(filter) || self.suite.contains(filter),
            None => true,
        }
    }

    /// Runs one case if the filter selects it. A panic counts as a failure and does not end the run.
    pub fn case(&mut self, name: &str, check: impl FnOnce() -> Result<(), String>) {
        if self.selects(name) {
            self.count(name, guarded(check));
        }
    }

    /// Does what later cases need, whatever the filter says, and counts as a case where it is selected.
    pub fn prepare<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T, String>) -> Option<T> {
        let outcome = guarded(work);
        let (value, outcome) = match outcome {
            Ok(value) => (Some(value), Ok(())),
            Err(message) => (None, Err(message)),
        };
        if self.selects(name) {
            self.count(name, outcome);
        }
        value
    }

    fn count(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(message) => self.fail(&format!("{}/{name}", self.suite), &message),
        }
    }

    /// Counts a case that cannot run here.
    pub fn skip(&mut self, name: &str, reason: &str) {
        if self.wants(name) && (self.filter.is_none() || self.selects(name)) {
            println!("SKIP {}/{name}: {reason}", self.suite);
            self.skipped += 1;
        }
    }

    fn fail(&mut self, full: &str, message: &str) {
        self.failed += 1;
        if self.failed <= SHOWN_MAX {
            println!("FAIL {full}: {message}");
        } else {
            self.left_out += 1;
        }
    }

    /// Prints the suite's count and gives it.
    pub fn finish(self) -> Counts {
        if self.left_out > 0 {
            println!("FAIL {}: and {} more; use --filter to see others", self.suite, self.left_out);
        }
        let counts = Counts { passed: self.passed, failed: self.failed, skipped: self.skipped };
        // A filter that is about another suite leaves nothing to say here.
        if self.filter.is_none() || counts != Counts::default() {
            println!("{:<15} {counts}", self.suite);
        }
        counts
    }
}

fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panic_message(&*panic)))
}

/// What a panic said, for reports.
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text =
        panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a message"))
}

/// How many cases ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// As expected.
    pub passed: usize,
    /// Not as expected.
    pub failed: usize,
    /// Not run, with a reason.
    pub skipped: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_and_panics_count_and_do_not_end_the_run() {
        let mut report = Report::new("demo", None);
        report.case("good", || Ok(()));
        report.case("bad", || Err("wrong".to_owned()));
        report.case("panics", || panic!("on purpose"));
        report.skip("later", "no model");
        let counts = report.finish();
        assert_eq!(counts, Counts { passed: 1, failed: 2, skipped: 1 });
        assert_eq!(counts.to_string(), "1 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_filter_with_a_slash_names_cases_from_the_left() {
        for filter in ["demo/a/x", "a/x"] {
            let mut report = Report::new("demo", Some(filter));
            assert!(report.wants("a") && !report.wants("b"));
            report.case("a/x/1", || Ok(()));
            report.case("a/y", || Err("not selected".to_owned()));
            assert_eq!(report.prepare("a/load", || Ok(7)), Some(7));
            assert_eq!(report.finish(), Counts { passed: 1, failed: 0, skipped: 0 });
        }
    }

    #[test]
    fn a_filter_without_a_slash_is_looked_for_anywhere() {
        let mut report = Report::new("demo", Some("greedy"));
        assert!(report.wants("a"));
        report.case("a/greedy", || Ok(()));
        report.case("a/logits", || Err("not selected".to_owned()));
        assert_eq!(report.finish(), Counts { passed: 1, failed: 0, skipped: 0 });
    }
}
