//! Decimal numbers, exact: sums of money that do not end in 0.30000000000000004.

use std::cmp::Ordering;
use std::fmt;

/// Digits after the point, at most.
pub(super) const SCALE_MAX: u32 = 9;
/// Digits in all, at most.
pub(super) const DIGITS_MAX: usize = 24;
/// Digits that a mean may have more than what it is made of.
const MEAN_DIGITS: u32 = 4;

/// `units / 10^scale`.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    units: i128,
    scale: u32,
}

impl Decimal {
    /// Of its digits before and after the point.
    pub fn new(is_negative: bool, whole: &str, part: &str) -> Option<Self> {
        let digits = format!("{whole}{part}");
        let is_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let scale = u32::try_from(part.len()).ok().filter(|scale| *scale <= SCALE_MAX)?;
        if !is_digits || digits.len() > DIGITS_MAX {
            return None;
        }
        let units: i128 = digits.parse().ok()?;
        Some(Self { units: if is_negative { -units } else { units }, scale })
    }

    /// A whole number.
    pub fn whole(units: usize) -> Self {
        Self { units: units as i128, scale: 0 }
    }

    /// Times a power of ten.
    pub(super) fn times_ten(self, power: u32) -> Option<Self> {
        let down = power.min(self.scale);
        let units = self.units.checked_mul(10_i128.checked_pow(power - down)?)?;
        Some(Self { units, scale: self.scale - down })
    }

    /// The sum, unless it is beyond all measure.
    pub fn plus(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        Some(Self { units: self.at(scale)?.checked_add(other.at(scale)?)?, scale })
    }

    /// Divided by a count, rounded to a few more digits.
    pub fn over(self, count: usize) -> Option<Self> {
        let count = i128::try_from(count).ok().filter(|count| *count > 0)?;
        let scale = self.scale + MEAN_DIGITS;
        let units = self.at(scale)?;
        let half = if units < 0 { -count / 2 } else { count / 2 };
        Some(Self { units: units.checked_add(half)? / count, scale }.short(self.scale))
    }

    fn at(self, scale: u32) -> Option<i128> {
        self.units.checked_mul(10_i128.checked_pow(scale.checked_sub(self.scale)?)?)
    }

    /// Without zeros at its end, down to so many digits.
    fn short(mut self, scale: u32) -> Self {
        while self.scale > scale && self.units % 10 == 0 {
            (self.units, self.scale) = (self.units / 10, self.scale - 1);
        }
        self
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        match (self.at(scale), other.at(scale)) {
            (Some(a), Some(b)) => a.cmp(&b),
            // One of them is beyond all measure at this scale, so their sizes without it decide.
            _ => (self.units / 10_i128.pow(self.scale)).cmp(&(other.units / 10_i128.pow(other.scale))),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.units.unsigned_abs(), width = self.scale as usize + 1);
        let (whole, part) = digits.split_at(digits.len() - self.scale as usize);
        match part {
            "" => write!(f, "{sign}{whole}"),
            part => write!(f, "{sign}{whole}.{part}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        Decimal::new(is_negative, whole, part).unwrap()
    }

    #[test]
    fn sums_and_means_are_exact() {
        let sum = decimal("0.1").plus(decimal("0.2")).unwrap();
        assert_eq!(sum.to_string(), "0.3");
        assert_eq!(decimal("12.50").plus(decimal("-2.5")).unwrap().to_string(), "10.00");
        assert_eq!(decimal("10").over(4).unwrap().to_string(), "2.5");
        assert_eq!(decimal("-2").over(3).unwrap().to_string(), "-0.6667");
        assert_eq!(decimal("7.00").over(7).unwrap().to_string(), "1.00");
        assert_eq!(decimal("1").over(0), None);
    }

    #[test]
    fn order_is_of_values_not_of_digits() {
        assert!(
            decimal("2.50") == decimal("2.5")
                && decimal("-3") < decimal("-2.99")
                && decimal("10") > decimal("9.999")
        );
        let most = decimal(&"9".repeat(DIGITS_MAX));
        assert!(most > decimal("0.000000001") && most.times_ten(9).unwrap() > most);
        assert_eq!(Decimal::new(false, &"9".repeat(DIGITS_MAX + 1), ""), None);
        assert_eq!(Decimal::new(false, "1", &"1".repeat(10)), None);
        assert_eq!(Decimal::new(false, "", ""), None);
    }
}
