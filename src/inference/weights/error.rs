//! What can be wrong with a weights file.

/// Each text continues "The detector's weights cannot be used: …".
#[derive(Debug, thiserror::Error)]
pub enum WeightError {
    #[error("the file cannot be read ({0})")]
    Unreadable(std::io::Error),
    #[error("a file is needed, and this is something else")]
    NotAFile,
    #[error("the file has {0} MB, more than any model of this program")]
    TooLarge(u64),
    #[error("{0} files are not read because they may carry code; convert the weights to safetensors")]
    Foreign(&'static str),
    #[error("the file's name must end in .safetensors or, for the detector, .weights")]
    UnknownFormat,
    #[error("the segmenter's weights must be a .safetensors file")]
    DetectorOnly,
    #[error("the file's SHA-256 could not be computed")]
    Hash,
    #[error(
        "the file differs from the one that this program was made with; install it again, or name it with an option to use it all the same"
    )]
    Changed,
    #[error("the file is no valid {format} file: {problem}")]
    Invalid { format: &'static str, problem: String },
    #[error("the file holds a model of the kind \"{found}\", but \"{needed}\" is needed")]
    OtherModel { found: String, needed: &'static str },
    #[error("tensor {0} is missing")]
    Missing(String),
    #[error("the entry of tensor {0} in the file's header is malformed")]
    Entry(String),
    #[error("tensor {tensor} has the shape {found:?}, but {needed:?} is needed")]
    Shape { tensor: String, found: Vec<usize>, needed: Vec<usize> },
    #[error("tensor {tensor} has values of the type {found}, but {needed} is needed")]
    Type { tensor: String, found: String, needed: &'static str },
    #[error("tensor {tensor} is declared with {found} bytes, but its shape needs {needed}")]
    Length { tensor: String, found: usize, needed: usize },
    #[error("tensor {0} is cut short: the file ends before it does")]
    Truncated(String),
    #[error("{0} bytes follow the last tensor: the weights are of another network or another number of classes")]
    Trailing(usize),
    #[error("tensor {0} holds a value that is infinite or not a number")]
    NotFinite(String),
    #[error("tensor {0} holds a negative variance")]
    NegativeVariance(String),
    #[error("the weights of {0} become infinite when the batch norm is folded in")]
    Fold(String),
    #[error("the {item} is wrong: {problem}")]
    Description { item: &'static str, problem: String },
    #[error("the network could not be built ({0})")]
    Build(String),
}
