//! The conversation in the store, where the page and `hob chats` see it.

use super::prompt::Prompt;
use super::turn::Turn;
use super::{ChatArgs, history};
use crate::fail::{note, usage};
use crate::which::{self, Which};
use crate::{chats, platform};
use hob::FinishReason;
use hob_chats::{Attachment, Chat, Chats, Finish, Id, Message, Role, Settings, State, Stats, title_of};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// A conversation that was kept before and is gone on with.
pub struct Resumed {
    chat: Chat,
    branch: Vec<Message>,
}

impl Resumed {
    /// The conversation that `--continue` or `--resume` names, if one of them is there.
    pub fn find(args: &ChatArgs) -> anyhow::Result<Option<Self>> {
        if !args.go_on && args.resume.is_none() {
            return Ok(None);
        }
        let store = chats::open()?;
        let listed = match &args.resume {
            Some(id) => store.find(id)?,
            None => store.list(None, 1)?.chats.into_iter().next().ok_or_else(|| {
                usage("--continue: no conversation is kept yet; `hob chat` on a terminal starts one")
            })?,
        };
        let mut branch = store.branch(&listed.chat.id)?;
        if branch.last().is_some_and(|message| message.role == Role::User) {
            note("the last message of this conversation got no answer; it stays in a branch of its own");
            branch.pop();
        }
        let Settings { schema, tools, .. } = &listed.chat.settings;
        if schema.is_some() || !tools.is_empty() {
            note("answers here follow no schema and call no tools of this conversation; the page does that");
        }
        Ok(Some(Self { chat: listed.chat, branch }))
    }

    /// The model that it was led with, unless the command line names one.
    pub fn model(&self, given: Option<&Path>, which: Which) -> Which {
        let Some(name) = self.chat.settings.model.as_deref().map(Path::new).filter(|_| given.is_none())
        else {
            return which;
        };
        // Here it is a name that was kept, and no path that somebody typed.
        if name.as_os_str() == hob::BUILTIN_NAME {
            return Which::Builtin;
        }
        match which::exists(name) {
            Ok(()) => Which::named(name),
            Err(_) => {
                note(&format!(
                    "its model {} is not here any more; {} answers",
                    name.display(),
                    which.name().display()
                ));
                which
            }
        }
    }

    /// Instructions that stand before it.
    pub fn system(&self) -> Option<&str> {
        Some(self.chat.settings.system.as_str()).filter(|system| !system.trim().is_empty())
    }

    /// Whether the model is asked to think.
    pub fn think(&self) -> Option<bool> {
        self.chat.settings.think
    }

    /// What was said, as a model takes it.
    pub fn messages(&self) -> Vec<Value> {
        history::messages(&self.branch)
    }

    /// What people see of it before they go on.
    pub fn about(&self) -> String {
        let count = self.branch.len();
        let messages = if count == 1 { "one message".to_owned() } else { format!("{count} messages") };
        format!("Going on with \"{}\" ({}, {messages}).", self.chat.title, chats::short(&self.chat.id))
    }

    /// The last answer.
    pub fn last(&self) -> Option<&str> {
        self.branch.last().map(|message| message.text.as_str())
    }
}

/// Keeps a conversation, or doesn't.
#[derive(Default)]
pub struct Keeper {
    kept: Option<Kept>,
}

struct Kept {
    store: Arc<Chats>,
    model: String,
    chat: Chat,
    /// The version that is known; 0 before anything was kept.
    version: i64,
    /// The message that is to be answered, or was last.
    question: Option<Id>,
    /// The leaf and the question before that message.
    before: (Option<Id>, Option<Id>),
    /// Whether nothing was kept before that message.
    is_new: bool,
}

impl Keeper {
    /// A keeper for a conversation with the model `which`: a new one, or `resumed`.
    pub fn new(which: &Which, system: Option<&str>, resumed: Option<&Resumed>) -> anyhow::Result<Self> {
        let store = chats::open()?;
        let (model, lasting) = match which {
            Which::At(path) => {
                let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
                let place = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                (name, place.display().to_string())
            }
            other => (other.name().display().to_string(), other.name().display().to_string()),
        };
        let mut chat = resumed.map_or_else(|| new_chat(Settings::default()), |resumed| resumed.chat.clone());
        if let Some(resumed) = resumed {
            chat.leaf = resumed.branch.last().map(|message| message.id.clone());
        }
        chat.settings.model = Some(lasting);
        chat.settings.system = system.unwrap_or_default().to_owned();
        let question = resumed.and_then(|resumed| resumed.branch.last()?.parent.clone());
        let is_new = resumed.is_none();
        Ok(Self {
            kept: Some(Kept { store, model, chat, version: 0, question, before: (None, None), is_new }),
        })
    }

    /// A keeper that keeps nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// The conversation's id, once something of it is kept.
    pub fn id(&self) -> Option<&Id> {
        self.kept.as_ref().filter(|kept| kept.chat.leaf.is_some()).map(|kept| &kept.chat.id)
    }

    /// Whether it keeps anything.
    pub fn is_on(&self) -> bool {
        self.kept.is_some()
    }

    /// From here on nothing is kept; what was, stays.
    pub fn stop(&mut self) {
        self.kept = None;
    }

    /// What follows is another conversation.
    pub fn restart(&mut self) {
        if let Some(kept) = &mut self.kept {
            kept.chat = new_chat(kept.chat.settings.clone());
            (kept.question, kept.before, kept.is_new) = (None, (None, None), true);
        }
    }

    /// Keeps what was said in a conversation that comes from a file.
    pub fn replay(&mut self, messages: &[Value]) {
        for said in messages {
            let Some(text) = said["content"].as_str() else { continue };
            let role = match said["role"].as_str() {
                Some("user") => Role::User,
                Some("assistant") => Role::Assistant,
                _ => continue,
            };
            self.with(|kept| {
                let message = Message { text: text.to_owned(), ..message(role, kept.chat.leaf.clone()) };
                if kept.is_new && role == Role::User {
                    kept.chat.title = title_of(text);
                }
                if role == Role::User {
                    kept.question = Some(message.id.clone());
                }
                kept.is_new = false;
                kept.chat.leaf = Some(message.id.clone());
                kept.put(&message)
            });
        }
    }

    /// Other instructions stand before the conversation.
    pub fn set_system(&mut self, system: Option<&str>) {
        self.with(|kept| {
            kept.chat.settings.system = system.unwrap_or_default().to_owned();
            if kept.chat.leaf.is_some() { kept.save(&[]) } else { Ok(()) }
        });
    }

    /// Keeps what the user says, before it is answered.
    pub fn said(&mut self, prompt: &Prompt) {
        self.with(|kept| {
            let piped = prompt.piped.iter().map(|text| ("standard input".to_owned(), text.clone()));
            let files = prompt.files.iter().cloned().chain(piped);
            let attachments: Vec<_> = files.map(|(name, text)| Attachment { name, text }).collect();
            let text = prompt.text.clone().unwrap_or_default();
            if kept.is_new && !kept.chat.is_named {
                let first = if text.trim().is_empty() {
                    attachments.first().map_or("", |file| file.name.as_str())
                } else {
                    text.as_str()
                };
                kept.chat.title = title_of(first);
            }
            let message = Message { attachments, text, ..message(Role::User, kept.chat.leaf.clone()) };
            let id = Some(message.id.clone());
            kept.before = (
                std::mem::replace(&mut kept.chat.leaf, id.clone()),
                std::mem::replace(&mut kept.question, id),
            );
            kept.put(&message)
        });
    }

    /// Keeps an answer to the last message. What was answered to it before stays in a branch of its own.
    pub fn answered(&mut self, turn: &Turn, stats: Stats) {
        self.with(|kept| {
            let state = if turn.interrupted { State::Stopped } else { State::Done };
            let finish = turn.reply.finish.map(|finish| match finish {
                FinishReason::Stop => Finish::Stop,
                FinishReason::Length | FinishReason::ContextFull => Finish::Length,
            });
            let message = Message {
                text: turn.reply.text.clone(),
                thought: turn.reply.thought.clone(),
                state,
                finish,
                stats: Some(stats),
                model: Some(kept.model.clone()),
                ..message(Role::Assistant, kept.question.clone())
            };
            kept.chat.leaf = Some(message.id.clone());
            kept.is_new = false;
            kept.put(&message)
        });
    }

    /// The last message got no answer and is taken back, as it is in the conversation.
    pub fn took_back(&mut self) {
        self.with(|kept| {
            let Some(question) = kept.question.take() else { return Ok(()) };
            (kept.chat.leaf, kept.question) = std::mem::take(&mut kept.before);
            if kept.is_new {
                return kept.store.delete(&kept.chat.id);
            }
            kept.store.delete_message(&kept.chat.id, &question).map(drop)
        });
    }

    /// Does something with the store. If it can't, that is told, and the conversation goes on without.
    fn with(&mut self, work: impl FnOnce(&mut Kept) -> Result<(), hob_chats::Error>) {
        if let Some(kept) = &mut self.kept
            && let Err(error) = work(kept)
        {
            note(&format!("{error}; from here on this conversation is not kept"));
            self.kept = None;
        }
    }
}

impl Kept {
    fn put(&mut self, message: &Message) -> Result<(), hob_chats::Error> {
        self.chat.updated = message.created;
        self.save(std::slice::from_ref(message))
    }

    /// Somebody else may have marked it since it was opened: that stays.
    fn save(&mut self, messages: &[Message]) -> Result<(), hob_chats::Error> {
        let kept = self.store.put_knowing(&self.chat, messages, self.version)?;
        (self.chat.is_private, self.chat.folder) = (kept.chat.is_private, kept.chat.folder);
        self.version = kept.version;
        Ok(())
    }
}

fn new_chat(settings: Settings) -> Chat {
    let now = platform::unix_ms();
    let title = title_of("");
    Chat {
        id: platform::new_id(),
        title,
        is_named: false,
        is_private: false,
        folder: None,
        created: now,
        updated: now,
        leaf: None,
        settings,
    }
}

/// A message in which nothing is said yet.
fn message(role: Role, parent: Option<Id>) -> Message {
    Message {
        id: platform::new_id(),
        parent,
        role,
        text: String::new(),
        thought: String::new(),
        attachments: Vec::new(),
        created: platform::unix_ms(),
        state: State::Done,
        error: None,
        model: None,
        finish: None,
        stats: None,
        thought_ms: None,
        calls: Vec::new(),
    }
}
