//! What a battery gives (Linux): the power of the whole computer while nothing charges it, summed up over time.
//!
//! `/sys/class/power_supply` has a folder for each supply. Batteries of a mouse or a pen have the scope `Device`. Some drivers
//! tell micro-watts (`power_now`), others micro-amperes and micro-volts; some with a sign.

use super::{number, text};
use hob_server::Count;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the system shows them.
pub const SUPPLIES: &str = "/sys/class/power_supply";
/// Most folders looked at.
const SUPPLIES_MAX: usize = 64;
/// Between readings that are further apart nothing is known: the machine may have slept.
const GAP_MAX: Duration = Duration::from_secs(5);
const MICRO: f64 = 1e-6;

/// The batteries of a computer together.
#[derive(Debug)]
pub struct Battery {
    root: PathBuf,
    names: Vec<String>,
    joules: f64,
    era: u32,
    /// When power was last known, and the watts.
    last: Option<(Duration, f64)>,
}

impl Battery {
    /// The batteries below `root`; `None` where there are none that tell their power.
    pub fn open(root: &Path) -> Option<Self> {
        let has_power = |place: &Path| place.join("power_now").exists() || place.join("current_now").exists();
        let mut names: Vec<String> = supplies(root)
            .filter(|place| is_battery(place) && has_power(place))
            .filter_map(|place| Some(place.file_name()?.to_string_lossy().into_owned()))
            .collect();
        names.sort();
        let battery = Self { root: root.to_owned(), names, joules: 0.0, era: 0, last: None };
        (!battery.names.is_empty()).then_some(battery)
    }

    /// For people.
    pub fn name(&self) -> String {
        format!("battery {}, while nothing charges it", self.names.join(", "))
    }

    /// Joules that it gave; `None` while it gives none, or does not tell.
    pub fn read(&mut self, now: Duration) -> Option<Count> {
        let Some(watts) = self.watts() else {
            self.last = None;
            return None;
        };
        match self.last {
            Some((then, before)) if now.saturating_sub(then) <= GAP_MAX => {
                self.joules += (watts + before) / 2.0 * now.saturating_sub(then).as_secs_f64();
            }
            _ => self.era = self.era.wrapping_add(1),
        }
        self.last = Some((now, watts));
        Some(Count { joules: self.joules, era: self.era })
    }

    /// The power of the computer, where all of it comes from its batteries.
    fn watts(&self) -> Option<f64> {
        // The battery of a mouse says that it is online, and charges nothing.
        let is_charger = |place: &PathBuf| text(place, "type").as_deref() != Some("Battery");
        if supplies(&self.root).any(|place| is_charger(&place) && number(&place, "online") == Some(1)) {
            return None;
        }
        let mut watts = 0.0;
        for place in self.names.iter().map(|name| self.root.join(name)) {
            match text(&place, "status")?.as_str() {
                "Discharging" => watts += power(&place)?,
                "Charging" => return None,
                // It rests while another one works.
                _ => {}
            }
        }
        // Firmware that has not looked yet says nothing, which no computer lives on.
        (watts > 0.0).then_some(watts)
    }
}

fn supplies(root: &Path) -> impl Iterator<Item = PathBuf> {
    let folders = fs::read_dir(root).into_iter().flatten().flatten();
    folders.take(SUPPLIES_MAX).map(|entry| entry.path())
}

fn is_battery(place: &Path) -> bool {
    text(place, "type").as_deref() == Some("Battery") && text(place, "scope").as_deref() != Some("Device")
}

fn power(place: &Path) -> Option<f64> {
    let signed = |file| text(place, file)?.parse::<i64>().ok().map(|value| value.unsigned_abs() as f64);
    let product = || Some(signed("current_now")? * MICRO * signed("voltage_now")? * MICRO);
    signed("power_now").map(|power| power * MICRO).or_else(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder as the system's.
    struct Fake(tempfile::TempDir);

    impl Fake {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn with(self, folder: &str, files: &[(&str, &str)]) -> Self {
            fs::create_dir_all(self.0.path().join(folder)).unwrap();
            files.iter().for_each(|(file, text)| self.set(folder, file, text));
            self
        }

        fn set(&self, folder: &str, file: &str, text: &str) {
            fs::write(self.0.path().join(folder).join(file), format!("{text}\n")).unwrap();
        }

        fn open(&self) -> Option<Battery> {
            Battery::open(self.0.path())
        }
    }

    const DISCHARGING: [(&str, &str); 3] =
        [("type", "Battery"), ("status", "Discharging"), ("power_now", "10000000")];

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn power_is_summed_over_time() {
        let mouse = [("type", "Battery"), ("scope", "Device"), ("status", "Discharging"), ("power_now", "7")];
        let rests = [("type", "Battery"), ("status", "Not charging"), ("power_now", "0")];
        let fake =
            Fake::new().with("BAT0", &DISCHARGING).with("BAT1", &rests).with("hidpp_battery_0", &mouse);
        let mut battery = fake.open().unwrap();
        assert_eq!(battery.name(), "battery BAT0, BAT1, while nothing charges it");
        let first = battery.read(at(1000)).unwrap();
        assert!(first.joules.abs() < 1e-9);
        fake.set("BAT0", "power_now", "-20000000");
        let second = battery.read(at(3000)).unwrap();
        assert!((second.joules - 30.0).abs() < 1e-9, "{second:?}: 15 W on average for 2 s");
        assert_eq!(first.era, second.era);
        // Amperes and volts, of the other one as well.
        fs::remove_file(fake.0.path().join("BAT0/power_now")).unwrap();
        fake.set("BAT0", "current_now", "2000000");
        fake.set("BAT0", "voltage_now", "10000000");
        fake.set("BAT1", "status", "Discharging");
        fake.set("BAT1", "power_now", "5000000");
        let third = battery.read(at(4000)).unwrap();
        assert!((third.joules - 52.5).abs() < 1e-9, "{third:?}: 22.5 W on average for 1 s");
    }

    #[test]
    fn what_is_not_known_begins_another_era() {
        let fake = Fake::new().with("BAT0", &DISCHARGING).with("AC", &[("type", "Mains"), ("online", "0")]);
        let mut battery = fake.open().unwrap();
        let era = |battery: &mut Battery, ms| battery.read(at(ms)).map(|count| count.era);
        let first = era(&mut battery, 0);
        assert_eq!(era(&mut battery, 1000), first);
        let asleep = era(&mut battery, 60_000);
        assert!(asleep.is_some() && asleep != first, "a long gap");
        fake.set("AC", "online", "1");
        assert_eq!(era(&mut battery, 61_000), None, "a part of the power comes from the wall");
        fake.set("AC", "online", "0");
        let again = era(&mut battery, 62_000);
        assert!(again.is_some() && again != asleep);
        for (file, text) in
            [("status", "Charging"), ("status", "Full"), ("power_now", "0"), ("power_now", "x")]
        {
            let before = fs::read_to_string(fake.0.path().join("BAT0").join(file)).unwrap();
            fake.set("BAT0", file, text);
            assert_eq!(era(&mut battery, 62_500), None, "{file} {text}");
            fake.set("BAT0", file, before.trim());
        }
    }

    #[test]
    fn machines_without_one_have_none() {
        assert!(Fake::new().open().is_none());
        assert!(Fake::new().with("AC", &[("type", "Mains"), ("online", "1")]).open().is_none());
        assert!(Fake::new().with("BAT0", &[("type", "Battery"), ("status", "Discharging")]).open().is_none());
        assert!(Battery::open(Path::new("/nowhere/at/all")).is_none());
    }
}
