//! A model as plain data: everything the decoder needs to know, and every tensor that follows from it.

use crate::rope::RopeSpec;
use hob_kernels::{Activation, Mask, RopeLayout};

/// A model family at one size.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSpec {
    /// Size of the vocabulary (`V`).
    pub vocab: usize,
    /// Width of the residual stream (`D`).
    pub hidden: usize,
    /// Positions the model was trained for.
    pub context: usize,
    /// How tokens enter.
    pub embedding: EmbeddingSpec,
    /// Kinds of rotary embedding; attention layers refer to them by index.
    pub ropes: Vec<RopeSpec>,
    /// Which elements of a head turn together, in this file's row order.
    pub rope_layout: RopeLayout,
    /// The layers, first to last (`L`).
    pub layers: Vec<LayerSpec>,
    /// Norm after the last layer.
    pub final_norm: Option<Norm>,
    /// What comes out.
    pub output: OutputSpec,
    /// Embeddings that every layer gets of its own, where there are any.
    pub per_layer: Option<PerLayerSpec>,
    /// Whether gated layers, expert blocks and queries with keys and values are stored fused (rows one after the other).
    pub fused: Fused,
}

/// Which matrices a file stores as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fused {
    /// `attn_qkv`: all query rows, then keys, then values.
    pub qkv: bool,
    /// `ffn_up` of twice the width: gate rows, then up rows.
    pub gate_up: bool,
}

/// Embeddings of each token for each layer, mixed from a table and from the first residual stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PerLayerSpec {
    /// Width of one (`P`).
    pub width: usize,
    /// Norm on the part that comes from the stream, and on what a layer adds.
    pub norm: Norm,
}

/// How token ids become the first residual stream.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingSpec {
    /// Factor on the embedding rows.
    pub scale: f32,
    /// Learned position embeddings, and how many.
    pub positions: Option<usize>,
    /// Rows of the token-type table; row 0 is added to every token.
    pub token_types: Option<usize>,
    /// Norm right after the sum.
    pub norm: Option<Norm>,
    /// Tokens that mark where images and sound go: without those they are embedded as the padding token.
    pub placeholders: Vec<u32>,
    /// The padding token.
    pub padding: u32,
}

impl EmbeddingSpec {
    /// Token embeddings and nothing else.
    pub fn plain(scale: f32) -> Self {
        Self { scale, positions: None, token_types: None, norm: None, placeholders: Vec::new(), padding: 0 }
    }

    /// The row of the embedding table that stands for `id`.
    pub fn row(&self, id: u32) -> usize {
        if self.placeholders.contains(&id) { self.padding as usize } else { id as usize }
    }
}

/// A norm over the last axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Norm {
    /// Which norm.
    pub kind: NormKind,
    /// Added to the mean square or variance.
    pub eps: f32,
    /// Added to the stored weight (1 for Gemma 2 and 3 checkpoints; GGUF files hold the sum).
    pub weight_offset: f32,
}

/// Which norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// Root mean square.
    Rms,
    /// Mean and variance, with or without bias.
    Layer {
        /// Whether a bias is stored.
        bias: bool,
    },
}

/// One layer: a mixer and a feed-forward part, each with norms around it.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerSpec {
    /// Mixes positions.
    pub attention: AttentionSpec,
    /// Works on each position.
    pub ffn: Ffn,
    /// Norms around both; absent ones are skipped.
    pub norms: LayerNorms,
    /// Whether the layer's output is multiplied by a stored number.
    pub output_scale: bool,
}

/// The six places a norm can stand in a layer.
///
/// `x = after_attention(x + attention_out(attend(attention_in(x))))`, then the same with the feed-forward part.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LayerNorms {
    /// Before attention.
    pub attention_in: Option<Norm>,
    /// On attention's output, before it is added.
    pub attention_out: Option<Norm>,
    /// On the sum.
    pub after_attention: Option<Norm>,
    /// Before the feed-forward part.
    pub ffn_in: Option<Norm>,
    /// On its output, before it is added.
    pub ffn_out: Option<Norm>,
    /// On the sum.
    pub after_ffn: Option<Norm>,
}

impl LayerNorms {
    /// Norms before each part (Llama and most others).
    pub fn pre(norm: Norm) -> Self {
        Self { attention_in: Some(norm), ffn_in: Some(norm), ..Self::default() }
    }

    /// Norms on each part's output only (OLMo 2).
    pub fn post(norm: Norm) -> Self {
        Self { attention_out: Some(norm), ffn_out: Some(norm), ..Self::default() }
    }

    /// Norms before and on the output of each part (Gemma 2 to 4).
    pub fn sandwich(norm: Norm) -> Self {
        Self { attention_out: Some(norm), ffn_out: Some(norm), ..Self::pre(norm) }
    }

    /// Norms on each sum (BERT).
    pub fn residual(norm: Norm) -> Self {
        Self { after_attention: Some(norm), after_ffn: Some(norm), ..Self::default() }
    }
}

/// An attention layer.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionSpec {
    /// Query heads (`H`).
    pub heads: usize,
    /// Key-value heads (`K`).
    pub kv_heads: usize,
    /// Width of a head (`Dh`).
    pub head_dim: usize,
    /// Factor on `q . k`.
    pub scale: f32,
    /// Cap on scores.
    pub softcap: Option<f32>,
    /// Which positions are seen.
    pub mask: Mask,
    /// Index into [`ModelSpec::ropes`]; `None` leaves positions to other layers.
    pub rope: Option<usize>,
    /// Norm on queries and keys before they turn.
    pub qk_norm: Option<QkNorm>,
    /// Weightless RMS norm on values, with its epsilon.
    pub value_norm: Option<f32>,
    /// Whose keys and values are read.
    pub kv: KvSource,
    /// Values are the raw key projection; there is no value matrix.
    pub value_is_key: bool,
    /// Biases on query, key and value.
    pub qkv_bias: bool,
    /// Bias on the output.
    pub output_bias: bool,
}

impl AttentionSpec {
    /// How far back the layer sees, if not all the way.
    pub fn window(&self) -> Option<usize> {
        match self.mask {
            Mask::Causal { window } => window,
            Mask::Bidirectional { reach } => reach,
        }
    }
}

/// What a norm on queries and keys spans.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QkNorm {
    /// Each head by itself.
    PerHead(Norm),
    /// All heads together.
    FullDim(Norm),
}

impl QkNorm {
    /// The norm itself.
    pub fn norm(self) -> Norm {
        match self {
            QkNorm::PerHead(norm) | QkNorm::FullDim(norm) => norm,
        }
    }
}

/// Whose keys and values a layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvSource {
    /// Its own.
    Own,
    /// Those of an earlier layer.
    Layer(usize),
}

/// The part of a layer that works on each position alone.
#[derive(Clone, Debug, PartialEq)]
pub enum Ffn {
    /// `down(act(gate(x)) * up(x))`.
    Gated {
        /// Inner width (`F`).
        width: usize,
        /// Non-linearity of the gate.
        act: Activation,
    },
    /// `down(act(up(x)))`.
    Plain {
        /// Inner width (`F`).
        width: usize,
        /// Non-linearity.
        act: Activation,
        /// Whether both matrices have biases.
        bias: bool,
    },
    /// A gated layer beside a few of many experts, as in Gemma 4 26B-A4B.
    DenseAndExperts {
        /// Inner width of the dense part.
        width: usize,
        /// Non-linearity of all gates.
        act: Activation,
        /// The experts.
        experts: Experts,
        /// Norm used on the inputs and outputs of both parts.
        norm: Norm,
    },
}

impl Ffn {
    /// Inner width of the part that every token goes through.
    pub fn width(&self) -> usize {
        match *self {
            Ffn::Gated { width, .. } | Ffn::Plain { width, .. } | Ffn::DenseAndExperts { width, .. } => width,
        }
    }
}

/// A bank of experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Experts {
    /// How many there are (`E`).
    pub count: usize,
    /// How many work on a token.
    pub active: usize,
    /// Inner width of one.
    pub width: usize,
}

/// What a model computes.
#[derive(Clone, Debug, PartialEq)]
pub enum OutputSpec {
    /// Scores of the next token.
    Logits {
        /// The head is the embedding matrix.
        tied: bool,
        /// Cap on logits.
        softcap: Option<f32>,
    },
    /// One vector for the whole text.
    Embedding {
        /// How positions become one.
        pooling: Pooling,
    },
}

/// How the last hidden states of all positions become one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first position's.
    First,
    /// The last position's.
    Last,
}

/// Widths every layer of a plain model shares, as read from its settings.
#[derive(Clone, Debug)]
pub struct BaseLayer {
    /// `D`.
    pub hidden: usize,
    /// `H`.
    pub heads: usize,
    /// `K`, per layer.
    pub kv_heads: Vec<usize>,
    /// `Dh`.
    pub head_dim: usize,
    /// `F`, per layer.
    pub ffn: Vec<usize>,
    /// `L`.
    pub layers: usize,
}

impl BaseLayer {
    /// Layer `i`'s attention where nothing is special: causal, rotary, scaled by the root of the head's width, no biases.
    pub fn attention(&self, i: usize) -> AttentionSpec {
        AttentionSpec {
            heads: self.heads,
            kv_heads: self.kv_heads[i],
            head_dim: self.head_dim,
            scale: 1.0 / (self.head_dim as f32).sqrt(),
            softcap: None,
            mask: Mask::Causal { window: None },
            rope: Some(0),
            qk_norm: None,
            value_norm: None,
            kv: KvSource::Own,
            value_is_key: false,
            qkv_bias: false,
            output_bias: false,
        }
    }
}

/// A tensor that must be in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// GGUF name.
    pub name: String,
    /// Outermost first.
    pub shape: Vec<usize>,
}

impl ModelSpec {
    /// Whether the model generates text.
    pub fn is_generative(&self) -> bool {
        matches!(self.output, OutputSpec::Logits { .. })
    }

    /// The last layer that stores keys and values. Beyond it, a step works only on positions whose output is wanted.
    pub fn last_kv_layer(&self) -> usize {
        self.layers.iter().rposition(|l| l.attention.kv == KvSource::Own).unwrap_or(0)
    }

    /// Tensors of a GGUF file that are settings rather than weights, with their numbers: without them its rotary embedding is
    /// another one.
    pub fn constants(&self) -> Vec<(TensorSpec, Vec<f32>)> {
        let factors = self.ropes.last().map(RopeSpec::factors).unwrap_or_default();
        let tensor = |(name, values): (&str, Vec<f32>)| {
            (TensorSpec { name: name.to_string(), shape: vec![values.len()] }, values)
        };
        factors.into_iter().map(tensor).collect()
    }

    /// Every norm.
    pub(crate) fn norms_mut(&mut self) -> impl Iterator<Item = &mut Norm> {
        let outer = [&mut self.embedding.norm, &mut self.final_norm].into_iter().flatten();
        let layers = self.layers.iter_mut().flat_map(|layer| {
            let n = &mut layer.norms;
            let around = [
                &mut n.attention_in,
                &mut n.attention_out,
                &mut n.after_attention,
                &mut n.ffn_in,
                &mut n.ffn_out,
                &mut n.after_ffn,
            ];
            let heads = layer.attention.qk_norm.iter_mut().map(|qk| match qk {
                QkNorm::PerHead(norm) | QkNorm::FullDim(norm) => norm,
            });
            let experts = match &mut layer.ffn {
                Ffn::DenseAndExperts { norm, .. } => Some(norm),
                Ffn::Gated { .. } | Ffn::Plain { .. } => None,
            };
            around.into_iter().flatten().chain(heads).chain(experts)
        });
        outer.chain(self.per_layer.iter_mut().map(|p| &mut p.norm)).chain(layers)
    }

    /// Number of parameters, counted from [`ModelSpec::tensors`].
    pub fn parameters(&self) -> u64 {
        self.tensors().iter().map(|t| t.shape.iter().map(|&n| n as u64).product::<u64>()).sum()
    }

    /// Every tensor the model needs: the one place where shapes are stated.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        let mut list = TensorList::default();
        let (v, d) = (self.vocab, self.hidden);
        list.add("token_embd.weight", &[v, d]);
        if let Some(positions) = self.embedding.positions {
            list.add("position_embd.weight", &[positions, d]);
        }
        if let Some(types) = self.embedding.token_types {
            list.add("token_types.weight", &[types, d]);
        }
        list.norm("token_embd_norm", self.embedding.norm, d);
        list.norm("output_norm", self.final_norm, d);
        if let OutputSpec::Logits { tied: false, .. } = self.output {
            list.add("output.weight", &[v, d]);
        }
        if let Some(PerLayerSpec { width: p, .. }) = self.per_layer {
            list.add("per_layer_token_embd.weight", &[v, self.layers.len() * p]);
            list.add("per_layer_model_proj.weight", &[self.layers.len() * p, d]);
            list.add("per_layer_proj_norm.weight", &[p]);
        }
        for (i, layer) in self.layers.iter().enumerate() {
            list.prefix = format!("blk.{i}.");
            self.layer_tensors(layer, &mut list);
        }
        list.tensors
    }

    fn layer_tensors(&self, layer: &LayerSpec, list: &mut TensorList) {
        let d = self.hidden;
        let norms = &layer.norms;
        list.norm("attn_norm", norms.attention_in, d);
        list.norm("post_attention_norm", norms.attention_out, d);
        list.norm("attn_output_norm", norms.after_attention, d);
        list.norm("ffn_norm", norms.ffn_in, d);
        list.norm("post_ffw_norm", norms.ffn_out, d);
        list.norm("layer_output_norm", norms.after_ffn, d);
        self.attention_tensors(&layer.attention, list);
        match &layer.ffn {
            Ffn::Gated { width, .. } => self.gated_tensors(*width, list),
            Ffn::Plain { width, bias, .. } => {
                list.linear("ffn_up", *width, d, *bias);
                list.linear("ffn_down", d, *width, *bias);
            }
            Ffn::DenseAndExperts { width, experts, .. } => {
                self.gated_tensors(*width, list);
                for norm in ["post_ffw_norm_1", "pre_ffw_norm_2", "post_ffw_norm_2"] {
                    list.add(&format!("{norm}.weight"), &[d]);
                }
                list.add("ffn_gate_inp.weight", &[experts.count, d]);
                list.add("ffn_gate_inp.scale", &[d]);
                list.add("ffn_gate_up_exps.weight", &[experts.count, 2 * experts.width, d]);
                list.add("ffn_down_exps.weight", &[experts.count, d, experts.width]);
                list.add("ffn_down_exps.scale", &[experts.count]);
            }
        }
        if let Some(PerLayerSpec { width: p, .. }) = self.per_layer {
            list.add("inp_gate.weight", &[p, d]);
            list.add("proj.weight", &[d, p]);
            list.add("post_norm.weight", &[d]);
        }
        if layer.output_scale {
            list.add("layer_output_scale.weight", &[1]);
        }
    }

    fn gated_tensors(&self, width: usize, list: &mut TensorList) {
        if self.fused.gate_up {
            list.add("ffn_up.weight", &[2 * width, self.hidden]);
        } else {
            list.add("ffn_gate.weight", &[width, self.hidden]);
            list.add("ffn_up.weight", &[width, self.hidden]);
        }
        list.add("ffn_down.weight", &[self.hidden, width]);
    }

    fn attention_tensors(&self, a: &AttentionSpec, list: &mut TensorList) {
        let (d, q, kv) = (self.hidden, a.heads * a.head_dim, a.kv_heads * a.head_dim);
        let own = a.kv == KvSource::Own;
        if self.fused.qkv {
            list.linear("attn_qkv", q + 2 * kv, d, a.qkv_bias);
        } else {
            list.linear("attn_q", q, d, a.qkv_bias);
            if own {
                list.linear("attn_k", kv, d, a.qkv_bias);
            }
            if own && !a.value_is_key {
                list.linear("attn_v", kv, d, a.qkv_bias);
            }
        }
        list.linear("attn_output", d, q, a.output_bias);
        let (norm_q, norm_k) = match a.qk_norm {
            Some(QkNorm::PerHead(norm)) => (Some((norm, a.head_dim)), Some((norm, a.head_dim))),
            Some(QkNorm::FullDim(norm)) => (Some((norm, q)), Some((norm, kv))),
            None => (None, None),
        };
        if let Some((norm, width)) = norm_q {
            list.norm("attn_q_norm", Some(norm), width);
        }
        if let (Some((norm, width)), true) = (norm_k, own) {
            list.norm("attn_k_norm", Some(norm), width);
        }
    }
}

#[derive(Default)]
struct TensorList {
    prefix: String,
    tensors: Vec<TensorSpec>,
}

impl TensorList {
    fn add(&mut self, name: &str, shape: &[usize]) {
        self.tensors.push(TensorSpec { name: format!("{}{name}", self.prefix), shape: shape.to_vec() });
    }

    fn norm(&mut self, name: &str, norm: Option<Norm>, width: usize) {
        let Some(norm) = norm else { return };
        self.add(&format!("{name}.weight"), &[width]);
        if norm.kind == (NormKind::Layer { bias: true }) {
            self.add(&format!("{name}.bias"), &[width]);
        }
    }

    fn linear(&mut self, name: &str, out: usize, inputs: usize, bias: bool) {
        self.add(&format!("{name}.weight"), &[out, inputs]);
        if bias {
            self.add(&format!("{name}.bias"), &[out]);
        }
    }
}
