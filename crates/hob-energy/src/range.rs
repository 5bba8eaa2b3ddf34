//! Figures that are known within bounds.

use std::fmt;

/// A figure that lies between two others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// It is this at least.
    pub low: f64,
    /// It is this at most.
    pub high: f64,
}

impl Range {
    /// A figure that is known.
    pub const fn exact(value: f64) -> Self {
        Self { low: value, high: value }
    }

    /// Both bounds, whichever is the lower one.
    pub const fn between(one: f64, other: f64) -> Self {
        Self { low: one.min(other), high: one.max(other) }
    }

    /// The narrowest range in which both lie.
    #[must_use]
    pub fn around(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// So many times as much; `factor` is not negative.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        Self { low: self.low * factor, high: self.high * factor }
    }

    /// Two figures together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { low: self.low + other.low, high: self.high + other.high }
    }

    /// How `self` compares with `other`. `None` where one of them may be nothing, so that no ratio is known.
    pub fn compared(self, other: Self) -> Option<Verdict> {
        if self.low <= 0.0 || other.low <= 0.0 {
            return None;
        }
        let ratio = Self { low: self.low / other.high, high: self.high / other.low };
        Some(if ratio.high < 1.0 {
            Verdict::Less(Self { low: 1.0 / ratio.high, high: 1.0 / ratio.low })
        } else if ratio.low > 1.0 {
            Verdict::More(ratio)
        } else {
            Verdict::Unclear { less: 1.0 / ratio.low, more: ratio.high }
        })
    }
}

/// How one figure compares with another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// So many times less, at least and at most.
    Less(Range),
    /// So many times more.
    More(Range),
    /// It may be up to so many times less, or up to so many times more.
    Unclear {
        /// Times less at best.
        less: f64,
        /// Times more at worst.
        more: f64,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Less(Range { low, high }) => {
                write!(f, "{} to {} times less here", Times(*low), Times(*high))
            }
            Self::More(Range { low, high }) => {
                write!(f, "{} to {} times MORE here", Times(*low), Times(*high))
            }
            Self::Unclear { less, more } => {
                write!(f, "from {} times less to {} times more here: not known", Times(*less), Times(*more))
            }
        }
    }
}

/// A number of times; two digits are as many as these figures deserve.
struct Times(f64);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = 10f64.powi(self.0.max(1.0).log10().floor() as i32 - 1);
        let digits = usize::from(step < 1.0);
        write!(f, "{:.digits$}", (self.0 / step).round() * step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_keep_both_bounds() {
        let here = Range::between(0.4, 0.1);
        let less = here.compared(Range::exact(0.8)).unwrap();
        assert_eq!(less, Verdict::Less(Range { low: 2.0, high: 8.0 }));
        assert_eq!(less.to_string(), "2.0 to 8.0 times less here");
        let more = here.compared(Range::between(0.01, 0.05)).unwrap();
        assert_eq!(more.to_string(), "2.0 to 40 times MORE here");
        let unclear = here.compared(Range::exact(0.2)).unwrap();
        assert_eq!(unclear, Verdict::Unclear { less: 2.0, more: 2.0 });
        assert!(unclear.to_string().ends_with("not known"));
        assert_eq!([1.04, 9.96, 12.6, 2542.0].map(|n| Times(n).to_string()), ["1.0", "10.0", "13", "2500"]);
        assert_eq!(here.compared(Range::exact(0.0)), None);
        assert_eq!(Range::exact(0.0).compared(here), None);
    }

    #[test]
    fn sums_and_multiples_move_both_bounds() {
        let sum = Range::between(1.0, 2.0).plus(Range::exact(3.0)).times(2.0);
        assert_eq!(sum, Range { low: 8.0, high: 10.0 });
    }
}
