//! A description made ready for training: which numbers of the [`Layout`] each step of a layer multiplies with.

use crate::layout::Layout;
use crate::{Error, Ranges};
use hob_kernels::{Activation, Mask, Precision, RopeTable};
use hob_model::ModelSpec;
use hob_model::spec::{AttentionSpec, Ffn, KvSource, LayerSpec, Norm, NormKind, OutputSpec, QkNorm};
use std::collections::BTreeSet;
use std::ops::Range;

/// A model that can be trained: the plan of its forward and backward passes. Its parameters live elsewhere.
#[derive(Clone, Debug)]
pub struct Network {
    pub(crate) spec: ModelSpec,
    pub(crate) layout: Layout,
    pub(crate) layers: Vec<Layer>,
    pub(crate) embedding: Range<usize>,
    pub(crate) final_norm: Option<NormAt>,
    pub(crate) head: Linear,
    pub(crate) softcap: Option<f32>,
    pub(crate) ropes: Vec<RopeTable>,
    pub(crate) per_layer: Option<PerLayer>,
    /// Layers whose keys and values others read.
    pub(crate) lenders: Vec<usize>,
    pub(crate) ranges: Ranges,
    /// Precision of all products.
    pub precision: Precision,
}

/// `y = x w^T + b` with `w` at `weight` (`[out, in]`).
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    pub weight: Range<usize>,
    pub bias: Option<Range<usize>>,
    pub inputs: usize,
    pub outputs: usize,
}

/// An RMS norm and its weight.
#[derive(Clone, Debug)]
pub(crate) struct NormAt {
    pub weight: Range<usize>,
    pub eps: f32,
}

/// Where every layer's own input of a token comes from.
#[derive(Clone, Debug)]
pub(crate) struct PerLayer {
    /// `[V, L * P]`.
    pub table: Range<usize>,
    /// `[L * P, D]`.
    pub project: Range<usize>,
    pub norm: NormAt,
    /// `P`.
    pub width: usize,
}

/// How a layer's own input joins the stream: `x += norm(project(gelu(gate(x)) * p))`.
#[derive(Clone, Debug)]
pub(crate) struct Gating {
    /// This layer's rows of [`PerLayer::project`].
    pub from_stream: Linear,
    /// Its columns of [`PerLayer::table`].
    pub columns: Range<usize>,
    pub gate: Linear,
    pub project: Linear,
    pub norm: NormAt,
}

#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub attention_in: Option<NormAt>,
    pub q: Linear,
    /// Absent where another layer's keys and values are read.
    pub k: Option<Linear>,
    /// Absent there too, and where values are the raw keys.
    pub v: Option<Linear>,
    /// Index into [`Network::lenders`] of the layer whose keys and values are read.
    pub borrows: Option<usize>,
    /// Index of this layer there.
    pub lends: Option<usize>,
    /// Epsilon of the weightless norm on each head's values.
    pub value_norm: Option<f32>,
    pub q_norm: Option<NormAt>,
    pub k_norm: Option<NormAt>,
    pub output: Linear,
    pub attention_out: Option<NormAt>,
    pub ffn_in: Option<NormAt>,
    pub gate: Linear,
    pub up: Linear,
    pub down: Linear,
    pub act: Activation,
    pub ffn_out: Option<NormAt>,
    pub gating: Option<Gating>,
    /// The number that the layer's output is multiplied with.
    pub output_scale: Option<Range<usize>>,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub scale: f32,
    pub softcap: Option<f32>,
    pub window: usize,
    pub rope: Option<usize>,
}

impl Layer {
    /// Columns of its keys and values together.
    pub fn lent_width(&self) -> usize {
        2 * self.kv_heads * self.head_dim
    }
}

impl Network {
    /// Plans the training of `spec`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] names what this core has no gradient for: experts, encoders, layer norms.
    pub fn new(spec: &ModelSpec, precision: Precision) -> Result<Self, Error> {
        let OutputSpec::Logits { tied, softcap } = spec.output else {
            return Err(unsupported("models that make vectors"));
        };
        let e = &spec.embedding;
        refuse(e.positions.is_some() || e.token_types.is_some() || e.norm.is_some(), "learned positions")?;
        let layout = Layout::new(spec);
        let lenders: BTreeSet<usize> = spec.layers.iter().filter_map(|l| owner(&l.attention)).collect();
        let lenders: Vec<usize> = lenders.into_iter().collect();
        let p = Planner { spec, layout: &layout, lenders: &lenders };
        let per_layer = p.per_layer()?;
        let embedding = p.range("token_embd.weight");
        let head = Linear {
            weight: if tied { embedding.clone() } else { p.range("output.weight") },
            bias: None,
            inputs: spec.hidden,
            outputs: spec.vocab,
        };
        let final_norm = p.norm("output_norm", spec.final_norm)?;
        let layers = spec.layers.iter().enumerate().map(|(i, l)| p.layer(i, l)).collect::<Result<_, _>>()?;
        let ropes = spec.ropes.iter().map(|r| r.table(false)).collect();
        Ok(Self {
            spec: spec.clone(),
            layers,
            embedding,
            final_norm,
            head,
            softcap,
            ropes,
            per_layer,
            lenders,
            ranges: Ranges::new(),
            precision,
            layout,
        })
    }

    /// The description.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Where each tensor's numbers stand.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }
}

fn unsupported(what: &str) -> Error {
    Error::Unsupported { what: what.to_owned() }
}

fn refuse(condition: bool, what: &str) -> Result<(), Error> {
    if condition { Err(unsupported(what)) } else { Ok(()) }
}

/// The layer whose keys and values are read, where it is another one.
fn owner(a: &AttentionSpec) -> Option<usize> {
    match a.kv {
        KvSource::Own => None,
        KvSource::Layer(owner) => Some(owner),
    }
}

struct Planner<'a> {
    spec: &'a ModelSpec,
    layout: &'a Layout,
    lenders: &'a [usize],
}

impl Planner<'_> {
    fn range(&self, name: &str) -> Range<usize> {
        self.layout.range(name).expect("the planner asks for tensors of the description only")
    }

    fn norm(&self, stem: &str, norm: Option<Norm>) -> Result<Option<NormAt>, Error> {
        let Some(norm) = norm else { return Ok(None) };
        refuse(norm.kind != NormKind::Rms, "layer norms with mean and variance")?;
        Ok(Some(NormAt { weight: self.range(&format!("{stem}.weight")), eps: norm.eps }))
    }

    /// Rows `rows` of the matrix under `stem`, which may hold several layers' rows.
    fn linear(&self, stem: &str, rows: Range<usize>, inputs: usize) -> Linear {
        let weight = self.range(&format!("{stem}.weight"));
        let bias = self.layout.range(&format!("{stem}.bias"));
        Linear {
            weight: weight.start + rows.start * inputs..weight.start + rows.end * inputs,
            bias: bias.map(|b| b.start + rows.start..b.start + rows.end),
            inputs,
            outputs: rows.len(),
        }
    }

    fn per_layer(&self) -> Result<Option<PerLayer>, Error> {
        let Some(p) = self.spec.per_layer else { return Ok(None) };
        let norm = self.norm("per_layer_proj_norm", Some(p.norm))?.expect("a norm that there is");
        let [table, project] =
            ["per_layer_token_embd.weight", "per_layer_model_proj.weight"].map(|n| self.range(n));
        Ok(Some(PerLayer { table, project, norm, width: p.width }))
    }

    fn gating(&self, i: usize) -> Result<Option<Gating>, Error> {
        let Some(p) = self.spec.per_layer else { return Ok(None) };
        let (name, d) = (|stem: &str| format!("blk.{i}.{stem}"), self.spec.hidden);
        let columns = i * p.width..(i + 1) * p.width;
        Ok(Some(Gating {
            from_stream: self.linear("per_layer_model_proj", columns.clone(), d),
            columns,
            gate: self.linear(&name("inp_gate"), 0..p.width, d),
            project: self.linear(&name("proj"), 0..d, p.width),
            norm: self.norm(&name("post_norm"), Some(p.norm))?.expect("a norm that there is"),
        }))
    }

    fn layer(&self, i: usize, layer: &LayerSpec) -> Result<Layer, Error> {
        let name = |stem: &str| format!("blk.{i}.{stem}");
        let a = &layer.attention;
        let Ffn::Gated { width, act } = layer.ffn else {
            return Err(unsupported("layers that are not gated"));
        };
        let own = a.kv == KvSource::Own;
        refuse(self.spec.fused.qkv && (!own || a.value_is_key), "shared keys and values in fused matrices")?;
        let n = &layer.norms;
        refuse(n.after_attention.is_some() || n.after_ffn.is_some(), "norms on sums")?;
        let Mask::Causal { window } = a.mask else { return Err(unsupported("attention in both directions")) };
        let (q, k, v) = self.qkv(&name, a);
        let qk_norm = |stem: &str| self.norm(&name(stem), a.qk_norm.map(QkNorm::norm));
        let d = self.spec.hidden;
        let (gate, up) = if self.spec.fused.gate_up {
            let both = name("ffn_up");
            (self.linear(&both, 0..width, d), self.linear(&both, width..2 * width, d))
        } else {
            (self.linear(&name("ffn_gate"), 0..width, d), self.linear(&name("ffn_up"), 0..width, d))
        };
        Ok(Layer {
            attention_in: self.norm(&name("attn_norm"), n.attention_in)?,
            q,
            k,
            v,
            borrows: self.lenders.iter().position(|l| Some(*l) == owner(a)),
            lends: self.lenders.iter().position(|l| *l == i),
            value_norm: a.value_norm,
            q_norm: qk_norm("attn_q_norm")?,
            k_norm: if own { qk_norm("attn_k_norm")? } else { None },
            output: self.linear(&name("attn_output"), 0..d, a.heads * a.head_dim),
            attention_out: self.norm(&name("post_attention_norm"), n.attention_out)?,
            ffn_in: self.norm(&name("ffn_norm"), n.ffn_in)?,
            gate,
            up,
            down: self.linear(&name("ffn_down"), 0..d, width),
            act,
            ffn_out: self.norm(&name("post_ffw_norm"), n.ffn_out)?,
            gating: self.gating(i)?,
            output_scale: layer.output_scale.then(|| self.range(&name("layer_output_scale.weight"))),
            heads: a.heads,
            kv_heads: a.kv_heads,
            head_dim: a.head_dim,
            scale: a.scale,
            softcap: a.softcap,
            window: window.unwrap_or(usize::MAX),
            rope: a.rope,
        })
    }

    /// Queries, keys and values, as far as the layer has them.
    fn qkv(
        &self,
        name: &dyn Fn(&str) -> String,
        a: &AttentionSpec,
    ) -> (Linear, Option<Linear>, Option<Linear>) {
        let (d, q, kv) = (self.spec.hidden, a.heads * a.head_dim, a.kv_heads * a.head_dim);
        if self.spec.fused.qkv {
            let all = name("attn_qkv");
            let rows = |range| self.linear(&all, range, d);
            (rows(0..q), Some(rows(q..q + kv)), Some(rows(q + kv..q + 2 * kv)))
        } else {
            let whole = |stem, rows| self.linear(&name(stem), 0..rows, d);
            let own = a.kv == KvSource::Own;
            let v = own && !a.value_is_key;
            (whole("attn_q", q), own.then(|| whole("attn_k", kv)), v.then(|| whole("attn_v", kv)))
        }
    }
}
