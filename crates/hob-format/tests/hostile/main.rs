//! Files made to hurt: each is refused with an error, without panic and without memory the file cannot back.

#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod alloc;
mod build;
mod gguf;
mod imatrix;
mod safetensors;
mod sweep;

/// Opens `bytes` as GGUF; the result and the most memory that was held meanwhile.
fn open_gguf(bytes: &[u8]) -> (Result<hob_format::Gguf, hob_format::Error>, usize) {
    let shared = bytes.to_vec().into();
    alloc::peak(|| hob_format::Gguf::from_bytes(shared))
}

/// Opens `bytes` as safetensors; the result and the most memory that was held meanwhile.
fn open_safetensors(bytes: &[u8]) -> (Result<hob_format::SafeTensors, hob_format::Error>, usize) {
    let shared = bytes.to_vec().into();
    alloc::peak(|| hob_format::SafeTensors::from_bytes(shared))
}

/// What opening `bytes` may hold at once: a description takes more room parsed than stored, but only so much more.
fn bytes_allowed(bytes: &[u8]) -> usize {
    16 * bytes.len() + 16_384
}
