//! Quantities as people read them.

use std::fmt;

/// A number of bytes, shown in decimal units (`1.25 GB`), as disks and model cards count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, self.0, &[" B", " kB", " MB", " GB", " TB"])
    }
}

/// A number of things, shown in short scale (`1.24 B`), as parameter counts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        scaled(f, self.0, &["", " K", " M", " B", " T"])
    }
}

/// Three significant digits and the largest unit that leaves a value of at least one.
fn scaled(f: &mut fmt::Formatter<'_>, value: u64, units: &[&str]) -> fmt::Result {
    if value < 1000 {
        return write!(f, "{value}{}", units[0]);
    }
    let mut scaled = value as f64;
    let mut unit = 0;
    // 999.5 would print as "1000": move on to the next unit a little early.
    while scaled >= 999.5 && unit + 1 < units.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    let decimals = if scaled < 9.995 { 2 } else { usize::from(scaled < 99.95) };
    write!(f, "{scaled:.decimals$}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_counts_read_naturally() {
        for (n, bytes, count) in [
            (0, "0 B", "0"),
            (999, "999 B", "999"),
            (1000, "1.00 kB", "1.00 K"),
            (999_499, "999 kB", "999 K"),
            (999_500, "1.00 MB", "1.00 M"),
            (1_235_814_400, "1.24 GB", "1.24 B"),
            (45_700_000_000, "45.7 GB", "45.7 B"),
        ] {
            assert_eq!(Bytes(n).to_string(), bytes);
            assert_eq!(Count(n).to_string(), count);
        }
    }
}
