//! What the writers write, the readers read: metadata, shapes and bytes, whatever they are.

#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

use hob_format::{
    ArrayView, Dtype, Gguf, GgufLayout, GgufWriter, Metadata, SafeTensors, SafetensorsLayout,
    SafetensorsWriter, Value,
};
use hob_quant::TensorType;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u8>().prop_map(Value::U8),
        any::<i8>().prop_map(Value::I8),
        any::<u16>().prop_map(Value::U16),
        any::<i16>().prop_map(Value::I16),
        any::<u32>().prop_map(Value::U32),
        any::<i32>().prop_map(Value::I32),
        any::<f32>().prop_map(Value::F32),
        any::<bool>().prop_map(Value::Bool),
        any::<String>().prop_map(Value::Str),
        any::<u64>().prop_map(Value::U64),
        any::<i64>().prop_map(Value::I64),
        any::<f64>().prop_map(Value::F64),
    ]
}

fn array() -> impl Strategy<Value = ArrayView> {
    prop_oneof![
        vec(any::<u8>(), 0..9).prop_map(|v| v.as_slice().into()),
        vec(any::<i16>(), 0..9).prop_map(|v| v.as_slice().into()),
        vec(any::<u32>(), 0..9).prop_map(|v| v.as_slice().into()),
        vec(any::<i64>(), 0..9).prop_map(|v| v.as_slice().into()),
        vec(any::<f32>(), 0..9).prop_map(|v| v.as_slice().into()),
        vec(any::<f64>(), 0..9).prop_map(|v| v.as_slice().into()),
        vec(any::<bool>(), 0..9).prop_map(|v| v.as_slice().into()),
        vec(vec(any::<u8>(), 0..5), 0..9).prop_map(ArrayView::from_iter),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![scalar(), array().prop_map(Value::Array)]
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let alignment = prop_oneof![Just(None), (3u32..9).prop_map(|bits| Some(1u32 << bits))];
    (btree_map("[a-z.]{0,8}|\\PC{1,4}", values(), 0..8), alignment).prop_map(|(values, alignment)| {
        let mut metadata = Metadata::new("generated");
        for (key, value) in values {
            metadata.set(&key, value);
        }
        if let Some(alignment) = alignment {
            metadata.set("general.alignment", alignment);
        }
        metadata
    })
}

/// Unique names with a type and a shape that fits it.
fn gguf_tensors() -> impl Strategy<Value = Vec<(String, TensorType, Vec<usize>)>> {
    let one = (proptest::sample::select(TensorType::ALL), vec(1usize..4, 1..5)).prop_map(|(t, mut shape)| {
        *shape.last_mut().unwrap() *= t.block_size();
        (t, shape)
    });
    btree_map("\\PC{1,9}", one, 0..6)
        .prop_map(|m| m.into_iter().map(|(name, (t, shape))| (name, t, shape)).collect())
}

fn st_tensors() -> impl Strategy<Value = Vec<(String, Dtype, Vec<usize>)>> {
    let types =
        ["F32", "F16", "BF16", "F64", "I8", "I64", "U8", "U16", "U32", "U64", "BOOL", "F8_E4M3", "F8_E5M2"];
    let one = (proptest::sample::select(types.to_vec()), vec(0usize..4, 0..5));
    btree_map("\\PC{0,9}", one, 0..6).prop_map(|m| {
        m.into_iter()
            .map(|(name, (t, shape))| (name, Dtype::from_safetensors_name(t).unwrap(), shape))
            .collect()
    })
}

/// Recognisable contents for the `index`-th tensor.
fn contents(index: usize, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| (i * 31 + index * 7 + 1) as u8).collect()
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::F32(a), Value::F32(b)) => a.to_bits() == b.to_bits(),
        (Value::F64(a), Value::F64(b)) => a.to_bits() == b.to_bits(),
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Array(a), Value::Array(b)) => {
            (a.element_type(), a.len(), &**a.bytes()) == (b.element_type(), b.len(), &**b.bytes())
        }
        (a, b) => a.value_type() == b.value_type() && a.as_integer() == b.as_integer(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn gguf(metadata in metadata(), tensors in gguf_tensors(), piece in 1usize..300) {
        let mut layout = GgufLayout::new(metadata.clone());
        for (name, t, shape) in &tensors {
            layout.tensor(name, *t, shape);
        }
        let mut bytes = Vec::new();
        let mut writer = GgufWriter::new(&mut bytes, &layout).unwrap();
        for (i, (name, t, shape)) in tensors.iter().enumerate() {
            writer.begin(name).unwrap();
            let data = contents(i, Dtype::Block(*t).tensor_bytes(shape).unwrap());
            data.chunks(piece).for_each(|part| writer.write(part).unwrap());
        }
        writer.finish().unwrap();

        let read = Gguf::from_bytes(bytes.into()).unwrap();
        prop_assert_eq!(read.metadata.len(), metadata.len());
        for (key, value) in metadata.iter() {
            prop_assert!(same(read.metadata.get(key).unwrap(), value), "{}", key);
        }
        prop_assert_eq!(read.tensors.len(), tensors.len());
        for (i, ((name, t, shape), found)) in tensors.iter().zip(&read.tensors).enumerate() {
            prop_assert_eq!((&found.name, found.dtype, &found.shape), (name, Dtype::Block(*t), shape));
            prop_assert_eq!(&*found.bytes, &*contents(i, found.bytes.len()));
        }
    }

    #[test]
    fn safetensors(tensors in st_tensors(), texts in btree_map("\\PC{0,5}", "\\PC{0,5}", 0..4)) {
        let mut layout = SafetensorsLayout::new();
        layout.metadata = texts.clone();
        for (name, dtype, shape) in &tensors {
            layout.tensor(name, *dtype, shape);
        }
        let mut bytes = Vec::new();
        let mut writer = SafetensorsWriter::new(&mut bytes, &layout).unwrap();
        for (i, (name, dtype, shape)) in tensors.iter().enumerate() {
            writer.begin(name).unwrap();
            writer.write(&contents(i, dtype.tensor_bytes(shape).unwrap())).unwrap();
        }
        writer.finish().unwrap();

        let read = SafeTensors::from_bytes(bytes.into()).unwrap();
        prop_assert_eq!(&read.metadata, &texts);
        prop_assert_eq!(read.tensors.len(), tensors.len());
        for (i, (name, dtype, shape)) in tensors.iter().enumerate() {
            let found = read.tensors.get(name).unwrap();
            prop_assert_eq!((found.dtype, &found.shape), (*dtype, shape));
            prop_assert_eq!(&*found.bytes, &*contents(i, found.bytes.len()));
        }
    }
}

#[test]
fn layouts_the_formats_cannot_hold_are_refused() {
    let gguf = |name: &str, t, shape: &[usize]| {
        let mut layout = GgufLayout::new(Metadata::new("t"));
        layout.tensor("same", TensorType::F32, &[1]).tensor(name, t, shape);
        let result = GgufWriter::new(&mut Vec::new(), &layout).map(|_| ());
        result.unwrap_err().to_string()
    };
    assert!(gguf("same", TensorType::F32, &[1]).contains("each name once"));
    assert!(gguf("", TensorType::F32, &[1]).contains("1 to 63 bytes"));
    assert!(gguf(&"x".repeat(64), TensorType::F32, &[1]).contains("1 to 63 bytes"));
    assert!(gguf("a", TensorType::Q4_0, &[32, 1]).contains("whole Q4_0 blocks"));
    assert!(gguf("a", TensorType::F32, &[]).contains("1 to 4 positive"));
    assert!(gguf("a", TensorType::F32, &[1; 5]).contains("1 to 4 positive"));
    assert!(gguf("a", TensorType::F32, &[0]).contains("1 to 4 positive"));

    let mut layout = SafetensorsLayout::new();
    layout.tensor("a", Dtype::Block(TensorType::Q4_0), &[32]);
    let error = SafetensorsWriter::new(&mut Vec::new(), &layout).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("a type among F32"), "{error}");
}
