//! What this machine takes, where no counter can be read.

use crate::Range;

/// Watts of one core at work, by the makers' figures for whole processors over their cores: from an Intel N100 (6 W, 4 cores)
/// to a Core i9-14900K (253 W, 24 cores); an Apple M2 (20 W, 8), a Ryzen 9 7950X (170 W, 16) and an EPYC 9654 (360 W, 96) lie
/// between.
pub const CORE_WATTS: Range = Range { low: 1.5, high: 10.6 };

/// Watt-hours of `seconds` of work at so many watts. Memory, display and losses of the power supply are not in it.
pub fn estimated_wh(seconds: f64, watts: Range) -> Range {
    watts.times(seconds / 3600.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_power_make_energy() {
        let found = estimated_wh(1800.0, CORE_WATTS.times(4.0));
        assert_eq!(found, Range { low: 3.0, high: 21.2 });
    }
}
