//! The tokens with a role, and which of them end a generation.

use crate::vocab::{Kind, Vocab};

/// Ids of the tokens that have a role in this vocabulary; `None` where the file names none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpecialTokens {
    /// Begins a text.
    pub bos: Option<u32>,
    /// Ends a text.
    pub eos: Option<u32>,
    /// Ends a turn of a conversation.
    pub eot: Option<u32>,
    /// Ends a message that waits for a tool's answer.
    pub eom: Option<u32>,
    /// Stands for text that the vocabulary cannot spell.
    pub unk: Option<u32>,
    /// Separates two texts (BERT).
    pub sep: Option<u32>,
    /// Fills up batches.
    pub pad: Option<u32>,
    /// Stands for the whole text (BERT).
    pub cls: Option<u32>,
    /// Stands for a hidden word (BERT).
    pub mask: Option<u32>,
}

/// Names that published models give to their end-of-turn token.
const TURN_ENDS: [&str; 9] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<end_of_utterance>",
    "[EOT]",
    "<EOT>",
];

/// Names of tokens after which a model waits for somebody else, besides the turn ends.
const OTHER_ENDS: [&str; 10] = [
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eom_id|>",
    "<|return|>",
    "<|call|>",
    "<|tool_response>",
    "<|role_end|>",
    "<｜end▁of▁sentence｜>",
    "[EOS]",
    "[e~[",
];

/// Whether a token of this name ends something whatever its file says.
pub(crate) fn ends_text(name: &[u8]) -> bool {
    name == b"</s>" || TURN_ENDS.iter().chain(&OTHER_ENDS).any(|known| known.as_bytes() == name)
}

impl SpecialTokens {
    /// Fills `eot` and `eom` by name where the file does not give them.
    pub(crate) fn complete_by_name(&mut self, id_of: impl Fn(&str) -> Option<u32>) {
        self.eot = self.eot.or_else(|| TURN_ENDS.iter().find_map(|name| id_of(name)));
        self.eom = self.eom.or_else(|| id_of("<|eom_id|>"));
    }

    /// Every id after which generation stops unless the caller says otherwise, ascending.
    ///
    /// In the harmony format `<|end|>` closes one of several messages of an answer, so it does not count when
    /// `<|return|>` exists.
    pub(crate) fn end_ids(&self, vocab: &Vocab, id_of: impl Fn(&str) -> Option<u32>) -> Vec<u32> {
        let mut ids: Vec<u32> = [self.eos, self.eot, self.eom].into_iter().flatten().collect();
        let named = TURN_ENDS.iter().chain(&OTHER_ENDS).filter_map(|name| id_of(name));
        ids.extend(named.filter(|id| matches!(vocab.kind(*id), Kind::Control | Kind::UserDefined)));
        if id_of("<|return|>").is_some() && id_of("<|call|>").is_some() {
            ids.retain(|id| Some(*id) != id_of("<|end|>") || Some(*id) == self.eos);
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}
