//! How much each column of each matrix sees of a text: the squares that importance matrices hold.

use crate::Error;
use crate::statistics::AT_ONCE;
use hob_kernels::Cpu;
use hob_train::data::Sequences;
use hob_train::{Heard, Listen, Network, Source, Sweep};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Sums of squares of what each column of a matrix is multiplied with, for all tokens of `text`, by the start of the matrix in the
/// layout; `heard` is told the layers done. One layer is in memory at a time.
///
/// # Errors
/// Whatever `source` says.
pub fn importance(
    cpu: &Cpu,
    (network, source): (&Network, &dyn Source),
    text: &Sequences,
    sequence: usize,
    heard: &mut dyn FnMut(usize),
) -> Result<BTreeMap<usize, Vec<f64>>, Error> {
    let all: RefCell<BTreeMap<usize, Vec<f64>>> = RefCell::default();
    let listen = |Heard { weight, inputs, x, .. }: Heard<'_>| {
        let mut all = all.borrow_mut();
        let squares = all.entry(weight.start).or_insert_with(|| vec![0.0; inputs]);
        for x in x.chunks_exact(inputs) {
            squares.iter_mut().zip(x).for_each(|(s, x)| *s += f64::from(*x) * f64::from(*x));
        }
    };
    listen_to_all(cpu, (network, source), text, sequence, false, &listen, heard)?;
    Ok(all.into_inner())
}

/// Takes `text` forward through all layers, one in memory at a time; `listen` hears what goes through every matrix, what comes out
/// of the head only `with_scores`, and `heard` is told the layers done.
pub(crate) fn listen_to_all(
    cpu: &Cpu,
    (network, source): (&Network, &dyn Source),
    text: &Sequences,
    sequence: usize,
    with_scores: bool,
    listen: Listen<'_>,
    heard: &mut dyn FnMut(usize),
) -> Result<(), Error> {
    let mut sweep = Sweep::new(network, text, sequence, AT_ONCE);
    sweep.enter(source)?;
    for i in 0..network.spec().layers.len() {
        heard(i);
        sweep.listen(cpu, i, &source.numbers(network.layer_stretch(i))?, listen);
    }
    let norm = network.final_norm_stretch().map(|norm| source.numbers(norm)).transpose()?;
    let norm = norm.as_deref().unwrap_or(&[]);
    if with_scores {
        sweep.listen_scores(cpu, norm, &source.numbers(network.head_stretch())?, listen);
    } else {
        sweep.listen_head(cpu, norm, listen);
    }
    Ok(())
}
