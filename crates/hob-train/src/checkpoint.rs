//! All that a run needs to go on as if it had never stopped, in one safetensors file that appears whole or not at all.

use crate::optimizer::Means;
use crate::trainer::Point;
use crate::{Error, Layout};
use hob_format::{Dtype, SafeTensors, SafetensorsLayout, SafetensorsWriter};
use hob_quant::TensorType;
use std::path::Path;

/// Version of the file's layout.
const VERSION: &str = "1";

/// A run after some step.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Steps done.
    pub step: u64,
    /// The parameters.
    pub params: Vec<f32>,
    /// What the optimiser remembers.
    pub means: Means,
    /// What was measured so far.
    pub points: Vec<Point>,
}

/// Names and shapes of all tensors: two models with the same text can exchange parameters.
fn fingerprint(layout: &Layout) -> String {
    layout.iter().map(|(t, _)| format!("{} {:?};", t.name, t.shape)).collect()
}

impl Checkpoint {
    /// Writes the checkpoint at `path`, in place of an older one.
    ///
    /// # Errors
    /// Whatever the file system refuses; the older one is then still there.
    pub fn save(&self, path: &Path, layout: &Layout) -> Result<(), Error> {
        let mut file = SafetensorsLayout::new();
        let f32s = Dtype::Block(TensorType::F32);
        let parts = [("params", &self.params), ("mean", &self.means.mean), ("square", &self.means.square)];
        for (name, x) in parts {
            file.tensor(name, f32s, &[x.len()]);
        }
        let points = serde_json::to_string(&self.points).expect("numbers are JSON");
        file.metadata.insert("hob.version".into(), VERSION.into());
        file.metadata.insert("hob.step".into(), self.step.to_string());
        file.metadata.insert("hob.layout".into(), fingerprint(layout));
        file.metadata.insert("hob.points".into(), points);
        let mut writer = SafetensorsWriter::create(path, &file)?;
        for (name, x) in parts {
            writer.begin(name)?;
            for part in x.chunks(1 << 16) {
                writer.write(&part.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())?;
            }
        }
        Ok(writer.finish()?)
    }

    /// Reads the checkpoint at `path`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for one of another model or version, [`Error::Format`] for a damaged one.
    pub fn load(path: &Path, layout: &Layout) -> Result<Self, Error> {
        let file = SafeTensors::open(path)?;
        let wrong = |reason: &str| Error::Checkpoint { path: path.to_owned(), reason: reason.to_owned() };
        let text = |key: &str| file.metadata.get(key).map(String::as_str).unwrap_or_default();
        if text("hob.version") != VERSION {
            return Err(wrong("not a checkpoint of this version of hob"));
        }
        if text("hob.layout") != fingerprint(layout) {
            return Err(wrong("a checkpoint of a model with other tensors; use another `out`, or remove it"));
        }
        let step = text("hob.step").parse().map_err(|_| wrong("the number of steps is damaged"))?;
        let points = serde_json::from_str(text("hob.points")).map_err(|_| wrong("the log is damaged"))?;
        let read = |name: &str| {
            let tensor = file.tensors.get(name).filter(|t| t.bytes.len() == 4 * layout.len());
            let tensor = tensor.ok_or_else(|| wrong("a part is missing or has another size"))?;
            let (words, _) = tensor.bytes.as_chunks::<4>();
            Ok::<_, Error>(words.iter().map(|b| f32::from_le_bytes(*b)).collect::<Vec<f32>>())
        };
        let means = Means { mean: read("mean")?, square: read("square")? };
        Ok(Self { step, params: read("params")?, means, points })
    }
}
