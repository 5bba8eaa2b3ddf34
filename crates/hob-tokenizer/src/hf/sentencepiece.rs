//! Reading a SentencePiece `tokenizer.model`.
//!
//! The file is a protocol buffer; only the fields that matter are read. Source of the field numbers:
//! `sentencepiece_model.proto` of the SentencePiece project.

use super::config::Config;
use super::file::AddedToken;
use crate::added::{AddedTokens, Rules};
use crate::gguf::{check_scores, sentencepiece_decoding, sentencepiece_normalizer};
use crate::model::bpe::Scored;
use crate::model::unigram::Unigram;
use crate::model::{Fallback, Model};
use crate::special::SpecialTokens;
use crate::split;
use crate::vocab::{Kind, Vocab};
use crate::{Error, Tokenizer};

struct Piece<'a> {
    text: &'a [u8],
    score: f32,
    kind: Kind,
}

struct File<'a> {
    pieces: Vec<Piece<'a>>,
    /// 1 Unigram, 2 BPE.
    model_type: u64,
    byte_fallback: bool,
    space_prefix: bool,
    remove_extra_spaces: bool,
    has_table: bool,
}

pub(super) fn build(bytes: &[u8], config: &Config) -> Result<Tokenizer, Error> {
    let file = File::read(bytes)?;
    if file.has_table {
        let found = "normalisation by a compiled table (precompiled_charsmap)".to_owned();
        return Err(Error::UnsupportedComponent { part: "normalizer", found });
    }
    let (vocab, scores, added) = file.tokens(config)?;
    let unk = (0..vocab.len() as u32).find(|id| vocab.kind(*id) == Kind::Unknown);
    let fallback = Fallback { bytes: file.byte_fallback, unk, fuse: true };
    let model = match file.model_type {
        1 => Model::Unigram(Unigram::new(&vocab, scores, fallback)),
        2 => Model::Scored(Scored { scores, fallback }),
        other => {
            let found = format!("SentencePiece model type {other}");
            return Err(Error::UnsupportedModel { found, supported: "1 (Unigram), 2 (BPE)" });
        }
    };
    let id_of = |name: &str| added.find(name.as_bytes());
    let named = config.special(id_of);
    let special = SpecialTokens {
        bos: named.bos.or_else(|| id_of("<s>")).or_else(|| id_of("<bos>")),
        eos: named.eos.or_else(|| id_of("</s>")).or_else(|| id_of("<eos>")),
        unk: named.unk.or(unk),
        ..named
    };
    Ok(Tokenizer {
        byte_level: false,
        added_normalized: AddedTokens::new([]),
        normalizer: sentencepiece_normalizer(file.space_prefix, file.remove_extra_spaces)?,
        splits: if file.model_type == 2 { split::between_words(&vocab) } else { Vec::new() },
        model,
        prefix: special.bos.filter(|_| config.add_bos.unwrap_or(true)).into_iter().collect(),
        suffix: special.eos.filter(|_| config.add_eos.unwrap_or(false)).into_iter().collect(),
        decode: sentencepiece_decoding(file.space_prefix),
        special,
        end_ids: Vec::new(),
        vocab,
        added,
    }
    .finish())
}

impl<'a> File<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut file = Self {
            pieces: Vec::new(),
            model_type: 1,
            byte_fallback: false,
            space_prefix: true,
            remove_extra_spaces: true,
            has_table: false,
        };
        let mut reader = Reader { bytes, at: 0, base: 0 };
        while let Some((field, value)) = reader.next()? {
            match (field, value) {
                (1, Wire::Bytes(inner)) => file.pieces.push(piece(inner)?),
                (2, Wire::Bytes(inner)) => file.trainer(inner)?,
                (3, Wire::Bytes(inner)) => file.normalizer(inner)?,
                _ => {}
            }
        }
        if file.pieces.is_empty() {
            return Err(Error::SentencePiece { offset: bytes.len(), reason: "expected tokens, found none" });
        }
        Ok(file)
    }

    fn trainer(&mut self, mut reader: Reader<'a>) -> Result<(), Error> {
        while let Some((field, value)) = reader.next()? {
            match (field, value) {
                (3, Wire::Number(kind)) => self.model_type = kind,
                (35, Wire::Number(flag)) => self.byte_fallback = flag != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn normalizer(&mut self, mut reader: Reader<'a>) -> Result<(), Error> {
        while let Some((field, value)) = reader.next()? {
            match (field, value) {
                (2, Wire::Bytes(table)) => self.has_table = !table.bytes.is_empty(),
                (3, Wire::Number(flag)) => self.space_prefix = flag != 0,
                (4, Wire::Number(flag)) => self.remove_extra_spaces = flag != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn tokens(&self, config: &Config) -> Result<(Vocab, Vec<f32>, AddedTokens), Error> {
        let bytes = self.pieces.iter().map(|piece| piece.text.len()).sum();
        let mut vocab = Vocab::with_capacity(self.pieces.len(), bytes);
        let mut scores: Vec<f32> = self.pieces.iter().map(|piece| piece.score).collect();
        check_scores(&scores)?;
        let mut own = Vec::new();
        for (id, piece) in self.pieces.iter().enumerate() {
            vocab.push(piece.kind, |out| out.extend_from_slice(piece.text))?;
            let special = matches!(piece.kind, Kind::Control | Kind::Unknown);
            if special || piece.kind == Kind::UserDefined {
                own.push((piece.text.to_vec(), id as u32, Rules { special, ..Rules::default() }));
            }
        }
        let mut added = Vec::new();
        let mut listed: Vec<_> = config.added.iter().collect();
        listed.sort_by_key(|token| token.id);
        let limit = 2 * (self.pieces.len() + listed.len()) as u64 + 65_536;
        for token in listed {
            append(&mut vocab, token, limit)?;
            added.push((token.content.clone().into_bytes(), token.id as u32, token.rules()));
        }
        scores.resize(vocab.len(), 0.0);
        vocab.build_index(false)?;
        // The rules of the configuration come first, because the first of equal texts stays.
        added.extend(own);
        Ok((vocab, scores, AddedTokens::new(added)))
    }
}

/// Gives a token that the configuration lists its place in the vocabulary; `limit` bounds the holes before it.
fn append(vocab: &mut Vocab, token: &AddedToken, limit: u64) -> Result<(), Error> {
    let kind = if token.special { Kind::Control } else { Kind::UserDefined };
    if token.id >= limit {
        let role = "added_tokens_decoder".to_owned();
        return Err(Error::IdOutOfRange { role, id: token.id, limit });
    }
    if (token.id as usize) < vocab.len() {
        vocab.set_kind(token.id as u32, kind);
        return Ok(());
    }
    while (vocab.len() as u64) < token.id {
        vocab.push(Kind::Unused, |_| {})?;
    }
    vocab.push(kind, |out| out.extend_from_slice(token.content.as_bytes()))
}

fn piece(mut reader: Reader<'_>) -> Result<Piece<'_>, Error> {
    let mut piece = Piece { text: &[], score: 0.0, kind: Kind::Normal };
    while let Some((field, value)) = reader.next()? {
        match (field, value) {
            (1, Wire::Bytes(text)) => piece.text = text.bytes,
            (2, Wire::Float(score)) => piece.score = score,
            (3, Wire::Number(kind)) => piece.kind = Kind::from_gguf(i32::try_from(kind).unwrap_or(0)),
            _ => {}
        }
    }
    Ok(piece)
}

/// A protocol buffer message, field by field.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the message begins in the file, for errors.
    base: usize,
}

enum Wire<'a> {
    Number(u64),
    Float(f32),
    Bytes(Reader<'a>),
    Other,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(u64, Wire<'a>)>, Error> {
        if self.at == self.bytes.len() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Wire::Number(self.varint()?),
            1 => {
                self.take(8)?;
                Wire::Other
            }
            2 => {
                let len = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                let base = self.base + self.at;
                Wire::Bytes(Reader { bytes: self.take(len)?, at: 0, base })
            }
            5 => {
                let bytes = self.take(4)?;
                Wire::Float(f32::from_le_bytes(bytes.try_into().expect("four bytes were taken")))
            }
            _ => return Err(self.error("expected a known wire type")),
        };
        Ok(Some((tag >> 3, value)))
    }

    fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error("expected a number of at most ten bytes"))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let taken = self.bytes[self.at..].get(..len);
        let taken = taken.ok_or_else(|| self.error("expected more bytes than the message has"))?;
        self.at += len;
        Ok(taken)
    }

    fn error(&self, reason: &'static str) -> Error {
        Error::SentencePiece { offset: self.base + self.at, reason }
    }
}
