//! Metadata arrays as views of the file, decoded while they are read.

use hob_base::SharedBytes;

use crate::value::{Value, ValueType};

/// An array of metadata as it lies in the file: element type, count and bytes.
///
/// Nothing is copied; iterators decode as they go. The bytes were checked once at opening and are checked again by the
/// iterators, which end early should the file have changed since.
#[derive(Clone, Debug)]
pub struct ArrayView {
    element: ValueType,
    count: usize,
    bytes: SharedBytes,
}

impl ArrayView {
    /// The view of `count` elements in `bytes`, whose extent the caller has checked.
    pub(crate) fn new(element: ValueType, count: usize, bytes: SharedBytes) -> Self {
        Self { element, count, bytes }
    }

    /// Type of the elements; never [`ValueType::Array`].
    pub fn element_type(&self) -> ValueType {
        self.element
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The encoded elements: little-endian numbers, or length-prefixed texts.
    pub fn bytes(&self) -> &SharedBytes {
        &self.bytes
    }

    /// The texts, which may be anything but are usually UTF-8. `None` when the elements are not texts.
    pub fn strings(&self) -> Option<Strings<'_>> {
        (self.element == ValueType::Str).then(|| Strings { rest: &self.bytes, left: self.count })
    }

    /// The integers. `None` when the elements are not integers.
    pub fn integers(&self) -> Option<impl ExactSizeIterator<Item = i128> + Clone + '_> {
        Value::decode(self.element, &[0; 8][..self.element.fixed_bytes()?])?.as_integer()?;
        Some(self.numbers()?.map(|v| v.as_integer().unwrap_or_default()))
    }

    /// The floats (f64 rounded to f32). `None` when the elements are not floats.
    pub fn f32s(&self) -> Option<impl ExactSizeIterator<Item = f32> + Clone + '_> {
        matches!(self.element, ValueType::F32 | ValueType::F64).then_some(())?;
        Some(self.numbers()?.map(|v| v.as_f32().unwrap_or_default()))
    }

    /// The truth values. `None` when the elements are not bools.
    pub fn bools(&self) -> Option<impl ExactSizeIterator<Item = bool> + Clone + '_> {
        (self.element == ValueType::Bool).then_some(())?;
        Some(self.bytes.iter().map(|&b| b != 0))
    }

    fn numbers(&self) -> Option<impl ExactSizeIterator<Item = Value> + Clone + '_> {
        let (element, width) = (self.element, self.element.fixed_bytes()?);
        let decode = move |b: &[u8]| Value::decode(element, b).unwrap_or(Value::U8(0));
        Some(self.bytes.chunks_exact(width).map(decode))
    }
}

/// Iterator over the texts of an [`ArrayView`].
#[derive(Clone, Debug)]
pub struct Strings<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.left == 0 {
            return None;
        }
        let (length, rest) = self.rest.split_first_chunk::<8>()?;
        let (text, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        self.rest = rest;
        self.left -= 1;
        Some(text)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Each text takes at least its length field, so the hint cannot exceed what the file backs.
        (0, Some(self.left.min(self.rest.len() / 8)))
    }
}

macro_rules! arrays_from {
    ($($ty:ty => $element:ident;)*) => {$(
        impl From<&[$ty]> for ArrayView {
            fn from(values: &[$ty]) -> Self {
                let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                Self::new(ValueType::$element, values.len(), bytes.into())
            }
        }
    )*};
}

arrays_from! {
    u8 => U8;
    i8 => I8;
    u16 => U16;
    i16 => I16;
    u32 => U32;
    i32 => I32;
    f32 => F32;
    u64 => U64;
    i64 => I64;
    f64 => F64;
}

impl From<&[bool]> for ArrayView {
    fn from(values: &[bool]) -> Self {
        let bytes: Vec<u8> = values.iter().map(|&v| v.into()).collect();
        Self::new(ValueType::Bool, values.len(), bytes.into())
    }
}

/// An array of texts.
impl<T: AsRef<[u8]>> FromIterator<T> for ArrayView {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for text in texts {
            bytes.extend((text.as_ref().len() as u64).to_le_bytes());
            bytes.extend(text.as_ref());
            count += 1;
        }
        Self::new(ValueType::Str, count, bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_give_back_what_went_in() {
        let texts = ArrayView::from_iter(["a", "", "längs"]);
        assert_eq!(texts.strings().unwrap().collect::<Vec<_>>(), [b"a".as_slice(), b"", "längs".as_bytes()]);
        assert!(texts.integers().is_none() && texts.f32s().is_none() && texts.bools().is_none());

        let ints = ArrayView::from([i64::MIN, -1, 5].as_slice());
        assert_eq!(ints.integers().unwrap().collect::<Vec<_>>(), [i64::MIN.into(), -1, 5]);
        let big = ArrayView::from([u64::MAX].as_slice());
        assert_eq!(big.integers().unwrap().next(), Some(u64::MAX.into()));
        assert!(big.strings().is_none() && big.f32s().is_none());

        let floats = ArrayView::from([0.5f64, -2.0].as_slice());
        assert_eq!(floats.f32s().unwrap().collect::<Vec<_>>(), [0.5, -2.0]);
        assert!(floats.integers().is_none());

        let bools = ArrayView::from([true, false].as_slice());
        assert_eq!(bools.bools().unwrap().collect::<Vec<_>>(), [true, false]);
        assert!(bools.integers().is_none());
    }

    #[test]
    fn strings_end_early_when_the_bytes_do_not_hold_the_count() {
        let mut bytes = ArrayView::from_iter(["abc"]).bytes().to_vec();
        bytes.extend(u64::MAX.to_le_bytes());
        let view = ArrayView::new(ValueType::Str, 1000, bytes.into());
        assert_eq!(view.strings().unwrap().count(), 1);
        assert!(view.strings().unwrap().size_hint().1.unwrap() <= 2);
    }
}
