//! The vocabulary: all token texts in one block of bytes, and the way back from text to id.

use crate::Error;
use crate::hash::{TOKENS_MAX, TextIndex};

/// What a token is for; the numbers are those of `tokenizer.ggml.token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Normal = 1,
    /// Stands for unknown text.
    Unknown = 2,
    /// Structure, such as begin of text: never produced by ordinary text.
    Control = 3,
    /// Added by hand and matched before everything else, but part of the text.
    UserDefined = 4,
    /// A hole in the id space or a reserved token.
    Unused = 5,
    /// One byte, written `<0xAB>`.
    Byte = 6,
}

impl Kind {
    pub(crate) fn from_gguf(number: i32) -> Self {
        match number {
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => Self::Normal,
        }
    }
}

/// No token.
pub(crate) const NONE: u32 = u32::MAX;

/// Token texts by id. In byte-level vocabularies the texts are the bytes they stand for; elsewhere they are as the
/// file writes them (`▁the`, `<0x0A>`, `##ing`).
#[derive(Debug)]
pub(crate) struct Vocab {
    arena: Vec<u8>,
    /// Where the text of each id ends; it begins where the one before ends.
    ends: Vec<u32>,
    kinds: Vec<Kind>,
    index: TextIndex,
    /// Ids of the tokens that stand for one byte each; [`NONE`] where there is none.
    byte_ids: Box<[u32; 256]>,
}

impl Vocab {
    pub(crate) fn with_capacity(tokens: usize, text_bytes: usize) -> Self {
        Self {
            arena: Vec::with_capacity(text_bytes),
            ends: Vec::with_capacity(tokens),
            kinds: Vec::with_capacity(tokens),
            index: TextIndex::default(),
            byte_ids: Box::new([NONE; 256]),
        }
    }

    /// Appends the next token; `write` puts its text at the end of the given bytes.
    pub(crate) fn push(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        write(&mut self.arena);
        if self.ends.len() >= TOKENS_MAX {
            let found = "more".to_owned();
            return Err(Error::Vocabulary { expected: "at most 16777214 tokens", found });
        }
        let end = u32::try_from(self.arena.len()).map_err(|_| Error::Vocabulary {
            expected: "at most 4 GiB of token text",
            found: format!("{} bytes", self.arena.len()),
        })?;
        self.ends.push(end);
        self.kinds.push(kind);
        Ok(())
    }

    /// Builds the index from text to id over the tokens that ordinary text can become.
    ///
    /// With `bytes_are_texts`, the tokens of one byte stand for that byte; otherwise the `<0xAB>` tokens do.
    pub(crate) fn build_index(&mut self, bytes_are_texts: bool) -> Result<(), Error> {
        let mut index = TextIndex::with_capacity(self.len());
        for id in 0..self.len() as u32 {
            let text = self.text(id);
            match self.kinds[id as usize] {
                Kind::Normal | Kind::UserDefined | Kind::Unused if !text.is_empty() => {
                    index.insert(text, id, |id| self.text(id))?;
                }
                _ => {}
            }
        }
        self.index = index;
        for byte in 0..=255u8 {
            if bytes_are_texts {
                self.byte_ids[usize::from(byte)] = self.find(&[byte]).unwrap_or(NONE);
            }
        }
        for id in (0..self.len() as u32).filter(|_| !bytes_are_texts) {
            if let (Kind::Byte, Some(byte)) = (self.kind(id), byte_token(self.text(id))) {
                self.byte_ids[usize::from(byte)] = id;
            }
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Text of a token that exists.
    pub(crate) fn text(&self, id: u32) -> &[u8] {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] as usize };
        &self.arena[start..self.ends[id] as usize]
    }

    /// Kind of a token that exists.
    pub(crate) fn kind(&self, id: u32) -> Kind {
        self.kinds[id as usize]
    }

    pub(crate) fn set_kind(&mut self, id: u32, kind: Kind) {
        self.kinds[id as usize] = kind;
    }

    /// The token that ordinary text `text` is, if any.
    pub(crate) fn find(&self, text: &[u8]) -> Option<u32> {
        self.index.get(text, |id| self.text(id))
    }

    /// The slot where a look-up of `text` begins, for [`approach`](Self::approach).
    pub(crate) fn slot_of(&self, text: &[u8]) -> u32 {
        self.index.slot_of(text)
    }

    /// Begins the memory accesses that [`find`](Self::find) waits for, for many texts at once: each loop touches one
    /// table for all of them, so that their cache misses overlap instead of following one another. The result means
    /// nothing; a caller that keeps it keeps the compiler from dropping the accesses.
    pub(crate) fn approach(&self, slots: &mut [u32]) -> u8 {
        self.index.guess(slots);
        for id in slots.iter_mut() {
            *id = (*id as usize).checked_sub(1).map_or(0, |before| self.ends[before]);
        }
        slots.iter().fold(0, |seen, start| seen ^ self.arena.get(*start as usize).copied().unwrap_or(0))
    }

    /// Whether some token that ordinary text can become satisfies `is_such`.
    pub(crate) fn any_text(&self, is_such: impl Fn(&[u8]) -> bool) -> bool {
        (0..self.len() as u32)
            .filter(|id| matches!(self.kind(*id), Kind::Normal | Kind::UserDefined | Kind::Unused))
            .any(|id| is_such(self.text(id)))
    }

    /// The token that stands for one byte.
    pub(crate) fn byte_id(&self, byte: u8) -> Option<u32> {
        Some(self.byte_ids[usize::from(byte)]).filter(|id| *id != NONE)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.arena.capacity()
            + self.ends.capacity() * 4
            + self.kinds.capacity()
            + self.index.memory_bytes()
            + 1024
    }
}

/// The byte that `<0xAB>` names.
pub(crate) fn byte_token(text: &[u8]) -> Option<u8> {
    let hex = text.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    if hex.len() != 2 || !hex.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}
