//! The terminal while an answer is written on it, and while something is typed that nobody is to see.

use std::io;

/// Keeps the terminal from writing `^C` into the answer when Ctrl-C is pressed; dropping it brings that back.
pub struct QuietControls(());

impl QuietControls {
    /// Begins. Does nothing where standard output is no terminal, or one that another program is using.
    pub fn new() -> Self {
        #[cfg(unix)]
        unix::hide_controls();
        Self(())
    }
}

impl Drop for QuietControls {
    fn drop(&mut self) {
        restore();
    }
}

/// Makes the terminal what it was, for exits that drop nothing.
pub fn restore() {
    #[cfg(unix)]
    unix::restore();
}

/// A line that is typed and not shown; nothing after Ctrl-C, or Ctrl-D at its beginning. It comes from the terminal itself, so
/// that something else may be piped in.
pub fn hidden_line(prompt: &str) -> io::Result<Option<String>> {
    #[cfg(unix)]
    return unix::hidden_line(prompt);
    #[cfg(not(unix))]
    return masked::line(prompt);
}

#[cfg(unix)]
mod unix {
    use nix::sys::termios::{self, LocalFlags, SetArg, SpecialCharacterIndices, Termios};
    use nix::unistd::{getpgrp, tcgetpgrp};
    use std::fs::File;
    use std::io::{self, Read, Write};
    use std::sync::{Mutex, PoisonError};

    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const CTRL_U: u8 = 0x15;
    const ERASE: [u8; 2] = [8, 0x7f];
    /// More than anybody types.
    const LINE_BYTES_MAX: usize = 4096;

    /// The terminal without echo, until this is dropped. Keys that would end the program come as bytes: it must not end before
    /// the echo is back.
    struct Silent {
        terminal: File,
        before: Termios,
    }

    impl Silent {
        fn new() -> io::Result<Self> {
            let terminal = File::options().read(true).write(true).open("/dev/tty")?;
            let before = termios::tcgetattr(&terminal)?;
            let mut silent = before.clone();
            silent
                .local_flags
                .remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG | LocalFlags::IEXTEN);
            silent.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
            silent.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
            termios::tcsetattr(&terminal, SetArg::TCSADRAIN, &silent)?;
            Ok(Self { terminal, before })
        }
    }

    impl Drop for Silent {
        fn drop(&mut self) {
            let _ = termios::tcsetattr(&self.terminal, SetArg::TCSADRAIN, &self.before);
        }
    }

    pub fn hidden_line(prompt: &str) -> io::Result<Option<String>> {
        let mut silent = Silent::new()?;
        write!(silent.terminal, "{prompt}")?;
        let mut line = Vec::new();
        let ended = loop {
            let mut byte = [0];
            if silent.terminal.read(&mut byte)? == 0 {
                break line.is_empty();
            }
            match byte[0] {
                b'\n' | b'\r' => break false,
                CTRL_C => break true,
                CTRL_D if line.is_empty() => break true,
                CTRL_U => line.clear(),
                byte if ERASE.contains(&byte) => {
                    // A letter may be several bytes, of which all but the first begin with the same bits.
                    while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
                }
                byte if line.len() < LINE_BYTES_MAX => line.push(byte),
                _ => {}
            }
        };
        writeln!(silent.terminal)?;
        if ended {
            return Ok(None);
        }
        String::from_utf8(line).map(Some).map_err(|_| io::Error::other("what was typed is not UTF-8"))
    }

    /// How the terminal was before it was changed.
    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    pub fn hide_controls() {
        let Ok(before) = termios::tcgetattr(io::stdout()) else { return };
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHOCTL);
        if set(&quiet) {
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        }
    }

    pub fn restore() {
        if let Some(before) = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take() {
            set(&before);
        }
    }

    /// Whether the terminal is now as `state` says.
    fn set(state: &Termios) -> bool {
        // The system stops programs in the background that change the terminal.
        tcgetpgrp(io::stdout()).is_ok_and(|group| group == getpgrp())
            && termios::tcsetattr(io::stdout(), SetArg::TCSANOW, state).is_ok()
    }
}

#[cfg(not(unix))]
mod masked {
    use rustyline::completion::Completer;
    use rustyline::error::ReadlineError;
    use rustyline::highlight::{CmdKind, Highlighter};
    use rustyline::hint::Hinter;
    use rustyline::history::MemHistory;
    use rustyline::validate::Validator;
    use rustyline::{Config, Editor, Helper};
    use std::borrow::Cow;
    use std::io;

    pub fn line(prompt: &str) -> io::Result<Option<String>> {
        let config = Config::builder().auto_add_history(false).build();
        let editor = Editor::<Stars, MemHistory>::with_history(config, MemHistory::new());
        let mut editor = editor.map_err(io::Error::other)?;
        editor.set_helper(Some(Stars));
        match editor.readline(prompt) {
            Ok(line) => Ok(Some(line)),
            Err(ReadlineError::Interrupted | ReadlineError::Eof) => Ok(None),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Shows a star for each letter.
    struct Stars;

    impl Highlighter for Stars {
        fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
            Cow::Owned("*".repeat(line.chars().count()))
        }

        fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
            true
        }
    }

    impl Completer for Stars {
        type Candidate = String;
    }
    impl Hinter for Stars {
        type Hint = String;
    }
    impl Validator for Stars {}
    impl Helper for Stars {}
}
