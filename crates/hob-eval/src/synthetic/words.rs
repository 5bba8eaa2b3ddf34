//! Vocabularies of published sizes with made-up words: real enough to encode any text and to chat.
//!
//! Special tokens stand at their published ids. The other ids are filled with single characters or bytes and then with
//! combinations of letters, each of which is a merge of two earlier tokens; no word of a published vocabulary is used.

use std::collections::BTreeMap;

use hob_format::{ArrayView, Metadata};

use super::shapes::{Shape, Words};

/// GGUF token types.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const BYTE: i32 = 6;

/// A synthetic vocabulary.
pub(super) struct Vocabulary {
    /// The texts by id.
    pub tokens: Vec<String>,
    types: Vec<i32>,
    /// Pairs of tokens, each of which is a token, best first.
    pub merges: Vec<(String, String)>,
    /// Jinja source of the chat template; empty for encoders.
    pub template: String,
    words: Words,
}

/// The names of a vocabulary's structure: how files describe it, and how its chats are marked.
struct Style {
    /// `tokenizer.ggml.model` and `.pre`.
    model: &'static str,
    pre: Option<&'static str>,
    /// What stands for a space at the beginning of a word.
    space: &'static str,
    special: &'static [(u32, &'static str)],
    bos: Option<u32>,
    eos: u32,
    unk: Option<u32>,
    pad: Option<u32>,
    /// Before the role, between role and text, after the text.
    turn: [&'static str; 3],
    assistant: &'static str,
}

/// Ids and texts of special tokens.
type Special = &'static [(u32, &'static str)];

const LLAMA_3: Special = &[
    (128_000, "<|begin_of_text|>"),
    (128_001, "<|end_of_text|>"),
    (128_006, "<|start_header_id|>"),
    (128_007, "<|end_header_id|>"),
    (128_008, "<|eom_id|>"),
    (128_009, "<|eot_id|>"),
    (128_010, "<|python_tag|>"),
];
const QWEN: Special = &[(151_643, "<|endoftext|>"), (151_644, "<|im_start|>"), (151_645, "<|im_end|>")];
const SMOL_LM: Special = &[(0, "<|endoftext|>"), (1, "<|im_start|>"), (2, "<|im_end|>")];
const PHI_4: Special = &[
    (199_999, "<|endoftext|>"),
    (200_019, "<|assistant|>"),
    (200_020, "<|end|>"),
    (200_021, "<|user|>"),
    (200_022, "<|system|>"),
];
const PHI_3: Special = &[
    (0, "<unk>"),
    (1, "<s>"),
    (2, "</s>"),
    (32_000, "<|endoftext|>"),
    (32_001, "<|assistant|>"),
    (32_006, "<|system|>"),
    (32_007, "<|end|>"),
    (32_010, "<|user|>"),
];
const GEMMA_3: Special = &[
    (0, "<pad>"),
    (1, "<eos>"),
    (2, "<bos>"),
    (3, "<unk>"),
    (105, "<start_of_turn>"),
    (106, "<end_of_turn>"),
];
const GEMMA_4: Special =
    &[(0, "<pad>"), (1, "<eos>"), (2, "<bos>"), (3, "<unk>"), (4, "<|turn>"), (5, "<turn|>")];
const BERT: Special = &[(0, "[PAD]"), (100, "[UNK]"), (101, "[CLS]"), (102, "[SEP]"), (103, "[MASK]")];

fn style(words: Words) -> Style {
    match words {
        Words::Llama3 | Words::Qwen | Words::SmolLm | Words::Phi4 => byte_level(words),
        Words::Phi3 | Words::Gemma3 | Words::Gemma4 | Words::Bert => marked_spaces(words),
    }
}

/// Vocabularies over bytes.
fn byte_level(words: Words) -> Style {
    let bpe = |pre, special, bos, eos, turn| Style {
        model: "gpt2",
        pre: Some(pre),
        space: "Ġ",
        special,
        bos,
        eos,
        unk: None,
        pad: None,
        turn,
        assistant: "assistant",
    };
    match words {
        Words::Llama3 => bpe(
            "llama-bpe",
            LLAMA_3,
            Some(128_000),
            128_009,
            ["<|start_header_id|>", "<|end_header_id|>\n\n", "<|eot_id|>"],
        ),
        Words::Qwen => bpe("qwen2", QWEN, None, 151_645, ["<|im_start|>", "\n", "<|im_end|>\n"]),
        Words::SmolLm => bpe("smollm", SMOL_LM, None, 2, ["<|im_start|>", "\n", "<|im_end|>\n"]),
        Words::Phi4 => bpe("gpt-4o", PHI_4, None, 199_999, ["<|", "|>", "<|end|>"]),
        _ => unreachable!("the other vocabularies mark spaces"),
    }
}

/// Vocabularies whose words begin with a mark for the space before them.
fn marked_spaces(words: Words) -> Style {
    let marked = |model, special, bos, eos, unk, turn, assistant| Style {
        model,
        pre: (model != "gemma4").then_some("default"),
        space: "▁",
        special,
        bos: Some(bos),
        eos,
        unk: Some(unk),
        pad: Some(0),
        turn,
        assistant,
    };
    match words {
        Words::Phi3 => marked("llama", PHI_3, 1, 32_000, 0, ["<|", "|>\n", "<|end|>\n"], "assistant"),
        Words::Gemma3 => {
            marked("llama", GEMMA_3, 2, 106, 3, ["<start_of_turn>", "\n", "<end_of_turn>\n"], "model")
        }
        Words::Gemma4 => marked("gemma4", GEMMA_4, 2, 1, 3, ["<|turn>", "\n", "<turn|>\n"], "model"),
        Words::Bert => Style { turn: ["", "", ""], ..marked("bert", BERT, 101, 102, 100, ["", "", ""], "") },
        _ => unreachable!("the other vocabularies are over bytes"),
    }
}

impl Vocabulary {
    /// The vocabulary of a shape.
    pub fn new(shape: &Shape) -> Self {
        let style = style(shape.words);
        let special: BTreeMap<u32, &str> = style.special.iter().copied().collect();
        let mut v = Self {
            tokens: Vec::new(),
            types: Vec::new(),
            merges: Vec::new(),
            template: template(&style),
            words: shape.words,
        };
        // Published vocabularies end in reserved tokens; words fill only the ids before the first late special one.
        let end = special.keys().copied().find(|&id| id >= 1000).unwrap_or(shape.vocab as u32) as usize;
        let mut base = base_tokens(shape.words).into_iter();
        let mut words = Combinations::new(style.space, shape.words == Words::Bert);
        while v.tokens.len() < shape.vocab {
            let id = v.tokens.len();
            if let Some(text) = special.get(&(id as u32)) {
                v.push(text, if Some(id as u32) == style.unk { UNKNOWN } else { CONTROL });
            } else if let Some((text, kind)) = base.next() {
                v.push(&text, kind);
            } else if let (true, Some((left, right))) = (id < end, words.next_pair()) {
                v.push(&format!("{left}{right}"), NORMAL);
                v.merges.push((left, right));
            } else {
                v.push(&format!("<|reserved_{id}|>"), CONTROL);
            }
        }
        v
    }

    fn push(&mut self, text: &str, kind: i32) {
        self.tokens.push(text.to_owned());
        self.types.push(kind);
    }

    /// Ids and texts of the tokens that are structure.
    pub fn special(&self) -> impl Iterator<Item = (usize, &str)> {
        let marked = |(id, kind): (usize, &i32)| {
            matches!(*kind, CONTROL | UNKNOWN).then(|| (id, self.tokens[id].as_str()))
        };
        self.types.iter().enumerate().filter_map(marked)
    }

    /// Adds the `tokenizer.*` keys.
    pub fn describe(&self, m: &mut Metadata) {
        let style = style(self.words);
        m.set("tokenizer.ggml.model", style.model);
        if let Some(pre) = style.pre {
            m.set("tokenizer.ggml.pre", pre);
        }
        m.set("tokenizer.ggml.tokens", self.tokens.iter().collect::<ArrayView>());
        m.set("tokenizer.ggml.token_type", ArrayView::from(self.types.as_slice()));
        if matches!(style.model, "gpt2" | "gemma4") {
            let merges: ArrayView = self.merges.iter().map(|(a, b)| format!("{a} {b}")).collect();
            m.set("tokenizer.ggml.merges", merges);
        }
        if matches!(style.model, "llama" | "gemma4") {
            let scores: Vec<f32> = (0..self.tokens.len()).map(|id| -(id as f32)).collect();
            m.set("tokenizer.ggml.scores", ArrayView::from(scores.as_slice()));
            m.set("tokenizer.ggml.add_space_prefix", self.words == Words::Phi3);
        }
        let mut role = |name: &str, id: Option<u32>| {
            if let Some(id) = id {
                m.set(&format!("tokenizer.ggml.{name}_token_id"), id);
            }
        };
        role("bos", style.bos);
        role("eos", Some(style.eos));
        role("unknown", style.unk);
        role("padding", style.pad);
        if self.words == Words::Bert {
            role("cls", style.bos);
            role("seperator", Some(style.eos));
            role("mask", Some(103));
        }
        m.set("tokenizer.ggml.add_bos_token", style.bos.is_some());
        m.set("tokenizer.ggml.add_eos_token", self.words == Words::Bert);
        if !self.template.is_empty() {
            m.set("tokenizer.chat_template", self.template.as_str());
        }
    }
}

/// A template in the marks of the vocabulary.
fn template(style: &Style) -> String {
    let [open, middle, close] = style.turn.map(|mark| mark.replace('\n', "\\n"));
    if open.is_empty() {
        return String::new();
    }
    let assistant = style.assistant;
    format!(
        "{{{{ bos_token }}}}{{% for message in messages %}}\
         {{% set role = '{assistant}' if message['role'] == 'assistant' else message['role'] %}}\
         {{{{ '{open}' + role + '{middle}' + message['content'] + '{close}' }}}}{{% endfor %}}\
         {{% if add_generation_prompt %}}{{{{ '{open}{assistant}{middle}' }}}}{{% endif %}}"
    )
}

/// The tokens that text is made of before any merge.
fn base_tokens(words: Words) -> Vec<(String, i32)> {
    let printable = || (0x21..=0x7e_u8).map(|b| char::from(b).to_string());
    match words {
        Words::Llama3 | Words::Phi4 | Words::Qwen | Words::SmolLm => {
            (0..=255).map(|b| (byte_character(b).to_string(), NORMAL)).collect()
        }
        Words::Bert => {
            let first = printable().filter(|c| !c.chars().all(|c| c.is_ascii_uppercase()));
            let rest =
                printable().filter(|c| c.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
            first.map(|c| (format!("▁{c}"), NORMAL)).chain(rest.map(|c| (c, NORMAL))).collect()
        }
        Words::Phi3 | Words::Gemma3 | Words::Gemma4 => (0..=255u8)
            .map(|b| (format!("<0x{b:02X}>"), BYTE))
            .chain(["▁".to_owned(), "\n".to_owned()].into_iter().chain(printable()).map(|c| (c, NORMAL)))
            .collect(),
    }
}

/// The character that stands for a byte in byte-level vocabularies: itself where it is printable, else one from U+0100 on.
fn byte_character(byte: u8) -> char {
    let printable = |b: u8| matches!(b, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return char::from(byte);
    }
    let rank = (0..byte).filter(|b| !printable(*b)).count() as u32;
    char::from_u32(0x100 + rank)
        .expect("at most 68 bytes are not printable, and all of U+0100 to U+0143 are characters")
}

/// Two-, three- and four-letter combinations, with and without the mark of a space, shorter ones first.
struct Combinations {
    space: &'static str,
    /// First tokens of words carry the mark themselves (WordPiece), so that there is no merge with it.
    marked_words: bool,
    stage: usize,
    at: usize,
}

const LETTERS: usize = 26;

impl Combinations {
    fn new(space: &'static str, marked_words: bool) -> Self {
        Self { space, marked_words, stage: 0, at: 0 }
    }

    /// The next combination as the two tokens it is merged from.
    fn next_pair(&mut self) -> Option<(String, String)> {
        // Letters of the part before and after the seam; whether the first carries the mark of a space.
        const STAGES: [(u32, u32, bool); 7] = [
            (1, 1, false),
            (0, 1, true),
            (0, 2, true),
            (2, 1, false),
            (0, 3, true),
            (2, 2, false),
            (0, 4, true),
        ];
        loop {
            let &(left, right, marked) = STAGES.get(self.stage)?;
            let skip = self.marked_words && marked && right == 1;
            if skip || self.at == LETTERS.pow(left + right) {
                (self.stage, self.at) = (self.stage + 1, 0);
                continue;
            }
            let letters = spell(self.at, left + right);
            self.at += 1;
            let (a, b) = letters.split_at(left as usize);
            let mark = if marked { self.space } else { "" };
            return Some((format!("{mark}{a}"), b.to_owned()));
        }
    }
}

fn spell(mut number: usize, letters: u32) -> String {
    let mut text = vec![0; letters as usize];
    for slot in text.iter_mut().rev() {
        // Common letters first, so that short lists still hold useful pairs.
        *slot = b"etaoinshrdlucmfwypvbgkjqxz"[number % LETTERS];
        number /= LETTERS;
    }
    String::from_utf8(text).expect("letters are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::shapes::SHAPES;
    use std::collections::HashSet;

    #[test]
    fn vocabularies_are_full_and_without_doubles() {
        for shape in SHAPES.iter() {
            let v = Vocabulary::new(shape);
            assert_eq!(v.tokens.len(), shape.vocab, "{}", shape.name);
            let unique: HashSet<&str> = v.tokens.iter().map(String::as_str).collect();
            assert_eq!(unique.len(), shape.vocab, "{}", shape.name);
            for (id, text) in style(shape.words).special {
                assert_eq!(v.tokens[*id as usize], *text);
            }
            for (a, b) in v.merges.iter().step_by(997) {
                assert!(
                    shape.words == Words::Bert
                        || (unique.contains(a.as_str()) && unique.contains(b.as_str())),
                    "{a} {b}"
                );
            }
        }
    }
}
