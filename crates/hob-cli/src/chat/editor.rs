//! Reading a person's input: line editing, history, and messages of several lines.

use crate::fail::note;
use crate::platform;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::{FileHistory, History};
use rustyline::validate::Validator;
use rustyline::{Behavior, Config, Context, Editor, Helper};
use std::io;
use std::path::{Path, PathBuf};

const PROMPT: &str = "> ";
const CONTINUED: &str = ". ";
const BLOCK: &str = "\"\"\"";
const HISTORY_MAX: usize = 1000;

/// What came of asking the user.
pub enum Input {
    /// A message or a command.
    Text(String),
    /// Ctrl-C: the line is thrown away.
    Cancelled,
    /// Ctrl-D.
    End,
}

/// The line editor.
pub struct LineEditor {
    editor: Editor<Commands, FileHistory>,
    history: Option<PathBuf>,
}

impl LineEditor {
    /// An editor with the history of earlier sessions, unless `keep_history` is off.
    pub fn new(keep_history: bool) -> anyhow::Result<Self> {
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)?
            .history_ignore_dups(true)?
            .behavior(Behavior::PreferTerm)
            .build();
        let mut editor = Editor::with_config(config)?;
        editor.set_helper(Some(Commands));
        let history = keep_history.then(history_file).flatten();
        if let Some(path) = history.as_ref().filter(|path| path.exists())
            && let Err(error) = editor.load_history(path)
        {
            note(&format!("{}: cannot read the history: {error}; going on without it", path.display()));
        }
        Ok(Self { editor, history })
    }

    /// The next message: a line; lines joined by `\` at their ends; or everything between two `"""`.
    pub fn read(&mut self) -> anyhow::Result<Input> {
        let mut message = String::new();
        let mut in_block = false;
        loop {
            let prompt = if message.is_empty() && !in_block { PROMPT } else { CONTINUED };
            let line = match self.editor.readline(prompt) {
                Ok(line) => line,
                Err(ReadlineError::Interrupted) => return Ok(Input::Cancelled),
                Err(ReadlineError::Eof) => return Ok(Input::End),
                Err(ReadlineError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                    note("what was typed is not UTF-8; this message is thrown away");
                    (message, in_block) = (String::new(), false);
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            if take_line(&mut message, &mut in_block, &line) {
                self.remember(&message);
                return Ok(Input::Text(message));
            }
        }
    }

    /// From here on nothing that is typed goes into the history file.
    pub fn forget_history(&mut self) {
        self.history = None;
    }

    fn remember(&mut self, message: &str) {
        if message.trim().is_empty() || !self.editor.add_history_entry(message).unwrap_or(false) {
            return;
        }
        let Some(path) = &self.history else { return };
        // Written at once: a chat that is killed keeps what was typed.
        if let Err(error) = self.editor.history_mut().append(path) {
            note(&format!("{}: cannot write the history: {error}; going on without it", path.display()));
            self.history = None;
        }
    }
}

/// Adds a line to a message; `true` when the message is complete.
fn take_line(message: &mut String, in_block: &mut bool, line: &str) -> bool {
    if !*in_block
        && message.is_empty()
        && let Some(rest) = line.trim_start().strip_prefix(BLOCK)
    {
        if let Some(one_line) = rest.strip_suffix(BLOCK) {
            message.push_str(one_line);
            return true;
        }
        *in_block = true;
        if !rest.is_empty() {
            message.push_str(rest);
            message.push('\n');
        }
        return false;
    }
    if *in_block {
        if let Some(last) = line.trim_end().strip_suffix(BLOCK) {
            message.push_str(last);
            let end = message.trim_end_matches('\n').len();
            message.truncate(end);
            return true;
        }
        message.push_str(line);
        message.push('\n');
        return false;
    }
    match line.strip_suffix('\\') {
        Some(line) => {
            message.push_str(line);
            message.push('\n');
            false
        }
        None => {
            message.push_str(line);
            true
        }
    }
}

/// The history file, in a data folder that is made if necessary.
fn history_file() -> Option<PathBuf> {
    let dir = platform::data_dir()?.path;
    if let Err(error) = std::fs::create_dir_all(&dir) {
        note(&format!(
            "{}: cannot make the data folder: {error}; there will be no history (HOB_HOME names another)",
            dir.display()
        ));
        return None;
    }
    Some(history_path(&dir))
}

/// The same in a data folder that is there.
pub fn history_path(data: &Path) -> PathBuf {
    data.join("chat_history")
}

/// Completes the names of commands.
struct Commands;

impl Completer for Commands {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = &line[..pos];
        if !typed.starts_with('/') || typed.contains(' ') {
            return Ok((pos, Vec::new()));
        }
        let matching = super::commands::NAMES.iter().filter(|name| name.starts_with(typed));
        Ok((0, matching.map(|name| name.to_string()).collect()))
    }
}

impl Helper for Commands {}
impl Highlighter for Commands {}
impl Validator for Commands {}
impl Hinter for Commands {
    type Hint = String;
}

#[cfg(test)]
mod tests {
    use super::take_line;

    /// The messages that lines make.
    fn messages(lines: &[&str]) -> Vec<String> {
        let (mut message, mut in_block, mut all) = (String::new(), false, Vec::new());
        for line in lines {
            if take_line(&mut message, &mut in_block, line) {
                all.push(std::mem::take(&mut message));
                in_block = false;
            }
        }
        all
    }

    #[test]
    fn lines_are_joined_as_they_ask() {
        assert_eq!(messages(&["one", "two"]), ["one", "two"]);
        assert_eq!(messages(&["one\\", "two", "three"]), ["one\ntwo", "three"]);
        assert_eq!(messages(&["\"\"\"one", "", "two\"\"\"", "three"]), ["one\n\ntwo", "three"]);
        assert_eq!(messages(&["\"\"\"", "a \\", "\"\"\""]), ["a \\"]);
        assert_eq!(messages(&["\"\"\"all in one\"\"\""]), ["all in one"]);
        assert_eq!(messages(&["say \"\"\"x"]), ["say \"\"\"x"]);
    }
}
