//! Narrower layers: neurons of the feed-forward part and groups of attention heads that the predictions miss least go, and the
//! matrix behind them makes up for what they did.
//!
//! What goes are columns of the matrix that writes to the residual stream (`ffn_down`, `attn_output`), and with them the rows
//! that fed them. Under the form `H` of that matrix ([`Statistics`]) removing the columns `B` costs at least
//! `1/2 sum over o of r[o] w[o, B] ([H^-1]_BB)^-1 w[o, B]^T`, where the other columns become
//! `w - w_B ([H^-1]_BB)^-1 [H^-1]_B`. Columns go one group at a time, the cheapest first, and `H^-1` shrinks with them.
//! Source: Hassibi and Stork, "Second order derivatives for network pruning: optimal brain surgeon" (1992), for whole columns.

use crate::statistics::form_numbers;
use crate::{Error, Part, Statistics};
use hob_format::Metadata;
use hob_model::ModelSpec;
use hob_model::spec::{Ffn, KvSource, OutputSpec, QkNorm};
use hob_train::{Network, describe};
use std::collections::BTreeMap;

/// Part of the diagonal's mean that is added to it, so that columns no token used can be weighed too.
const DAMPING: f64 = 0.01;

/// What every layer is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Widths {
    /// Inner width of the feed-forward part.
    pub ffn: Option<usize>,
    /// Key-value heads; the query heads that read one go with it.
    pub kv_heads: Option<usize>,
}

/// Bytes of memory that pruning takes at its peak, roughly: the parent, the child and its gradients, and the forms of all matrices
/// in three shapes.
pub fn prune_memory_bytes(network: &Network) -> u64 {
    let forms: u64 = network.layout().iter().map(|(t, _)| form_numbers(t)).sum();
    4 * (3 * network.layout().len() as u64 + 4 * forms)
}

impl Widths {
    /// Whether `network` can be narrowed to this.
    ///
    /// # Errors
    /// [`Error::Width`], and [`Error::Train`] for layers that cannot be narrowed.
    pub fn check(&self, network: &Network) -> Result<(), Error> {
        let fewer = |what, most, wanted: Option<usize>| match wanted {
            Some(found) if found == 0 || found >= most => Err(Error::Width { what, most, found }),
            _ => Ok(()),
        };
        for layer in &network.spec().layers {
            let Ffn::Gated { width, .. } = layer.ffn else {
                return Err(unsupported("layers that are not gated"));
            };
            let a = &layer.attention;
            if a.value_is_key || (self.kv_heads.is_some() && a.kv != KvSource::Own) {
                return Err(unsupported("layers with shared keys and values"));
            }
            fewer("neurons in the feed-forward part", width, self.ffn)?;
            fewer("key-value heads", a.kv_heads, self.kv_heads)?;
        }
        Ok(())
    }
}

/// A narrower model.
#[derive(Clone, Debug)]
pub struct Pruned {
    /// Its plan.
    pub network: Network,
    /// Its parameters.
    pub params: Vec<f32>,
    /// Its settings.
    pub metadata: Metadata,
    /// What the removal is predicted to cost, in nats per token. It holds for small changes; this one is seldom small.
    pub cost: f64,
}

/// Narrows the model that `params` are, by what its layers saw; `heard` is told the layer that is worked on.
///
/// # Errors
/// [`Error::Width`] for widths that are none or not narrower, [`Error::Curvature`], [`Error::Train`] for shapes that cannot be
/// narrowed.
pub fn prune(
    (network, params): (&Network, &[f32]),
    metadata: &Metadata,
    statistics: &Statistics,
    widths: Widths,
    heard: &mut dyn FnMut(usize),
) -> Result<Pruned, Error> {
    widths.check(network)?;
    let spec = network.spec();
    let source = Source { network, params, statistics };
    let mut tensors = BTreeMap::new();
    let mut cost = 0.0;
    for (i, layer) in spec.layers.iter().enumerate() {
        heard(i);
        let name = |stem: &str| format!("blk.{i}.{stem}");
        if let Some(keep) = widths.ffn {
            let kept = source.keep(&name("ffn_down.weight"), 1, keep)?;
            cost += kept.cost;
            let both = kept.groups.iter().copied().chain(kept.groups.iter().map(|n| kept.of + n));
            let rows = if spec.fused.gate_up { both.collect() } else { kept.groups.clone() };
            tensors.insert(name("ffn_up.weight"), source.rows(&name("ffn_up.weight"), &rows));
            if !spec.fused.gate_up {
                tensors.insert(name("ffn_gate.weight"), source.rows(&name("ffn_gate.weight"), &kept.groups));
            }
            tensors.insert(name("ffn_down.weight"), kept.weights);
        }
        if let Some(keep) = widths.kv_heads {
            let a = &layer.attention;
            let (dh, group) = (a.head_dim, a.heads / a.kv_heads);
            let kept = source.keep(&name("attn_output.weight"), group * dh, keep)?;
            cost += kept.cost;
            let of = |start: usize, each: usize| {
                kept.groups.iter().flat_map(move |g| start + g * each..start + (g + 1) * each)
            };
            let (q, kv) = (a.heads * dh, a.kv_heads * dh);
            let queries: Vec<usize> = of(0, group * dh).collect();
            let keys: Vec<usize> = of(0, dh).collect();
            let all: Vec<usize> = of(0, group * dh).chain(of(q, dh)).chain(of(q + kv, dh)).collect();
            let mut narrow = |stem: &str, rows: &[usize]| {
                for kind in ["weight", "bias"] {
                    let name = name(&format!("{stem}.{kind}"));
                    if network.layout().range(&name).is_some() {
                        tensors.insert(name.clone(), source.rows(&name, rows));
                    }
                }
            };
            narrow("attn_q", &queries);
            narrow("attn_k", &keys);
            narrow("attn_v", &keys);
            narrow("attn_qkv", &all);
            if matches!(a.qk_norm, Some(QkNorm::FullDim(_))) {
                narrow("attn_q_norm", &queries);
                narrow("attn_k_norm", &keys);
            }
            tensors.insert(name("attn_output.weight"), kept.weights);
        }
    }
    let metadata = settings(network, metadata, widths)?;
    let OutputSpec::Logits { tied, .. } = spec.output else {
        return Err(unsupported("models that make vectors"));
    };
    // Divisors of frequencies stand in no metadata, and the heads are as wide as before.
    let narrow = ModelSpec { ropes: spec.ropes.clone(), ..describe(&metadata, spec.vocab, tied)? };
    let narrow = Network::new(&narrow, network.precision)?;
    let params = source.assemble(&narrow, tensors)?;
    Ok(Pruned { network: narrow, params, metadata, cost })
}

fn unsupported(what: &str) -> Error {
    hob_train::Error::Unsupported { what: format!("narrowing {what}") }.into()
}

/// The settings of the narrower model.
fn settings(network: &Network, metadata: &Metadata, widths: Widths) -> Result<Metadata, Error> {
    let mut metadata = metadata.clone();
    let arch = metadata.str("general.architecture")?.unwrap_or_default().to_owned();
    let a = &network.spec().layers[0].attention;
    if let Some(width) = widths.ffn {
        metadata.set(&format!("{arch}.feed_forward_length"), width as u32);
    }
    if let Some(kv_heads) = widths.kv_heads {
        metadata.set(&format!("{arch}.attention.head_count"), (kv_heads * a.heads / a.kv_heads) as u32);
        metadata.set(&format!("{arch}.attention.head_count_kv"), kv_heads as u32);
        // Readers would otherwise divide the hidden width by a number of heads that has changed.
        for key in ["attention.key_length", "attention.value_length", "rope.dimension_count"] {
            let key = format!("{arch}.{key}");
            if metadata.get(&key).is_none() {
                metadata.set(&key, a.head_dim as u32);
            }
        }
    }
    Ok(metadata)
}

struct Source<'a> {
    network: &'a Network,
    params: &'a [f32],
    statistics: &'a Statistics,
}

impl Source<'_> {
    /// Rows of the tensor `name`; a vector's rows are its elements.
    fn rows(&self, name: &str, rows: &[usize]) -> Vec<f32> {
        let layout = self.network.layout();
        let (tensor, range) =
            layout.iter().find(|(t, _)| t.name == name).expect("the description names this tensor");
        let width: usize = tensor.shape[1..].iter().product();
        rows.iter().flat_map(|r| &self.params[range.start + r * width..][..width]).copied().collect()
    }

    /// The best `keep` groups of `group` columns of the matrix `name`.
    fn keep(&self, name: &str, group: usize, keep: usize) -> Result<Kept, Error> {
        let range = self.network.layout().range(name).ok_or_else(|| unsupported("layers of another kind"))?;
        let part = self
            .statistics
            .parts
            .get(&range.start)
            .ok_or_else(|| unsupported("matrices that hold others"))?;
        let broken = || Error::Curvature { name: name.to_owned() };
        let mut elimination =
            Elimination::new(part, &self.params[range], group, self.statistics.tokens).ok_or_else(broken)?;
        while elimination.groups.len() > keep {
            elimination.remove_cheapest().ok_or_else(broken)?;
        }
        Ok(elimination.kept())
    }

    /// The parameters of `narrow`: its own tensors, and everything else as it was.
    fn assemble(&self, narrow: &Network, mut tensors: BTreeMap<String, Vec<f32>>) -> Result<Vec<f32>, Error> {
        let mut params = vec![0.0; narrow.layout().len()];
        for (tensor, range) in narrow.layout().iter() {
            let whole = || self.network.layout().range(&tensor.name).map(|r| self.params[r].to_vec());
            let values = tensors.remove(&tensor.name).or_else(whole);
            let values = values.filter(|v| v.len() == range.len());
            params[range].copy_from_slice(&values.ok_or_else(|| unsupported(&tensor.name))?);
        }
        Ok(params)
    }
}

/// What is left of a matrix.
struct Kept {
    /// Numbers of the groups, ascending.
    groups: Vec<usize>,
    /// How many there were.
    of: usize,
    /// `[out, kept columns]`.
    weights: Vec<f32>,
    cost: f64,
}

/// A matrix that loses columns.
struct Elimination {
    /// Columns of a group.
    group: usize,
    /// Groups that are left.
    groups: Vec<usize>,
    /// How many there were.
    of: usize,
    /// Inverse of the form of the columns that are left, `[n, n]`.
    inverse: Vec<f64>,
    /// `[out, n]`.
    w: Vec<f64>,
    /// How much each output matters.
    outputs: Vec<f64>,
    cost: f64,
}

impl Elimination {
    fn new(part: &Part, w: &[f32], group: usize, tokens: usize) -> Option<Self> {
        let n = part.inputs;
        let total: f64 = part.outputs.iter().sum();
        let per_token = 1.0 / tokens.max(1) as f64;
        let mut form: Vec<f64> = part.products.iter().map(|h| f64::from(*h) * per_token).collect();
        let mean = (0..n).map(|i| form[i * n + i]).sum::<f64>() / n as f64;
        let damping = if mean > 0.0 { DAMPING * mean } else { 1.0 };
        (0..n).for_each(|i| form[i * n + i] += damping);
        invert(&mut form, n)?;
        Some(Self {
            group,
            groups: (0..n / group).collect(),
            of: n / group,
            inverse: form,
            w: w.iter().map(|x| f64::from(*x)).collect(),
            outputs: part.outputs.iter().map(|s| if total > 0.0 { s / total } else { 0.0 }).collect(),
            cost: 0.0,
        })
    }

    fn columns(&self) -> usize {
        self.groups.len() * self.group
    }

    /// `([H^-1]_BB)^-1` of the group at `at`.
    fn middle(&self, at: usize) -> Option<Vec<f64>> {
        let (n, b) = (self.columns(), self.group);
        let rows = at * b..(at + 1) * b;
        let mut middle: Vec<f64> = rows.flat_map(|i| &self.inverse[i * n + at * b..][..b]).copied().collect();
        invert(&mut middle, b)?;
        Some(middle)
    }

    /// What the group at `at` costs.
    fn price(&self, at: usize, middle: &[f64]) -> f64 {
        let (n, b) = (self.columns(), self.group);
        let row = |(w, share): (&[f64], &f64)| {
            let w = &w[at * b..][..b];
            let form = |(w_i, m): (&f64, &[f64])| w_i * m.iter().zip(w).map(|(m, w)| m * w).sum::<f64>();
            0.5 * share * w.iter().zip(middle.chunks_exact(b)).map(form).sum::<f64>()
        };
        self.w.chunks_exact(n).zip(&self.outputs).map(row).sum()
    }

    fn remove_cheapest(&mut self) -> Option<()> {
        let mut best: Option<(f64, usize, Vec<f64>)> = None;
        for at in 0..self.groups.len() {
            let middle = self.middle(at)?;
            let price = self.price(at, &middle);
            if best.as_ref().is_none_or(|(least, ..)| price < *least) {
                best = Some((price, at, middle));
            }
        }
        let (price, at, middle) = best?;
        self.cost += price;
        self.remove(at, &middle);
        Some(())
    }

    fn remove(&mut self, at: usize, middle: &[f64]) {
        let (n, b) = (self.columns(), self.group);
        let gone = at * b..(at + 1) * b;
        // `([H^-1]_BB)^-1 [H^-1]_B`, `[b, n]`.
        let mut through = vec![0.0; b * n];
        for (to, m) in through.chunks_exact_mut(n).zip(middle.chunks_exact(b)) {
            for (m, i) in m.iter().zip(gone.clone()) {
                to.iter_mut().zip(&self.inverse[i * n..][..n]).for_each(|(to, x)| *to += m * x);
            }
        }
        let narrower = |rows: &[f64]| {
            let mut left = Vec::with_capacity(rows.len());
            for before in rows.chunks_exact(n) {
                let mut row = before.to_vec();
                for (x, t) in before[gone.clone()].iter().zip(through.chunks_exact(n)) {
                    row.iter_mut().zip(t).for_each(|(to, t)| *to -= x * t);
                }
                left.extend(row[..gone.start].iter().chain(&row[gone.end..]));
            }
            left
        };
        (self.w, self.inverse) = (narrower(&self.w), narrower(&self.inverse));
        self.inverse.drain(gone.start * (n - b)..gone.end * (n - b));
        self.groups.remove(at);
    }

    fn kept(self) -> Kept {
        {
            let weights = self.w.iter().map(|x| *x as f32).collect();
            Kept { groups: self.groups, of: self.of, weights, cost: self.cost }
        }
    }
}

/// Inverts a symmetric positive matrix in place. `None` where it is not one.
fn invert(a: &mut [f64], n: usize) -> Option<()> {
    // Gauss and Jordan: positive pivots need no exchange of rows.
    for k in 0..n {
        let pivot = a[k * n + k];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return None;
        }
        a[k * n + k] = 1.0;
        a[k * n..(k + 1) * n].iter_mut().for_each(|x| *x /= pivot);
        let row = a[k * n..(k + 1) * n].to_vec();
        for (_, other) in a.chunks_exact_mut(n).enumerate().filter(|(i, _)| *i != k) {
            let factor = std::mem::replace(&mut other[k], 0.0);
            if factor != 0.0 {
                other.iter_mut().zip(&row).for_each(|(x, r)| *x -= factor * r);
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hob_base::Random;

    fn part(n: usize, outputs: usize, tokens: usize, dependent: bool) -> (Part, Vec<f32>) {
        let mut random = Random::new(4, 0);
        let mut part = Part::new(0..n * outputs, n);
        for _ in 0..tokens {
            let mut x: Vec<f32> = (0..n).map(|_| random.normal()).collect();
            if dependent {
                // Column 2 says nothing that columns 0 and 1 do not say.
                x[2] = 0.5 * x[0] - 2.0 * x[1];
            }
            for i in 0..n * n {
                part.products[i] += x[i / n] * x[i % n];
            }
        }
        part.outputs.fill(tokens as f64);
        (part, (0..n * outputs).map(|_| random.normal()).collect())
    }

    /// Least squares by hand: the price of a removal is what the remaining columns cannot make up for.
    fn lost(part: &Part, before: &[f32], kept: &Kept, tokens: usize, group: usize) -> f64 {
        let n = part.inputs;
        let columns: Vec<usize> = kept.groups.iter().flat_map(|g| g * group..(g + 1) * group).collect();
        let rows = before.chunks_exact(n).zip(kept.weights.chunks_exact(columns.len()));
        let row = |(before, after): (&[f32], &[f32])| {
            let mut e: Vec<f64> = before.iter().map(|x| f64::from(*x)).collect();
            columns.iter().zip(after).for_each(|(c, x)| e[*c] -= f64::from(*x));
            (0..n * n).map(|i| e[i / n] * e[i % n] * f64::from(part.products[i])).sum::<f64>()
        };
        let outputs = part.outputs.len() as f64;
        rows.map(row).sum::<f64>() / (2.0 * tokens as f64 * outputs)
    }

    #[test]
    fn what_others_can_do_goes_first_and_costs_nothing() {
        let (part, w) = part(6, 3, 400, true);
        let mut e = Elimination::new(&part, &w, 1, 400).unwrap();
        e.remove_cheapest().unwrap();
        let kept = e.kept();
        assert_eq!(kept.groups.len(), 5);
        assert!(!kept.groups.contains(&2) || !kept.groups.contains(&0) || !kept.groups.contains(&1));
        // Not nothing: the damping holds weights where they were.
        let lost = lost(&part, &w, &kept, 400, 1);
        assert!(lost < 0.02 && kept.cost < 0.1, "{lost}, {}", kept.cost);
    }

    #[test]
    fn the_price_is_the_loss() {
        for group in [1, 2] {
            let (part, w) = part(8, 5, 300, false);
            let mut e = Elimination::new(&part, &w, group, 300).unwrap();
            while e.groups.len() > 4 / group {
                e.remove_cheapest().unwrap();
            }
            let kept = e.kept();
            let lost = lost(&part, &w, &kept, 300, group);
            assert!((kept.cost - lost).abs() < 0.05 * lost, "{group}: {} for {lost}", kept.cost);
        }
    }

    #[test]
    fn inverses_are_inverses() {
        let (part, _) = part(5, 1, 50, false);
        let form: Vec<f64> = part.products.iter().map(|x| f64::from(*x)).collect();
        let mut inverse = form.clone();
        invert(&mut inverse, 5).unwrap();
        for i in 0..25 {
            let product: f64 = (0..5).map(|k| form[i / 5 * 5 + k] * inverse[k * 5 + i % 5]).sum();
            assert!((product - if i / 5 == i % 5 { 1.0 } else { 0.0 }).abs() < 1e-9);
        }
        assert!(invert(&mut [0.0], 1).is_none() && invert(&mut [f64::NAN], 1).is_none());
    }
}
