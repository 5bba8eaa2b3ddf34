use hob_format::{SafeTensors, SafetensorsLayout, SafetensorsWriter};

/// Opens `bytes` as safetensors. Whatever opens must tile its data section and survive being written and read again.
pub fn safetensors_open(bytes: &[u8]) {
    let Ok(file) = SafeTensors::from_bytes(bytes.to_vec().into()) else { return };
    let mut tensor_bytes = 0;
    for tensor in &file.tensors {
        assert_eq!(tensor.dtype.tensor_bytes(&tensor.shape), Some(tensor.bytes.len()));
        assert!(std::ptr::eq(file.tensors.get(&tensor.name).expect("listed by name"), tensor));
        tensor_bytes += tensor.bytes.len();
    }
    let header_bytes = u64::from_le_bytes(*bytes.first_chunk().expect("a header was read"));
    assert_eq!(8 + header_bytes as usize + tensor_bytes, bytes.len(), "tensors tile the data");

    let again = rewrite(&file);
    assert_eq!(file.metadata, again.metadata);
    assert_eq!(file.tensors.len(), again.tensors.len());
    for a in &file.tensors {
        let b = again.tensors.get(&a.name).expect("the name was written");
        assert_eq!((a.dtype, &a.shape, &*a.bytes), (b.dtype, &b.shape, &*b.bytes));
    }
}

fn rewrite(file: &SafeTensors) -> SafeTensors {
    let mut layout = SafetensorsLayout::new();
    layout.metadata = file.metadata.clone();
    for tensor in &file.tensors {
        layout.tensor(&tensor.name, tensor.dtype, &tensor.shape);
    }
    let mut out = Vec::new();
    let mut writer = SafetensorsWriter::new(&mut out, &layout).expect("what was read can be written");
    for tensor in &file.tensors {
        writer
            .begin(&tensor.name)
            .and_then(|()| writer.write(&tensor.bytes))
            .expect("memory takes all bytes");
    }
    writer.finish().expect("memory takes all bytes");
    SafeTensors::from_bytes(out.into()).expect("what was written can be read")
}
