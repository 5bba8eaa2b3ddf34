//! Lines for whoever runs the server: JSON, one event each. They hold routes, numbers and names that Hob made, never text of
//! people or models, keys, or addresses.

use crate::clock;
use serde_json::Value;

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    #[default]
    Off,
    /// Requests that the server could not answer.
    Error,
    /// Also those that it refused.
    Warn,
    /// All of them, and the server's beginning and end.
    Info,
    /// Also what the page asks to look at itself, and when each began.
    Debug,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Off, Self::Error, Self::Warn, Self::Info, Self::Debug];

    /// One word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// Where lines go.
#[derive(Clone, Copy)]
pub struct Log {
    /// How much is told.
    pub level: Level,
    /// Takes a line without its end.
    pub write: fn(&str),
}

impl Default for Log {
    fn default() -> Self {
        Self { level: Level::Off, write: |_| {} }
    }
}

impl Log {
    /// Tells of an event. `fields` is asked only if anybody wants to know.
    pub fn line(&self, level: Level, event: &str, fields: impl FnOnce() -> Value) {
        if level > self.level || level == Level::Off {
            return;
        }
        let head = format!(
            "{{\"time\":\"{}\",\"level\":\"{}\",\"event\":\"{event}\"",
            clock::rfc3339_of_ms(clock::unix_ms()),
            level.name()
        );
        let rest = fields().to_string();
        let rest = rest.strip_prefix('{').unwrap_or("}");
        (self.write)(&if rest == "}" { head + "}" } else { format!("{head},{rest}") });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::Mutex;

    static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

    #[test]
    fn lines_are_json_and_as_many_as_wanted() {
        let log = Log { level: Level::Warn, write: |line| LINES.lock().unwrap().push(line.into()) };
        log.line(Level::Info, "quiet", || panic!("nobody wants to know"));
        log.line(Level::Warn, "loud", || json!({"n": 1}));
        log.line(Level::Error, "bare", || json!({}));
        let lines: Vec<Value> =
            LINES.lock().unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (&lines[0]["event"], &lines[0]["level"], &lines[0]["n"]),
            (&json!("loud"), &json!("warn"), &json!(1))
        );
        assert!(lines[1]["time"].is_string());
    }
}
