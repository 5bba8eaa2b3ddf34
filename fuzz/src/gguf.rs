use hob_format::{Dtype, Gguf, GgufLayout, GgufWriter, Value};

/// Opens `bytes` as GGUF. Whatever opens must be readable throughout, lie inside the bytes, and survive being written
/// and read again.
pub fn gguf_open(bytes: &[u8]) {
    let Ok(model) = Gguf::from_bytes(bytes.to_vec().into()) else { return };
    for (key, value) in model.metadata.iter() {
        read_value(value);
        // The getters must answer or refuse, for whatever type there is.
        let _ = (
            model.metadata.usize(key),
            model.metadata.f32(key),
            model.metadata.bool(key),
            model.metadata.str(key),
        );
        let _ = (model.metadata.usizes(key, 64), model.metadata.f32s(key, 64), model.metadata.bools(key, 64));
        let _ = (model.metadata.array(key), model.metadata.strings(key).map(|s| s.map(Iterator::count)));
    }
    let mut tensor_bytes = 0;
    for tensor in &model.tensors {
        assert_eq!(tensor.dtype.tensor_bytes(&tensor.shape), Some(tensor.bytes.len()));
        assert!(std::ptr::eq(model.tensors.get(&tensor.name).expect("listed by name"), tensor));
        tensor_bytes += tensor.bytes.len();
    }
    assert!(tensor_bytes <= bytes.len(), "tensors overlap or leave the file");
    assert_same(&model, &rewrite(&model));
}

fn read_value(value: &Value) {
    let _ = value.to_string();
    let Some(array) = value.as_array() else { return };
    let strings = array.strings().map(Iterator::count);
    let integers = array.integers().map(Iterator::count);
    let rest = array.f32s().map(Iterator::count).or(array.bools().map(Iterator::count));
    assert_eq!(strings.or(integers).or(rest), Some(array.len()));
}

fn rewrite(model: &Gguf) -> Gguf {
    let mut layout = GgufLayout::new(model.metadata.clone());
    for tensor in &model.tensors {
        let Dtype::Block(tensor_type) = tensor.dtype else { panic!("{tensor:?} is of no GGUF type") };
        layout.tensor(&tensor.name, tensor_type, &tensor.shape);
    }
    let mut out = Vec::new();
    let mut writer = GgufWriter::new(&mut out, &layout).expect("what was read can be written");
    for tensor in &model.tensors {
        writer
            .begin(&tensor.name)
            .and_then(|()| writer.write(&tensor.bytes))
            .expect("memory takes all bytes");
    }
    writer.finish().expect("memory takes all bytes");
    Gguf::from_bytes(out.into()).expect("what was written can be read")
}

fn assert_same(a: &Gguf, b: &Gguf) {
    // The debug form shows types, counts and numbers, NaNs included; bytes are compared below.
    assert_eq!(format!("{:?}", a.metadata), format!("{:?}", b.metadata));
    for ((_, a), (_, b)) in a.metadata.iter().zip(b.metadata.iter()) {
        assert_eq!(a.as_array().map(|x| &**x.bytes()), b.as_array().map(|x| &**x.bytes()));
    }
    assert_eq!(a.tensors.len(), b.tensors.len());
    for (a, b) in a.tensors.iter().zip(&b.tensors) {
        assert_eq!((&a.name, a.dtype, &a.shape, &*a.bytes), (&b.name, b.dtype, &b.shape, &*b.bytes));
    }
}
