//! What the user hands in for one turn: a prompt, files and piped text.

use crate::input;
use hob::{EncodeOptions, LanguageModel};
use std::path::PathBuf;

/// The parts of one turn.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    /// What was typed.
    pub text: Option<String>,
    /// Names and contents of files.
    pub files: Vec<(String, String)>,
    /// What was piped in.
    pub piped: Option<String>,
}

impl Prompt {
    /// Reads everything that is not there yet.
    pub fn read(text: Option<String>, files: &[PathBuf]) -> anyhow::Result<Self> {
        let read = |path: &PathBuf| Ok((path.display().to_string(), input::text(path)?));
        let files = files.iter().map(read).collect::<anyhow::Result<_>>()?;
        Ok(Self { text, files, piped: None })
    }

    /// Adds what is piped into the program.
    pub fn read_pipe(&mut self) -> anyhow::Result<()> {
        let text = input::piped()?.map(|text| without_last_newline(&text).to_string());
        self.piped = text.filter(|text| !text.is_empty());
        Ok(())
    }

    /// Whether there is nothing to answer.
    pub fn is_empty(&self) -> bool {
        self.text.is_none() && self.files.is_empty() && self.piped.is_none()
    }

    /// The message of a chat: what was typed, then what it is about.
    pub fn message(&self) -> String {
        let file = |(name, text): &(String, String)| {
            let name = name.replace('"', "'");
            format!("<file name=\"{name}\">\n{}\n</file>", without_last_newline(text))
        };
        let typed = self.text.iter().cloned();
        let parts: Vec<String> =
            typed.chain(self.piped.iter().cloned()).chain(self.files.iter().map(file)).collect();
        parts.join("\n\n")
    }

    /// The text that a model without a template continues: what was typed comes last.
    pub fn raw(&self) -> String {
        let files = self.files.iter().map(|(_, text)| text.as_str());
        files.chain(self.piped.as_deref()).chain(self.text.as_deref()).collect()
    }

    /// The size of each part in tokens, for a prompt that does not fit.
    pub fn sizes(&self, model: &LanguageModel) -> String {
        let Ok(tokenizer) = model.tokenizer() else { return String::new() };
        let count = |text: &str| tokenizer.encode(text, EncodeOptions::default()).len();
        let typed = self.text.iter().map(|text| ("the prompt", text));
        let piped = self.piped.iter().map(|text| ("standard input", text));
        let files = self.files.iter().map(|(name, text)| (name.as_str(), text));
        let parts: Vec<_> = typed.chain(piped).chain(files).collect();
        if parts.len() < 2 {
            return String::new();
        }
        let sizes = parts.iter().map(|(name, text)| format!("\n  {:>7} tokens  {name}", count(text)));
        sizes.collect()
    }
}

/// `echo` and editors end texts with a line break that nobody meant to say.
fn without_last_newline(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt() -> Prompt {
        Prompt {
            text: Some("Summarise.".into()),
            files: vec![("a \"b\".txt".into(), "One.\n".into())],
            piped: Some("Two.".into()),
        }
    }

    #[test]
    fn a_message_puts_the_question_first() {
        assert_eq!(prompt().message(), "Summarise.\n\nTwo.\n\n<file name=\"a 'b'.txt\">\nOne.\n</file>");
    }

    #[test]
    fn a_raw_text_ends_with_what_was_typed() {
        assert_eq!(prompt().raw(), "One.\nTwo.Summarise.");
    }
}
