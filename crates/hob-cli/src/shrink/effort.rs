//! How long a child is trained, as the command line says it.

use super::size::quantity;
use std::str::FromStr;
use std::time::Duration;

/// An amount of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effort {
    /// Tokens of text.
    Tokens(u64),
    /// Time on this machine.
    Time(Duration),
}

impl Effort {
    fn time(seconds: f64) -> Self {
        Self::Time(Duration::from_secs_f64(seconds))
    }

    /// So much of it, `share` being from 0 to 1.
    pub fn share(self, share: f64) -> Self {
        match self {
            Self::Tokens(tokens) => Self::Tokens((tokens as f64 * share) as u64),
            Self::Time(time) => Self::Time(time.mul_f64(share)),
        }
    }
}

impl FromStr for Effort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = quantity(text);
        let effort = |n: f64| match unit.as_str() {
            "s" | "sec" => Some(Self::time(n)),
            "min" => Some(Self::time(60.0 * n)),
            "h" => Some(Self::time(3600.0 * n)),
            "" => Some(Self::Tokens(n as u64)),
            "k" => Some(Self::Tokens((1e3 * n) as u64)),
            "m" => Some(Self::Tokens((1e6 * n) as u64)),
            _ => None,
        };
        match number.filter(|n| *n > 0.0 && *n < 1e9).and_then(effort) {
            Some(effort) if effort != Self::Tokens(0) => Ok(effort),
            _ => Err(format!(
                "expected a time such as 30min or 2h, or a number of tokens such as 500k, found {text:?}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efforts_are_read_as_people_write_them() {
        for (text, effort) in [
            ("60000", Effort::Tokens(60_000)),
            ("500k", Effort::Tokens(500_000)),
            ("1.5M", Effort::Tokens(1_500_000)),
            ("90s", Effort::Time(Duration::from_secs(90))),
            ("30 min", Effort::Time(Duration::from_secs(1800))),
            ("0.5h", Effort::Time(Duration::from_secs(1800))),
        ] {
            assert_eq!(text.parse(), Ok(effort), "{text}");
        }
        assert_eq!(Effort::Tokens(1000).share(0.25), Effort::Tokens(250));
        assert_eq!(Effort::time(60.0).share(0.5), Effort::time(30.0));
        for text in ["", "0", "0min", "-2h", "2 days", "h", "nan", "1e400"] {
            assert!(text.parse::<Effort>().is_err(), "{text}");
        }
    }
}
