//! A conversation that is answered in a session, which keeps what was computed.

use crate::answer::Answer;
use crate::{AnswerOptions, ChatOptions, Conversation, Error, LanguageModel, Prompt};
use hob_engine::Session;
use serde_json::{Value, json};

/// A conversation with a model.
pub struct Chat {
    model: LanguageModel,
    session: Session,
    conversation: Conversation,
}

impl Chat {
    pub(crate) fn new(model: LanguageModel, options: ChatOptions) -> Self {
        let session = model.session(&options);
        let conversation = Conversation { think: options.think, now: options.now, ..Conversation::default() };
        Self { model, session, conversation }
    }

    /// Sets or removes the system message, which stands first.
    pub fn set_system(&mut self, text: Option<&str>) {
        let messages = &mut self.conversation.messages;
        messages.retain(|m| m["role"] != "system");
        if let Some(text) = text {
            messages.insert(0, json!({"role": "system", "content": text}));
        }
    }

    /// Adds what the user says.
    pub fn say(&mut self, text: &str) {
        self.conversation.messages.push(json!({"role": "user", "content": text}));
    }

    /// The messages so far, as they were given.
    pub fn messages(&self) -> &[Value] {
        &self.conversation.messages
    }

    /// Replaces the conversation; see [`Conversation::messages`].
    pub fn set_messages(&mut self, messages: Vec<Value>) {
        self.conversation.messages = messages;
    }

    /// Tools the model may call, in the OpenAI shape.
    pub fn set_tools(&mut self, tools: Option<Vec<Value>>) {
        self.conversation.tools = tools;
    }

    /// Takes back the last answer, so that it can be given anew. `false` if there is none.
    pub fn retract_answer(&mut self) -> bool {
        let answered = self.messages().last().is_some_and(|m| m["role"] == "assistant");
        if answered {
            self.conversation.messages.pop();
        }
        answered
    }

    /// Whether the model is asked to think before answering.
    pub fn set_think(&mut self, think: Option<bool>) {
        self.conversation.think = think;
    }

    /// The token sequence behind the conversation.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// See [`Conversation::loses_tool_calls`].
    pub fn loses_tool_calls(&self) -> bool {
        self.conversation.loses_tool_calls(&self.model)
    }

    /// See [`Conversation::render`].
    ///
    /// # Errors
    /// As there.
    pub fn render(&self) -> Result<String, Error> {
        self.conversation.render(&self.model)
    }

    /// See [`Conversation::render_continued`].
    ///
    /// # Errors
    /// As there.
    pub fn render_continued(&self) -> Result<String, Error> {
        self.conversation.render_continued(&self.model)
    }

    /// See [`Conversation::render_verbatim`]. [`Chat::answer`] uses [`Chat::render`].
    ///
    /// # Errors
    /// As there.
    pub fn render_verbatim(&self) -> Result<String, Error> {
        self.conversation.render_verbatim(&self.model)
    }

    /// Computes the prompt and starts the answer. What is said of it joins the conversation when the [`Answer`] goes.
    ///
    /// # Errors
    /// [`Error::NoTemplate`], a prompt that does not fit, options out of range, a grammar that cannot be used.
    pub fn answer(&mut self, options: &mut AnswerOptions<'_>) -> Result<Answer<'_>, Error> {
        let prompt = Prompt::rendered(&self.model, &self.render()?)?;
        let messages = Some(&mut self.conversation.messages);
        Answer::start(&self.model, &mut self.session, &prompt, messages, options)
    }
}
