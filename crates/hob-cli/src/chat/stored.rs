//! What came with a model of the store: instructions, examples and parameters, where the command line says nothing else.

use super::{ChatArgs, Desk};
use crate::store;
use crate::which::Which;
use hob_store::Settings;
use serde_json::json;

/// The settings of the model that is meant; empty for one that is not of the store.
pub fn settings(which: &Which) -> Settings {
    let Which::Stored { name, .. } = which else { return Settings::default() };
    let found = name.to_str().and_then(|name| store::open().ok()?.find(name).ok());
    found.map(|model| model.manifest.settings).unwrap_or_default()
}

/// Takes them over. Instructions need a template to stand in.
pub fn follow(args: &mut ChatArgs, settings: &Settings, has_template: bool) {
    let wishes = settings.wishes();
    let s = &mut args.answer.sampling;
    s.seed = s.seed.or(wishes.seed);
    s.temp = s.temp.or(wishes.temperature);
    s.top_k = s.top_k.or(wishes.top_k);
    s.top_p = s.top_p.or(wishes.top_p);
    s.min_p = s.min_p.or(wishes.min_p);
    s.typical = s.typical.or(wishes.typical_p);
    s.repeat_penalty = s.repeat_penalty.or(wishes.repeat_penalty);
    s.repeat_last_n = s.repeat_last_n.or(wishes.repeat_last_n);
    s.presence_penalty = s.presence_penalty.or(wishes.presence_penalty);
    s.frequency_penalty = s.frequency_penalty.or(wishes.frequency_penalty);
    args.answer.max_tokens = args.answer.max_tokens.or(wishes.max_tokens);
    if args.answer.stop.is_empty() {
        args.answer.stop = wishes.stop;
    }
    if has_template && !args.raw && args.system.is_none() {
        args.system = settings.system.clone().filter(|text| !text.is_empty());
    }
}

impl Desk {
    /// Begins the conversation with the model's examples.
    pub(super) fn begin_with(&mut self, settings: &Settings) {
        if let super::Talk::Chat(chat) = &mut self.talk {
            let examples =
                settings.messages.iter().map(|(role, text)| json!({"role": role, "content": text}));
            let messages = chat.messages().iter().cloned().chain(examples).collect();
            chat.set_messages(messages);
        }
    }
}
