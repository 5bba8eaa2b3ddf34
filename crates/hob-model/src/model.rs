//! A model: its description and its weights, ready to run.

use crate::ffn::project;
use crate::names::HfNames;
use crate::rope::RopeSpec;
use crate::spec::{Ffn, KvSource, ModelSpec, OutputSpec, Pooling, QkNorm};
use crate::weights::{Binder, NormWeights};
use crate::{Config, Error, families};
use hob_format::ModelFiles;
use hob_kernels::{Cpu, Linear, Matrix, RopeTable};

/// Rows that are compared to tell that a stored head repeats the embedding's codes.
const HEAD_SAMPLES: usize = 64;

/// A loaded model. Weights stay in the mapped file; loading reads settings, norms and nothing else.
pub struct Model {
    pub(crate) spec: ModelSpec,
    /// Naming of the checkpoint; `None` for GGUF files.
    names: Option<(&'static HfNames, &'static str)>,
    family: &'static str,
    pub(crate) embedding: Matrix,
    pub(crate) positions: Option<Matrix>,
    /// Row 0 of the token-type table.
    pub(crate) token_type: Option<Vec<f32>>,
    pub(crate) embedding_norm: Option<NormWeights>,
    pub(crate) final_norm: Option<NormWeights>,
    pub(crate) head: Option<Linear>,
    pub(crate) per_layer: Option<PerLayerWeights>,
    pub(crate) layers: Vec<LayerWeights>,
    pooling: Option<Pooling>,
    /// Layers an embedding model applies to the pooled vector.
    dense: Vec<Linear>,
    /// Per kind of rotary embedding: within and beyond its switch length.
    pub(crate) ropes: Vec<[RopeTable; 2]>,
}

pub(crate) struct PerLayerWeights {
    pub table: Matrix,
    pub project: Linear,
    pub norm: Vec<f32>,
}

pub(crate) struct LayerWeights {
    pub attention: AttentionWeights,
    pub ffn: FfnWeights,
    pub attention_in: Option<NormWeights>,
    pub attention_out: Option<NormWeights>,
    pub after_attention: Option<NormWeights>,
    pub ffn_in: Option<NormWeights>,
    pub ffn_out: Option<NormWeights>,
    pub after_ffn: Option<NormWeights>,
    pub per_layer: Option<PerLayerGate>,
    pub output_scale: Option<f32>,
}

pub(crate) struct AttentionWeights {
    pub q: Linear,
    /// `None` where another layer's are read.
    pub k: Option<Linear>,
    /// `None` also where values are keys.
    pub v: Option<Linear>,
    pub output: Linear,
    pub q_norm: Option<NormWeights>,
    pub k_norm: Option<NormWeights>,
}

pub(crate) enum FfnWeights {
    Gated(GatedWeights),
    Plain { up: Linear, down: Linear },
    DenseAndExperts { dense: GatedWeights, experts: Box<ExpertWeights> },
}

pub(crate) struct GatedWeights {
    pub gate: Linear,
    pub up: Linear,
    pub down: Linear,
}

pub(crate) struct ExpertWeights {
    pub dense_out: Vec<f32>,
    pub input: Vec<f32>,
    pub output: Vec<f32>,
    pub router: Linear,
    pub router_scale: Vec<f32>,
    pub experts: Vec<GatedWeights>,
    pub expert_scale: Vec<f32>,
}

pub(crate) struct PerLayerGate {
    pub gate: Linear,
    pub project: Linear,
    pub norm: Vec<f32>,
}

impl Model {
    /// Describes and binds the model in `files`.
    ///
    /// # Errors
    /// [`Error`] names the setting or tensor that does not fit, what was expected and what was found.
    pub fn load(files: &ModelFiles) -> Result<Self, Error> {
        let config = Config::new(files)?;
        let family = families::find(&config)?;
        let spec = (family.spec)(&config)?;
        let mut b = Binder::new(&config, family.names, &spec)?;
        let model = Self {
            names: b.names(),
            family: family.name,
            embedding: b.matrix("token_embd")?,
            positions: spec.embedding.positions.map(|_| b.matrix("position_embd")).transpose()?,
            token_type: spec.embedding.token_types.map(|_| first_row(&mut b, "token_types")).transpose()?,
            embedding_norm: b.norm("token_embd_norm", spec.embedding.norm)?,
            final_norm: b.norm("output_norm", spec.final_norm)?,
            head: None,
            dense: dense(&config)?,
            pooling: config.pooling()?,
            per_layer: per_layer(&mut b, &spec)?,
            layers: (0..spec.layers.len()).map(|i| layer(&mut b, &spec, i)).collect::<Result<_, _>>()?,
            ropes: spec.ropes.iter().map(|r: &RopeSpec| [r.table(false), r.table(true)]).collect(),
            spec,
        };
        let head = model.bind_head(&mut b)?;
        b.finish(&model.spec)?;
        Ok(Self { head, ..model })
    }

    /// What the model is.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// The family's name.
    pub fn family(&self) -> &'static str {
        self.family
    }

    /// The length at which a sequence must be computed anew with other rotary frequencies, if the model has one.
    pub fn switch_length(&self) -> Option<usize> {
        self.spec.ropes.iter().find_map(RopeSpec::switch_length)
    }

    /// How positions become one vector: stated by the file, or usual in the family; `None` for plain text generators.
    pub fn pooling(&self) -> Option<Pooling> {
        match self.spec.output {
            OutputSpec::Embedding { pooling } => Some(pooling),
            OutputSpec::Logits { .. } => self.pooling,
        }
    }

    /// The layers an embedding model applies to its pooled vector, in order.
    pub fn dense(&self, cpu: &Cpu, vector: Vec<f32>) -> Vec<f32> {
        self.dense.iter().fold(vector, |vector, layer| project(cpu, layer, &vector, 1).to_vec())
    }

    /// The embedding table whose rows are gathered from disk a few at a time, as (bytes, element encoding).
    pub fn per_layer_table(&self) -> Option<&Matrix> {
        self.per_layer.as_ref().map(|p| &p.table)
    }

    /// The head: the embedding matrix where it is tied, or where a stored head repeats its codes.
    fn bind_head(&self, b: &mut Binder<'_>) -> Result<Option<Linear>, Error> {
        match self.spec.output {
            OutputSpec::Embedding { .. } => Ok(None),
            OutputSpec::Logits { tied: true, .. } => Ok(Some(Linear::new(self.embedding.clone()))),
            OutputSpec::Logits { tied: false, .. } => {
                let mut head = b.linear("output")?;
                if same_sampled_rows(&head.weight, &self.embedding) {
                    head.weight = self.embedding.clone();
                }
                Ok(Some(head))
            }
        }
    }
}

/// The dense modules of a sentence-embedding directory.
fn dense(config: &Config<'_>) -> Result<Vec<Linear>, Error> {
    let modules = config.hf().map_or(&[][..], |hf| &hf.sentence_modules);
    let mut layers = Vec::new();
    for module in modules.iter().filter(|m| m.kind == "Dense") {
        let setting = |field: &str| module.config.as_ref().and_then(|c| c.get(field));
        let activation = setting("activation_function").and_then(|v| v.as_str()).unwrap_or("Identity");
        if !activation.ends_with("Identity") {
            return Err(Error::Setting {
                key: format!("{}/config.json activation_function", module.path),
                expected: "Identity".into(),
                found: activation.into(),
            });
        }
        let Some(tensors) = &module.tensors else {
            return Err(Error::MissingTensor { name: format!("{}/linear.weight", module.path) });
        };
        layers.push(crate::weights::plain_linear(tensors, "linear")?);
    }
    Ok(layers)
}

/// Whether two matrices have one encoding and the same values in rows spread over the whole.
///
/// Mobile checkpoints store the embedding twice; sharing one copy keeps 100 MB of E2B out of memory.
fn same_sampled_rows(a: &Matrix, b: &Matrix) -> bool {
    if (a.rows(), a.cols(), a.encoding()) != (b.rows(), b.cols(), b.encoding()) {
        return false;
    }
    let (mut x, mut y) = (vec![0.0; a.cols()], vec![0.0; b.cols()]);
    (0..HEAD_SAMPLES.min(a.rows())).all(|i| {
        let row = i * (a.rows() - 1) / HEAD_SAMPLES.min(a.rows());
        a.dequantize_row(row, &mut x);
        b.dequantize_row(row, &mut y);
        x == y
    })
}

fn first_row(b: &mut Binder<'_>, stem: &str) -> Result<Vec<f32>, Error> {
    let table = b.matrix(stem)?;
    let mut row = vec![0.0; table.cols()];
    table.dequantize_row(0, &mut row);
    Ok(row)
}

fn per_layer(b: &mut Binder<'_>, spec: &ModelSpec) -> Result<Option<PerLayerWeights>, Error> {
    if spec.per_layer.is_none() {
        return Ok(None);
    }
    Ok(Some(PerLayerWeights {
        table: b.matrix("per_layer_token_embd")?,
        project: b.linear("per_layer_model_proj")?,
        norm: b.vector("per_layer_proj_norm.weight")?,
    }))
}

fn layer(b: &mut Binder<'_>, spec: &ModelSpec, i: usize) -> Result<LayerWeights, Error> {
    let (name, norms) = (|n: &str| format!("blk.{i}.{n}"), spec.layers[i].norms);
    Ok(LayerWeights {
        attention: attention(b, spec, i)?,
        ffn: ffn(b, spec, i)?,
        attention_in: b.norm(&name("attn_norm"), norms.attention_in)?,
        attention_out: b.norm(&name("post_attention_norm"), norms.attention_out)?,
        after_attention: b.norm(&name("attn_output_norm"), norms.after_attention)?,
        ffn_in: b.norm(&name("ffn_norm"), norms.ffn_in)?,
        ffn_out: b.norm(&name("post_ffw_norm"), norms.ffn_out)?,
        after_ffn: b.norm(&name("layer_output_norm"), norms.after_ffn)?,
        per_layer: match spec.per_layer {
            None => None,
            Some(_) => Some(PerLayerGate {
                gate: b.linear(&name("inp_gate"))?,
                project: b.linear(&name("proj"))?,
                norm: b.vector(&name("post_norm.weight"))?,
            }),
        },
        output_scale: match spec.layers[i].output_scale {
            true => Some(b.vector(&name("layer_output_scale.weight"))?[0]),
            false => None,
        },
    })
}

fn attention(b: &mut Binder<'_>, spec: &ModelSpec, i: usize) -> Result<AttentionWeights, Error> {
    let (name, a) = (|n: &str| format!("blk.{i}.{n}"), &spec.layers[i].attention);
    let own = a.kv == KvSource::Own;
    let (q, k, v) = if spec.fused.qkv {
        let all = b.linear(&name("attn_qkv"))?;
        let (q, kv) = (a.heads * a.head_dim, a.kv_heads * a.head_dim);
        let part = |start, len| all.row_slice(start..start + len).expect("the shape was checked");
        (part(0, q), Some(part(q, kv)), Some(part(q + kv, kv)))
    } else {
        let k = own.then(|| b.linear(&name("attn_k"))).transpose()?;
        let v = (own && !a.value_is_key).then(|| b.linear(&name("attn_v"))).transpose()?;
        (b.linear(&name("attn_q"))?, k, v)
    };
    let norm = a.qk_norm.map(QkNorm::norm);
    Ok(AttentionWeights {
        q,
        k,
        v,
        output: b.linear(&name("attn_output"))?,
        q_norm: b.norm(&name("attn_q_norm"), norm)?,
        k_norm: b.norm(&name("attn_k_norm"), norm.filter(|_| own))?,
    })
}

fn ffn(b: &mut Binder<'_>, spec: &ModelSpec, i: usize) -> Result<FfnWeights, Error> {
    let name = |n: &str| format!("blk.{i}.{n}");
    Ok(match &spec.layers[i].ffn {
        Ffn::Gated { width, .. } => FfnWeights::Gated(gated(b, spec, i, *width)?),
        Ffn::Plain { .. } => {
            FfnWeights::Plain { up: b.linear(&name("ffn_up"))?, down: b.linear(&name("ffn_down"))? }
        }
        Ffn::DenseAndExperts { width, experts, .. } => {
            let (gate_up, down) = (b.matrix(&name("ffn_gate_up_exps"))?, b.matrix(&name("ffn_down_exps"))?);
            let part = |m: &Matrix, start: usize, len: usize| {
                Linear::new(m.row_slice(start..start + len).expect("the shape was checked"))
            };
            let (f, d) = (experts.width, spec.hidden);
            let expert = |e: usize| GatedWeights {
                gate: part(&gate_up, 2 * f * e, f),
                up: part(&gate_up, 2 * f * e + f, f),
                down: part(&down, d * e, d),
            };
            FfnWeights::DenseAndExperts {
                dense: gated(b, spec, i, *width)?,
                experts: Box::new(ExpertWeights {
                    dense_out: b.vector(&name("post_ffw_norm_1.weight"))?,
                    input: b.vector(&name("pre_ffw_norm_2.weight"))?,
                    output: b.vector(&name("post_ffw_norm_2.weight"))?,
                    router: b.linear(&name("ffn_gate_inp"))?,
                    router_scale: b.vector(&name("ffn_gate_inp.scale"))?,
                    experts: (0..experts.count).map(expert).collect(),
                    expert_scale: b.vector(&name("ffn_down_exps.scale"))?,
                }),
            }
        }
    })
}

fn gated(b: &mut Binder<'_>, spec: &ModelSpec, i: usize, width: usize) -> Result<GatedWeights, Error> {
    let name = |n: &str| format!("blk.{i}.{n}");
    let (gate, up) = if spec.fused.gate_up {
        let both = b.linear(&name("ffn_up"))?;
        let part = |start| both.row_slice(start..start + width).expect("the shape was checked");
        (part(0), part(width))
    } else {
        (b.linear(&name("ffn_gate"))?, b.linear(&name("ffn_up"))?)
    };
    Ok(GatedWeights { gate, up, down: b.linear(&name("ffn_down"))? })
}

impl Model {
    /// Every linear layer with its GGUF stem (`blk.0.attn_q`, `output`), in the order a token meets them.
    pub fn linears(&self) -> Vec<(String, &Linear)> {
        let mut all: Vec<(String, &Linear)> = Vec::new();
        if let Some(p) = &self.per_layer {
            all.push(("per_layer_model_proj".into(), &p.project));
        }
        for (i, layer) in self.layers.iter().enumerate() {
            let mut add = |name: &str, linear| all.push((format!("blk.{i}.{name}"), linear));
            let a = &layer.attention;
            add("attn_q", &a.q);
            a.k.iter().for_each(|k| add("attn_k", k));
            a.v.iter().for_each(|v| add("attn_v", v));
            add("attn_output", &a.output);
            match &layer.ffn {
                FfnWeights::Gated(w) => w.list("", &mut add),
                FfnWeights::Plain { up, down } => {
                    add("ffn_up", up);
                    add("ffn_down", down);
                }
                FfnWeights::DenseAndExperts { dense, experts } => {
                    dense.list("", &mut add);
                    add("ffn_gate_inp", &experts.router);
                    experts.experts.iter().enumerate().for_each(|(e, w)| w.list(&format!(".{e}"), &mut add));
                }
            }
            if let Some(p) = &layer.per_layer {
                add("inp_gate", &p.gate);
                add("proj", &p.project);
            }
        }
        all.extend(self.head.iter().map(|h| ("output".into(), h)));
        all
    }

    /// The linear layer that the file calls `module` (`model.layers.0.self_attn.q_proj`, or a GGUF stem).
    pub fn linear(&self, module: &str) -> Option<&Linear> {
        let named = |stem: &str| match self.names {
            Some((names, prefix)) => {
                names.tensor(&format!("{stem}.weight"), prefix) == format!("{module}.weight")
            }
            None => stem == module,
        };
        self.linears().into_iter().find(|(stem, _)| named(stem)).map(|(_, linear)| linear)
    }

    /// Bytes of weights that stay in memory while the model runs: all matrices that are multiplied with. Of embedding tables
    /// only the rows of tokens in use are read.
    pub fn touched_bytes(&self) -> u64 {
        self.linears().iter().map(|(_, l)| l.weight.byte_len() as u64).sum()
    }

    /// Bytes of working buffers for a step of `tokens` tokens, estimated from the widest layer.
    pub fn working_bytes(&self, tokens: usize) -> u64 {
        let widest = |layer: &crate::spec::LayerSpec| {
            let a = &layer.attention;
            let ffn = match &layer.ffn {
                Ffn::Gated { width, .. } | Ffn::DenseAndExperts { width, .. } => 2 * width,
                Ffn::Plain { width, .. } => *width,
            };
            ffn.max(2 * a.heads * a.head_dim + 2 * a.kv_heads * a.head_dim)
        };
        let inner = self.spec.layers.iter().map(widest).max().unwrap_or(0);
        let per_layer = self.spec.per_layer.map_or(0, |p| p.width * self.spec.layers.len());
        let floats = tokens * (3 * self.spec.hidden + inner + per_layer) + self.spec.vocab;
        4 * floats as u64
    }
}

impl GatedWeights {
    fn list<'a>(&'a self, suffix: &str, add: &mut impl FnMut(&str, &'a Linear)) {
        for (name, linear) in [("ffn_gate", &self.gate), ("ffn_up", &self.up), ("ffn_down", &self.down)] {
            add(&format!("{name}{suffix}"), linear);
        }
    }
}
