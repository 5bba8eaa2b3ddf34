//! A conversation: messages rendered by the model's template, answered in a session that keeps what was computed.

use crate::answer::{Answer, Source};
use crate::{AnswerOptions, ChatOptions, Error, LanguageModel};
use hob_engine::Session;
use hob_tokenizer::{ChatTemplate, EncodeOptions, TemplateInput, adapt_tools};
use serde_json::{Map, Value, json};

/// One of the ways a template renders.
type Render = fn(&ChatTemplate, &TemplateInput<'_>) -> Result<String, hob_tokenizer::Error>;

/// A conversation with a model.
pub struct Chat {
    model: LanguageModel,
    options: ChatOptions,
    session: Session,
    messages: Vec<Value>,
    tools: Option<Vec<Value>>,
}

impl Chat {
    pub(crate) fn new(model: LanguageModel, options: ChatOptions) -> Self {
        let session = model.session(&options);
        Self { model, options, session, messages: Vec::new(), tools: None }
    }

    /// Sets or removes the system message, which stands first.
    pub fn set_system(&mut self, text: Option<&str>) {
        self.messages.retain(|m| m["role"] != "system");
        if let Some(text) = text {
            self.messages.insert(0, json!({"role": "system", "content": text}));
        }
    }

    /// Adds what the user says.
    pub fn say(&mut self, text: &str) {
        self.messages.push(json!({"role": "user", "content": text}));
    }

    /// The messages so far, as they were given.
    pub fn messages(&self) -> &[Value] {
        &self.messages
    }

    /// Replaces the conversation. Messages may have any form that the OpenAI interface knows, see
    /// [`ChatTemplate::adapt_messages`]; ask [`Chat::loses_tool_calls`] where they may call tools.
    pub fn set_messages(&mut self, messages: Vec<Value>) {
        self.messages = messages;
    }

    /// Tools the model may call, in the OpenAI shape.
    pub fn set_tools(&mut self, tools: Option<Vec<Value>>) {
        self.tools = tools;
    }

    /// Takes back the last answer, so that it can be given anew. `false` if there is none.
    pub fn retract_answer(&mut self) -> bool {
        let answered = self.messages.last().is_some_and(|m| m["role"] == "assistant");
        if answered {
            self.messages.pop();
        }
        answered
    }

    /// Whether the model is asked to think before answering.
    pub fn set_think(&mut self, think: Option<bool>) {
        self.options.think = think;
    }

    /// The token sequence behind the conversation.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether tools are called in the conversation and the model's template passes over calls without a word. The model
    /// then sees what tools answered, if that, but not what they were asked; nothing else reports it.
    pub fn loses_tool_calls(&self) -> bool {
        let calls = |m: &Value| m["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty());
        self.messages.iter().any(calls) && self.model.template().is_some_and(|t| !t.shows_tool_calls())
    }

    /// The prompt that the next answer would continue. Messages and tools are rewritten to what the model's template
    /// takes: [`ChatTemplate::adapt_messages`] says how.
    ///
    /// # Errors
    /// [`Error::NoTemplate`], a message that holds more than text, or what the template refuses.
    pub fn render(&self) -> Result<String, Error> {
        self.render_adapted(ChatTemplate::render)
    }

    /// The prompt up to the end of the last message, whose text the model would go on with; otherwise like
    /// [`Chat::render`].
    ///
    /// # Errors
    /// As [`Chat::render`], and where the last message holds no text or the template doesn't show it.
    pub fn render_continued(&self) -> Result<String, Error> {
        self.render_adapted(ChatTemplate::render_continued)
    }

    /// What the template makes of messages and tools as they were given, exactly as `apply_chat_template` of transformers
    /// does. [`Chat::answer`] uses [`Chat::render`].
    ///
    /// # Errors
    /// [`Error::NoTemplate`], or what the template refuses.
    pub fn render_verbatim(&self) -> Result<String, Error> {
        self.render_with(ChatTemplate::render, &self.messages, self.tools.as_deref())
    }

    fn render_adapted(&self, render: Render) -> Result<String, Error> {
        let template = self.model.template().ok_or(Error::NoTemplate)?;
        let messages = template.adapt_messages(&self.messages)?;
        let tools = self.tools.as_deref().map(adapt_tools);
        self.render_with(render, &messages, tools.as_deref())
    }

    fn render_with(
        &self,
        render: Render,
        messages: &[Value],
        tools: Option<&[Value]>,
    ) -> Result<String, Error> {
        let template = self.model.template().ok_or(Error::NoTemplate)?;
        let tokenizer = self.model.tokenizer()?;
        let special = tokenizer.special();
        let text_of = |id: Option<u32>| -> Option<String> {
            let bytes = tokenizer.token_bytes(id?)?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        };
        let (bos, eos) = (text_of(special.bos), text_of(special.eos));
        let mut extra = Map::new();
        if let Some(think) = self.options.think {
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
            now: self.options.now,
        };
        Ok(render(template, &input)?)
    }

    /// Computes the prompt and starts the answer. What is said of it joins the conversation when the [`Answer`] goes.
    ///
    /// # Errors
    /// [`Error::NoTemplate`], a prompt that does not fit, options out of range, a grammar that cannot be used.
    pub fn answer(&mut self, options: &mut AnswerOptions<'_>) -> Result<Answer<'_>, Error> {
        let prompt = self.render()?;
        // The template writes the tokens that begin a text itself.
        let ids = self
            .model
            .tokenizer()?
            .encode(&prompt, EncodeOptions { add_special: false, parse_special: true });
        let source = Source::Chat { prompt: &prompt, messages: &mut self.messages };
        Answer::start(&self.model, &mut self.session, &ids, source, options)
    }
}
