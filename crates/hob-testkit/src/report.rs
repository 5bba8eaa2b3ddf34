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
    /// An empty report; with a filter only cases whose full name contains it run.
    pub fn new(suite: &'static str, filter: Option<&str>) -> Self {
        Self { suite, filter: filter.map(str::to_owned), passed: 0, failed: 0, skipped: 0, left_out: 0 }
    }

    /// Whether `name` passes the filter. For work that serves several cases and is worth avoiding.
    pub fn wants(&self, name: &str) -> bool {
        let full = format!("{}/{name}", self.suite);
        self.filter.as_deref().is_none_or(|filter| full.contains(filter) || filter.starts_with(&full))
    }

    /// Runs one case. A panic counts as a failure and does not end the run.
    pub fn case(&mut self, name: &str, check: impl FnOnce() -> Result<(), String>) {
        let full = format!("{}/{name}", self.suite);
        if self.filter.as_deref().is_none_or(|filter| full.contains(filter)) {
            self.case_always(name, check);
        }
    }

    /// Like [`Report::case`], whatever the filter says: for what other cases need.
    pub fn case_always(&mut self, name: &str, check: impl FnOnce() -> Result<(), String>) {
        let full = format!("{}/{name}", self.suite);
        let outcome =
            catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|panic| Err(panic_message(&*panic)));
        match outcome {
            Ok(()) => self.passed += 1,
            Err(message) => self.fail(&full, &message),
        }
    }

    /// Counts a case that cannot run here.
    pub fn skip(&mut self, name: &str, reason: &str) {
        if self.wants(name) {
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
        println!("{:<15} {counts}", self.suite);
        counts
    }
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
    fn the_filter_matches_full_names() {
        let mut report = Report::new("demo", Some("demo/a/x"));
        assert!(report.wants("a") && !report.wants("b"));
        report.case("a/x", || Ok(()));
        report.case("a/y", || Err("not run".to_owned()));
        assert_eq!(report.finish(), Counts { passed: 1, failed: 0, skipped: 0 });
    }
}
