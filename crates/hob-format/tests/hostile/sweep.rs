//! Every prefix and every changed byte of small valid files.

use crate::build::{safetensors, valid_gguf};
use crate::{bytes_allowed, open_gguf, open_safetensors};

fn valid_safetensors() -> Vec<u8> {
    let header = concat!(
        r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"#,
        r#""b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]}}"#
    );
    safetensors(header, 26)
}

#[test]
fn every_prefix_is_refused() {
    let gguf = valid_gguf().bytes();
    for length in 0..gguf.len() {
        let (result, held) = open_gguf(&gguf[..length]);
        assert!(result.is_err(), "the first {length} bytes opened");
        assert!(held <= bytes_allowed(&gguf), "{held} bytes held");
    }
    let st = valid_safetensors();
    for length in 0..st.len() {
        assert!(open_safetensors(&st[..length]).0.is_err(), "the first {length} bytes opened");
    }
}

/// A changed byte may give another valid file; it may not panic, hold much memory, or leave the bytes.
#[test]
fn every_changed_byte_is_survived() {
    let gguf = valid_gguf().bytes();
    let st = valid_safetensors();
    for (original, is_gguf) in [(gguf, true), (st, false)] {
        let mut bytes = original.clone();
        for position in 0..bytes.len() {
            for change in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                bytes[position] = original[position] ^ change;
                let held = if is_gguf { walk_gguf(&bytes) } else { open_safetensors(&bytes).1 };
                assert!(held <= bytes_allowed(&bytes), "byte {position}: {held} bytes held");
            }
            bytes[position] = original[position];
        }
    }
}

/// Opens and reads everything that can be read.
fn walk_gguf(bytes: &[u8]) -> usize {
    let (result, held) = open_gguf(bytes);
    let Ok(gguf) = result else { return held };
    for (_, value) in gguf.metadata.iter() {
        let Some(array) = value.as_array() else { continue };
        let strings = array.strings().map(Iterator::count);
        let numbers = array.integers().map(Iterator::count).or(array.f32s().map(Iterator::count));
        let bools = array.bools().map(Iterator::count);
        assert_eq!(strings.or(numbers).or(bools), Some(array.len()));
    }
    for tensor in &gguf.tensors {
        assert_eq!(tensor.dtype.tensor_bytes(&tensor.shape), Some(tensor.bytes.len()));
    }
    held
}
