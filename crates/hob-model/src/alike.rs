//! Whether two descriptions are of one function, whatever conventions the files they came from follow.

use crate::rope::{RopeScaling, RopeSpec, STANDS_STILL};
use crate::spec::ModelSpec;
use hob_kernels::RopeLayout;

/// Largest relative difference of two rotary frequencies that are the same.
const SAME_FREQUENCY: f32 = 1e-5;

/// What the second describes differently, if anything.
///
/// The order of rows within heads and what is added to stored norms are conventions, and so is the way in which frequencies
/// are stated.
pub(crate) fn difference(ours: &ModelSpec, read: &ModelSpec) -> Option<String> {
    let without_conventions = |spec: &ModelSpec| {
        let mut spec = spec.clone();
        spec.norms_mut().for_each(|norm| norm.weight_offset = 0.0);
        spec.rope_layout = RopeLayout::Halves;
        spec.ropes.iter_mut().for_each(|rope| rope.scaling = RopeScaling::None);
        spec
    };
    let (a, b) = (without_conventions(ours), without_conventions(read));
    let alike = ours.ropes.iter().zip(&read.ropes).all(|(x, y)| turn_alike(x, y));
    let layer = (0..a.layers.len()).find(|&i| b.layers.get(i) != Some(&a.layers[i]));
    match layer {
        Some(i) if b.layers.len() == a.layers.len() => {
            Some(format!("layer {i} is not what its family's files have there"))
        }
        _ if a.embedding != b.embedding => Some("how tokens are embedded".into()),
        _ if a.ropes != b.ropes || !alike => Some("its rotary embedding".into()),
        _ if a.output != b.output => Some("its head".into()),
        _ if a != b => Some("one of its settings".into()),
        _ => None,
    }
}

/// Whether both turn by the same angles, within and beyond the lengths at which they change.
pub(crate) fn turn_alike(a: &RopeSpec, b: &RopeSpec) -> bool {
    let near = |x: f32, y: f32| {
        (x - y).abs() <= SAME_FREQUENCY * x.abs().max(y.abs()) || x.max(y) < 1.0 / STANDS_STILL.sqrt()
    };
    [false, true].into_iter().all(|long| {
        let (a, b) = (a.table(long), b.table(long));
        near(a.amplitude, b.amplitude)
            && a.frequencies.len() == b.frequencies.len()
            && a.frequencies.iter().zip(&b.frequencies).all(|(x, y)| near(*x, *y))
    })
}
