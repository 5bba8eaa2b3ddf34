//! Messages and tools, and the text that a model's template makes of them.

use crate::{Error, LanguageModel};
use hob_tokenizer::{ChatTemplate, LocalTime, TemplateInput, adapt_tools};
use serde_json::{Map, Value};

/// One of the ways a template renders.
type Render = fn(&ChatTemplate, &TemplateInput<'_>) -> Result<String, hob_tokenizer::Error>;

/// A conversation as clients of the OpenAI interface send it.
#[derive(Clone, Default)]
pub struct Conversation {
    /// Messages in any form that the OpenAI interface knows, see [`ChatTemplate::adapt_messages`]; ask
    /// [`Conversation::loses_tool_calls`] where they may call tools.
    pub messages: Vec<Value>,
    /// Tools the model may call, in the OpenAI shape.
    pub tools: Option<Vec<Value>>,
    /// Whether the model is asked to think before it answers, where its template knows the difference.
    pub think: Option<bool>,
    /// The time of day that templates may print.
    pub now: Option<LocalTime>,
    /// Whatever else the template may ask for, by name.
    pub extra: Map<String, Value>,
}

impl Conversation {
    /// Whether tools are called in the conversation and the model's template passes over calls without a word. The model
    /// then sees what tools answered, if that, but not what they were asked; nothing else reports it.
    pub fn loses_tool_calls(&self, model: &LanguageModel) -> bool {
        let calls = |m: &Value| m["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty());
        self.messages.iter().any(calls) && model.template().is_some_and(|t| !t.shows_tool_calls())
    }

    /// The prompt that the next answer would continue. Messages and tools are rewritten to what the model's template
    /// takes: [`ChatTemplate::adapt_messages`] says how.
    ///
    /// # Errors
    /// [`Error::NoTemplate`], a message that holds more than text, or what the template refuses.
    pub fn render(&self, model: &LanguageModel) -> Result<String, Error> {
        self.render_adapted(model, ChatTemplate::render)
    }

    /// The prompt up to the end of the last message, whose text the model would go on with; otherwise like
    /// [`Conversation::render`].
    ///
    /// # Errors
    /// As [`Conversation::render`], and where the last message holds no text or the template doesn't show it.
    pub fn render_continued(&self, model: &LanguageModel) -> Result<String, Error> {
        self.render_adapted(model, ChatTemplate::render_continued)
    }

    /// What the template makes of messages and tools as they were given, exactly as `apply_chat_template` of transformers
    /// does.
    ///
    /// # Errors
    /// [`Error::NoTemplate`], or what the template refuses.
    pub fn render_verbatim(&self, model: &LanguageModel) -> Result<String, Error> {
        self.render_with(model, ChatTemplate::render, &self.messages, self.tools.as_deref())
    }

    fn render_adapted(&self, model: &LanguageModel, render: Render) -> Result<String, Error> {
        let template = model.template().ok_or(Error::NoTemplate)?;
        let messages = template.adapt_messages(&self.messages)?;
        let tools = self.tools.as_deref().map(adapt_tools);
        self.render_with(model, render, &messages, tools.as_deref())
    }

    fn render_with(
        &self,
        model: &LanguageModel,
        render: Render,
        messages: &[Value],
        tools: Option<&[Value]>,
    ) -> Result<String, Error> {
        let template = model.template().ok_or(Error::NoTemplate)?;
        let tokenizer = model.tokenizer()?;
        let special = tokenizer.special();
        let text_of = |id: Option<u32>| -> Option<String> {
            let bytes = tokenizer.token_bytes(id?)?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let (bos, eos) = (text_of(special.bos), text_of(special.eos));
        let mut extra = self.extra.clone();
        if let Some(think) = self.think {
            extra.insert("enable_thinking".into(), think.into());
        }
        let input = TemplateInput {
            messages,
            tools,
            documents: None,
            add_generation_prompt: true,
            bos_token: bos.as_deref(),
            eos_token: eos.as_deref(),
            extra: Some(&extra),
            now: self.now,
        };
        Ok(render(template, &input)?)
    }
}
