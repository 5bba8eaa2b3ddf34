//! How small a model should become, as the command line says it.

use std::str::FromStr;

/// A size that a person asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// Bytes of the file.
    Bytes(u64),
    /// Bits for each weight, on average over the file.
    BitsPerWeight(f64),
}

impl Size {
    /// Bytes for a model of so many weights.
    pub fn bytes(self, weights: usize) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::BitsPerWeight(bits) => (bits * weights as f64 / 8.0) as u64,
        }
    }
}

/// The number that `text` begins with, if it does, and the unit after it in small letters.
pub fn quantity(text: &str) -> (Option<f64>, String) {
    let lower = text.trim().to_ascii_lowercase();
    let split = lower.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(lower.len());
    (lower[..split].parse().ok(), lower[split..].trim().to_owned())
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = quantity(text);
        let unit = match unit.as_str() {
            "b" | "" => Some(1.0),
            "kb" | "k" => Some(1e3),
            "mb" | "m" => Some(1e6),
            "gb" | "g" => Some(1e9),
            "kib" => Some(1024.0),
            "mib" => Some(1024.0 * 1024.0),
            "gib" => Some(1024.0 * 1024.0 * 1024.0),
            "bpw" => None,
            _ => Some(f64::NAN),
        };
        let wrong = || format!("expected a size such as 800MB, 1.5GB or 4.5bpw, found {text:?}");
        match (number, unit) {
            (Some(bits), None) if bits > 0.0 && bits <= 32.0 => Ok(Self::BitsPerWeight(bits)),
            (Some(count), Some(unit)) if count > 0.0 && count * unit < 1e15 => {
                Ok(Self::Bytes((count * unit) as u64))
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, size) in [
            ("800MB", Size::Bytes(800_000_000)),
            ("1.5 gb", Size::Bytes(1_500_000_000)),
            ("2MiB", Size::Bytes(2 << 20)),
            ("12345", Size::Bytes(12_345)),
            ("4.5bpw", Size::BitsPerWeight(4.5)),
        ] {
            assert_eq!(text.parse(), Ok(size), "{text}");
        }
        for text in ["", "MB", "0MB", "-3MB", "4 bits", "40bpw", "1e9", "nan"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
        assert_eq!(Size::BitsPerWeight(4.0).bytes(1000), 500);
    }
}
