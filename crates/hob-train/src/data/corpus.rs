//! Documents to token ids, each with a mark whether it is to be learned.

use super::{Document, read_documents};
use crate::Error;
use hob_tokenizer::{ChatTemplate, EncodeOptions, TemplateInput, Tokenizer};
use std::ops::Range;
use std::path::Path;

/// Documents that threads encode before the next are read.
const AT_ONCE_BYTES: usize = 8 << 20;

/// Which tokens of a conversation are learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Learn {
    /// All of them.
    #[default]
    All,
    /// What the assistant says, to the end of its message. Running text is learned whole.
    Answers,
}

/// Token ids of many documents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Corpus {
    /// All documents, one after the other.
    pub tokens: Vec<u32>,
    /// Whether a token is to be predicted.
    pub learn: Vec<bool>,
    /// Where each document stands in `tokens`.
    pub documents: Vec<Range<usize>>,
    /// Bytes of text that the tokens stand for.
    pub bytes: u64,
}

impl Corpus {
    /// Adds the documents of `part`.
    pub fn append(&mut self, part: Corpus) {
        let start = self.tokens.len();
        self.documents.extend(part.documents.into_iter().map(|d| d.start + start..d.end + start));
        self.tokens.extend(part.tokens);
        self.learn.extend(part.learn);
        self.bytes += part.bytes;
    }
}

/// How documents become ids.
#[derive(Clone, Copy, Debug)]
pub struct Encoder<'a> {
    /// The vocabulary.
    pub tokenizer: &'a Tokenizer,
    /// For conversations.
    pub template: Option<&'a ChatTemplate>,
    /// Follows every running text.
    pub end_of_text: Option<u32>,
    /// What is learned of conversations.
    pub learn: Learn,
    /// Threads that encode.
    pub threads: usize,
}

impl Encoder<'_> {
    /// The documents of `path`, up to about `bytes_max` bytes of text. A conversation that the template refuses is left out.
    ///
    /// # Errors
    /// As [`read_documents`].
    pub fn read(&self, path: &Path, bytes_max: u64) -> Result<Corpus, Error> {
        let (mut corpus, mut waiting, mut size) = (Corpus::default(), Vec::new(), 0);
        read_documents(path, &mut |document| {
            size += weight(&document);
            waiting.push(document);
            if size >= AT_ONCE_BYTES {
                self.encode_all(&mut waiting, &mut corpus);
                size = 0;
            }
            Ok(corpus.bytes + (size as u64) < bytes_max)
        })?;
        self.encode_all(&mut waiting, &mut corpus);
        Ok(corpus)
    }

    fn encode_all(&self, documents: &mut Vec<Document>, corpus: &mut Corpus) {
        let share = documents.len().div_ceil(self.threads.max(1)).max(1);
        let parts: Vec<Corpus> = std::thread::scope(|scope| {
            let run = |part: &[Document]| {
                let mut corpus = Corpus::default();
                part.iter().for_each(|d| self.encode(d, &mut corpus));
                corpus
            };
            let threads: Vec<_> =
                documents.chunks(share).map(|part| scope.spawn(move || run(part))).collect();
            let joined = threads.into_iter().map(|t| t.join());
            joined.map(|part| part.expect("encoding any text succeeds")).collect()
        });
        parts.into_iter().for_each(|part| corpus.append(part));
        documents.clear();
    }

    /// Appends `document` to `corpus`.
    pub fn encode(&self, document: &Document, corpus: &mut Corpus) {
        let start = corpus.tokens.len();
        match document {
            Document::Text(text) => {
                self.piece(text, true, false, corpus);
                if let Some(end) = self.end_of_text {
                    corpus.tokens.push(end);
                    corpus.learn.push(true);
                }
            }
            Document::Chat { messages, tools } => self.chat(messages, tools, corpus),
        }
        if corpus.tokens.len() > start {
            corpus.documents.push(start..corpus.tokens.len());
        }
    }

    fn piece(&self, text: &str, learn: bool, special: bool, corpus: &mut Corpus) {
        let ids = self.tokenizer.encode(text, EncodeOptions { add_special: false, parse_special: special });
        corpus.learn.resize(corpus.learn.len() + ids.len(), learn);
        corpus.tokens.extend(ids);
        corpus.bytes += text.len() as u64;
    }

    /// The rendered conversation, cut where answers begin and end: a running model gets its prompt and its answer as
    /// separate runs of tokens, too.
    fn chat(&self, messages: &[serde_json::Value], tools: &[serde_json::Value], corpus: &mut Corpus) {
        let Some(template) = self.template else { return };
        let render = |count: usize, add_generation_prompt: bool| {
            let input = TemplateInput {
                messages: &messages[..count],
                tools: (!tools.is_empty()).then_some(tools),
                add_generation_prompt,
                ..TemplateInput::default()
            };
            template.render(&input).ok()
        };
        let Some(whole) = render(messages.len(), false) else { return };
        let mut done = 0;
        for (i, message) in messages.iter().enumerate() {
            if message["role"] != "assistant" {
                continue;
            }
            let (Some(before), Some(after)) = (render(i, true), render(i + 1, false)) else { continue };
            // Templates that write earlier answers otherwise than the last one leave no clean cut: such an answer is prompt.
            if before.len() < done || !after.starts_with(&before) || !whole.starts_with(&after) {
                continue;
            }
            self.piece(&whole[done..before.len()], self.learn == Learn::All, true, corpus);
            self.piece(&whole[before.len()..after.len()], true, true, corpus);
            done = after.len();
        }
        self.piece(&whole[done..], self.learn == Learn::All, true, corpus);
    }
}

fn weight(document: &Document) -> usize {
    match document {
        Document::Text(text) => text.len(),
        // Close enough to decide when to encode.
        Document::Chat { messages, .. } => {
            messages.iter().map(|m| m["content"].as_str().map_or(64, str::len)).sum()
        }
    }
}
