//! A text read with the weights of one layer in memory at a time: forward through all layers, then back. What comes out is what a
//! pass with all weights gives, to the bit.

use crate::data::Sequences;
use crate::layout::{Beside, Numbers, Sink};
use crate::network::Network;
use crate::objective::Goal;
use crate::pass::{Batch, Heard, Listen, Saved, Seen, Workspace};
use crate::{Error, Source};
use hob_kernels::Cpu;
use std::collections::BTreeSet;
use std::ops::Range;

/// The state of a text on its way through a model. The steps follow each other: [`enter`](Sweep::enter),
/// [`forward`](Sweep::forward) for each layer, [`turn`](Sweep::turn), [`backward`](Sweep::backward) for each layer from the last,
/// [`leave`](Sweep::leave).
pub struct Sweep<'a> {
    network: &'a Network,
    text: &'a Sequences,
    sequence: usize,
    parts: Vec<Part>,
    /// What all layers read of tensors outside of them.
    beside: Beside,
    /// What a layer keeps on its way, of whichever batch is in it.
    saved: Vec<Saved>,
}

/// Some sequences that are computed together.
struct Part {
    range: Range<usize>,
    documents: Vec<usize>,
    work: Workspace,
}

impl Network {
    /// The stretch of the layout that the tensors of layer `i` take.
    pub fn layer_stretch(&self, i: usize) -> Range<usize> {
        let prefix = format!("blk.{i}.");
        let of_layer = self.layout.iter().filter(|(tensor, _)| tensor.name.starts_with(&prefix));
        let ranges = of_layer.map(|(_, range)| range).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
        ranges.expect("every layer has tensors")
    }

    /// The stretch of the embedding.
    pub fn embedding_stretch(&self) -> Range<usize> {
        self.embedding.clone()
    }

    /// The stretches of what makes the layers' own inputs, where they have any: the table, and the projection of the stream.
    pub fn own_input_stretches(&self) -> impl Iterator<Item = Range<usize>> {
        self.per_layer.iter().flat_map(|p| [p.table.clone(), p.project.clone()])
    }

    /// The stretch of the head, which is that of the embedding where both are one matrix.
    pub fn head_stretch(&self) -> Range<usize> {
        self.head.weight.clone()
    }

    /// The stretch of the norm before the head, if there is one.
    pub fn final_norm_stretch(&self) -> Option<Range<usize>> {
        self.final_norm.as_ref().map(|norm| norm.weight.clone())
    }
}

impl<'a> Sweep<'a> {
    /// `text` in sequences of `sequence` tokens before its way through `network`, `at_once` sequences together.
    pub fn new(network: &'a Network, text: &'a Sequences, sequence: usize, at_once: usize) -> Self {
        let part = |start: usize| {
            let range = start..(start + at_once * sequence).min(text.tokens.len());
            let documents = text.documents[range.clone()].iter().map(|d| d - start).collect();
            Part { range, documents, work: Workspace::new(true) }
        };
        let parts = (0..text.tokens.len()).step_by(at_once * sequence).map(part).collect();
        Self { network, text, sequence, parts, beside: Beside::default(), saved: Vec::new() }
    }

    /// Bytes that `tokens` tokens of a text take on their way.
    pub fn bytes(network: &Network, tokens: usize) -> u64 {
        // The stream before each layer, the stream itself and what the head sees; keys and values that are lent, and gradients.
        let streams = (network.layers.len() + 2) * network.spec.hidden * tokens;
        let gradients = Self::gradient_numbers(network, tokens);
        let lent = gradients - network.spec.hidden * tokens;
        let rows = network
            .per_layer
            .as_ref()
            .map_or(0, |p| p.project.len() + tokens.min(network.spec.vocab) * network.layers.len() * p.width);
        4 * (streams + gradients + lent + rows) as u64
    }

    fn each(&mut self, mut step: impl FnMut(usize, &Batch<'_>, &mut Workspace)) {
        self.each_beside(|number, batch, work, _| step(number, batch, work));
    }

    fn each_beside(&mut self, mut step: impl FnMut(usize, &Batch<'_>, &mut Workspace, &Beside)) {
        let beside = &self.beside;
        for (number, part) in self.parts.iter_mut().enumerate() {
            let tokens = &self.text.tokens[part.range.clone()];
            let batch = Batch { tokens, documents: &part.documents, sequence: self.sequence };
            part.work.swap_saved(&mut self.saved);
            step(number, &batch, &mut part.work, beside);
            part.work.swap_saved(&mut self.saved);
        }
    }

    /// Looks all tokens up in the embedding.
    ///
    /// # Errors
    /// Whatever `source` says.
    pub fn enter(&mut self, source: &dyn Source) -> Result<(), Error> {
        let network = self.network;
        if let Some(p) = &network.per_layer {
            let tokens: BTreeSet<u32> = self.text.tokens.iter().copied().collect();
            let rows = tokens.into_iter().map(|id| network.spec.embedding.row(id)).collect::<BTreeSet<_>>();
            let (rows, width) = (Vec::from_iter(rows), network.layers.len() * p.width);
            self.beside = Beside {
                start: p.project.start,
                numbers: source.numbers(p.project.start..p.norm.weight.end)?.into_owned(),
                matrix: (p.table.start, width),
                row_numbers: source.rows(&p.table, width, &rows)?,
                rows: rows.into_iter().enumerate().map(|(at, row)| (row, at)).collect(),
            };
        }
        let embedding = source.numbers(network.embedding.clone())?;
        let params = Numbers::from(network.embedding.start, &embedding);
        self.each(|_, batch, work| network.enter(params, batch, work));
        Ok(())
    }

    /// Takes all tokens through layer `i`, whose numbers `layer` are.
    pub fn forward(&mut self, cpu: &Cpu, i: usize, layer: &[f32]) {
        let network = self.network;
        let params = Numbers::from(network.layer_stretch(i).start, layer);
        self.each_beside(|_, batch, work, beside| {
            network.forward_layer(cpu, params.and(beside), i, batch, work, None);
        });
    }

    /// As [`Sweep::forward`], without a way back; `listen` hears what each matrix is multiplied with.
    pub fn listen(&mut self, cpu: &Cpu, i: usize, layer: &[f32], listen: Listen<'_>) {
        let network = self.network;
        let params = Numbers::from(network.layer_stretch(i).start, layer);
        self.each_beside(|_, batch, work, beside| {
            network.forward_layer(cpu, params.and(beside), i, batch, work, Some(listen));
            // Layers with inputs of their own read the first stream again and again.
            if i > 0 {
                work.forget(i);
            }
        });
    }

    /// After the last layer: `listen` hears what the head is multiplied with. `norm` are the numbers of the norm before it.
    pub fn listen_head(&mut self, cpu: &Cpu, norm: &[f32], listen: Listen<'_>) {
        let network = self.network;
        let norm = Numbers::from(network.final_norm_stretch().map_or(0, |range| range.start), norm);
        self.each(|_, batch, work| {
            network.leave(cpu, norm, batch, work);
            listen(Heard {
                weight: &network.head.weight,
                inputs: network.spec.hidden,
                x: &work.hidden,
                y: &[],
            });
        });
    }

    /// As [`Sweep::listen_head`], with what comes out of it too; `head` are its numbers.
    pub fn listen_scores(&mut self, cpu: &Cpu, norm: &[f32], head: &[f32], listen: Listen<'_>) {
        let network = self.network;
        let norm = Numbers::from(network.final_norm_stretch().map_or(0, |range| range.start), norm);
        let head = Numbers::from(network.head.weight.start, head);
        self.each(|_, batch, work| {
            network.leave(cpu, norm, batch, work);
            network.listen_head(cpu, head, &work.hidden, listen);
        });
    }

    /// Draws a token after each from the model's own distribution, and turns back with the gradient of its loss. `norm` are
    /// the numbers of the norm before the head, where there is one.
    pub fn turn(&mut self, cpu: &Cpu, norm: &[f32], head: &[f32], seed: u64, watch: &dyn Fn(Seen<'_>)) {
        let network = self.network;
        let norm = Numbers::from(network.final_norm_stretch().map_or(0, |range| range.start), norm);
        let head = Numbers::from(network.head.weight.start, head);
        self.each(|number, batch, work| {
            let goal = Goal::Own(seed.wrapping_add(number as u64));
            let weights = vec![1.0; batch.tokens.len()];
            let mut none = Sink(None);
            network.leave(cpu, norm, batch, work);
            network.head(cpu, head, Some(&mut none), work, goal, &weights, Some(watch));
            network.leave_back(cpu, norm, &mut none, batch, work);
            work.hidden = Vec::new();
        });
    }

    /// Takes the gradients back through layer `i`, whose numbers `layer` are.
    pub fn backward(&mut self, cpu: &Cpu, i: usize, layer: &[f32], watch: &dyn Fn(Seen<'_>)) {
        let network = self.network;
        let params = Numbers::from(network.layer_stretch(i).start, layer);
        self.each_beside(|_, batch, work, beside| {
            let params = params.and(beside);
            network.backward_layer(cpu, params, i, &mut Sink(None), batch, work, Some(watch));
            if i > 0 {
                work.forget(i);
            }
        });
    }

    /// All gradients on their way back, where they are now.
    pub fn gradients(&self) -> impl Iterator<Item = &[f32]> {
        self.parts.iter().flat_map(|part| part.work.gradients().map(Vec::as_slice))
    }

    /// How many numbers those are, for a text of `tokens` tokens.
    pub fn gradient_numbers(network: &Network, tokens: usize) -> usize {
        let lent: usize = network.lenders.iter().map(|l| network.layers[*l].lent_width()).sum();
        tokens * (network.spec.hidden * (1 + usize::from(network.per_layer.is_some())) + lent)
    }

    /// Goes on with gradients of an earlier sweep of this text through this model, which `forward` has taken through the layers
    /// that are left.
    ///
    /// # Panics
    /// When there are not as many as that sweep had.
    pub fn go_on(&mut self, gradients: &[f32]) {
        let (network, mut rest) = (self.network, gradients);
        for part in &mut self.parts {
            let tokens = part.range.len();
            part.work.size_gradients(network, tokens);
            for to in part.work.gradients_mut() {
                let (own, others) = rest.split_at(to.len());
                to.copy_from_slice(own);
                rest = others;
            }
        }
        assert!(rest.is_empty(), "gradients of this text");
    }

    /// Says what the embedding saw.
    pub fn leave(&mut self, cpu: &Cpu, watch: &dyn Fn(Seen<'_>)) {
        let network = self.network;
        self.each(|_, batch, work| network.enter_back(cpu, &mut Sink(None), batch, work, Some(watch)));
    }
}
