//! The files that systemd and launchd read.

use std::fmt::Write;
use std::path::PathBuf;

/// What launchd calls the service.
pub const LABEL: &str = "local.hob.serve";

/// The port when nothing is said.
const PORT: u16 = 4242;

/// What is to be kept running.
pub struct Service {
    /// The program.
    pub program: PathBuf,
    /// Its data, the only place where it may write.
    pub data: PathBuf,
    /// Arguments of `hob serve`.
    pub serve: Vec<String>,
}

/// What a service of a user may be denied without more rights than the user has: options that drop capabilities or hide
/// devices need those, and a unit with them would not start.
const HARDENING: &str = "\
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077
";

impl Service {
    fn words(&self) -> Result<Vec<String>, String> {
        let program = self.program.to_str().map(str::to_owned);
        let program = program.ok_or_else(|| format!("{}: the path is no UTF-8", self.program.display()))?;
        let words: Vec<String> =
            [program, "serve".into()].into_iter().chain(self.serve.iter().cloned()).collect();
        match words.iter().find(|word| word.chars().any(char::is_control)) {
            Some(bad) => Err(format!("{bad:?} cannot stand in the file of a service")),
            None => Ok(words),
        }
    }

    fn data(&self) -> Result<&str, String> {
        let data = self.data.to_str().filter(|path| !path.chars().any(char::is_control));
        data.ok_or_else(|| format!("{:?} cannot stand in the file of a service", self.data))
    }

    /// The unit of systemd.
    ///
    /// # Errors
    /// A path or an argument cannot stand in it.
    pub fn unit(&self) -> Result<String, String> {
        let words: Vec<String> = self.words()?.iter().map(|word| unit_word(word)).collect();
        let data = self.data()?;
        // Paths have no `$` of their own.
        let path = unit_word(data).replace("$$", "$");
        let home = unit_word(&format!("HOB_HOME={data}")).replace("$$", "$");
        Ok(format!(
            "[Unit]\nDescription=Hob: language models on this machine\n\n\
             [Service]\nExecStart={}\nEnvironment={home}\nRestart=on-failure\nRestartSec=2\n\
             # Answers that run come to their end.\nTimeoutStopSec=45\n{HARDENING}ReadWritePaths={path}\n\n\
             [Install]\nWantedBy=default.target\n",
            words.join(" ")
        ))
    }

    /// The property list of launchd.
    ///
    /// # Errors
    /// A path or an argument cannot stand in it.
    pub fn plist(&self) -> Result<String, String> {
        let text = |text: &str| format!("<string>{}</string>", xml(text));
        let mut words = String::new();
        for word in self.words()? {
            writeln!(words, "    {}", text(&word)).expect("strings take everything");
        }
        let (data, log) = (self.data()?, self.data.join("serve.log"));
        Ok(format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
             <plist version=\"1.0\">\n<dict>\n  <key>Label</key>\n  {}\n  <key>ProgramArguments</key>\n  <array>\n{words}  \
             </array>\n  <key>EnvironmentVariables</key>\n  <dict>\n    <key>HOB_HOME</key>\n    {}\n  </dict>\n  \
             <key>RunAtLoad</key>\n  <true/>\n  <key>KeepAlive</key>\n  <dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  \
             </dict>\n  <key>ExitTimeOut</key>\n  <integer>45</integer>\n  <key>Umask</key>\n  <integer>63</integer>\n  \
             <key>StandardErrorPath</key>\n  {}\n</dict>\n</plist>\n",
            text(LABEL),
            text(data),
            text(&log.display().to_string()),
        ))
    }
}

/// A word in a unit: in quotes, and what systemd would replace is doubled.
fn unit_word(word: &str) -> String {
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '%' | '$' => quoted.extend([c, c]),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The words of the command in either file.
fn words_of(text: &str) -> Vec<String> {
    if let Some(line) = text.lines().find_map(|line| line.strip_prefix("ExecStart=")) {
        let (mut words, mut word, mut is_open) = (Vec::new(), String::new(), false);
        let mut rest = line.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '"' => {
                    if is_open {
                        words.push(std::mem::take(&mut word));
                    }
                    is_open = !is_open;
                }
                '\\' => word.extend(rest.next()),
                '%' | '$' if rest.peek() == Some(&c) => word.extend(rest.next()),
                c if is_open => word.push(c),
                _ => {}
            }
        }
        return words;
    }
    let array =
        text.split_once("<array>").and_then(|(_, rest)| rest.split_once("</array>")).map(|(array, _)| array);
    let plain = |text: &str| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let strings = array.unwrap_or_default().split("<string>").skip(1);
    strings.filter_map(|part| part.split_once("</string>")).map(|(word, _)| plain(word)).collect()
}

/// The program that a file starts.
pub fn program_of(text: &str) -> Option<PathBuf> {
    words_of(text).into_iter().next().map(PathBuf::from)
}

/// The port on which the server of a file listens.
pub fn port_of(text: &str) -> u16 {
    let words = words_of(text);
    let after = words.iter().position(|word| word == "--port").and_then(|at| words.get(at + 1).cloned());
    let joined = words.iter().find_map(|word| word.strip_prefix("--port=")).map(str::to_owned);
    after.or(joined).and_then(|port| port.parse().ok()).unwrap_or(PORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        let serve = ["--port", "4300", "--ctx", "50%"].map(str::to_owned).to_vec();
        Service { program: "/opt/my \"$tools\" & <co>/hob".into(), data: "/home/me/da ta/100%".into(), serve }
    }

    #[test]
    fn a_unit_is_quoted_and_hardened() {
        let unit = service().unit().unwrap();
        let exec = r#"ExecStart="/opt/my \"$$tools\" & <co>/hob" "serve" "--port" "4300" "--ctx" "50%%""#;
        assert!(unit.lines().any(|line| line == exec), "{unit}");
        assert!(unit.contains("ReadWritePaths=\"/home/me/da ta/100%%\"\n"), "{unit}");
        for line in [
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "MemoryDenyWriteExecute=yes",
            "Restart=on-failure",
        ] {
            assert!(unit.lines().any(|found| found == line), "{line}");
        }
        // Every line is a section, a comment or a setting.
        for line in unit.lines().filter(|line| !line.is_empty()) {
            assert!(line.starts_with(['[', '#']) || line.split_once('=').is_some(), "{line}");
        }
        assert_eq!((program_of(&unit), port_of(&unit)), (Some(service().program), 4300));
    }

    /// Whether every element that is opened is closed, in order.
    fn is_well_formed(text: &str) -> bool {
        let mut open: Vec<&str> = Vec::new();
        for part in text.split('<').skip(1) {
            let Some((tag, rest)) = part.split_once('>') else { return false };
            let ended = rest
                .split('&')
                .skip(1)
                .all(|e| ["amp;", "lt;", "gt;"].iter().any(|known| e.starts_with(known)));
            if !ended {
                return false;
            }
            match tag.strip_prefix('/') {
                _ if tag.starts_with(['?', '!']) || tag.ends_with('/') => {}
                Some(name) if open.pop() == Some(name) => {}
                Some(_) => return false,
                None => open.push(tag.split(' ').next().unwrap_or_default()),
            }
        }
        open.is_empty()
    }

    #[test]
    fn a_property_list_is_well_formed() {
        let plist = service().plist().unwrap();
        assert!(is_well_formed(&plist), "{plist}");
        assert!(!is_well_formed("<a><b></a></b>") && !is_well_formed("<a>&</a>"));
        assert!(plist.contains("<string>/opt/my \"$tools\" &amp; &lt;co&gt;/hob</string>"), "{plist}");
        assert_eq!((program_of(&plist), port_of(&plist)), (Some(service().program), 4300));
        let plain = Service { serve: Vec::new(), ..service() };
        assert_eq!(port_of(&plain.unit().unwrap()), PORT);
    }

    #[test]
    fn what_would_break_out_of_a_line_is_refused() {
        for bad in ["a\nExecStart=/bin/sh", "a\rb", "a\0b"] {
            let service = Service { serve: vec![bad.into()], ..service() };
            assert!(service.unit().is_err() && service.plist().is_err(), "{bad:?}");
            let service = Service { data: bad.into(), ..self::service() };
            assert!(service.unit().is_err() && service.plist().is_err(), "{bad:?}");
        }
    }
}
