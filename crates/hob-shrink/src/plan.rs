//! A budget of bytes, spent where it saves the most: one candidate per tensor, the sum of bytes bounded, the sum of costs least.
//!
//! This is the multiple-choice knapsack problem. It is solved exactly over units of bytes that are fine enough to lose less
//! than a thousandth of the budget.

use crate::Error;
use crate::table::{Candidate, Table};
use hob_quant::RowFormat;

/// Units that a budget is divided into, at most.
const UNITS: u64 = 1 << 17;

/// The type chosen for a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The tensor.
    pub name: String,
    /// Its candidate.
    pub candidate: Candidate,
}

/// A type for every tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// In the table's order.
    pub choices: Vec<Choice>,
    /// Bytes of all.
    pub bytes: u64,
    /// Predicted cost of all, in nats per token.
    pub cost: f64,
}

impl Plan {
    fn new(table: &Table, chosen: &[usize]) -> Self {
        let choice = |(entry, i): (&crate::table::Entry, &usize)| Choice {
            name: entry.name.clone(),
            candidate: entry.candidates[*i],
        };
        let choices: Vec<Choice> = table.entries.iter().zip(chosen).map(choice).collect();
        let bytes = choices.iter().map(|c| c.candidate.bytes).sum();
        let cost = choices.iter().map(|c| c.candidate.cost).sum();
        Self { choices, bytes, cost }
    }

    /// The format of the tensor `name`.
    pub fn format(&self, name: &str) -> Option<RowFormat> {
        self.choices.iter().find(|c| c.name == name).map(|c| c.candidate.format)
    }
}

/// The cheapest plan of at most `budget` bytes.
///
/// # Errors
/// [`Error::Budget`] when even the smallest candidates take more; it counts `rest`, the bytes of everything that has no choice.
pub fn plan(table: &Table, budget: u64, rest: u64) -> Result<Plan, Error> {
    let least: u64 = table.entries.iter().filter_map(|e| e.candidates.iter().map(|c| c.bytes).min()).sum();
    let room = budget.checked_sub(rest).filter(|room| *room >= least);
    let room = room.ok_or(Error::Budget { budget, least: least + rest })?;
    let unit = common_unit(table).max(room.div_ceil(UNITS));
    let solved = solve(table, (room / unit) as usize, unit);
    // Rounding up to units may make the very smallest plan seem too large: it is then the only one.
    let chosen = solved.unwrap_or_else(|| table.entries.iter().map(smallest).collect());
    Ok(Plan::new(table, &chosen))
}

fn smallest(entry: &crate::table::Entry) -> usize {
    let by_bytes = |i: &usize| entry.candidates[*i].bytes;
    (0..entry.candidates.len()).min_by_key(by_bytes).expect("every matrix has a candidate")
}

/// What all sizes are multiples of.
fn common_unit(table: &Table) -> u64 {
    let sizes = table.entries.iter().flat_map(|e| &e.candidates).map(|c| c.bytes);
    sizes.fold(0, gcd).max(1)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Least costs of files of growing size: `points` pairs of bytes and nats per token, from the smallest file to the largest.
pub fn frontier(table: &Table, rest: u64, points: usize) -> Vec<(u64, f64)> {
    let end = |pick: fn(u64, u64) -> u64| {
        let of = |e: &crate::table::Entry| e.candidates.iter().map(|c| c.bytes).reduce(pick).unwrap_or(0);
        table.entries.iter().map(of).sum::<u64>()
    };
    let (least, most) = (end(u64::min), end(u64::max));
    let unit = common_unit(table).max(most.div_ceil(UNITS));
    let (best, _) = fill(table, most.div_ceil(unit) as usize + table.entries.len(), unit);
    let at = |i: usize| {
        let bytes = least + (most - least) * i as u64 / points.max(1) as u64;
        (bytes + rest, best[(bytes.div_ceil(unit) as usize).min(best.len() - 1)])
    };
    (0..=points).map(at).filter(|(_, cost)| cost.is_finite()).collect()
}

/// The cheapest candidates that take at most `room` units; `None` when there are none.
fn solve(table: &Table, room: usize, unit: u64) -> Option<Vec<usize>> {
    let (best, taken) = fill(table, room, unit);
    best[room].is_finite().then(|| {
        let mut left = room;
        let back = table.entries.iter().zip(&taken).rev().map(|(entry, which)| {
            let i = usize::from(which[left]);
            left -= entry.candidates[i].bytes.div_ceil(unit) as usize;
            i
        });
        let mut chosen: Vec<usize> = back.collect();
        chosen.reverse();
        chosen
    })
}

/// `best[u]`: least cost of all tensors in at most `u` units; `taken[t][u]`: the candidate of tensor `t` in that of the first `t`.
fn fill(table: &Table, room: usize, unit: u64) -> (Vec<f64>, Vec<Vec<u8>>) {
    let mut best = vec![0f64; room + 1];
    let mut taken: Vec<Vec<u8>> = Vec::new();
    for entry in &table.entries {
        let mut next = vec![f64::INFINITY; room + 1];
        let mut which = vec![0u8; room + 1];
        for (i, candidate) in entry.candidates.iter().enumerate() {
            let units = candidate.bytes.div_ceil(unit) as usize;
            for u in units..=room {
                let cost = best[u - units] + candidate.cost;
                if cost < next[u] {
                    (next[u], which[u]) = (cost, i as u8);
                }
            }
        }
        best = next;
        taken.push(which);
    }
    (best, taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Entry;
    use hob_base::Random;
    use hob_quant::TensorType;

    fn table(random: &mut Random, tensors: usize) -> Table {
        let entry = |i: usize, random: &mut Random| {
            let candidate = |ty: TensorType, random: &mut Random| Candidate {
                format: ty.into(),
                bytes: 32 * (1 + u64::from(random.below(40))),
                cost: random.unit(),
            };
            let types = [TensorType::Q2_K, TensorType::Q4_K, TensorType::Q6_K];
            Entry {
                name: format!("t{i}"),
                shape: vec![1, 256],
                candidates: types.map(|ty| candidate(ty, random)).into(),
                matrices: Vec::new(),
            }
        };
        Table { entries: (0..tensors).map(|i| entry(i, random)).collect() }
    }

    /// All ways to choose.
    fn best_by_trying(table: &Table, budget: u64) -> Option<f64> {
        let count = 3usize.pow(table.entries.len() as u32);
        let costs = (0..count).filter_map(|mut number| {
            let mut picked = table.entries.iter().map(|e| {
                let c = e.candidates[number % 3];
                number /= 3;
                c
            });
            let (bytes, cost) = picked.by_ref().fold((0, 0.0), |(b, c), x| (b + x.bytes, c + x.cost));
            (bytes <= budget).then_some(cost)
        });
        costs.reduce(f64::min)
    }

    #[test]
    fn no_other_choice_within_the_budget_is_cheaper() {
        let mut random = Random::new(5, 1);
        for _ in 0..60 {
            let table = table(&mut random, 6);
            let budget = 64 + u64::from(random.below(6000));
            match (plan(&table, budget, 64), best_by_trying(&table, budget - 64)) {
                (Ok(plan), Some(least)) => {
                    assert!(plan.bytes + 64 <= budget);
                    assert!((plan.cost - least).abs() < 1e-9, "{} for {least}", plan.cost);
                }
                (Err(Error::Budget { least, .. }), None) => assert!(least > budget),
                (plan, least) => panic!("{plan:?} {least:?}"),
            }
        }
    }
}
