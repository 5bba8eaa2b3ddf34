//! Where each tensor of a model stands in one long vector: parameters, gradients and the optimiser's means share it.

use hob_model::ModelSpec;
use hob_model::spec::TensorSpec;
use std::collections::HashMap;
use std::ops::Range;

/// The tensors of a description, one after the other in its order.
#[derive(Clone, Debug)]
pub struct Layout {
    tensors: Vec<(TensorSpec, Range<usize>)>,
    index: HashMap<String, usize>,
    len: usize,
    constants: Vec<(TensorSpec, Vec<f32>)>,
}

impl Layout {
    /// The layout of `spec`'s tensors.
    pub fn new(spec: &ModelSpec) -> Self {
        Self { constants: spec.constants(), ..Self::of(spec.tensors()) }
    }

    /// The layout of these tensors.
    pub fn of(all: impl IntoIterator<Item = TensorSpec>) -> Self {
        let (mut tensors, mut index, mut len) = (Vec::new(), HashMap::new(), 0);
        for tensor in all {
            let size: usize = tensor.shape.iter().product();
            index.insert(tensor.name.clone(), tensors.len());
            tensors.push((tensor, len..len + size));
            len += size;
        }
        Self { tensors, index, len, constants: Vec::new() }
    }

    /// Numbers in all.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The tensors and their places.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&TensorSpec, Range<usize>)> {
        self.tensors.iter().map(|(tensor, range)| (tensor, range.clone()))
    }

    /// Tensors that a file has besides: settings, which nothing here changes.
    pub fn constants(&self) -> &[(TensorSpec, Vec<f32>)] {
        &self.constants
    }

    /// The place of the tensor `name`.
    pub fn range(&self, name: &str) -> Option<Range<usize>> {
        self.index.get(name).map(|i| self.tensors[*i].1.clone())
    }
}

/// Numbers of a stretch of a layout: of all its tensors, or of those of one layer and what it needs besides.
#[derive(Clone, Copy, Debug)]
pub struct Numbers<'a> {
    start: usize,
    numbers: &'a [f32],
    beside: Option<&'a Beside>,
}

/// What layers read of tensors that stand outside of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// Where `numbers` stand.
    pub start: usize,
    /// Whole tensors, one after the other.
    pub numbers: Vec<f32>,
    /// Start of the matrix that `rows` are of, and its columns.
    pub matrix: (usize, usize),
    /// Rows that are looked up: where each stands in `row_numbers`, in rows.
    pub rows: HashMap<usize, usize>,
    /// Their numbers.
    pub row_numbers: Vec<f32>,
}

impl<'a> Numbers<'a> {
    /// All of a layout.
    pub fn all(numbers: &'a [f32]) -> Self {
        Self::from(0, numbers)
    }

    /// Those from `start` on.
    pub fn from(start: usize, numbers: &'a [f32]) -> Self {
        Self { start, numbers, beside: None }
    }

    /// And those `beside` them.
    pub(crate) fn and(self, beside: &'a Beside) -> Self {
        Self { beside: Some(beside), ..self }
    }

    /// Those at `range` of the layout.
    ///
    /// # Panics
    /// When they are not all here.
    pub fn at(&self, range: &Range<usize>) -> &'a [f32] {
        match self.beside {
            Some(b) if b.start <= range.start && range.end <= b.start + b.numbers.len() => {
                &b.numbers[range.start - b.start..range.end - b.start]
            }
            _ => &self.numbers[range.start - self.start..range.end - self.start],
        }
    }

    /// Row `row` of the matrix at `range`, which has `width` columns.
    pub(crate) fn row(&self, range: &Range<usize>, width: usize, row: usize) -> &'a [f32] {
        match self.beside {
            Some(b) if b.matrix == (range.start, width) => &b.row_numbers[b.rows[&row] * width..][..width],
            _ => &self.at(range)[row * width..][..width],
        }
    }
}

/// Where gradients by the parameters of a layout go, if anybody wants them.
pub(crate) struct Sink<'a>(pub Option<&'a mut [f32]>);

impl Sink<'_> {
    /// Where those by `range` go.
    pub fn at(&mut self, range: &Range<usize>) -> Option<&mut [f32]> {
        self.0.as_deref_mut().map(|all| &mut all[range.clone()])
    }
}
