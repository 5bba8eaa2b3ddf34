use std::sync::OnceLock;

use hob_tokenizer::{EncodeOptions, StreamDecoder, Tokenizer};

/// Texts with what tokenizers treat apart: runs of spaces, digits, marks, scripts without spaces, structure.
const TEXTS: [&str; 4] = [
    "",
    " Hello,  world's\r\n\t3141 tests?!",
    "e\u{301}é ﬁ ▁日本語\u{200D}\u{1F600}\u{0}",
    "<s>[CLS]<|im_end|><0x0A>##ab",
];

/// Longest text of the input: some patterns of strangers take quadratic time.
const TEXT_BYTES_MAX: usize = 512;

const OPTIONS: [EncodeOptions; 4] = [
    EncodeOptions { add_special: false, parse_special: false },
    EncodeOptions { add_special: true, parse_special: false },
    EncodeOptions { add_special: false, parse_special: true },
    EncodeOptions { add_special: true, parse_special: true },
];

/// One tokenizer of each model, small enough to read: byte-level BPE, BPE over `▁` with byte tokens, WordPiece, Unigram.
pub const SMALL_TOKENIZERS: [&str; 4] = [
    include_str!("tokenizers/byte_level.json"),
    include_str!("tokenizers/sentencepiece.json"),
    include_str!("tokenizers/wordpiece.json"),
    include_str!("tokenizers/unigram.json"),
];

/// Builds a tokenizer from the bytes before the first zero and encodes fixed texts and the bytes after it.
pub fn tokenizer_json(bytes: &[u8]) {
    let (json, text) = crate::split_at_zero(bytes);
    let Ok(tokenizer) = Tokenizer::from_hf(json, None) else { return };
    let text = String::from_utf8_lossy(&text[..text.len().min(TEXT_BYTES_MAX)]);
    for text in TEXTS.into_iter().chain([&*text]) {
        for options in OPTIONS {
            check_ids(&tokenizer, &tokenizer.encode(text, options));
        }
    }
    for id in (0..tokenizer.vocab_size().min(300) as u32).chain([u32::MAX]) {
        let bytes = tokenizer.token_bytes(id);
        assert_eq!(bytes.is_some(), (id as usize) < tokenizer.vocab_size());
        let _ = tokenizer.is_special(id);
    }
    for text in TEXTS {
        assert!(tokenizer.id_of(text).is_none_or(|id| (id as usize) < tokenizer.vocab_size()));
    }
    assert!(tokenizer.eog_ids().is_sorted());
    assert!(tokenizer.eog_ids().iter().all(|id| (*id as usize) < tokenizer.vocab_size()));
}

/// Encodes the input with the small tokenizers. Byte-level text comes back as it was.
pub fn tokenizer_encode(bytes: &[u8]) {
    static BUILT: OnceLock<[Tokenizer; 4]> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        SMALL_TOKENIZERS.map(|json| Tokenizer::from_hf(json.as_bytes(), None).expect("written by us"))
    });
    let text = String::from_utf8_lossy(bytes);
    for (at, tokenizer) in built.iter().enumerate() {
        for options in OPTIONS {
            let ids = tokenizer.encode(&text, options);
            check_ids(tokenizer, &ids);
            let framed = tokenizer.framing();
            assert!(!options.add_special || (ids.starts_with(framed.0) && ids.ends_with(framed.1)));
            if at == 0 && !options.add_special {
                let back = tokenizer.decode_bytes(&ids, false);
                assert_eq!(String::from_utf8_lossy(&back), text, "byte-level text comes back");
            }
        }
    }
}

/// Ids exist, and decoding them at once or one by one gives the same.
fn check_ids(tokenizer: &Tokenizer, ids: &[u32]) {
    assert!(ids.iter().all(|id| (*id as usize) < tokenizer.vocab_size()), "an id outside of the vocabulary");
    for skip_special in [false, true] {
        let whole = tokenizer.decode(ids, skip_special);
        assert_eq!(whole, String::from_utf8_lossy(&tokenizer.decode_bytes(ids, skip_special)));
        let mut stream = StreamDecoder::new(skip_special);
        let mut streamed: String = ids.iter().map(|id| stream.push(tokenizer, *id)).collect();
        streamed.push_str(&stream.finish());
        assert_eq!(streamed, whole);
    }
}
