//! What can go wrong, in words for the person who shrinks a model.

use hob_base::Bytes;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model that no mobile checkpoint could hold.
    #[error("the mobile preset is not for models with {what}; shrink it to a GGUF file with --fit")]
    Mobile {
        /// What the model has.
        what: &'static str,
    },
    /// A budget below what the smallest types take.
    #[error(
        "a budget of {} is too small for this model: the smallest possible file takes {}",
        Bytes(*budget),
        Bytes(*least)
    )]
    Budget {
        /// Bytes asked for.
        budget: u64,
        /// Bytes that the smallest file takes.
        least: u64,
    },
    /// Too little text to measure with.
    #[error("expected at least {expected} tokens of text, found {found}; give a longer text")]
    Text {
        /// Tokens needed.
        expected: usize,
        /// Tokens there are.
        found: usize,
    },
    /// What a matrix saw has no factor, whatever is added to its diagonal.
    #[error("tensor {name}: what it sees of this text is no number; is the model damaged?")]
    Curvature {
        /// The tensor.
        name: String,
    },
    /// A weight that a type cannot hold.
    #[error("tensor {name}: {source}")]
    Quantize {
        /// The tensor.
        name: String,
        /// Which weight, and why.
        source: hob_quant::Error,
    },
    /// Importance for a matrix of another width.
    #[error(
        "tensor {name}: expected importance of {expected} columns, found {found}; was it measured on another model?"
    )]
    Importance {
        /// The tensor.
        name: String,
        /// Its columns.
        expected: usize,
        /// Columns the importance has.
        found: usize,
    },
    /// An adapter for a matrix that the model does not have, or not in this shape.
    #[error("the adapter changes {name} of {expected:?}, {}; was it made for another model?", found.as_ref().map_or("which the model does not have as a matrix of numbers".to_owned(), |f| format!("which is {f:?} here")))]
    Adapter {
        /// The matrix.
        name: String,
        /// Rows and columns of the adapter's product.
        expected: [usize; 2],
        /// The model's, if it has one.
        found: Option<Vec<usize>>,
    },
    /// A layer cannot be narrowed to this.
    #[error("expected fewer {what} than the {most} there are, and at least one, found {found}")]
    Width {
        /// What there would be of it.
        what: &'static str,
        /// How many there are.
        most: usize,
        /// How many were asked for.
        found: usize,
    },
    /// The disk does not take what is learned of the model while it is read.
    #[error("cannot keep what is learned of the model beside the new file: {0}")]
    Work(std::io::Error),
    /// Where that would be kept is a folder of somebody else's.
    #[error("{} is there and is none of Hob's folders; give the new file another name", .0.display())]
    Folder(std::path::PathBuf),
    /// What an earlier run learned is not what it wrote.
    #[error("what an earlier run learned is damaged; remove the .work folder beside the new file")]
    Damaged,
    /// A model file.
    #[error(transparent)]
    Format(#[from] hob_format::Error),
    /// The training core.
    #[error(transparent)]
    Train(#[from] hob_train::Error),
}
