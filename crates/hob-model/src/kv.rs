//! Keys and values of one sequence: pages per layer, shared between sequences that begin alike.

use crate::spec::{KvSource, ModelSpec};
use hob_kernels::{KvPage, KvShape, KvType, KvView, Mask, PAGE_POSITIONS};
use std::sync::Arc;

/// The cache of one sequence.
///
/// Cloning shares every page; a page is copied only when one of its holders writes into it. Layers with a sliding window
/// let go of pages that no later query can see.
#[derive(Clone)]
pub struct SequenceKv {
    layers: Vec<LayerKv>,
    len: usize,
    /// Whether rotary frequencies are those beyond the model's switch length.
    pub(crate) long_context: bool,
}

#[derive(Clone)]
struct LayerKv {
    /// `None` for layers that read another layer's pages.
    shape: Option<KvShape>,
    window: Option<usize>,
    pages: Vec<Arc<KvPage>>,
    /// Position of the first slot of the first page; a multiple of the page size.
    first: usize,
}

impl SequenceKv {
    /// An empty cache for `spec`; `long_context` picks the rotary regime beyond the model's switch length.
    pub fn new(spec: &ModelSpec, ty: KvType, long_context: bool) -> Self {
        let layers = spec
            .layers
            .iter()
            .enumerate()
            .map(|(i, layer)| {
                let a = &layer.attention;
                let shape = KvShape { ty, kv_heads: a.kv_heads, head_dim: a.head_dim };
                LayerKv {
                    shape: (a.kv == KvSource::Own).then_some(shape),
                    window: window_of(spec, i),
                    pages: Vec::new(),
                    first: 0,
                }
            })
            .collect();
        Self { layers, len: 0, long_context }
    }

    /// Stored positions.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether rotary frequencies are those beyond the model's switch length.
    pub fn is_long_context(&self) -> bool {
        self.long_context
    }

    /// Bytes of all pages this sequence holds, those it shares included.
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(|l| l.pages.len() * l.shape.map_or(0, KvShape::page_bytes)).sum()
    }

    /// Every page held, by identity, with its bytes: what two sequences share appears in both under one identity.
    pub fn pages(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.layers.iter().flat_map(|l| {
            let bytes = l.shape.map_or(0, KvShape::page_bytes);
            l.pages.iter().map(move |page| (Arc::as_ptr(page) as usize, bytes))
        })
    }

    /// Bytes that `positions` positions of `spec` take.
    pub fn bytes_for(spec: &ModelSpec, ty: KvType, positions: usize) -> u64 {
        let mut bytes = 0;
        for (i, layer) in spec.layers.iter().enumerate().filter(|(_, l)| l.attention.kv == KvSource::Own) {
            let a = &layer.attention;
            let shape = KvShape { ty, kv_heads: a.kv_heads, head_dim: a.head_dim };
            // A window rarely starts at a page's first slot.
            let held = window_of(spec, i).map_or(positions, |w| positions.min(w + PAGE_POSITIONS));
            bytes += held.div_ceil(PAGE_POSITIONS) as u64 * shape.page_bytes() as u64;
        }
        bytes
    }

    /// The shortest length that [`SequenceKv::truncate`] can go back to: where windows let go of pages, the first position
    /// that sees none of them.
    pub fn end_min(&self) -> usize {
        let own = self.layers.iter().filter(|l| l.shape.is_some() && l.first > 0);
        let ends = own.filter_map(|l| l.window.map(|w| l.first + w - 1));
        ends.max().unwrap_or(0).min(self.len)
    }

    /// Forgets everything from `position` on. `false`, with nothing changed, when a window has already let go of
    /// positions that would be seen again.
    pub fn truncate(&mut self, position: usize) -> bool {
        if position >= self.len {
            return true;
        }
        if position < self.end_min() {
            return false;
        }
        for layer in &mut self.layers {
            layer.pages.truncate(position.saturating_sub(layer.first).div_ceil(PAGE_POSITIONS));
        }
        self.len = position;
        true
    }

    /// Drops pages that no query at or after the end can see.
    pub(crate) fn release_unseen(&mut self) {
        let next = self.len;
        for layer in &mut self.layers {
            let Some(window) = layer.window else { continue };
            let oldest = (next + 1).saturating_sub(window);
            let gone = (oldest.saturating_sub(layer.first) / PAGE_POSITIONS).min(layer.pages.len());
            layer.pages.drain(..gone);
            layer.first += gone * PAGE_POSITIONS;
        }
    }

    /// Stores the new positions' keys and values (`[T, K, Dh]` each) of `layer`, after the sequence's end.
    pub(crate) fn store(&mut self, layer: usize, k: &[f32], v: &[f32]) {
        let base = self.len;
        let layer = &mut self.layers[layer];
        let shape = layer.shape.expect("only layers with keys of their own store any");
        let row = shape.kv_heads * shape.head_dim;
        let count = k.len() / row;
        let mut done = 0;
        while done < count {
            let offset = base + done - layer.first;
            let (page, slot) = (offset / PAGE_POSITIONS, offset % PAGE_POSITIONS);
            if page == layer.pages.len() {
                layer.pages.push(Arc::new(KvPage::new(shape)));
            }
            let fits = (PAGE_POSITIONS - slot).min(count - done);
            let part = done * row..(done + fits) * row;
            Arc::make_mut(&mut layer.pages[page]).write_rows(slot, fits, &k[part.clone()], &v[part]);
            done += fits;
        }
    }

    /// What queries of the running step see of `layer`: everything stored and the step's `new` positions.
    pub(crate) fn view(&self, layer: usize, new: usize) -> KvView<'_> {
        let layer = &self.layers[layer];
        KvView { pages: &layer.pages, first: layer.first, end: self.len + new }
    }

    /// Counts a finished step's positions as stored.
    pub(crate) fn advance(&mut self, new: usize) {
        self.len += new;
    }
}

/// The widest window over a layer's cache: its own, or that of a layer that reads it.
fn window_of(spec: &ModelSpec, owner: usize) -> Option<usize> {
    let reads = |i: usize| i == owner || spec.layers[i].attention.kv == KvSource::Layer(owner);
    let mut widest = 0;
    for (_, layer) in spec.layers.iter().enumerate().filter(|(i, _)| reads(*i)) {
        match layer.attention.mask {
            Mask::Causal { window: Some(w) } => widest = widest.max(w),
            _ => return None,
        }
    }
    Some(widest)
}
