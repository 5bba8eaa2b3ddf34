//! What this machine has beside memory and time: extensions of the processor, graphics processors, and how fast it
//! reads memory.

use crate::platform;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What a measurement of memory reads at a time: far beyond any cache, and soon done.
const READ_BYTES: usize = 256 << 20;
/// How often.
const READ_PASSES: usize = 5;
/// How long a measurement counts.
const KEPT_S: u64 = 7 * 24 * 60 * 60;
/// Free memory that a measurement leaves.
const ROOM: u64 = 768 << 20;
/// Most devices looked at.
const DEVICES_MAX: usize = 16;

/// Extensions that matter for low-precision arithmetic, as the system reports them.
pub fn extensions() -> Vec<&'static str> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        macro_rules! look {
            ($($name:tt)*) => { $(if std::is_x86_feature_detected!($name) { found.push($name); })* };
        }
        look!("avx2" "fma" "f16c" "avx512f" "avx512bw" "avx512vl" "avx512dq" "avx512vnni" "avx512bf16" "avx512fp16");
    }
    #[cfg(target_arch = "aarch64")]
    {
        macro_rules! look {
            ($($name:tt)*) => { $(if std::arch::is_aarch64_feature_detected!($name) { found.push($name); })* };
        }
        look!("neon" "dotprod" "i8mm" "bf16" "sve" "sve2");
    }
    found
}

/// Graphics processors that the system names, where it does (Linux).
pub fn gpus() -> Vec<String> {
    let nvidia = entries(Path::new("/proc/driver/nvidia/gpus")).into_iter().filter_map(|place| {
        let text = fs::read_to_string(place.join("information")).ok()?;
        Some(text.lines().find_map(|line| line.strip_prefix("Model:"))?.trim().to_owned())
    });
    let mut found: Vec<String> = nvidia.collect();
    let has_nvidia = !found.is_empty();
    let cards = entries(Path::new("/sys/class/drm")).into_iter().filter(|place| {
        // `card0-HDMI-A-1` is a plug of a card.
        place.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.strip_prefix("card").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
        })
    });
    for card in cards {
        let id = |name: &str| fs::read_to_string(card.join("device").join(name)).unwrap_or_default();
        let maker = match id("vendor").trim() {
            "0x10de" if !has_nvidia => "NVIDIA",
            "0x1002" => "AMD",
            "0x8086" => "Intel",
            // Those of virtual machines draw and do not compute.
            _ => continue,
        };
        found.push(format!("{maker} graphics ({})", id("device").trim()));
    }
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = read.take(DEVICES_MAX).map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// Gigabytes (1e9) a second that all threads together read: as measured before on this machine, else measured now and noted
/// in the data folder. `None` where too little memory is free to tell.
pub fn read_gb_s() -> Option<f64> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let place = platform::data_dir().map(|dir| dir.path.join("machine.json"));
    let machine = json!({"processor": platform::processor(), "threads": threads});
    if let Some(known) = place.as_ref().and_then(|place| noted(place, &machine)) {
        return Some(known);
    }
    if platform::memory().is_some_and(|memory| memory.available < ROOM) {
        return None;
    }
    // The best pass: what else the machine is doing now says nothing of how fast it will answer.
    let found = hob_eval::read_speed(threads, READ_BYTES, READ_PASSES).best;
    if let Some(place) = place {
        let note = json!({"machine": machine, "read_gb_per_second": found, "measured_at": seconds()});
        // Without a note it is measured again the next time.
        let _ = place.parent().map_or(Ok(()), fs::create_dir_all);
        let _ = fs::write(&place, note.to_string());
    }
    Some(found)
}

/// Seconds since 1970.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// What was noted, if it was on the same machine and not long ago: it may have been busy then.
fn noted(place: &Path, machine: &Value) -> Option<f64> {
    let note: Value = serde_json::from_str(&fs::read_to_string(place).ok()?).ok()?;
    let found = note["read_gb_per_second"].as_f64().filter(|rate| rate.is_finite() && *rate > 0.0)?;
    let is_recent = seconds().abs_diff(note["measured_at"].as_u64()?) < KEPT_S;
    (note["machine"] == *machine && is_recent).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_counts_on_its_own_machine_only() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("machine.json");
        let (here, now) = (json!({"processor": "A", "threads": 2}), seconds());
        let note = |machine: &Value, rate: f64, at: u64| {
            json!({"machine": machine, "read_gb_per_second": rate, "measured_at": at}).to_string()
        };
        let other = json!({"processor": "B", "threads": 2});
        for (text, expected) in [
            (note(&here, 12.5, now), Some(12.5)),
            (note(&here, 12.5, now - 2 * KEPT_S), None),
            (note(&other, 12.5, now), None),
            (note(&here, -1.0, now), None),
            ("no JSON".to_owned(), None),
        ] {
            fs::write(&place, text).unwrap();
            assert_eq!(noted(&place, &here), expected);
        }
        assert_eq!(noted(&folder.path().join("none"), &here), None);
    }
}
