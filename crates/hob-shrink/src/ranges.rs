//! The fixed steps of a mobile child's activations, chosen by what its parent computes on a text.

use crate::importance::listen_to_all;
use crate::{Error, Menu};
use hob_kernels::Cpu;
use hob_train::data::Sequences;
use hob_train::{Listen, Network, Ranges, Source, Spread, Steps};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The steps at every matrix that `menu` makes codes of, for what the model whose parameters come from `source` computes of `text`:
/// those that lower the squares of what rounding and clipping change. Nothing for menus without codes. One layer is in memory at a
/// time.
///
/// # Errors
/// Whatever `source` says.
pub fn ranges(
    cpu: &Cpu,
    (network, source): (&Network, &dyn Source),
    menu: &Menu,
    text: &Sequences,
    sequence: usize,
) -> Result<Ranges, Error> {
    let Menu::Mobile(mobile) = menu else { return Ok(Ranges::new()) };
    let layout = network.layout().iter();
    let wanted: Vec<_> = layout.filter(|(t, _)| mobile.has_codes(&t.name)).map(|(_, range)| range).collect();
    let is_wanted = |start: usize| wanted.iter().any(|range| range.contains(&start));
    let each =
        |listen: Listen<'_>| listen_to_all(cpu, (network, source), text, sequence, true, listen, &mut |_| ());
    // First how far the numbers go, then how many lie where.
    let largest: RefCell<BTreeMap<usize, [f32; 2]>> = RefCell::default();
    each(&|heard| {
        if is_wanted(heard.weight.start) {
            let mut largest = largest.borrow_mut();
            let [x, y] = largest.entry(heard.weight.start).or_default();
            *x = heard.x.iter().fold(*x, |a, b| a.max(b.abs()));
            *y = heard.y.iter().fold(*y, |a, b| a.max(b.abs()));
        }
    })?;
    let spreads = largest.into_inner().into_iter().map(|(start, both)| (start, both.map(Spread::new)));
    let spreads: RefCell<BTreeMap<usize, [Spread; 2]>> = RefCell::new(spreads.collect());
    each(&|heard| {
        if let Some([x, y]) = spreads.borrow_mut().get_mut(&heard.weight.start) {
            x.add(heard.x);
            y.add(heard.y);
        }
    })?;
    let steps = |[x, y]: [Spread; 2]| Steps { input: x.step(), output: y.step() };
    Ok(spreads.into_inner().into_iter().map(|(start, both)| (start, steps(both))).collect())
}
