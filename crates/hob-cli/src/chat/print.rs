//! An answer on its way to the screen or into a pipe.

use super::turn::Turn;
use crate::fail::note;
use crate::out;
use hob::{FinishReason, Piece};
use std::io::{self, IsTerminal, Write};

/// Writes the pieces of answers: text to standard output; thoughts dimmed on a terminal, else left out or, if wanted, to
/// standard error.
pub struct Printer {
    is_terminal: bool,
    is_coloured: bool,
    show_thoughts: bool,
    in_thought: bool,
    /// Whether the last thing written was not a line break.
    open_line: bool,
}

impl Printer {
    /// A printer for standard output as it is.
    pub fn new(show_thoughts: bool) -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self {
            is_terminal,
            is_coloured: out::is_coloured(),
            show_thoughts,
            in_thought: false,
            open_line: false,
        }
    }

    /// Writes a piece at once.
    pub fn piece(&mut self, piece: &Piece) -> anyhow::Result<()> {
        match piece {
            Piece::Thought(text) if self.is_terminal => {
                if !self.in_thought {
                    self.in_thought = true;
                    out::text(if self.is_coloured { "\x1b[2m" } else { "[thinking]\n" })?;
                }
                out::text(&out::harmless(text))
            }
            Piece::Thought(text) if self.show_thoughts => {
                self.in_thought = true;
                Ok(io::stderr().write_all(text.as_bytes())?)
            }
            Piece::Thought(_) => Ok(()),
            Piece::Text(text) => {
                self.end_thought()?;
                self.open_line = !text.ends_with('\n');
                if self.is_terminal { out::text(&out::harmless(text)) } else { out::text(text) }
            }
            // The terminal offers no tools.
            Piece::Call(_) => Ok(()),
        }
    }

    /// Ends the answer with a line break, if it has none.
    pub fn end(&mut self) -> anyhow::Result<()> {
        self.end_thought()?;
        if std::mem::take(&mut self.open_line) {
            out::text("\n")?;
        }
        Ok(())
    }

    fn end_thought(&mut self) -> anyhow::Result<()> {
        if !std::mem::take(&mut self.in_thought) {
            return Ok(());
        }
        match (self.is_terminal, self.is_coloured) {
            (true, true) => out::text("\x1b[0m\n\n"),
            (true, false) => out::text("\n[answer]\n"),
            (false, _) => Ok(io::stderr().write_all(b"\n")?),
        }
    }
}

/// Tells what the user must know about how a turn went.
pub fn notices(turn: &Turn, context: usize, has_grammar: bool) {
    if turn.dropped > 0 {
        note(&format!(
            "the context of {context} tokens was full: the {} oldest tokens were dropped",
            turn.dropped
        ));
    }
    let cut = if has_grammar { ", before the output was complete" } else { "" };
    match turn.reply.finish {
        Some(FinishReason::ContextFull) => note(&format!(
            "the answer stops here{cut}, because the context of {context} tokens is full; --context N gives more room, --context shift drops the oldest tokens instead"
        )),
        Some(FinishReason::Length) => {
            note(&format!("stopped after {} tokens{cut} (max-tokens)", turn.reply.tokens))
        }
        Some(FinishReason::Stop) | None => {}
    }
}
