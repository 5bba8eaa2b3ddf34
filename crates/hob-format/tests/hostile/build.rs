//! Byte-level builders that can lie about everything; they share no code with the readers and writers.

pub const U32: u32 = 4;
pub const BOOL: u32 = 7;
pub const STRING: u32 = 8;
pub const ARRAY: u32 = 9;

/// A GGUF file whose fields can be set independently of what they describe.
#[derive(Clone)]
pub struct RawGguf {
    pub magic: [u8; 4],
    pub version: u32,
    /// `None`: the true count.
    pub tensor_count: Option<u64>,
    pub key_count: Option<u64>,
    pub keys: Vec<Vec<u8>>,
    pub infos: Vec<RawInfo>,
    pub data_bytes: usize,
}

#[derive(Clone)]
pub struct RawInfo {
    pub name: Vec<u8>,
    pub dimensions: Option<u32>,
    pub ne: Vec<u64>,
    pub type_id: u32,
    pub offset: u64,
}

/// Two tensors and four keys; valid as it is.
pub fn valid_gguf() -> RawGguf {
    let info = |name: &str, ne: &[u64], type_id, offset| RawInfo {
        name: name.into(),
        dimensions: None,
        ne: ne.into(),
        type_id,
        offset,
    };
    RawGguf {
        magic: *b"GGUF",
        version: 3,
        tensor_count: None,
        key_count: None,
        keys: vec![
            key("general.architecture", STRING, &text(b"llama")),
            key("llama.block_count", U32, &1u32.to_le_bytes()),
            key("tokenizer.ggml.tokens", ARRAY, &array(STRING, 2, &[text(b"a"), text(b"bc")].concat())),
            key("llama.flags", ARRAY, &array(BOOL, 2, &[0, 1])),
        ],
        // 3 x 4 f32 take 48 bytes, so the second starts at 64; 2 rows of 32 in Q4_0 take 36.
        infos: vec![info("a.weight", &[4, 3], 0, 0), info("b.weight", &[32, 2], 2, 64)],
        data_bytes: 64 + 36,
    }
}

impl RawGguf {
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.magic.to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend(self.tensor_count.unwrap_or(self.infos.len() as u64).to_le_bytes());
        out.extend(self.key_count.unwrap_or(self.keys.len() as u64).to_le_bytes());
        out.extend(self.keys.concat());
        for info in &self.infos {
            out.extend(text(&info.name));
            out.extend(info.dimensions.unwrap_or(info.ne.len() as u32).to_le_bytes());
            out.extend(info.ne.iter().flat_map(|n| n.to_le_bytes()));
            out.extend(info.type_id.to_le_bytes());
            out.extend(info.offset.to_le_bytes());
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.resize(out.len() + self.data_bytes, 0x11);
        out
    }
}

/// A length-prefixed text.
pub fn text(bytes: &[u8]) -> Vec<u8> {
    long_text(bytes.len() as u64, bytes)
}

/// A text that claims to have `length` bytes.
pub fn long_text(length: u64, bytes: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes(), bytes].concat()
}

pub fn key(name: &str, value_type: u32, value: &[u8]) -> Vec<u8> {
    [&text(name.as_bytes()), value_type.to_le_bytes().as_slice(), value].concat()
}

/// An array's value that claims `count` elements.
pub fn array(element: u32, count: u64, elements: &[u8]) -> Vec<u8> {
    [element.to_le_bytes().as_slice(), &count.to_le_bytes(), elements].concat()
}

/// A safetensors file of a header and `data_bytes` bytes of data.
pub fn safetensors(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.as_bytes());
    out.resize(out.len() + data_bytes, 0x22);
    out
}
