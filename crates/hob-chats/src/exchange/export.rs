//! Conversations as files.

use super::{Format, hob};
use crate::{Chats, Cursor, Error, Id, Message, Role, limits};
use std::io::{self, Write};

/// Conversations and messages that are read at a time.
const PAGE: usize = 200;

impl Chats {
    /// Writes conversations: those that are named, or all. Each is as it stands when its turn comes.
    ///
    /// # Errors
    /// [`Error::UnknownChat`] before anything is written, [`Error::Export`] where `out` refuses, or the file cannot be read.
    pub fn export(&self, ids: Option<&[Id]>, format: Format, out: &mut dyn Write) -> Result<(), Error> {
        for id in ids.unwrap_or_default() {
            self.get(id)?;
        }
        if format == Format::Json {
            write!(out, "{{\"format\":\"{}\",\"version\":{},\"chats\":[", hob::FORMAT, hob::VERSION)?;
        }
        let mut is_first = true;
        self.each(ids, &mut |id| {
            let between = match (is_first, format) {
                (true, Format::Json) => "\n",
                (false, Format::Json) => ",\n",
                (true, Format::Markdown) => "",
                (false, Format::Markdown) => "\n---\n\n",
            };
            is_first = false;
            out.write_all(between.as_bytes())?;
            match format {
                Format::Json => self.write_json(id, out),
                Format::Markdown => self.write_markdown(id, out),
            }
        })?;
        if format == Format::Json {
            out.write_all(b"\n]}\n")?;
        }
        Ok(out.flush()?)
    }

    /// Calls `work` for each of the conversations. One that is deleted meanwhile is left out.
    fn each(&self, ids: Option<&[Id]>, work: &mut dyn FnMut(&Id) -> Result<(), Error>) -> Result<(), Error> {
        if let Some(ids) = ids {
            return ids.iter().try_for_each(work);
        }
        let mut after: Option<Cursor> = None;
        loop {
            let listing = self.list(after, PAGE)?;
            for listed in &listing.chats {
                match self.get(&listed.chat.id) {
                    Err(Error::UnknownChat { .. }) => {}
                    Err(error) => return Err(error),
                    Ok(_) => work(&listed.chat.id)?,
                }
            }
            after = listing.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn write_json(&self, id: &Id, out: &mut dyn Write) -> Result<(), Error> {
        let mut messages = self.messages(id, None, PAGE)?;
        let mut chat = self.get(id)?.chat;
        // Marks of folders stay where they are; who takes the file in has to know all the same.
        chat.is_private |= self.must_stay(Some(id), None)?;
        let mut seen = chat.leaf.is_none();
        // The leaf is written last, when it is known that it is among the messages.
        out.write_all(b"{\"messages\":[")?;
        let mut is_first = true;
        loop {
            for message in &messages.messages {
                out.write_all(if is_first { b"\n" } else { b",\n" })?;
                is_first = false;
                seen |= chat.leaf.as_ref() == Some(&message.id);
                serde_json::to_writer(&mut *out, message).map_err(io::Error::from)?;
            }
            let Some(next) = messages.next else { break };
            messages = self.messages(id, Some(next), PAGE)?;
        }
        if !seen {
            chat.leaf = None;
        }
        out.write_all(b"],\"chat\":")?;
        serde_json::to_writer(&mut *out, &chat).map_err(io::Error::from)?;
        Ok(out.write_all(b"}")?)
    }

    fn write_markdown(&self, id: &Id, out: &mut dyn Write) -> Result<(), Error> {
        let chat = self.get(id)?.chat;
        let title = chat.title.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(out, "# {title}")?;
        if !chat.settings.system.trim().is_empty() {
            writeln!(out, "\n> System: {}", chat.settings.system.trim().replace('\n', "\n> "))?;
        }
        for message in self.branch(id)? {
            write_message(&message, out)?;
        }
        Ok(())
    }
}

fn write_message(message: &Message, out: &mut dyn Write) -> io::Result<()> {
    let who = match message.role {
        Role::User => "You",
        Role::Assistant => message.model.as_deref().unwrap_or("Model"),
    };
    writeln!(out, "\n## {who}")?;
    for file in &message.attachments {
        writeln!(out, "\n*Attached: {}*\n\n{}", file.name, fenced(&file.text))?;
    }
    match message.text.trim_end() {
        "" => {}
        text => writeln!(out, "\n{text}")?,
    }
    for call in &message.calls {
        writeln!(out, "\n*Called: {}*\n\n{}", call.name, fenced(&call.arguments))?;
        if let Some(result) = &call.result {
            writeln!(out, "\n*Result*\n\n{}", fenced(result))?;
        }
    }
    Ok(())
}

/// A block of text with a fence that is longer than any inside.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{}\n{fence}", text.strip_suffix('\n').unwrap_or(text))
}

const _: () = assert!(PAGE <= limits::PAGE_MAX, "a page is never larger than what one question may bring");

#[cfg(test)]
mod tests {
    use super::fenced;

    #[test]
    fn fences_are_longer_than_those_inside() {
        assert_eq!(fenced("a"), "```\na\n```");
        assert_eq!(fenced("x ``` y\n"), "````\nx ``` y\n````");
    }
}
