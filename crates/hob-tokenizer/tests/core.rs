//! What holds for every vocabulary, on a small one that comes with the crate.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use hob_tokenizer::{EncodeOptions, Error, GgufVocab, StreamDecoder, Tokenizer};

const PLAIN: EncodeOptions = EncodeOptions { add_special: false, parse_special: false };

/// A linear congruential generator: enough to stir ids and texts.
struct Stir(u64);

impl Stir {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    fn text(&mut self) -> String {
        const PARTS: [&str; 24] = [
            " ",
            "  ",
            "\n",
            "\t",
            "the",
            " fox",
            "Hello",
            "é",
            "ß",
            "日本",
            "🦙",
            "👩‍👩‍👧",
            "123",
            "'s",
            "!?",
            "▁",
            "<s>",
            "</s>",
            "<0x41>",
            "<|eot_id|>",
            "ﬁ",
            "\u{301}",
            "\0",
            "न",
        ];
        (0..self.next(20)).map(|_| PARTS[self.next(PARTS.len())]).collect()
    }
}

fn small() -> [(&'static str, Tokenizer); 3] {
    let hf = |json: &[u8]| Tokenizer::from_hf(json, None).unwrap();
    [
        ("byte-level", hf(include_bytes!("../testdata/byte_level.json"))),
        ("sentencepiece-like", hf(include_bytes!("../testdata/byte_fallback.json"))),
        ("scored", Tokenizer::from_sentencepiece(include_bytes!("../testdata/scored.model"), None).unwrap()),
    ]
}

#[test]
fn recorded_cases() {
    let cases: serde_json::Value = serde_json::from_slice(include_bytes!("../testdata/cases.json")).unwrap();
    for (name, tokenizer) in small() {
        let cases = cases[name].as_array().unwrap();
        assert!(!cases.is_empty());
        for case in cases {
            let text = case["text"].as_str().unwrap();
            for (key, add_special) in [("ids", true), ("ids_no_special", false)] {
                let found = tokenizer.encode(text, EncodeOptions { add_special, parse_special: true });
                assert_eq!(found, common::ids(&case[key]), "{name} {text:?}");
            }
            let decoded = tokenizer.decode(&common::ids(&case["ids_no_special"]), false);
            assert_eq!(decoded, case["decoded"].as_str().unwrap(), "{name}");
        }
    }
}

#[test]
fn streamed_pieces_join_to_the_decoded_text() {
    for (name, tokenizer) in small() {
        let mut stir = Stir(1);
        for round in 0..2000 {
            let ids: Vec<u32> =
                (0..stir.next(30)).map(|_| stir.next(tokenizer.vocab_size() + 2) as u32).collect();
            for skip_special in [false, true] {
                let mut stream = StreamDecoder::new(skip_special);
                let mut text: String = ids.iter().map(|id| stream.push(&tokenizer, *id)).collect();
                text.push_str(&stream.finish());
                assert_eq!(text, tokenizer.decode(&ids, skip_special), "{name} round {round}: {ids:?}");
            }
        }
    }
}

#[test]
fn text_survives_encoding_and_decoding() {
    for (name, tokenizer) in small() {
        let mut stir = Stir(2);
        for _ in 0..2000 {
            let text = stir.text();
            let decoded = tokenizer.decode(&tokenizer.encode(&text, PLAIN), false);
            // SentencePiece spells its own stand-in for a space as a space.
            let expected = if name == "byte-level" { text } else { text.replace('▁', " ") };
            assert_eq!(decoded, expected, "{name}");
        }
    }
}

#[test]
fn ordinary_text_never_becomes_structure() {
    for (name, tokenizer) in small() {
        let mut stir = Stir(3);
        for _ in 0..500 {
            let text = stir.text();
            let ids = tokenizer.encode(&text, PLAIN);
            assert!(ids.iter().all(|id| !tokenizer.is_special(*id)), "{name}: {text:?}");
        }
    }
}

#[test]
fn names_lead_back_to_their_tokens() {
    for (name, tokenizer) in small() {
        let found = (0..tokenizer.vocab_size() as u32).filter(|id| {
            let bytes = tokenizer.token_bytes(*id).unwrap();
            std::str::from_utf8(&bytes).is_ok_and(|text| {
                tokenizer.id_of(&text.replace(' ', "▁")) == Some(*id) || tokenizer.id_of(text) == Some(*id)
            })
        });
        assert!(found.count() > tokenizer.vocab_size() / 4, "{name}");
        assert_eq!(tokenizer.token_bytes(tokenizer.vocab_size() as u32), None);
        assert_eq!(tokenizer.token_bytes(u32::MAX), None);
        assert!(tokenizer.memory_bytes() > 1000);
    }
}

/// A megabyte without a boundary: quadratic work would take hours here, not seconds.
#[test]
fn long_runs_finish() {
    for (name, tokenizer) in small() {
        for unit in ["a", " ", "\n", "1", "é", "▁"] {
            let text = unit.repeat((1 << 20) / unit.len());
            let ids = tokenizer.encode(&text, PLAIN);
            assert!(ids.len() > 1000, "{name} {unit:?}");
        }
    }
}

#[test]
fn vocabularies_that_contradict_themselves_are_refused() {
    let tokens = || vec![&b"<unk>"[..], b"a", b"b", b"ab"];
    let good = || GgufVocab {
        model: "gpt2",
        pre: Some("gpt-2"),
        tokens: tokens(),
        merges: Some(vec![b"a b"]),
        ..GgufVocab::default()
    };
    assert_eq!(Tokenizer::from_gguf(good()).unwrap().encode("abba", PLAIN), [3, 2, 1]);
    type Case = (&'static str, fn(GgufVocab<'static>) -> GgufVocab<'static>);
    let cases: [Case; 10] = [
        ("model", |v| GgufVocab { model: "wobble", ..v }),
        ("pre", |v| GgufVocab { pre: Some("wobble"), ..v }),
        ("no tokens", |v| GgufVocab { tokens: vec![], ..v }),
        ("no merges", |v| GgufVocab { merges: None, ..v }),
        ("merge of strangers", |v| GgufVocab { merges: Some(vec![b"a c"]), ..v }),
        ("merge of one", |v| GgufVocab { merges: Some(vec![b"ab"]), ..v }),
        ("bos", |v| GgufVocab { bos: Some(4), ..v }),
        ("types", |v| GgufVocab { token_types: Some(vec![1]), ..v }),
        ("scores", |v| GgufVocab { scores: Some(vec![f32::NAN; 4]), ..v }),
        ("no scores", |v| GgufVocab { model: "llama", ..v }),
    ];
    for (what, spoil) in cases {
        let error = Tokenizer::from_gguf(spoil(good())).expect_err(what);
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn damaged_files_are_refused_or_read_but_never_panic() {
    let json = include_bytes!("../testdata/byte_level.json");
    let model = include_bytes!("../testdata/scored.model");
    let mut stir = Stir(4);
    for _ in 0..300 {
        let cut = stir.next(json.len());
        assert!(matches!(Tokenizer::from_hf(&json[..cut], None), Err(Error::Json { .. })));
        let mut spoiled = model.to_vec();
        let at = stir.next(spoiled.len());
        spoiled[at] = stir.next(256) as u8;
        if let Ok(tokenizer) = Tokenizer::from_sentencepiece(&spoiled, None) {
            tokenizer.encode("Hello <s> world", EncodeOptions { add_special: true, parse_special: true });
        }
        let _ = Tokenizer::from_sentencepiece(&spoiled[..at], None);
    }
}
