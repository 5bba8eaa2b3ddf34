//! `hob shrink --prune`: whether a narrower model whose weights are stored more exactly is closer to its parent.

use super::text::{Texts, train};
use super::view::View;
use super::{Effort, Making, Shape, ShrinkArgs, folder_of, prune as pruning};
use crate::fail::{self, note};
use crate::parent::Parent;
use anyhow::bail;
use hob_model::spec::Ffn;
use hob_shrink::{
    Divergences, Notes, Options, Pruned, Stage, Statistics, Study, Tuning, Widths, check_budgets, prune,
};
use hob_train::Point;
use serde::Serialize;
use std::path::Path;

/// Widths that are tried, in eighths of the parent's.
const EIGHTHS: [usize; 4] = [7, 6, 5, 4];

/// Widths are multiples of the longest block of any type, where the parent's is one.
const BLOCK: usize = 256;

/// Multiples of the shortest block, otherwise.
const SHORT_BLOCK: usize = 32;

/// Part of the time of training in which widths are tried.
const TRIALS: f64 = 0.5;

/// What was chosen, and what else was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Narrowed {
    /// Neurons in the feed-forward part of every layer.
    pub ffn: usize,
    /// How many the parent has.
    pub of: usize,
    pub tried: Vec<Tried>,
}

/// How far a child of this width is from the parent, on text that is used for this choice alone.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    pub ffn: usize,
    /// Nats per token.
    pub divergence: f64,
}

impl Narrowed {
    /// For a terminal.
    pub fn line(&self) -> String {
        let tried: Vec<String> =
            self.tried.iter().map(|t| format!("{} {:.5}", t.ffn, t.divergence)).collect();
        format!("neurons     {} of {} a layer; when tried: {}\n", self.ffn, self.of, tried.join(", "))
    }
}

/// The choice.
pub struct Narrowing {
    /// The narrower model; nothing where the parent's own width is best.
    pub model: Option<Pruned>,
    /// Part of the time of training that is left.
    pub rest: f64,
    pub found: Narrowed,
}

/// Says before the work begins that there is no file as small as one of the budgets, or that layers cannot be narrowed.
pub fn check(args: &ShrinkArgs, parent: &Parent, options: &Options) -> anyhow::Result<()> {
    let whole = check_budgets(&parent.network, &parent.metadata, options);
    if !args.prune {
        return Ok(whole?);
    }
    if args.fit.len() > 1 {
        return Err(fail::usage("--prune is about one size; ask for one"));
    }
    let width = width(parent)?;
    Widths { ffn: Some(width - 1), kv_heads: None }.check(&parent.network)?;
    if widths(width).is_empty() {
        bail!(
            "a feed-forward part of {width} neurons has no narrower widths of whole blocks; leave --prune out"
        );
    }
    Ok(())
}

/// Neurons in the feed-forward part of every layer.
fn width(parent: &Parent) -> anyhow::Result<usize> {
    let mut widths = parent.network.spec().layers.iter().map(|layer| match layer.ffn {
        Ffn::Gated { width, .. } => Some(width),
        _ => None,
    });
    let first = widths.next().flatten().unwrap_or(0);
    if first < 2 || widths.any(|width| width != Some(first)) {
        bail!("--prune expects gated layers of one width, and this model has others");
    }
    Ok(first)
}

/// Narrower widths, the widest first.
fn widths(of: usize) -> Vec<usize> {
    let block = if of > BLOCK && of.is_multiple_of(BLOCK) { BLOCK } else { SHORT_BLOCK };
    let mut widths: Vec<usize> = EIGHTHS.iter().map(|n| (of * n / 8).next_multiple_of(block)).collect();
    widths.dedup();
    widths.retain(|width| *width < of);
    widths
}

/// Makes a child of every width, each with the same part of the time, and takes the width whose child is closest to the parent on
/// half of the text that is kept aside; `texts` keep the other half. The model of that width is then trained for a further part.
pub fn choose(making: &Making<'_>, texts: &mut Texts, view: &mut View) -> anyhow::Result<Narrowing> {
    let (options, parent) = (making.options, making.parent);
    let aside = texts.set_half_aside(options.sequence)?;
    let both = making.whole.in_memory();
    let total = texts.curvature.tokens.len();
    let statistics = Statistics::collect(
        making.cpu,
        both.0,
        both.1,
        &texts.curvature,
        options.sequence,
        options.seed,
        &mut |done| view.line(&format!("reading with the model: {done} of {total} tokens")),
    );
    let of = width(parent)?;
    let whole = check_budgets(both.0, &parent.metadata, options);
    let widths: Vec<usize> = whole.is_ok().then_some(of).into_iter().chain(widths(of)).collect();
    let effort = |share: f64| making.args.text.train.map(|effort| effort.share(share));
    let each = TRIALS / widths.len() as f64;
    let mut tried: Vec<Tried> = Vec::new();
    let mut best: Option<(Tried, Option<Pruned>)> = None;
    let mut fits = whole;
    for ffn in widths {
        let mut model = None;
        if ffn < of {
            let widths = Widths { ffn: Some(ffn), kv_heads: None };
            let mut heard = |layer| view.line(&format!("narrowing layer {} to {ffn} neurons", layer + 1));
            model = Some(prune(both, &parent.metadata, &statistics, widths, &mut heard)?);
        }
        let shape = model.as_ref().map_or(making.whole, Shape::from);
        fits = check_budgets(shape.network, shape.metadata, options);
        if fits.is_err() {
            continue;
        }
        view.clear();
        let trial = Trial { making, texts: &aside };
        if let Some(pruned) = model {
            model = Some(trial.recover(pruned, effort(each / 2.0))?);
        }
        let left = if model.is_some() { each / 2.0 } else { each };
        let divergence = trial.child(model.as_ref(), effort(left), view)?;
        note(&format!("{ffn} of {of} neurons: {divergence:.5} nats per token from the parent"));
        let this = Tried { ffn, divergence };
        tried.push(this.clone());
        if best.as_ref().is_none_or(|(best, _)| divergence < best.divergence) {
            best = Some((this, model));
        }
    }
    let Some((best, model)) = best else {
        // Not even the narrowest fits: it says how much it takes.
        fits?;
        bail!("no width could be tried");
    };
    let found = Narrowed { ffn: best.ffn, of, tried };
    let Some(model) = model else { return Ok(Narrowing { model: None, rest: 1.0 - TRIALS, found }) };
    let rest = (1.0 - TRIALS) / 2.0;
    let model = Trial { making, texts }.recover(model, effort(rest))?;
    Ok(Narrowing { model: Some(model), rest, found })
}

/// What a width is tried with.
struct Trial<'a> {
    making: &'a Making<'a>,
    texts: &'a Texts,
}

impl Trial<'_> {
    /// Trains a narrower model towards the parent's predictions, before its weights are rounded.
    fn recover(&self, pruned: Pruned, effort: Option<Effort>) -> anyhow::Result<Pruned> {
        let (cpu, options, parent) = (self.making.cpu, self.making.options, self.making.whole.in_memory());
        let judge = |p: &Pruned| {
            let child = (&p.network, p.params.as_slice());
            Divergences::new(cpu, [parent, child], &self.texts.held_out, options.sequence)
        };
        let tune = |p: &Pruned, cpu, text, how: &Tuning, heard: &mut dyn FnMut(Point) -> bool| {
            p.tuned(cpu, parent, text, how, heard)
        };
        let how = pruning::tuning(options.sequence, pruning::RATE, options.method.threads);
        Ok(train(effort, how, pruned, &self.texts.training, tune, judge, |_| Ok(()))?.0)
    }

    /// How far the child of `model`, or of the parent itself, is from the parent.
    fn child(&self, model: Option<&Pruned>, effort: Option<Effort>, view: &mut View) -> anyhow::Result<f64> {
        let making = self.making;
        let shape = model.map_or(making.whole, Shape::from);
        let (network, numbers) = shape.in_memory();
        let folder = making.args.out.as_deref().map_or(Path::new("."), folder_of);
        let study = Study::new(
            making.cpu,
            (network, &numbers),
            shape.metadata,
            &self.texts.curvature,
            making.options,
            Notes::Nameless(folder),
            &mut |stage: Stage<'_>| view.show(stage),
        )?;
        let child = study.child(making.options.budgets[0], &mut |stage| view.show(stage))?;
        view.clear();
        let (_, divergence, _) = making.train((shape, child), effort, self.texts, |_| Ok(()))?;
        Ok(divergence.measure().mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_whole_blocks_and_narrower() {
        assert_eq!(widths(8192), [7168, 6144, 5120, 4096]);
        assert_eq!(widths(512), [256]);
        assert_eq!(widths(96), [64]);
        assert_eq!(widths(256), [224, 192, 160, 128]);
        assert!(widths(32).is_empty());
    }
}
