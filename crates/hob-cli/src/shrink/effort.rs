//! How long a child is trained, as the command line says it.

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

impl FromStr for Effort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_ascii_lowercase();
        let split = lower.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(lower.len());
        let (number, unit) = (lower[..split].parse::<f64>(), lower[split..].trim());
        let seconds = match unit {
            "s" | "sec" => Some(1.0),
            "min" => Some(60.0),
            "h" => Some(3600.0),
            _ => None,
        };
        let tokens = match unit {
            "" => Some(1.0),
            "k" => Some(1e3),
            "m" => Some(1e6),
            _ => None,
        };
        match (number, seconds, tokens) {
            (Ok(n), Some(unit), _) if n > 0.0 && n * unit < 1e7 => {
                Ok(Self::Time(Duration::from_secs_f64(n * unit)))
            }
            (Ok(n), _, Some(unit)) if n >= 1.0 && n * unit < 1e15 => Ok(Self::Tokens((n * unit) as u64)),
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
        for text in ["", "0", "0min", "-2h", "2 days", "h", "nan", "1e400"] {
            assert!(text.parse::<Effort>().is_err(), "{text}");
        }
    }
}
