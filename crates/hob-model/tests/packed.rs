//! compressed-tensors checkpoints: the packed model gives what its decoded twin gives.

#![allow(clippy::unwrap_used, reason = "a test stops where its set-up fails")]
#![allow(clippy::disallowed_methods, reason = "tests read fixtures and write models")]

use hob_format::{Dtype, HfModel, SafetensorsLayout, SafetensorsWriter, Tensor};
use hob_kernels::{Compute, Cpu, KvType};
use hob_model::{Model, SequenceKv, Step, Wanted};
use hob_quant::TensorType;
use std::path::Path;

const GROUP: usize = 32;

/// A tensor to write.
type Entry = (String, Dtype, Vec<usize>, Vec<u8>);

fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn widened(tensor: &Tensor) -> Vec<f32> {
    let Dtype::Block(ty) = tensor.dtype else { panic!("fixture weights are floats") };
    let mut values = vec![0.0; tensor.elements()];
    hob_quant::dequantize_row(ty, &tensor.bytes, &mut values);
    values
}

/// Symmetric codes of `bits` bits with a scale per group, packed into 32-bit words plus `2^(bits-1)`; and what they decode to.
fn pack(values: &[f32], bits: u32) -> (Vec<u8>, Vec<f32>, Vec<f32>) {
    let (low, high) = (-(1i32 << (bits - 1)), (1i32 << (bits - 1)) - 1);
    let (mut words, mut scales, mut decoded) = (Vec::new(), Vec::new(), Vec::new());
    let mut codes = Vec::new();
    for group in values.chunks(GROUP) {
        let scale = group.iter().fold(1e-6f32, |m, v| m.max(v.abs())) / high as f32;
        for v in group {
            let code = ((v / scale).round() as i32).clamp(low, high);
            codes.push(code);
            decoded.push(code as f32 * scale);
        }
        scales.push(scale);
    }
    for word in codes.chunks(32 / bits as usize) {
        let packed =
            word.iter().enumerate().fold(0u32, |w, (i, c)| w | (((c - low) as u32) << (bits * i as u32)));
        words.extend(packed.to_le_bytes());
    }
    (words, scales, decoded)
}

fn write(dir: &Path, from: &Path, entries: &[Entry]) {
    std::fs::create_dir_all(dir).unwrap();
    std::fs::copy(from.join("config.json"), dir.join("config.json")).unwrap();
    let mut layout = SafetensorsLayout::new();
    for (name, dtype, shape, _) in entries {
        layout.tensor(name, *dtype, shape);
    }
    let mut writer = SafetensorsWriter::create(&dir.join("model.safetensors"), &layout).unwrap();
    for (name, _, _, bytes) in entries {
        writer.begin(name).unwrap();
        writer.write(bytes).unwrap();
    }
    writer.finish().unwrap();
}

fn logits(dir: &Path, compute: Compute) -> Vec<f32> {
    let model = Model::load(&hob_format::open(dir).unwrap()).unwrap();
    let cpu = Cpu::new(1, compute);
    let mut kv = SequenceKv::new(model.spec(), KvType::F32, false);
    let step = Step { tokens: &[3, 1, 4, 1, 5, 9, 2, 6], kv: &mut kv, wanted: Wanted::All };
    let hidden = model.forward(&cpu, &mut [step], None).unwrap();
    model.logits(&cpu, &hidden)
}

#[test]
fn packed_codes_equal_their_decoded_twin() {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/models/llama3_2");
    if !from.is_dir() {
        eprintln!("SKIPPED: no fixtures at {}", from.display());
        return;
    }
    let source = HfModel::open(&from).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    for bits in [4u32, 8] {
        let (mut packed, mut plain): (Vec<Entry>, Vec<Entry>) = (Vec::new(), Vec::new());
        for tensor in source.tensors.iter() {
            let values = widened(tensor);
            let f32_type = Dtype::Block(TensorType::F32);
            let Some(module) = tensor.name.strip_suffix("_proj.weight").map(|m| format!("{m}_proj")) else {
                let entry = (tensor.name.clone(), f32_type, tensor.shape.clone(), f32_bytes(&values));
                packed.push(entry.clone());
                plain.push(entry);
                continue;
            };
            let (rows, cols) = (tensor.shape[0], tensor.shape[1]);
            let (words, scales, decoded) = pack(&values, bits);
            let word_count = cols * bits as usize / 32;
            let shape = [rows as i64, cols as i64].iter().flat_map(|n| n.to_le_bytes()).collect();
            packed.push((
                format!("{module}.weight_packed"),
                Dtype::Block(TensorType::I32),
                vec![rows, word_count],
                words,
            ));
            packed.push((
                format!("{module}.weight_scale"),
                f32_type,
                vec![rows, cols / GROUP],
                f32_bytes(&scales),
            ));
            packed.push((format!("{module}.weight_shape"), Dtype::Block(TensorType::I64), vec![2], shape));
            plain.push((tensor.name.clone(), f32_type, tensor.shape.clone(), f32_bytes(&decoded)));
        }
        let dirs =
            [temporary.path().join(format!("packed{bits}")), temporary.path().join(format!("plain{bits}"))];
        write(&dirs[0], &from, &packed);
        write(&dirs[1], &from, &plain);
        let (a, b) = (logits(&dirs[0], Compute::Exact), logits(&dirs[1], Compute::Exact));
        let difference = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(difference < 1e-4, "{bits} bits: {difference}");
        assert!(logits(&dirs[0], Compute::Fast).iter().all(|x| x.is_finite()));
    }
}
