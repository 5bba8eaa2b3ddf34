//! What the server counts, in the form that Prometheus reads. Numbers only: nothing of what anybody said.

use crate::energy::{Energy, Meter, Working};
use crate::engine::runner::Times;
use hob::{Stepped, Usage};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Upper bounds of the times to the first token, in seconds.
const BOUNDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The counters.
#[derive(Default)]
pub struct Metrics {
    requests: [AtomicU64; 5],
    answers: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    prompt_tokens: AtomicU64,
    cached_tokens: AtomicU64,
    predicted_tokens: AtomicU64,
    prompt_micros: AtomicU64,
    predicted_micros: AtomicU64,
    queue_micros: AtomicU64,
    steps: AtomicU64,
    meter: Arc<Meter>,
    drawn: AtomicU64,
    first_token: [AtomicU64; BOUNDS.len() + 1],
    first_token_micros: AtomicU64,
}

/// What is true at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauges {
    /// Answers that run.
    pub running: usize,
    /// Answers that wait.
    pub waiting: usize,
    /// Models in memory.
    pub models: usize,
    /// Bytes they may take.
    pub model_bytes: u64,
    /// Bytes of keys and values.
    pub kv_bytes: usize,
}

/// What left for models elsewhere, by the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// Dollars today.
    pub today: f64,
    /// Dollars this month.
    pub month: f64,
    /// Bytes this month.
    pub bytes: u64,
}

impl Metrics {
    /// Counters at nothing, with this meter.
    pub fn with_meter(meter: Meter) -> Self {
        Self { meter: Arc::new(meter), ..Self::default() }
    }

    /// What answers take in energy.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// A request was answered with this status.
    pub fn request(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.requests[class].fetch_add(1, Relaxed);
    }

    /// Something computes until what is given goes.
    pub fn work(&self) -> Working<'_> {
        self.meter.work()
    }

    /// The time in which anything computed.
    pub fn at_work(&self) -> Duration {
        self.meter.at_work()
    }

    /// A step was made.
    pub fn steps(&self, stepped: Stepped) {
        self.steps.fetch_add(u64::from(stepped.answers + stepped.prompt_tokens > 0), Relaxed);
    }

    /// The first token of an answer came after `time`.
    pub fn first_token(&self, time: Duration) {
        let bucket = BOUNDS.iter().position(|bound| time.as_secs_f64() <= *bound).unwrap_or(BOUNDS.len());
        self.first_token[bucket].fetch_add(1, Relaxed);
        self.first_token_micros.fetch_add(micros(time), Relaxed);
    }

    /// A token was drawn.
    pub fn drew(&self) {
        self.drawn.fetch_add(1, Relaxed);
    }

    /// Tokens that were drawn, those of running answers included.
    pub fn tokens_drawn(&self) -> u64 {
        self.drawn.load(Relaxed)
    }

    /// An answer was completed.
    pub fn answered(&self, usage: &Usage, times: Times) {
        let add = |counter: &AtomicU64, count: usize| counter.fetch_add(count as u64, Relaxed);
        self.answers.fetch_add(1, Relaxed);
        add(&self.prompt_tokens, usage.prompt.saturating_sub(usage.cached));
        add(&self.cached_tokens, usage.cached);
        add(&self.predicted_tokens, usage.produced);
        self.prompt_micros.fetch_add(micros(times.prompt), Relaxed);
        self.predicted_micros.fetch_add(micros(times.predicted), Relaxed);
        self.queue_micros.fetch_add(micros(times.queue), Relaxed);
    }

    /// An answer could not go on.
    pub fn failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    /// An answer was given up by its client.
    pub fn cancelled(&self) {
        self.cancelled.fetch_add(1, Relaxed);
    }

    /// All of it as text. The names that llama-server has are the same here.
    pub fn render(&self, gauges: Gauges, energy: Option<Energy>, left: Option<Left>) -> String {
        let mut page = Page(String::new());
        let seconds = |counter: &AtomicU64| counter.load(Relaxed) as f64 / 1e6;
        let count = |counter: &AtomicU64| counter.load(Relaxed) as f64;
        page.family("hob_requests_total", "counter", "Requests by class of their status");
        for (class, counter) in self.requests.iter().enumerate() {
            page.line("hob_requests_total", &format!("{{status=\"{}xx\"}}", class + 1), count(counter));
        }
        for (name, help, value) in [
            ("hob_answers_total", "Answers that were completed", count(&self.answers)),
            ("hob_answers_failed_total", "Answers that could not go on", count(&self.failed)),
            ("hob_answers_cancelled_total", "Answers that their clients gave up", count(&self.cancelled)),
            (
                "hob_prompt_tokens_cached_total",
                "Prompt tokens that were remembered",
                count(&self.cached_tokens),
            ),
            ("hob_queue_seconds_total", "Time that answers waited", seconds(&self.queue_micros)),
            ("hob_busy_seconds_total", "Time in which anything computed", self.at_work().as_secs_f64()),
            ("llamacpp:prompt_tokens_total", "Prompt tokens computed", count(&self.prompt_tokens)),
            ("llamacpp:prompt_seconds_total", "Time spent on prompts", seconds(&self.prompt_micros)),
            ("llamacpp:tokens_predicted_total", "Tokens of answers", count(&self.predicted_tokens)),
            (
                "llamacpp:tokens_predicted_seconds_total",
                "Time spent on answers",
                seconds(&self.predicted_micros),
            ),
            ("llamacpp:n_decode_total", "Steps of models", count(&self.steps)),
        ] {
            page.family(name, "counter", help);
            page.line(name, "", value);
        }
        for (name, help, value) in [
            ("llamacpp:requests_processing", "Answers that run", gauges.running as f64),
            ("llamacpp:requests_deferred", "Answers that wait", gauges.waiting as f64),
            ("hob_models_loaded", "Models in memory", gauges.models as f64),
            ("hob_models_memory_bytes", "Bytes that loaded models may take", gauges.model_bytes as f64),
            ("hob_kv_bytes", "Bytes of keys and values of running answers", gauges.kv_bytes as f64),
        ] {
            page.family(name, "gauge", help);
            page.line(name, "", value);
        }
        page.energy(energy);
        page.left(left);
        self.histogram(&mut page);
        page.0
    }

    fn histogram(&self, page: &mut Page) {
        let name = "hob_first_token_seconds";
        page.family(name, "histogram", "Time from the order to the first token");
        let mut sum = 0;
        for (index, bucket) in self.first_token.iter().enumerate() {
            sum += bucket.load(Relaxed);
            let bound = BOUNDS.get(index).map_or("+Inf".to_owned(), f64::to_string);
            page.line(&format!("{name}_bucket"), &format!("{{le=\"{bound}\"}}"), sum as f64);
        }
        page.line(&format!("{name}_sum"), "", self.first_token_micros.load(Relaxed) as f64 / 1e6);
        page.line(&format!("{name}_count"), "", sum as f64);
    }
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").expect("strings take everything");
    }

    /// One number only where one was measured: what is estimated are two, and no query can take them for more.
    fn energy(&mut self, energy: Option<Energy>) {
        let name = "hob_energy_joules_total";
        match energy {
            None => {}
            Some(Energy::Measured(joules)) => {
                self.family(
                    name,
                    "counter",
                    "Energy of the processors since the server began, whatever used them",
                );
                self.line(name, "{method=\"measured\"}", joules);
            }
            Some(Energy::Estimated(range)) => {
                let help = "Energy of computing since the server began, at least and at most, by time and makers' watts";
                self.family(name, "counter", help);
                self.line(name, "{method=\"estimated\",bound=\"low\"}", range.low);
                self.line(name, "{method=\"estimated\",bound=\"high\"}", range.high);
            }
        }
    }

    fn left(&mut self, left: Option<Left>) {
        let Some(Left { today, month, bytes }) = left else { return };
        for (name, help, value) in [
            ("hob_cloud_dollars_today", "Dollars spent on models elsewhere today", today),
            ("hob_cloud_dollars_month", "Dollars spent on models elsewhere this month", month),
            ("hob_cloud_sent_bytes_month", "Bytes sent to models elsewhere this month", bytes as f64),
        ] {
            self.family(name, "gauge", help);
            self.line(name, "", value);
        }
    }

    fn line(&mut self, name: &str, labels: &str, value: f64) {
        writeln!(self.0, "{name}{labels} {value}").expect("strings take everything");
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let metrics = Metrics::default();
        [5, 90, 120_000].iter().for_each(|ms| metrics.first_token(Duration::from_millis(*ms)));
        metrics.request(200);
        metrics.request(404);
        let page = metrics.render(Gauges::default(), None, None);
        for line in [
            "hob_first_token_seconds_bucket{le=\"0.01\"} 1",
            "hob_first_token_seconds_bucket{le=\"0.1\"} 2",
            "hob_first_token_seconds_bucket{le=\"60\"} 2",
            "hob_first_token_seconds_bucket{le=\"+Inf\"} 3",
            "hob_first_token_seconds_count 3",
            "hob_requests_total{status=\"2xx\"} 1",
            "hob_requests_total{status=\"4xx\"} 1",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
    }

    #[test]
    fn what_left_is_told_where_it_is_known() {
        let page = |left| Metrics::default().render(Gauges::default(), None, left);
        assert!(!page(None).contains("hob_cloud"));
        let told = page(Some(Left { today: 0.25, month: 1.5, bytes: 700 }));
        for line in
            ["hob_cloud_dollars_today 0.25", "hob_cloud_dollars_month 1.5", "hob_cloud_sent_bytes_month 700"]
        {
            assert!(told.lines().any(|found| found == line), "{line} is not in\n{told}");
        }
    }

    #[test]
    fn an_estimate_is_never_one_number() {
        let lines = |energy| {
            let page = Metrics::default().render(Gauges::default(), energy, None);
            let found = page.lines().filter(|line| line.starts_with("hob_energy"));
            found.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(lines(Some(Energy::Measured(2.5))), ["hob_energy_joules_total{method=\"measured\"} 2.5"]);
        let range = hob_energy::Range { low: 1.0, high: 4.5 };
        let expected = [
            "hob_energy_joules_total{method=\"estimated\",bound=\"low\"} 1",
            "hob_energy_joules_total{method=\"estimated\",bound=\"high\"} 4.5",
        ];
        assert_eq!(lines(Some(Energy::Estimated(range))), expected);
        assert!(lines(None).is_empty());
    }
}
