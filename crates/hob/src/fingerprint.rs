//! What tells a model's weights from all others without reading all of them.

use hob_format::ModelFiles;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Bytes at each end of a tensor that are looked at: two pages of a file that may lie on a slow disk.
const END_BYTES: usize = 64;

/// Bytes of the digest that are shown.
const SHOWN_BYTES: usize = 16;

/// The first half of a SHA-256 of every tensor's name, type and shape and of the ends of its bytes, in hexadecimal. Weights that
/// were trained or quantised anew have another one; what stands beside them in the file plays no part.
pub(crate) fn fingerprint(files: &ModelFiles) -> String {
    let mut hasher = Sha256::new();
    for tensor in files.tensors().iter() {
        let bytes: &[u8] = &tensor.bytes;
        hasher.update(format!("{}\0{} {:?} {}\0", tensor.name, tensor.dtype, tensor.shape, bytes.len()));
        hasher.update(&bytes[..bytes.len().min(END_BYTES)]);
        hasher.update(&bytes[bytes.len().saturating_sub(END_BYTES)..]);
    }
    let mut text = String::new();
    for byte in hasher.finalize().iter().take(SHOWN_BYTES) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
