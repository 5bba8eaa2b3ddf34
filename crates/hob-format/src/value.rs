//! Metadata values: scalars and texts are copied, arrays stay views of the file.

use std::fmt;

use crate::ArrayView;

macro_rules! value_types {
    ($($name:ident = $id:literal, $bytes:literal, $text:literal;)*) => {
        /// Type of a metadata value, numbered as in GGUF.
        #[allow(missing_docs, reason = "the names are the file format's own")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ValueType {
            $($name = $id,)*
        }

        impl ValueType {
            /// The type with this GGUF id.
            pub fn from_id(id: u32) -> Option<Self> {
                match id {
                    $($id => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The type's name in messages, such as `u32`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// Bytes of one value; `None` for texts and arrays.
            pub fn fixed_bytes(self) -> Option<usize> {
                let bytes = match self {
                    $(Self::$name => $bytes,)*
                };
                (bytes > 0).then_some(bytes)
            }
        }
    };
}

value_types! {
    U8 = 0, 1, "u8";
    I8 = 1, 1, "i8";
    U16 = 2, 2, "u16";
    I16 = 3, 2, "i16";
    U32 = 4, 4, "u32";
    I32 = 5, 4, "i32";
    F32 = 6, 4, "f32";
    Bool = 7, 1, "bool";
    Str = 8, 0, "string";
    Array = 9, 0, "array";
    U64 = 10, 8, "u64";
    I64 = 11, 8, "i64";
    F64 = 12, 8, "f64";
}

/// A metadata value.
#[allow(missing_docs, reason = "the variants are the file format's types")]
#[derive(Clone, Debug)]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Str(String),
    Array(ArrayView),
    U64(u64),
    I64(i64),
    F64(f64),
}

impl Value {
    /// The value's type.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::Str(_) => ValueType::Str,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// The number, if this is an integer of any width (`i128` holds them all).
    pub fn as_integer(&self) -> Option<i128> {
        Some(match *self {
            Self::U8(v) => v.into(),
            Self::I8(v) => v.into(),
            Self::U16(v) => v.into(),
            Self::I16(v) => v.into(),
            Self::U32(v) => v.into(),
            Self::I32(v) => v.into(),
            Self::U64(v) => v.into(),
            Self::I64(v) => v.into(),
            _ => return None,
        })
    }

    /// The number, if this is an f32 or f64 (rounded to f32).
    pub fn as_f32(&self) -> Option<f32> {
        match *self {
            Self::F32(v) => Some(v),
            Self::F64(v) => Some(v as f32),
            _ => None,
        }
    }

    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Str(text) = self { Some(text) } else { None }
    }

    /// The array, if this is one.
    pub fn as_array(&self) -> Option<&ArrayView> {
        if let Self::Array(array) = self { Some(array) } else { None }
    }

    /// The fixed-size value of type `t` whose little-endian bytes are `b`; `None` for texts, arrays, wrong lengths and
    /// truth values other than 0 and 1.
    pub(crate) fn decode(t: ValueType, b: &[u8]) -> Option<Self> {
        Some(match t {
            ValueType::U8 => Self::U8(u8::from_le_bytes(b.try_into().ok()?)),
            ValueType::I8 => Self::I8(i8::from_le_bytes(b.try_into().ok()?)),
            ValueType::U16 => Self::U16(u16::from_le_bytes(b.try_into().ok()?)),
            ValueType::I16 => Self::I16(i16::from_le_bytes(b.try_into().ok()?)),
            ValueType::U32 => Self::U32(u32::from_le_bytes(b.try_into().ok()?)),
            ValueType::I32 => Self::I32(i32::from_le_bytes(b.try_into().ok()?)),
            ValueType::F32 => Self::F32(f32::from_le_bytes(b.try_into().ok()?)),
            ValueType::U64 => Self::U64(u64::from_le_bytes(b.try_into().ok()?)),
            ValueType::I64 => Self::I64(i64::from_le_bytes(b.try_into().ok()?)),
            ValueType::F64 => Self::F64(f64::from_le_bytes(b.try_into().ok()?)),
            ValueType::Bool => match b {
                [0] => Self::Bool(false),
                [1] => Self::Bool(true),
                _ => return None,
            },
            ValueType::Str | ValueType::Array => return None,
        })
    }
}

/// For messages: the type, and the value where it is short.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Str(text) => write!(f, "string \"{}\"", crate::error::shown(text)),
            Self::Array(array) => write!(f, "array of {} x {}", array.len(), array.element_type().name()),
            Self::Bool(v) => write!(f, "bool {v}"),
            Self::F32(v) => write!(f, "f32 {v}"),
            Self::F64(v) => write!(f, "f64 {v}"),
            other => write!(f, "{} {}", other.value_type().name(), other.as_integer().unwrap_or_default()),
        }
    }
}

macro_rules! values_from {
    ($($ty:ty => $variant:ident;)*) => {$(
        impl From<$ty> for Value {
            fn from(value: $ty) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

values_from! {
    u8 => U8;
    i8 => I8;
    u16 => U16;
    i16 => I16;
    u32 => U32;
    i32 => I32;
    f32 => F32;
    bool => Bool;
    &str => Str;
    String => Str;
    ArrayView => Array;
    u64 => U64;
    i64 => I64;
    f64 => F64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_invert() {
        for id in 0..13 {
            assert_eq!(ValueType::from_id(id).unwrap() as u32, id);
        }
        assert!(ValueType::from_id(13).is_none());
    }
}
