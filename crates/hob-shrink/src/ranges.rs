//! The fixed steps of a mobile child's activations, chosen by what its parent computes on a text.

use crate::Menu;
use crate::statistics::AT_ONCE;
use hob_kernels::Cpu;
use hob_train::data::Sequences;
use hob_train::{Batch, Heard, Network, Ranges, Spread, Steps, Workspace};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// The steps at every matrix that `menu` makes codes of, for what the model that `params` are computes of `text`: those that lower
/// the squares of what rounding and clipping change. Nothing for menus without codes.
pub fn ranges(
    cpu: &Cpu,
    (network, params): (&Network, &[f32]),
    menu: &Menu,
    text: &Sequences,
    sequence: usize,
) -> Ranges {
    let Menu::Mobile(mobile) = menu else { return Ranges::new() };
    let layout = network.layout().iter();
    let wanted: Vec<_> = layout.filter(|(t, _)| mobile.has_codes(&t.name)).map(|(_, range)| range).collect();
    let is_wanted = |start: usize| wanted.iter().any(|range| range.contains(&start));
    let each = |hear: &dyn Fn(Heard<'_>)| {
        let mut work = Workspace::new(true);
        for start in (0..text.tokens.len()).step_by(AT_ONCE * sequence) {
            let range = start..(start + AT_ONCE * sequence).min(text.tokens.len());
            let documents: Vec<usize> = text.documents[range.clone()].iter().map(|d| d - start).collect();
            let batch = Batch { tokens: &text.tokens[range], documents: &documents, sequence };
            network.listen(cpu, params, &batch, &mut work, hear);
        }
    };
    // First how far the numbers go, then how many lie where.
    let largest: RefCell<BTreeMap<usize, [f32; 2]>> = RefCell::default();
    each(&|heard| {
        if is_wanted(heard.weight.start) {
            let mut largest = largest.borrow_mut();
            let [x, y] = largest.entry(heard.weight.start).or_default();
            *x = heard.x.iter().fold(*x, |a, b| a.max(b.abs()));
            *y = heard.y.iter().fold(*y, |a, b| a.max(b.abs()));
        }
    });
    let spreads = largest.into_inner().into_iter().map(|(start, both)| (start, both.map(Spread::new)));
    let spreads: RefCell<BTreeMap<usize, [Spread; 2]>> = RefCell::new(spreads.collect());
    each(&|heard| {
        if let Some([x, y]) = spreads.borrow_mut().get_mut(&heard.weight.start) {
            x.add(heard.x);
            y.add(heard.y);
        }
    });
    let steps = |[x, y]: [Spread; 2]| Steps { input: x.step(), output: y.step() };
    spreads.into_inner().into_iter().map(|(start, both)| (start, steps(both))).collect()
}
