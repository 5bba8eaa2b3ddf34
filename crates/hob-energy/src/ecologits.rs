//! The open formula of EcoLogits 0.11 for a request to a large model: regressions over measured inference servers, written anew
//! from its documentation and constants (<https://ecologits.ai>, MPL-2.0).
//!
//! Sizes of closed models are guesses, and its authors count servers as fully used by nobody else: take it as an upper
//! scenario.

use crate::Range;

/// Watt-hours of one GPU for a token: `GPU_SLOPE * exp(GPU_BATCH * batch) * active + GPU_BASE`.
const GPU_SLOPE: f64 = 1.166_527_317_045_191_4e-6;
const GPU_BATCH: f64 = -0.011_205_921_025_579_175;
const GPU_BASE: f64 = 4.052_928_146_734_005e-5;
/// Seconds for a token: `LATENCY_SLOPE * active + LATENCY_BATCH * batch + LATENCY_BASE`.
const LATENCY_SLOPE: f64 = 0.000_678_508_809_435_366_3;
const LATENCY_BATCH: f64 = 0.000_311_931_031_168_825_9;
const LATENCY_BASE: f64 = 0.019_473_717_579_473_387;
/// Requests that a server answers at a time.
const BATCH: f64 = 64.0;
/// Gigabytes of a GPU, bits of a weight, and what is needed beside weights.
const GPU_GB: f64 = 80.0;
const WEIGHT_BITS: f64 = 16.0;
const MEMORY_FACTOR: f64 = 1.2;
/// Kilowatts of a server without its GPUs, and how many it has.
const SERVER_KW: f64 = 1.2;
const SERVER_GPUS: f64 = 8.0;

/// A model that somebody serves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Served {
    /// Billions of parameters that a token uses.
    pub active: Range,
    /// Billions of parameters in all.
    pub total: Range,
    /// What the building takes over what its machines take.
    pub pue: Range,
}

/// Watt-hours of an answer of so many tokens.
pub fn request_wh(model: Served, tokens: f64) -> Range {
    Range {
        low: bound(model.active.low, model.total.low, model.pue.low, tokens),
        high: bound(model.active.high, model.total.high, model.pue.high, tokens),
    }
}

fn bound(active: f64, total: f64, pue: f64, tokens: f64) -> f64 {
    let gpu = tokens * (GPU_SLOPE * (GPU_BATCH * BATCH).exp() * active + GPU_BASE);
    let seconds = tokens * (LATENCY_SLOPE * active + LATENCY_BATCH * BATCH + LATENCY_BASE);
    let needed = (MEMORY_FACTOR * total * WEIGHT_BITS / 8.0 / GPU_GB).ceil();
    let gpus = needed.log2().ceil().exp2();
    let server = seconds / 3600.0 * SERVER_KW * 1000.0 * (gpus / SERVER_GPUS) / BATCH;
    pue * (server + gpus * gpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the Python package ecologits 0.11.3 computes (`compute_llm_impacts_dag`, `request_energy`, without a measured
    /// latency), in watt-hours: active, total, tokens, PUE.
    const ORACLE: [([f64; 4], f64); 6] = [
        ([8.0, 8.0, 300.0, 1.2], 0.026_745_775_365_926_615),
        ([70.0, 70.0, 1000.0, 1.12], 0.613_693_726_544_604_2),
        ([37.0, 671.0, 250.0, 1.09], 0.903_542_078_735_631_3),
        ([440.0, 440.0, 300.0, 1.2], 2.944_000_640_622_631_3),
        ([55.0, 220.0, 1.0, 1.0], 0.000_974_543_487_536_560_3),
        ([0.5, 0.5, 64.0, 1.3], 0.005_550_287_392_980_56),
    ];

    #[test]
    fn agrees_with_the_package() {
        for ([active, total, tokens, pue], expected) in ORACLE {
            let [active, total, pue] = [active, total, pue].map(Range::exact);
            let found = request_wh(Served { active, total, pue }, tokens);
            assert_eq!(found.low, found.high);
            assert!((found.low / expected - 1.0).abs() < 1e-9, "{found:?} and {expected}");
        }
    }
}
