//! A conversation: messages rendered by the model's template, answered in a session that keeps what was computed.

use crate::answer::{Answer, Source};
use crate::{AnswerOptions, ChatOptions, Error, LanguageModel};
use hob_engine::Session;
use hob_tokenizer::{EncodeOptions, TemplateInput};
use serde_json::{Map, Value, json};

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

    /// The messages so far, in the shape chat templates take.
    pub fn messages(&self) -> &[Value] {
        &self.messages
    }

    /// Replaces the conversation.
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

    /// The prompt that the next answer would continue.
    ///
    /// # Errors
    /// [`Error::NoTemplate`], or what the template refuses.
    pub fn render(&self) -> Result<String, Error> {
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
        Ok(template.render(&TemplateInput {
            messages: &self.messages,
            tools: self.tools.as_deref(),
            documents: None,
            add_generation_prompt: true,
            bos_token: bos.as_deref(),
            eos_token: eos.as_deref(),
            extra: Some(&extra),
            now: self.options.now,
        })?)
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
