//! Well-known models beside what this machine can hold and how fast it reads: what fits, and how fast it would answer.

use super::Shelf;
use super::report::{EntryReport, MemoryReport, VariantReport};
use hob_store::{Catalogue, Entry, Fit, ModelName, Need, Variant};
use std::sync::OnceLock;

/// Tokens that memory is estimated for.
const CONTEXT: u64 = 4096;

/// Share of the measured read bandwidth that decoding reaches. `docs/performance.md` has 0.87 for 1B in Q4_0 at a short context;
/// longer conversations and other types reach less, and nobody minds an answer that is faster than promised.
const BANDWIDTH_SHARE: f64 = 0.75;

/// Answers faster than this are told as no more: below a millisecond a token, other costs than reading weights count.
const TOKENS_S_MAX: f64 = 500.0;

/// How fast this machine reads memory: measured once, when first needed.
pub struct Probe {
    measure: fn() -> Option<f64>,
    found: OnceLock<Option<f64>>,
}

impl Probe {
    /// `measure` gives gigabytes (1e9) a second; it may take a second or two and remember what it found.
    pub fn new(measure: fn() -> Option<f64>) -> Self {
        Self { measure, found: OnceLock::new() }
    }

    /// Gigabytes a second. The first call measures, others wait for it.
    pub fn gb_s(&self) -> Option<f64> {
        *self.found.get_or_init(|| (self.measure)())
    }

    /// The same if it was measured already.
    pub fn known(&self) -> Option<f64> {
        self.found.get().copied().flatten()
    }
}

/// Tokens a second that a model of `bytes` would answer with: every weight is read once a token.
pub fn expected_speed(bytes: u64, gb_s: Option<f64>) -> Option<f64> {
    let rate = gb_s? * 1e9 * BANDWIDTH_SHARE / bytes.max(1) as f64;
    Some(rate.min(TOKENS_S_MAX))
}

/// What a model needs of memory, and whether it is there.
pub fn memory(entry: Option<&Entry>, bytes: u64, free: Option<u64>) -> MemoryReport {
    let context = entry.map_or(CONTEXT, |entry| CONTEXT.min(entry.context));
    let need = Need::of(entry, bytes, context);
    MemoryReport {
        needed_bytes: need.total(),
        context,
        free_bytes: free,
        fit: free.map(|free| fit_name(need.fit(free))),
        method: "estimated",
    }
}

fn fit_name(fit: Fit) -> &'static str {
    match fit {
        Fit::Fits => "fits",
        Fit::Tight => "tight",
        Fit::TooLarge => "too_large",
    }
}

/// The entry whose files are in `repo`.
pub fn entry_of(repo: &str) -> Option<&'static Entry> {
    Catalogue::built_in().entries.iter().find(|entry| entry.variants.iter().any(|v| v.repo == repo))
}

impl Shelf {
    /// Gigabytes a second that this machine reads; measured now if that never happened. Takes its time the first time.
    pub fn bandwidth(&self) -> Option<f64> {
        self.shared.config.probe.gb_s()
    }

    /// The same, unless it would have to be measured.
    pub fn bandwidth_known(&self) -> Option<f64> {
        self.shared.config.probe.known()
    }
}

/// The whole catalogue. `here` are the models of the store, `free` bytes of memory can be had.
pub fn list(here: &[ModelName], free: Option<u64>, gb_s: Option<f64>) -> Vec<EntryReport> {
    let entries = &Catalogue::built_in().entries;
    entries
        .iter()
        .map(|entry| {
            let variants = entry.variants.iter().map(|variant| row(entry, variant, here, free, gb_s));
            EntryReport {
                name: entry.name.clone(),
                title: entry.title.clone(),
                architecture: entry.architecture.clone(),
                parameters: (entry.billions * 1e9).round(),
                context: entry.context,
                license: entry.license.clone(),
                capabilities: entry.capabilities.clone(),
                variants: variants.collect(),
            }
        })
        .collect()
}

fn row(
    entry: &Entry,
    variant: &Variant,
    here: &[ModelName],
    free: Option<u64>,
    gb_s: Option<f64>,
) -> VariantReport {
    let name = format!("{}:{}", entry.name, variant.quant);
    let is_here = ModelName::parse(&name).is_ok_and(|name| here.contains(&name));
    // Models that keep a table of their layers' own inputs on disk read about their published "effective" part of it.
    let read = variant.bytes().map(|bytes| (bytes as f64 * entry.read_share()) as u64);
    VariantReport {
        name,
        quantization: variant.quant.clone(),
        repo: variant.repo.clone(),
        bytes_about: variant.bytes(),
        is_here,
        memory: variant.bytes().map(|bytes| memory(Some(entry), bytes, free)),
        tokens_per_second_about: read.and_then(|bytes| expected_speed(bytes, gb_s)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may panic")]
mod tests {
    use super::*;

    #[test]
    fn speed_follows_from_size_and_bandwidth() {
        let speed = |bytes| expected_speed(bytes, Some(20.0)).unwrap();
        assert!((speed(1_000_000_000) - 15.0).abs() < 0.1 && (speed(2_000_000_000) - 7.5).abs() < 0.1);
        assert_eq!(speed(1000), TOKENS_S_MAX);
        assert_eq!(expected_speed(1, None), None);
    }

    #[test]
    fn what_fits_is_told_for_every_entry() {
        let here = [ModelName::parse("qwen3-0.6b:Q8_0").unwrap()];
        let all = list(&here, Some(3_000_000_000), Some(10.0));
        assert_eq!(all.len(), Catalogue::built_in().entries.len());
        let variants: Vec<&VariantReport> = all.iter().flat_map(|entry| &entry.variants).collect();
        assert_eq!(variants.iter().filter(|v| v.is_here).count(), 1);
        for fit in ["fits", "too_large"] {
            let is_meant =
                |v: &&VariantReport| v.memory.as_ref().is_some_and(|memory| memory.fit == Some(fit));
            assert!(variants.iter().any(is_meant), "{fit}");
        }
        let known = variants.iter().filter(|v| v.bytes_about.is_some());
        assert!(known.clone().count() > 0 && known.clone().all(|v| v.tokens_per_second_about.is_some()));
    }
}
