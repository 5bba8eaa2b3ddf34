//! Judges all tensor descriptions against the file before the first view of a tensor exists.

use hob_base::SharedBytes;
use hob_quant::TensorType;

use super::ALIGNMENT_DEFAULT;
use super::parse::{Info, Parsed};
use crate::{Dtype, Error, Metadata, Tensor};

/// Largest alignment accepted; files use 32, some 64 or a page.
const ALIGNMENT_MAX: usize = 1 << 20;

/// Views of all tensors, in file order.
pub(super) fn tensors(file: &str, bytes: &SharedBytes, parsed: &Parsed) -> Result<Vec<Tensor>, Error> {
    let alignment = alignment(file, &parsed.metadata)?;
    // Both are at most the file's length plus 2^20, far from overflow.
    let data_start = parsed.header_bytes.next_multiple_of(alignment);
    let plan = Plan { file, alignment, data_start, file_bytes: bytes.len() };
    let mut next_offset = 0;
    let mut placed = Vec::new();
    for info in &parsed.infos {
        let entry = plan.place(info, next_offset)?;
        next_offset = (entry.end - data_start).next_multiple_of(alignment);
        placed.push(entry);
    }
    let view = |(info, entry): (&Info, Placed)| Tensor {
        name: info.name.clone(),
        dtype: entry.dtype,
        shape: entry.shape,
        bytes: bytes.slice(entry.start..entry.end).expect("the plan checked every range against the file"),
    };
    Ok(parsed.infos.iter().zip(placed).map(view).collect())
}

pub(crate) fn alignment(file: &str, metadata: &Metadata) -> Result<usize, Error> {
    let key = "general.alignment";
    let Some(alignment) = metadata.usize(key)? else { return Ok(ALIGNMENT_DEFAULT) };
    if !alignment.is_power_of_two() || !(8..=ALIGNMENT_MAX).contains(&alignment) {
        let expected = format!("a power of two from 8 to {ALIGNMENT_MAX}");
        return Err(Error::malformed(file, &format!("metadata key {key}"), expected, alignment));
    }
    Ok(alignment)
}

struct Plan<'a> {
    file: &'a str,
    alignment: usize,
    data_start: usize,
    file_bytes: usize,
}

struct Placed {
    dtype: Dtype,
    shape: Vec<usize>,
    start: usize,
    end: usize,
}

impl Plan<'_> {
    /// The tensor's type, shape and range in the file. Tensors follow one another without gaps other than alignment,
    /// as the writers in use lay them out; that alone rules out overlap.
    fn place(&self, info: &Info, next_offset: usize) -> Result<Placed, Error> {
        let wrong = |expected: String, found: String| Error::tensor(self.file, &info.name, expected, found);
        let dtype = self.dtype(info)?;
        let shape = self.shape(info)?;
        let Some(size) = dtype.tensor_bytes(&shape) else {
            let expected = format!(
                "rows of whole {dtype} blocks ({} elements) and a size in 64 bits",
                dtype.block_size()
            );
            return Err(wrong(expected, format!("{shape:?}")));
        };
        if !info.offset.is_multiple_of(self.alignment as u64) {
            return Err(wrong(
                format!("an offset that is a multiple of {}", self.alignment),
                info.offset.to_string(),
            ));
        }
        let range = || {
            let start = self.data_start.checked_add(usize::try_from(info.offset).ok()?)?;
            let end = start.checked_add(size)?;
            (end <= self.file_bytes).then_some((start, end))
        };
        let Some((start, end)) = range() else {
            let expected = format!("data inside the file of {} bytes", self.file_bytes);
            let found =
                format!("{size} bytes at offset {} of the data at byte {}", info.offset, self.data_start);
            return Err(wrong(expected, found));
        };
        if info.offset != next_offset as u64 {
            return Err(wrong(
                format!("offset {next_offset}, where the tensor before ends"),
                info.offset.to_string(),
            ));
        }
        Ok(Placed { dtype, shape, start, end })
    }

    fn dtype(&self, info: &Info) -> Result<Dtype, Error> {
        let unknown = || Error::ElementType {
            file: self.file.to_owned(),
            tensor: crate::error::shown(&info.name),
            supported: TensorType::ALL.iter().map(|t| t.name()).collect::<Vec<_>>().join(" "),
            found: format!("type number {}", info.type_id),
        };
        TensorType::from_ggml_id(info.type_id).map(Dtype::Block).ok_or_else(unknown)
    }

    fn shape(&self, info: &Info) -> Result<Vec<usize>, Error> {
        let ne = &info.ne[..info.dimensions];
        let dimension = |&n: &u64| usize::try_from(n).ok().filter(|&n| n > 0 && n <= isize::MAX as usize);
        let shape: Option<Vec<usize>> = ne.iter().rev().map(dimension).collect();
        shape.ok_or_else(|| Error::tensor(self.file, &info.name, "positive dimensions", format!("{ne:?}")))
    }
}
