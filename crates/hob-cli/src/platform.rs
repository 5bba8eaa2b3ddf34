//! What differs between systems: where data lives, how much memory is free, what time it is.

use hob::LocalTime;
use std::net::IpAddr;
use std::path::PathBuf;

/// Where Hob keeps its data, and what decided that.
pub struct DataDir {
    /// The folder; it may not exist yet.
    pub path: PathBuf,
    /// `HOB_HOME`, `hob-data beside the program` or `platform default`.
    pub source: &'static str,
}

/// The data folder: `HOB_HOME`, a `hob-data` folder beside the program, or the platform's place for such data.
pub fn data_dir() -> Option<DataDir> {
    let env = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(path) = env("HOB_HOME") {
        return Some(DataDir { path, source: "HOB_HOME" });
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join("hob-data")));
    if let Some(path) = beside.filter(|p| p.is_dir()) {
        return Some(DataDir { path, source: "hob-data beside the program" });
    }
    let base = if cfg!(windows) {
        env("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        env("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        // The XDG specification says to ignore relative paths.
        let xdg = env("XDG_DATA_HOME").filter(|p| p.is_absolute());
        xdg.or_else(|| env("HOME").map(|home| home.join(".local/share")))
    };
    base.map(|base| DataDir { path: base.join("hob"), source: "platform default" })
}

/// The user's own folder, which `~` means.
pub fn home() -> Option<PathBuf> {
    let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
    std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// Where other programs of this user may keep models.
pub fn model_places() -> Option<hob_store::import::Home> {
    let env = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = home()?;
    let (data, config) = if cfg!(windows) {
        (env("LOCALAPPDATA"), env("APPDATA"))
    } else if cfg!(target_os = "macos") {
        let support = home.join("Library").join("Application Support");
        (Some(support.clone()), Some(support))
    } else {
        let or = |name: &str, default: &str| {
            env(name).filter(|p| p.is_absolute()).or_else(|| Some(home.join(default)))
        };
        (or("XDG_DATA_HOME", ".local/share"), or("XDG_CONFIG_HOME", ".config"))
    };
    let services = if cfg!(target_os = "linux") {
        ["/usr/share/ollama/.ollama/models", "/var/lib/ollama/models"].map(PathBuf::from).to_vec()
    } else {
        Vec::new()
    };
    let hf_cache = env("HF_HUB_CACHE").or_else(|| env("HF_HOME").map(|home| home.join("hub")));
    Some(hob_store::import::Home {
        home,
        data,
        config,
        ollama_models: env("OLLAMA_MODELS"),
        hf_cache,
        services,
    })
}

/// Memory of the machine, or of the container this runs in, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// All of it.
    pub total: u64,
    /// What can be had without swapping.
    pub available: u64,
    /// Whether a control group sets the limit rather than the machine.
    pub is_limited: bool,
}

/// Memory, where the system tells (Linux does).
pub fn memory() -> Option<Memory> {
    let machine = parse_meminfo(&std::fs::read_to_string("/proc/meminfo").ok()?)?;
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let limit = number("/sys/fs/cgroup/memory.max").filter(|limit| *limit < machine.total);
    let used = number("/sys/fs/cgroup/memory.current");
    Some(match (limit, used) {
        (Some(limit), Some(used)) => {
            // Pages of files count as used but can be had back.
            let stat = std::fs::read_to_string("/sys/fs/cgroup/memory.stat").unwrap_or_default();
            let files = stat.lines().find_map(|l| l.strip_prefix("file ")?.parse::<u64>().ok()).unwrap_or(0);
            let free = limit.saturating_sub(used.saturating_sub(files));
            Memory { total: limit, available: free.min(machine.available), is_limited: true }
        }
        _ => machine,
    })
}

fn parse_meminfo(text: &str) -> Option<Memory> {
    let kilobytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Memory { total: kilobytes("MemTotal")?, available: kilobytes("MemAvailable")?, is_limited: false })
}

/// Addresses of this machine in networks, where the system tells (Linux does).
pub fn addresses() -> Vec<IpAddr> {
    std::fs::read_to_string("/proc/net/fib_trie").map(|text| parse_addresses(&text)).unwrap_or_default()
}

/// The routing table names an address on one line and says on the next that it is this machine's own.
fn parse_addresses(text: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<IpAddr>().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = last.filter(|address| !address.is_loopback() && !found.contains(address))
        {
            found.push(address);
        }
    }
    found
}

/// The processor's name, where the system tells.
pub fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = info.lines().find_map(|l| l.strip_prefix("model name"))?;
    Some(line.split_once(':')?.1.trim().to_string())
}

/// The time of day here, for templates that print the date.
pub fn now() -> LocalTime {
    let now = jiff::ZonedDateTime::now();
    let small = |n: i8| u8::try_from(n).unwrap_or(0);
    LocalTime {
        year: now.year().into(),
        month: small(now.month()),
        day: small(now.day()),
        hour: small(now.hour()),
        minute: small(now.minute()),
        second: small(now.second()),
    }
}

/// Milliseconds since 1970.
pub fn unix_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Time since the program began to ask for it; it never goes back.
pub fn since_start() -> std::time::Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

/// A moment in milliseconds since 1970 as people here write it.
pub fn local_text(ms: i64) -> String {
    let moment = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    moment.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The day of a moment in milliseconds since 1970, here.
pub fn local_day(ms: i64) -> String {
    let moment = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    moment.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d").to_string()
}

/// A moment in milliseconds since 1970 as everybody writes it.
pub fn utc_text(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().to_string()
}

/// An id that nothing has yet: the system seeds hashers with random numbers.
pub fn new_id() -> hob_chats::Id {
    use std::hash::{BuildHasher, RandomState};
    let part = |n: u8| RandomState::new().hash_one((n, unix_ms()));
    let text = format!("{:016x}{:08x}", part(0), part(1) >> 32);
    hob_chats::Id::parse(&text).expect("24 digits are an id")
}

/// Time since the first call.
pub fn clock() -> std::time::Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

/// A seed that differs from run to run.
pub fn seed_from_clock() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    // Microseconds stay below 2^53, so that every JSON reader gives the seed back exactly.
    u64::try_from(since.as_micros()).unwrap_or(0) % (1 << 53)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_this_machine() {
        let text = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 127.0.0.1\n        \
                    /32 host LOCAL\n     |-- 192.168.0.7\n        /32 host LOCAL\n     |-- 192.168.0.255\n        /32 link \
                    BROADCAST\nLocal:\n     |-- 192.168.0.7\n        /32 host LOCAL\n";
        assert_eq!(parse_addresses(text), ["192.168.0.7".parse::<IpAddr>().unwrap()]);
        assert!(parse_addresses("|-- many\n/32 host LOCAL").is_empty());
    }

    #[test]
    fn meminfo_is_read() {
        let memory =
            parse_meminfo("MemTotal:       2048 kB\nMemFree: 1 kB\nMemAvailable:    1024 kB\n").unwrap();
        assert_eq!((memory.total, memory.available), (2 << 20, 1 << 20));
        assert!(parse_meminfo("MemTotal: many").is_none());
    }
}
