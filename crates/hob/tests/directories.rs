//! GGUF files written as Hugging Face directories and opened again: the same ids, prompts and numbers.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read fixtures and may panic")]

use std::path::{Path, PathBuf};

use hob::{ChatOptions, Directory, EncodeOptions, LanguageModel, LocalTime, Options, as_directory};
use hob_format::{Dtype, Gguf, HfModel, ModelFiles, SafetensorsLayout, Tensor};
use hob_kernels::{Compute, Cpu, KvType};
use hob_model::{Model, SequenceKv, Step, Wanted};
use hob_quant::TensorType;

const MODELS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures/models");
const TEXT: &str = "Two plus 12345 is\n\n  what?  Émile's дом 日本語 🙂 </s> <|im_end|> <eos> x";

/// The unquantised GGUF of each family that writes text, and two quantised ones.
fn fixtures() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in [
        "llama3_2",
        "mistral_v03",
        "smollm2",
        "smollm3",
        "qwen2_5",
        "qwen3",
        "phi3_mini_4k",
        "phi3_mini_128k",
        "phi4_mini",
        "gemma3_1b",
        "gemma4_e2b",
        "gemma4_e4b",
        "gemma4_31b",
        "gemma4_12b_unified",
        "gemma4_26b_a4b",
    ] {
        let of = |kind: &str| Path::new(MODELS).join(name).join(format!("{name}-{kind}.gguf"));
        found.extend([of("F32"), of("BF16")].into_iter().filter(|path| path.exists()));
        if ["llama3_2", "gemma4_e2b"].contains(&name) {
            found.extend([of("Q4_0")].into_iter().filter(|path| path.exists()));
        }
    }
    if found.is_empty() {
        eprintln!("SKIPPED: no fixtures at {MODELS}");
    } else {
        assert!(found.len() >= 15, "{} fixtures", found.len());
    }
    found
}

fn gguf(files: &ModelFiles) -> &Gguf {
    let ModelFiles::Gguf(gguf) = files else { panic!("a GGUF file") };
    gguf
}

/// Logits of all positions in exact arithmetic.
fn logits(model: &Model, tokens: &[u32]) -> Vec<f32> {
    let cpu = Cpu::new(1, Compute::Exact);
    let long = model.switch_length().is_some_and(|n| tokens.len() > n);
    let mut kv = SequenceKv::new(model.spec(), KvType::F32, long);
    let step = Step { tokens, kv: &mut kv, wanted: Wanted::All };
    let hidden = model.forward(&cpu, &mut [step], None).unwrap();
    model.logits(&cpu, &hidden)
}

/// Writes the model as a directory, opens that, and compares all there is.
fn round_trip(name: &str, files: &ModelFiles) {
    let around = tempfile::tempdir().unwrap();
    let dir = around.path().join("model");
    as_directory(gguf(files), &dir).unwrap_or_else(|e| panic!("{name}: {e}"));
    let options = || Options { threads: 1, ..Options::default() };
    let ours = LanguageModel::new(files.clone(), &options()).unwrap();
    let read = LanguageModel::open(&dir, &options()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let (a, b) = (ours.tokenizer().unwrap(), read.tokenizer().unwrap());
    for (add_special, parse_special) in [(false, false), (false, true), (true, true)] {
        let options = EncodeOptions { add_special, parse_special };
        let ids = a.encode(TEXT, options);
        assert_eq!(ids, b.encode(TEXT, options), "{name}");
        assert_eq!(a.decode(&ids, false), b.decode(&ids, false), "{name}");
    }
    assert_eq!(ours.end_tokens(), read.end_tokens(), "{name}");
    assert_eq!(ours.recommended_sampling(), read.recommended_sampling(), "{name}");
    assert_eq!(prompt(&ours), prompt(&read), "{name}");
    let mut tokens = a.encode(TEXT, EncodeOptions { add_special: true, parse_special: true });
    tokens.truncate(48);
    let (a, b) = (logits(ours.engine().model(), &tokens), logits(read.engine().model(), &tokens));
    let largest = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    eprintln!("{name}: logits differ by at most {largest:e}");
    // Rows of queries and keys lie in another order there, and so do the sums of their products.
    assert!(a.len() == b.len() && largest < 2e-5, "{name}: {largest}");
}

/// What the template makes of a conversation, if there is one.
fn prompt(model: &LanguageModel) -> Option<String> {
    model.template()?;
    let now = LocalTime { year: 2026, month: 7, day: 26, hour: 12, minute: 34, second: 56 };
    let mut chat = model.chat(ChatOptions { now: Some(now), ..ChatOptions::default() });
    chat.say("What is two plus two?");
    Some(chat.render().unwrap())
}

#[test]
fn models_are_the_same_as_directories() {
    for path in fixtures() {
        let files = hob_format::open(&path).unwrap();
        round_trip(&path.file_stem().unwrap().to_string_lossy(), &files);
    }
}

#[test]
fn the_built_in_model_is_the_same_as_a_directory() {
    round_trip("ember", &hob::builtin().unwrap());
}

#[test]
fn tensors_are_those_of_the_checkpoint_that_the_file_was_made_of() {
    for path in fixtures().iter().filter(|path| !path.to_string_lossy().contains("Q4_0")) {
        let files = hob_format::open(path).unwrap();
        let theirs = HfModel::open(path.parent().unwrap()).unwrap();
        let around = tempfile::tempdir().unwrap();
        let dir = around.path().join("model");
        as_directory(gguf(&files), &dir).unwrap();
        let ours = HfModel::open(&dir).unwrap();
        let prefixed = |name: &str| name.replacen("model.", "model.language_model.", 1);
        for tensor in ours.tensors.iter() {
            let name = &tensor.name;
            let found = theirs.tensors.get(name).or(theirs.tensors.get(&prefixed(name)));
            let found = found.unwrap_or_else(|| panic!("{}: no {name}", path.display()));
            assert_eq!(found.shape, tensor.shape, "{name}");
            assert!(numbers(found) == numbers(tensor), "{}: {name} has other numbers", path.display());
        }
    }
}

fn numbers(tensor: &Tensor) -> Vec<f32> {
    let Dtype::Block(ty) = tensor.dtype else { panic!("{tensor:?}") };
    let mut numbers = vec![0.0; tensor.elements()];
    hob_quant::dequantize_row(ty, &tensor.bytes, &mut numbers);
    numbers
}

#[test]
fn a_caller_writes_tensors_and_settings_of_its_own() {
    let files = hob::builtin().unwrap();
    let mut directory = Directory::new(gguf(&files)).unwrap();
    directory.config["quantization_config"] = serde_json::json!({"quant_method": "test"});
    let around = tempfile::tempdir().unwrap();
    let dir = around.path().join("packed");
    let mut layout = SafetensorsLayout::new();
    layout.tensor("x.weight_packed", Dtype::Block(TensorType::I32), &[1, 2]);
    let writer = directory.create(&dir).unwrap();
    let mut tensors = writer.tensors(&layout).unwrap();
    tensors.begin("x.weight_packed").unwrap();
    tensors.write(&[0; 8]).unwrap();
    tensors.finish().unwrap();
    assert!(!dir.exists());
    writer.finish().unwrap();
    let read = HfModel::open(&dir).unwrap();
    assert_eq!(read.config["quantization_config"]["quant_method"], "test");
    assert_eq!(read.tensors.get("x.weight_packed").unwrap().shape, [1, 2]);
    assert!(directory.create(&dir).is_err(), "what is there stays");
}
