//! The suite itself under test: an engine that replays the expectations passes, each planted fault fails.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::{
    report::Counts,
    subject::{ChatInput, EmbeddingRun, Encode, Rows, TokenizerUnderTest},
};

const VOCAB: usize = 4;

/// What the replaying engine gets wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Fault {
    None,
    Load,
    Logits,
    Hidden,
    Greedy,
    Linear,
    Render,
    Ids,
}

struct Replay(Fault);

struct ReplayModel(Fault);

impl Subject for Replay {
    fn load(&self, _: &Path) -> Result<Box<dyn ModelUnderTest>, String> {
        if self.0 == Fault::Load { Err("planted".to_owned()) } else { Ok(Box::new(ReplayModel(self.0))) }
    }

    fn convert(&self, path: &Path) -> Result<Box<dyn ModelUnderTest>, String> {
        self.load(path)
    }

    fn load_tokenizer(&self, _: &Path) -> Result<Box<dyn TokenizerUnderTest>, String> {
        Ok(Box::new(ReplayModel(self.0)))
    }
}

impl ReplayModel {
    fn off(&self, fault: Fault) -> f32 {
        if self.0 == fault { 0.01 } else { 0.0 }
    }
}

impl ModelUnderTest for ReplayModel {
    fn logits(&mut self, ids: &[u32]) -> Result<Rows, String> {
        let mut data = expected_logits(ids.len());
        // Position 1 is listed in the fixture, position 0 is not.
        data[VOCAB] += self.off(Fault::Logits);
        Ok(Rows::new(VOCAB, data))
    }

    fn hidden_last(&mut self, _: &[u32]) -> Result<Rows, String> {
        Ok(Rows::new(2, vec![1.0, 2.0, 3.0, 4.0 + self.off(Fault::Hidden)]))
    }

    fn greedy(&mut self, _: &[u32], _: usize) -> Result<Vec<u32>, String> {
        Ok(if self.0 == Fault::Greedy { vec![1, 3, 9] } else { vec![1, 2, 9] })
    }

    fn embed(&mut self, _: &[u32]) -> Result<EmbeddingRun, String> {
        Err("not an embedding model".to_owned())
    }

    fn linear(&mut self, _: &str, input: &Rows) -> Result<Rows, String> {
        Ok(Rows::new(2, vec![input.data[0] + 1e-2 * self.off(Fault::Linear), 2.0]))
    }

    fn tokenizer(&self) -> &dyn TokenizerUnderTest {
        self
    }

    fn render_chat(&self, _: ChatInput<'_>) -> Result<String, String> {
        Ok(if self.0 == Fault::Render { "<user>hi ".to_owned() } else { "<user>hi".to_owned() })
    }
}

impl TokenizerUnderTest for ReplayModel {
    fn encode(&self, _: &str, options: Encode) -> Result<Vec<u32>, String> {
        let ids = if self.0 == Fault::Ids { vec![6] } else { vec![5] };
        Ok(if options.add_special { [vec![0], ids].concat() } else { ids })
    }

    fn decode(&self, _: &[u32]) -> Result<String, String> {
        Ok("hi".to_owned())
    }
}

fn expected_logits(positions: usize) -> Vec<f32> {
    (0..positions * VOCAB).map(|index| (index % 5) as f32).collect()
}

/// Writes a fixture folder that [`ReplayModel`] satisfies.
fn write_fixture(root: &Path) {
    let folder = root.join("models/replay");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.json"), "{}").unwrap();
    let expected = json!({
        "prompts": [{
            "name": "short", "ids": [1, 2, 3], "positions": [1, 2], "logits_key": "f32.short.logits",
            "greedy_ids": [1, 2, 3], "greedy_margins": [0.5, 0.5, 0.001],
        }],
        "chat": [{"name": "user", "messages": [], "kwargs": {}, "rendered": "<user>hi", "ids": [5]}],
        "tokenizer_checks": [{"text": "hi", "ids": [0, 5], "ids_no_special": [5], "decoded": "hi"}],
        "modules": [{"module": "q", "in": "q.in", "out": "q.out"}],
        "gguf": {"F32": {"file": "replay.gguf"}, "error": "a conversion that failed"},
    });
    std::fs::write(folder.join("expected.json"), expected.to_string()).unwrap();
    let listed = expected_logits(3)[VOCAB..].to_vec();
    let tensors = [
        ("f32.short.logits", vec![2, VOCAB], listed),
        ("f32.short.hidden_last", vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]),
        ("q.in", vec![1, 2], vec![1.0, 0.0]),
        ("q.out", vec![1, 2], vec![1.0, 2.0]),
    ];
    std::fs::write(folder.join("expected.safetensors"), safetensors(&tensors)).unwrap();
}

fn safetensors(tensors: &[(&str, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::<u8>::new());
    for (name, shape, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        header.insert(
            (*name).to_owned(),
            json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]}),
        );
    }
    let header = serde_json::Value::Object(header).to_string();
    [(header.len() as u64).to_le_bytes().as_slice(), header.as_bytes(), &data].concat()
}

fn counts(fault: Fault) -> Counts {
    let root = tempfile::tempdir().unwrap();
    write_fixture(root.path());
    let mut report = Report::new("models", None);
    run(Run { root: root.path(), filter: None, subject: Some(&Replay(fault)) }, &mut report).unwrap();
    report.finish()
}

#[test]
fn an_engine_that_agrees_passes() {
    let found = counts(Fault::None);
    // hf: load, logits, hidden, greedy, chat text, chat ids, tokenizer, linear; the same but the last as gguf; gguf: load,
    // logits, hidden, greedy.
    assert_eq!(found, Counts { passed: 19, failed: 0, skipped: 0 });
}

#[test]
fn each_fault_fails() {
    for (fault, failed) in [
        (Fault::Load, 3),
        (Fault::Logits, 3),
        (Fault::Hidden, 3),
        (Fault::Greedy, 3),
        (Fault::Linear, 1),
        (Fault::Render, 2),
        (Fault::Ids, 4),
    ] {
        assert_eq!(counts(fault).failed, failed, "{fault:?}");
    }
}

#[test]
fn without_an_engine_a_family_is_skipped_aloud() {
    let root = tempfile::tempdir().unwrap();
    write_fixture(root.path());
    let mut report = Report::new("models", None);
    run(Run { root: root.path(), filter: None, subject: None }, &mut report).unwrap();
    assert_eq!(report.finish(), Counts { passed: 0, failed: 0, skipped: 1 });
}
