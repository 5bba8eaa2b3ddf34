//! The counters of energy that processors keep (Linux, RAPL): which of them to sum, and how they wrap.
//!
//! `/sys/class/powercap` has a folder for each zone: `intel-rapl:0` for a processor (AMD's have that name as well),
//! `intel-rapl:0:0` for a part of it, which is in the processor's count already. A platform zone (`psys`) counts the processors
//! again, and `intel-rapl-mmio:0` is another way to the same counter.

use super::{number, text};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the system shows them.
pub const ZONES: &str = "/sys/class/powercap";
/// Most folders looked at.
const ZONES_MAX: usize = 256;
/// How the zones of whole processors are called.
const PROCESSOR: &str = "package-";
/// The part of its range that a counter goes between two readings at the most: at full power it takes minutes for all of it.
const STEP_PARTS: u64 = 4;
const MICRO: f64 = 1e-6;

/// The processors of a machine together.
#[derive(Debug)]
pub struct Counter {
    zones: Vec<Zone>,
    /// Micro-joules since it was opened.
    sum: u64,
}

#[derive(Debug)]
struct Zone {
    place: PathBuf,
    name: String,
    /// The last number before it begins anew.
    max: u64,
    last: u64,
}

impl Counter {
    /// The counters below `root`. `None` where there are none, or where one of them cannot be read: a part of the machine
    /// would pass for all of it.
    pub fn open(root: &Path) -> Option<Self> {
        let folders = fs::read_dir(root).ok()?.flatten().take(ZONES_MAX).map(|entry| entry.path());
        let mut folders: Vec<PathBuf> = folders.filter(|place| is_whole(place)).collect();
        folders.sort();
        let mut seen = HashSet::new();
        let mut zones = Vec::new();
        for place in folders {
            let Some(name) = text(&place, "name").filter(|name| name.starts_with(PROCESSOR)) else {
                continue;
            };
            if seen.insert(name.clone()) {
                let (max, last) = (number(&place, "max_energy_range_uj")?, number(&place, "energy_uj")?);
                zones.push(Zone { place, name, max, last });
            }
        }
        (!zones.is_empty()).then_some(Self { zones, sum: 0 })
    }

    /// For people.
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.zones.iter().map(|zone| zone.name.as_str()).collect();
        format!("RAPL, {}", names.join(", "))
    }

    /// Joules since it was opened; `None` where one of the counters cannot be read now, and the next reading makes up for it.
    pub fn read(&mut self) -> Option<f64> {
        let now: Option<Vec<u64>> = self.zones.iter().map(|zone| number(&zone.place, "energy_uj")).collect();
        for (zone, now) in self.zones.iter_mut().zip(now?) {
            let more = match now.checked_sub(zone.last) {
                Some(more) => more,
                // It went on from 0 after its last number, or, where that would be more than can be used between two
                // readings, began anew while the machine slept.
                None => {
                    let wrapped = zone.max.saturating_sub(zone.last).saturating_add(now);
                    if wrapped <= zone.max / STEP_PARTS { wrapped } else { now }
                }
            };
            self.sum = self.sum.saturating_add(more);
            zone.last = now;
        }
        Some(self.sum as f64 * MICRO)
    }
}

/// Whether a zone is no part of another: `intel-rapl:0` and not `intel-rapl:0:1`, nor the folder of all, `intel-rapl`.
fn is_whole(place: &Path) -> bool {
    place.file_name().is_some_and(|name| name.to_string_lossy().matches(':').count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 262_143_328_850;

    /// A folder as the system's.
    struct Fake(tempfile::TempDir);

    impl Fake {
        fn new(zones: &[(&str, &str, u64)]) -> Self {
            let fake = Self(tempfile::tempdir().unwrap());
            fs::create_dir(fake.0.path().join("intel-rapl")).unwrap();
            for (folder, name, count) in zones {
                fs::create_dir(fake.0.path().join(folder)).unwrap();
                fake.write(folder, "name", name);
                fake.write(folder, "max_energy_range_uj", &MAX.to_string());
                fake.set(folder, *count);
            }
            fake
        }

        fn write(&self, folder: &str, file: &str, text: &str) {
            fs::write(self.0.path().join(folder).join(file), format!("{text}\n")).unwrap();
        }

        fn set(&self, folder: &str, count: u64) {
            self.write(folder, "energy_uj", &count.to_string());
        }

        fn open(&self) -> Option<Counter> {
            Counter::open(self.0.path())
        }
    }

    #[test]
    fn processors_are_summed_and_nothing_counts_twice() {
        let zones = [
            ("intel-rapl-mmio:0", "package-0", 70),
            ("intel-rapl:0", "package-0", 1_000_000),
            ("intel-rapl:0:0", "core", 600_000),
            ("intel-rapl:0:1", "dram", 100_000),
            ("intel-rapl:1", "package-1", 9_000_000),
            ("intel-rapl:2", "psys", 20_000_000),
        ];
        let fake = Fake::new(&zones);
        let mut counter = fake.open().unwrap();
        assert_eq!(counter.name(), "RAPL, package-0, package-1");
        assert_eq!(counter.read(), Some(0.0), "what was before is not counted");
        for (folder, _, count) in zones {
            fake.set(folder, count + 2_500_000);
        }
        assert_eq!(counter.read(), Some(5.0));
        assert_eq!(counter.read(), Some(5.0));
    }

    #[test]
    fn a_counter_that_begins_anew_goes_on() {
        let fake = Fake::new(&[("intel-rapl:0", "package-0", MAX - 1_000_000)]);
        let mut counter = fake.open().unwrap();
        fake.set("intel-rapl:0", 500_000);
        assert_eq!(counter.read(), Some(1.5));
        fake.set("intel-rapl:0", 750_000);
        assert_eq!(counter.read(), Some(1.75));
    }

    #[test]
    fn a_part_of_a_machine_is_no_machine() {
        let fake = Fake::new(&[("intel-rapl:0", "package-0", 1), ("intel-rapl:1", "package-1", 1)]);
        fake.write("intel-rapl:1", "energy_uj", "no number");
        assert!(fake.open().is_none());
        fake.set("intel-rapl:1", 1_000_000);
        let mut counter = fake.open().unwrap();
        fake.set("intel-rapl:0", 1_000_001);
        fake.write("intel-rapl:1", "energy_uj", "");
        assert_eq!(counter.read(), None);
        fake.set("intel-rapl:1", 3_000_000);
        assert_eq!(counter.read(), Some(3.0), "nothing of what was not read is lost");
        assert!(Fake::new(&[]).open().is_none());
        assert!(Fake::new(&[("intel-rapl:0", "psys", 1)]).open().is_none());
        assert!(Counter::open(Path::new("/nowhere/at/all")).is_none());
    }
}
