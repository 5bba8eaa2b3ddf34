//! Prompts that end inside of the last message, so that the model goes on with it.

use serde_json::Value as Json;

use super::{ChatTemplate, TemplateInput};
use crate::Error;

/// Marks the end of the last message's text. The space tells whether the template strips what it prints.
const MARK: &str = "HOB_END_OF_LAST_MESSAGE ";

impl ChatTemplate {
    /// Renders a conversation whose last message is to be continued: whatever the template writes behind its text is left
    /// out, as with `continue_final_message` of transformers. `add_generation_prompt` is ignored.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`]; [`Error::Message`] where the last message holds no text, or the template doesn't
    /// show it.
    pub fn render_continued(&self, input: &TemplateInput<'_>) -> Result<String, Error> {
        let last = input.messages.len().saturating_sub(1);
        let refused = |found: &str| Error::Message {
            index: last,
            expected: "text that the template shows, to be continued",
            found: found.to_owned(),
        };
        let mut messages = input.messages.to_vec();
        let content = messages.last_mut().and_then(|message| message.get_mut("content"));
        let content = match content {
            Some(Json::Array(parts)) => parts.last_mut().and_then(|part| part.get_mut("text")),
            content => content,
        };
        match content {
            Some(Json::String(text)) => text.push_str(MARK),
            _ => return Err(refused("no text")),
        }
        let input = TemplateInput { messages: &messages, add_generation_prompt: false, ..*input };
        let mut prompt = self.render(&input)?;
        let at = prompt.rfind(MARK.trim_end()).ok_or_else(|| refused("nothing of it in the prompt"))?;
        let is_stripped = !prompt[at..].starts_with(MARK);
        prompt.truncate(at);
        if is_stripped {
            prompt.truncate(prompt.trim_end().len());
        }
        Ok(prompt)
    }
}
