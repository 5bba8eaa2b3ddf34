//! Whether a tokenizer that was written and read again is the same one.

use crate::{EncodeOptions, Tokenizer};

/// Tokens whose texts are joined to one sample.
const SAMPLE_TOKENS: usize = 61;

/// Text of many kinds. It is composed (NFC), since GGUF files cannot ask for that.
const SAMPLE: &str = "The 3 quick brown foxes' dens weren't found,  \"HELLO\"\tWorld!\r\n\r\n  x = f(a_b[12345], 0.5e-3); // tab\t\n\
    Émile naïve Straße, Ἑλλάς Москва שלום مرحبا हिन्दी ไทย 日本語テキスト 한국어 中文字符。 🙂👩‍👩‍👧 \u{a0}\u{200b} ½ ² ∑ → end\n\n\n";

impl Tokenizer {
    /// Compares the two on a sample of many scripts, on every token's text, and on every special token in a text; says what
    /// would differ.
    pub(crate) fn difference(&self, read: &Tokenizer) -> Option<String> {
        let mut texts = vec![SAMPLE.to_owned()];
        let ids: Vec<u32> = (0..self.vocab.len() as u32).collect();
        for ids in ids.chunks(SAMPLE_TOKENS) {
            texts.push(self.decode(ids, true));
            let special: Vec<u32> = ids.iter().copied().filter(|id| self.is_special(*id)).collect();
            texts.extend(special.iter().map(|id| format!("a{}b", self.decode(&[*id], false))));
        }
        texts.iter().find_map(|text| self.difference_on(text, read))
    }

    fn difference_on(&self, text: &str, read: &Tokenizer) -> Option<String> {
        [false, true].into_iter().find_map(|special| {
            let options = EncodeOptions { add_special: special, parse_special: special };
            let (ours, theirs) = (self.encode(text, options), read.encode(text, options));
            if ours != theirs {
                return Some(format!("{:?} would become other tokens", self.around(&ours, &theirs)));
            }
            let changed = self.decode(&ours, false) != read.decode(&ours, false);
            changed.then(|| format!("the tokens of {text:.80?} would become another text"))
        })
    }

    /// The text at the first token that differs.
    fn around(&self, ours: &[u32], theirs: &[u32]) -> String {
        let same = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
        let some = &ours[same.min(ours.len())..(same + 4).min(ours.len())];
        self.decode(some, false)
    }
}
