//! A conversation in either form: turns rendered by a template, or one text that grows.

use crate::conversation;
use anyhow::{Context, bail};
use hob::{Answer, AnswerOptions, Chat, ChatOptions, Error, LanguageModel, OnFull, Reply, Session};
use serde_json::{Value, json};

/// What `/save` writes into its files, so that `/load` knows them.
const FORMAT: &str = "hob-chat/1";

/// A conversation with a model.
pub enum Talk {
    /// Turns of user and model.
    Chat(Box<Chat>),
    /// A text that both write on.
    Text(Box<Text>),
}

/// A text that the user and the model write on.
pub struct Text {
    model: LanguageModel,
    session: Session,
    text: String,
    /// Where the last answer begins.
    answer_at: Option<usize>,
}

impl Talk {
    /// Starts a conversation; `raw` goes without the model's template.
    pub fn new(model: &LanguageModel, options: ChatOptions, raw: bool) -> Self {
        if !raw {
            return Talk::Chat(Box::new(model.chat(options)));
        }
        let session = model.session(&options);
        Talk::Text(Box::new(Text { model: model.clone(), session, text: String::new(), answer_at: None }))
    }

    /// Adds what the user says.
    pub fn say(&mut self, text: &str) {
        match self {
            Talk::Chat(chat) => chat.say(text),
            Talk::Text(t) => t.text.push_str(text),
        }
    }

    /// Computes the prompt and starts the answer. Call [`Talk::end`] when it is over.
    pub fn answer(&mut self, options: &mut AnswerOptions<'_>) -> Result<Answer<'_>, Error> {
        match self {
            Talk::Chat(chat) => chat.answer(options),
            Talk::Text(t) => {
                t.answer_at = Some(t.text.len());
                t.model.complete(&mut t.session, &t.text, options)
            }
        }
    }

    /// Takes the answer in. A question that got none is taken back, as most templates want turns to alternate.
    pub fn end(&mut self, reply: &Reply) {
        match self {
            Talk::Chat(chat) => {
                if let Some((last, rest)) = chat.messages().split_last()
                    && last["role"] == "user"
                {
                    chat.set_messages(rest.to_vec());
                }
            }
            Talk::Text(t) => t.text.push_str(&reply.text),
        }
    }

    /// Takes back what was added since `mark`, after an error.
    pub fn rewind(&mut self, mark: Mark) {
        match (self, mark) {
            (Talk::Chat(chat), Mark { len, .. }) => {
                let kept = chat.messages()[..len.min(chat.messages().len())].to_vec();
                chat.set_messages(kept);
            }
            (Talk::Text(t), Mark { len, answer_at }) => {
                t.text.truncate(len);
                t.answer_at = answer_at;
            }
        }
    }

    /// Where the conversation stands now.
    pub fn mark(&self) -> Mark {
        match self {
            Talk::Chat(chat) => Mark { len: chat.messages().len(), answer_at: None },
            Talk::Text(t) => Mark { len: t.text.len(), answer_at: t.answer_at },
        }
    }

    /// Takes back the last answer, so that it can be given anew. `false` if there is none.
    pub fn retract(&mut self) -> bool {
        match self {
            Talk::Chat(chat) => chat.retract_answer(),
            Talk::Text(t) => t.answer_at.take().map(|at| t.text.truncate(at)).is_some(),
        }
    }

    /// Forgets everything but the system message.
    pub fn clear(&mut self) {
        match self {
            Talk::Chat(chat) => {
                let kept = chat.messages().iter().filter(|m| m["role"] == "system").cloned().collect();
                chat.set_messages(kept);
            }
            Talk::Text(t) => (t.text, t.answer_at) = (String::new(), None),
        }
    }

    /// The system message.
    pub fn system(&self) -> Option<String> {
        let Talk::Chat(chat) = self else { return None };
        let message = chat.messages().iter().find(|m| m["role"] == "system")?;
        Some(message["content"].as_str()?.to_string())
    }

    /// Sets or removes the system message.
    pub fn set_system(&mut self, text: Option<&str>) -> anyhow::Result<()> {
        match self {
            Talk::Chat(chat) => chat.set_system(text),
            Talk::Text(_) => bail!(
                "a system message needs a chat template, and this is a plain text; put the instructions into the text itself"
            ),
        }
        Ok(())
    }

    /// Whether the model is asked to think before answering.
    pub fn set_think(&mut self, think: Option<bool>) {
        if let Talk::Chat(chat) = self {
            chat.set_think(think);
        }
    }

    /// The token sequence behind the conversation.
    pub fn session(&self) -> &Session {
        match self {
            Talk::Chat(chat) => chat.session(),
            Talk::Text(t) => &t.session,
        }
    }

    /// The conversation as `/save` writes it.
    pub fn to_json(&self) -> Value {
        match self {
            Talk::Chat(chat) => json!({"format": FORMAT, "messages": chat.messages()}),
            Talk::Text(t) => json!({"format": FORMAT, "text": t.text, "answer_at": t.answer_at}),
        }
    }

    /// Replaces the conversation by a saved one.
    pub fn load(&mut self, saved: &Value) -> anyhow::Result<()> {
        if !is_saved(saved) {
            bail!("expected a conversation written by /save, found other JSON");
        }
        match (self, saved["messages"].as_array(), saved["text"].as_str()) {
            (Talk::Chat(chat), Some(messages), _) => {
                conversation::check_messages(messages, None)?;
                chat.set_messages(messages.clone());
            }
            (Talk::Text(t), _, Some(text)) => {
                (t.text, t.answer_at) = (text.to_string(), answer_at(text, &saved["answer_at"])?);
            }
            (Talk::Chat(_), ..) => {
                bail!("this is a saved text without turns; start `hob chat --raw` to go on with it")
            }
            (Talk::Text(_), ..) => {
                bail!("this is a saved chat, and here is a plain text; start `hob chat` without --raw")
            }
        }
        Ok(())
    }

    /// Adds messages of a conversation that was kept.
    pub fn append(&mut self, messages: Vec<Value>) -> anyhow::Result<()> {
        match self {
            Talk::Chat(chat) => {
                let all = chat.messages().iter().cloned().chain(messages).collect();
                chat.set_messages(all);
                Ok(())
            }
            Talk::Text(_) => bail!("a kept conversation has turns, and this model has no template for them"),
        }
    }

    /// The last answer and how many turns there are, to show where a loaded conversation stands.
    pub fn last_answer(&self) -> Option<String> {
        match self {
            Talk::Chat(chat) => Some(chat.messages().last()?["content"].as_str()?.to_string()),
            Talk::Text(t) => Some(t.text.clone()).filter(|text| !text.is_empty()),
        }
    }
}

/// Where the last answer of a saved text begins. Files of earlier versions do not say.
fn answer_at(text: &str, saved: &Value) -> anyhow::Result<Option<usize>> {
    if saved.is_null() {
        return Ok(None);
    }
    let at = saved.as_u64().and_then(|at| usize::try_from(at).ok()).filter(|&at| text.is_char_boundary(at));
    let expected =
        || format!("answer_at: expected a place in the text ({} bytes), found {saved}", text.len());
    at.map(Some).with_context(expected)
}

/// A place in a conversation.
#[derive(Clone, Copy)]
pub struct Mark {
    /// Messages, or bytes of a text.
    len: usize,
    /// Where the last answer of a text begins.
    answer_at: Option<usize>,
}

/// Whether `value` was written by `/save`.
pub fn is_saved(value: &Value) -> bool {
    value["format"] == FORMAT
}

/// What happens when the context is full. Shifting keeps what stands before the first message, such as the system message.
pub fn on_full(
    model: &LanguageModel,
    system: Option<&str>,
    raw: bool,
    shift: bool,
) -> anyhow::Result<OnFull> {
    if !shift {
        return Ok(OnFull::Error);
    }
    let tokenizer = model.tokenizer()?;
    if raw {
        return Ok(OnFull::Shift { keep: tokenizer.framing().0.len() });
    }
    let render = |text: &str| -> anyhow::Result<Vec<u32>> {
        let mut chat =
            model.chat(ChatOptions { now: Some(crate::platform::now()), ..ChatOptions::default() });
        chat.set_system(system);
        chat.say(text);
        let options = hob::EncodeOptions { add_special: false, parse_special: true };
        Ok(tokenizer.encode(&chat.render()?, options))
    };
    // Two first messages that share nothing leave exactly what stands before them.
    let (a, b) = (render("a")?, render("Zeit")?);
    Ok(OnFull::Shift { keep: a.iter().zip(&b).take_while(|(a, b)| a == b).count() })
}
