//! The conversation on a terminal.

use super::commands::{self, After};
use super::editor::{Input, LineEditor};
use super::kept::Resumed;
use super::print::{self, Printer};
use super::prompt::Prompt;
use super::turn::Turn;
use super::{ChatArgs, Desk, builtin, stats};
use crate::fail::{note, note_error};
use crate::which::Which;
use crate::{chats, out};
use anyhow::bail;
use hob_base::Count;
use std::io::{self, Write};
use std::time::Instant;

/// A conversation and what has to be remembered between its turns.
struct Repl<'d> {
    desk: &'d mut Desk,
    /// Files of the command line, which go with the first message.
    pending: Prompt,
    show_stats: bool,
    printer: Printer,
    /// The last turn and when its wait began.
    last: Option<(Turn, Instant)>,
}

/// Talks until the user leaves.
pub fn run(
    desk: &mut Desk,
    pending: Prompt,
    args: &ChatArgs,
    which: &Which,
    resumed: Option<&Resumed>,
) -> anyhow::Result<()> {
    let mut editor = LineEditor::new(!args.no_history && !args.temporary && !chats::are_encrypted())?;
    banner(desk, &pending, which)?;
    greet(desk, args, resumed)?;
    let printer = Printer::new(args.show_thoughts);
    let mut repl = Repl { desk, pending, show_stats: args.stats, printer, last: None };
    loop {
        match editor.read()? {
            Input::End => return Ok(()),
            Input::Cancelled => writeln!(io::stderr(), "(Ctrl-D or /exit leaves)")?,
            Input::Text(text) if text.trim().is_empty() => {}
            Input::Text(text) => match repl.input(&text) {
                Ok(After::Exit) => return Ok(()),
                Ok(After::Temporary) => editor.forget_history(),
                Ok(_) => {}
                // The terminal itself has gone.
                Err(error) if error.is::<io::Error>() => return Err(error),
                Err(error) => note_error(&error.to_string()),
            },
        }
    }
}

fn banner(desk: &Desk, pending: &Prompt, which: &Which) -> anyhow::Result<()> {
    let d = desk.model.describe();
    let facts = format!("{}, {} parameters", d.family, Count(d.parameters));
    let model =
        d.name.as_deref().map_or_else(|| facts.clone(), |name| format!("{} ({facts})", out::harmless(name)));
    writeln!(io::stderr(), "{model}. Context: {}.", desk.context)?;
    if which.is_builtin() {
        writeln!(io::stderr(), "{}", builtin::ABOUT)?;
    }
    let turn = if desk.is_raw { "Type a text and the model continues it" } else { "Type a message" };
    writeln!(io::stderr(), "{turn}; /help lists commands, Ctrl-D leaves.")?;
    for (name, text) in &pending.files {
        writeln!(io::stderr(), "Your first message will bring {name} ({} bytes).", text.len())?;
    }
    Ok(())
}

/// Says what is kept of the conversation, and what was said in it before.
fn greet(desk: &Desk, args: &ChatArgs, resumed: Option<&Resumed>) -> anyhow::Result<()> {
    let kept = match (resumed, desk.keeper.is_on()) {
        (Some(resumed), _) => out::harmless(&resumed.about()).into_owned(),
        (None, true) => {
            "This conversation is kept (hob chats list); /temporary begins one that is not.".into()
        }
        (None, false) if args.temporary => "Temporary: nothing of this conversation is written.".into(),
        (None, false) if desk.is_raw => {
            "Not kept: a plain text has no turns (/save writes it into a file).".into()
        }
        (None, false) => "This conversation is not kept.".into(),
    };
    writeln!(io::stderr(), "{kept}")?;
    match resumed.and_then(Resumed::last) {
        Some(last) => out::text(&(out::harmless(last.trim_end()) + "\n")),
        None => Ok(()),
    }
}

impl Repl<'_> {
    fn input(&mut self, text: &str) -> anyhow::Result<After> {
        let after = match text.strip_prefix('/') {
            Some(rest) if rest.starts_with('/') => self.say(rest)?,
            Some(_) => commands::run(self.desk, text.trim_end())?,
            None => self.say(text)?,
        };
        match after {
            // `say` has answered already.
            After::Go | After::Exit | After::Temporary => {}
            After::Regenerate => self.regenerate()?,
            After::Stats => self.stats()?,
        }
        Ok(after)
    }

    fn say(&mut self, text: &str) -> anyhow::Result<After> {
        let prompt = Prompt { text: Some(text.to_string()), ..self.pending.clone() };
        self.answer(Some(&prompt))?;
        if self.last.as_ref().is_some_and(|(turn, _)| turn.is_answer()) {
            self.pending = Prompt::default();
        }
        Ok(After::Go)
    }

    /// Gives the last answer anew. If that comes to nothing, the old one stays.
    fn regenerate(&mut self) -> anyhow::Result<()> {
        let before = self.desk.talk.to_json();
        if !self.desk.talk.retract() {
            bail!("there is no answer to give anew yet");
        }
        let result = self.answer(None);
        let is_answer = self.last.as_ref().is_some_and(|(turn, _)| turn.is_answer());
        if result.is_err() || !is_answer {
            self.desk.talk.load(&before)?;
        }
        result
    }

    /// Answers `prompt`, or the last message again. After an error the conversation is as before.
    fn answer(&mut self, prompt: Option<&Prompt>) -> anyhow::Result<()> {
        let since = Instant::now();
        let mark = self.desk.talk.mark();
        if let Some(prompt) = prompt {
            self.desk.say(prompt);
        }
        let printer = &mut self.printer;
        let result = self.desk.turn(&mut |piece| printer.piece(piece));
        self.printer.end()?;
        let turn = match result {
            Ok(turn) => turn,
            Err(error) => {
                self.desk.talk.rewind(mark);
                if prompt.is_some() {
                    self.desk.keeper.took_back();
                }
                return Err(self.desk.explain(error, prompt.unwrap_or(&Prompt::default())));
            }
        };
        // An answer given anew that comes to nothing leaves the old one, and its question.
        if turn.is_answer() || prompt.is_some() {
            self.desk.keep(&turn, since);
        }
        match (turn.interrupted, turn.is_answer()) {
            (true, true) => note("stopped"),
            (true, false) => note("stopped before the answer began; the message is taken back"),
            (false, false) => note("the model ended its answer at once; the message is taken back"),
            (false, true) => {}
        }
        print::notices(&turn, self.desk.context.positions, self.desk.grammar.is_some());
        self.last = Some((turn, since));
        if self.show_stats { self.stats() } else { Ok(()) }
    }

    fn stats(&self) -> anyhow::Result<()> {
        match &self.last {
            Some((turn, since)) => {
                writeln!(io::stderr(), "{}", stats::lines(turn, &self.desk.facts(*since)))?;
            }
            None => writeln!(io::stderr(), "No answer yet. Context: {}.", self.desk.context)?,
        }
        Ok(())
    }
}
