//! The one decoder: runs any [`ModelSpec`](crate::ModelSpec) over a batch of sequences.
//!
//! A step takes new tokens of one or more sequences together, so that weights are read once for all of them; only attention
//! goes sequence by sequence. From the last layer that stores keys on, only positions whose output is wanted are computed:
//! in prefill that skips most of the last layer everywhere, and most of the model where late layers borrow their keys.

use crate::ffn::project;
use crate::kv::SequenceKv;
use crate::model::{LayerWeights, Model};
use crate::spec::{AttentionSpec, KvSource, OutputSpec, QkNorm};
use crate::weights::NormWeights;
use crate::{StepError, spec::NormKind};
use hob_kernels::{AttentionJob, AttentionShape, Buffer, Cpu, Projection, RopeAngles};

/// Positions of a sequence after which the memory of the table of per-layer embeddings is let go: a few megabytes.
const TABLE_ROWS_KEPT: usize = 64;

/// New tokens of one sequence.
pub struct Step<'a> {
    /// Token ids (`T`), at least one.
    pub tokens: &'a [u32],
    /// The sequence's cache; afterwards it holds the new positions too.
    pub kv: &'a mut SequenceKv,
    /// Which positions' output is wanted.
    pub wanted: Wanted,
}

/// Which positions of a step leave the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// None: the step only fills the cache.
    Nothing,
    /// The last one.
    Last,
    /// All of them.
    All,
}

/// Called with the residual stream (`[T, D]`) before the first layer (0) and after each (1 to `L`).
pub type Trace<'a> = &'a mut dyn FnMut(usize, &[f32]);

impl Model {
    /// Runs `steps` together. Returns the wanted positions' hidden states after the final norm, `[rows, D]`, in order.
    ///
    /// # Errors
    /// A token outside the vocabulary, or a position beyond learned position embeddings; nothing is stored then.
    pub fn forward(
        &self,
        cpu: &Cpu,
        steps: &mut [Step<'_>],
        mut trace: Option<Trace<'_>>,
    ) -> Result<Vec<f32>, StepError> {
        let mut batch = Batch::new(self, steps)?;
        for step in steps.iter_mut() {
            step.kv.release_unseen();
        }
        let mut x = self.embed(cpu, steps, &batch);
        let per_layer = self.per_layer_inputs(cpu, steps, &batch, &x);
        let mut report = |layer: usize, x: &[f32]| {
            if let Some(trace) = trace.as_mut() {
                trace(layer, x);
            }
        };
        report(0, &x);
        let narrow_at = self.spec.last_kv_layer();
        for (i, layer) in self.layers.iter().enumerate() {
            let mut h = cpu.copy(&x);
            norm(cpu, layer.attention_in.as_ref(), &mut h);
            let queries = self.keys_and_values(cpu, i, layer, &h, steps, &mut batch, narrow_at == i);
            if narrow_at == i {
                batch.narrow(self, &mut x, &mut h);
            }
            if batch.rows.is_empty() {
                break;
            }
            let mut h = self.attend(cpu, i, layer, queries, &h, steps, &batch);
            norm(cpu, layer.attention_out.as_ref(), &mut h);
            cpu.add(&mut x, &h);
            norm(cpu, layer.after_attention.as_ref(), &mut x);

            let mut h = cpu.copy(&x);
            norm(cpu, layer.ffn_in.as_ref(), &mut h);
            let mut h = layer.ffn.run(cpu, &self.spec.layers[i].ffn, &h, &x, batch.rows.len());
            norm(cpu, layer.ffn_out.as_ref(), &mut h);
            cpu.add(&mut x, &h);
            norm(cpu, layer.after_ffn.as_ref(), &mut x);

            self.gate_per_layer(cpu, i, layer, &per_layer, &batch, &mut x);
            if let Some(scale) = layer.output_scale {
                cpu.scale(&mut x, scale);
            }
            report(i + 1, &x);
        }
        for step in steps {
            step.kv.advance(step.tokens.len());
        }
        if batch.rows.is_empty() {
            return Ok(Vec::new());
        }
        norm(cpu, self.final_norm.as_ref(), &mut x);
        Ok(x.to_vec())
    }

    /// Scores of the next token (`[rows, V]`) for hidden states that [`Model::forward`] returned (`[rows, D]`).
    ///
    /// # Panics
    /// When the model is an encoder ([`crate::ModelSpec::is_generative`] tells).
    pub fn logits(&self, cpu: &Cpu, hidden: &[f32]) -> Vec<f32> {
        let head = self.head.as_ref().expect("only generative models have a head");
        let tokens = hidden.len() / self.spec.hidden;
        let mut logits = vec![0.0; tokens * head.weight.rows()];
        cpu.project(hidden, tokens, &mut [Projection { linear: head, out: &mut logits }]);
        if let OutputSpec::Logits { softcap: Some(cap), .. } = self.spec.output {
            cpu.softcap(&mut logits, cap);
        }
        logits
    }

    fn embed(&self, cpu: &Cpu, steps: &[Step<'_>], batch: &Batch) -> Buffer<f32> {
        let d = self.spec.hidden;
        let mut x = cpu.buffer(batch.rows.len() * d);
        let mut row = vec![0.0; d];
        let ids = steps.iter().flat_map(|s| s.tokens);
        for ((x, &id), at) in x.chunks_exact_mut(d).zip(ids).zip(&batch.rows) {
            self.embedding.dequantize_row(self.spec.embedding.row(id), x);
            if let Some(positions) = &self.positions {
                positions.dequantize_row(at.position, &mut row);
                x.iter_mut().zip(&row).for_each(|(x, p)| *x += p);
            }
            if let Some(kind) = &self.token_type {
                x.iter_mut().zip(kind).for_each(|(x, k)| *x += k);
            }
        }
        if self.spec.embedding.scale != 1.0 {
            cpu.scale(&mut x, self.spec.embedding.scale);
        }
        norm(cpu, self.embedding_norm.as_ref(), &mut x);
        x
    }

    /// Every token's input to every layer, `[T, L * P]`: the mean of what its embedding and its table row say, times sqrt 2.
    fn per_layer_inputs(&self, cpu: &Cpu, steps: &[Step<'_>], batch: &Batch, x: &[f32]) -> Buffer<f32> {
        let (Some(weights), Some(spec)) = (&self.per_layer, self.spec.per_layer) else {
            return cpu.buffer(0);
        };
        let tokens = x.len() / self.spec.hidden;
        let mut p = project(cpu, &weights.project, x, tokens);
        cpu.scale(&mut p, 1.0 / (self.spec.hidden as f32).sqrt());
        cpu.rms_norm(&mut p, spec.width, Some(&weights.norm), spec.norm.eps);
        let width = weights.table.cols();
        let mut row = vec![0.0; width];
        let root = (spec.width as f32).sqrt();
        let ids = steps.iter().flat_map(|s| s.tokens);
        for ((p, &id), at) in p.chunks_exact_mut(width).zip(ids).zip(&batch.rows) {
            weights.table.dequantize_row(self.spec.embedding.row(id), &mut row);
            p.iter_mut().zip(&row).for_each(|(p, t)| *p = (*p + t * root) * std::f32::consts::FRAC_1_SQRT_2);
            // A row of the table is a few kilobytes, but the system maps more around each that is touched.
            if at.position % TABLE_ROWS_KEPT == TABLE_ROWS_KEPT - 1 {
                weights.table.release();
            }
        }
        p
    }

    /// `x += norm(project(gelu(gate(x)) * p_i))`.
    fn gate_per_layer(
        &self,
        cpu: &Cpu,
        i: usize,
        layer: &LayerWeights,
        inputs: &[f32],
        batch: &Batch,
        x: &mut [f32],
    ) {
        let (Some(weights), Some(spec)) = (&layer.per_layer, self.spec.per_layer) else { return };
        let tokens = batch.rows.len();
        let (width, stride) = (spec.width, spec.width * self.layers.len());
        let mut gate = project(cpu, &weights.gate, x, tokens);
        let mut own = cpu.buffer(tokens * width);
        for (own, row) in own.chunks_exact_mut(width).zip(&batch.rows) {
            own.copy_from_slice(&inputs[row.token * stride + i * width..][..width]);
        }
        cpu.gated(hob_kernels::Activation::GeluTanh, &mut gate, &own);
        let mut h = project(cpu, &weights.project, &gate, tokens);
        cpu.rms_norm(&mut h, self.spec.hidden, Some(&weights.norm), spec.norm.eps);
        cpu.add(x, &h);
    }

    /// Stores the new keys and values of a layer that has its own. Returns the queries too, unless rows will be dropped
    /// before they are needed.
    #[allow(clippy::too_many_arguments, reason = "the running step in its parts")]
    fn keys_and_values(
        &self,
        cpu: &Cpu,
        i: usize,
        layer: &LayerWeights,
        h: &[f32],
        steps: &mut [Step<'_>],
        batch: &mut Batch,
        narrowing: bool,
    ) -> Option<Buffer<f32>> {
        let (spec, w) = (&self.spec.layers[i].attention, &layer.attention);
        let key = w.k.as_ref().filter(|_| spec.kv == KvSource::Own)?;
        let (tokens, row) = (batch.rows.len(), spec.kv_heads * spec.head_dim);
        let mut k = cpu.buffer(tokens * row);
        let mut v = cpu.buffer(k.len());
        let with_queries = !narrowing || batch.all_wanted();
        let mut q = cpu.buffer(if with_queries { tokens * w.q.weight.rows() } else { 0 });
        let mut jobs = vec![Projection { linear: key, out: &mut k }];
        if let Some(value) = &w.v {
            jobs.push(Projection { linear: value, out: &mut v });
        }
        if with_queries {
            jobs.push(Projection { linear: &w.q, out: &mut q });
        }
        cpu.project(h, tokens, &mut jobs);
        if w.v.is_none() {
            v.copy_from_slice(&k);
        }
        self.normalise_heads(cpu, spec, w.k_norm.as_ref(), &mut k);
        self.turn(cpu, spec, spec.kv_heads, batch, &mut k);
        if let Some(eps) = spec.value_norm {
            cpu.rms_norm(&mut v, spec.head_dim, None, eps);
        }
        for (step, part) in steps.iter_mut().zip(&batch.parts) {
            let range = part.start * row..(part.start + part.count) * row;
            step.kv.store(i, &k[range.clone()], &v[range]);
        }
        with_queries.then_some(q)
    }

    /// Attention's output projection for the rows of `batch`; `queries` where they are projected already.
    #[allow(clippy::too_many_arguments, reason = "the running step in its parts")]
    fn attend(
        &self,
        cpu: &Cpu,
        i: usize,
        layer: &LayerWeights,
        queries: Option<Buffer<f32>>,
        h: &[f32],
        steps: &[Step<'_>],
        batch: &Batch,
    ) -> Buffer<f32> {
        let (spec, w) = (&self.spec.layers[i].attention, &layer.attention);
        let tokens = batch.rows.len();
        let mut q = queries.unwrap_or_else(|| project(cpu, &w.q, h, tokens));
        self.normalise_heads(cpu, spec, w.q_norm.as_ref(), &mut q);
        self.turn(cpu, spec, spec.heads, batch, &mut q);
        let owner = match spec.kv {
            KvSource::Own => i,
            KvSource::Layer(owner) => owner,
        };
        let shape = AttentionShape {
            heads: spec.heads,
            kv_heads: spec.kv_heads,
            head_dim: spec.head_dim,
            scale: spec.scale,
            softcap: spec.softcap,
        };
        let row = spec.heads * spec.head_dim;
        let mut out = cpu.buffer(q.len());
        let mut rest = &mut out[..];
        let mut jobs = Vec::with_capacity(steps.len());
        for (step, part) in steps.iter().zip(&batch.parts) {
            let (own, others) = rest.split_at_mut(part.count * row);
            rest = others;
            jobs.push(AttentionJob {
                q: &q[part.start * row..][..own.len()],
                first_position: part.first_position,
                kv: step.kv.view(owner, step.tokens.len()),
                out: own,
            });
        }
        cpu.attention_batch(&shape, spec.mask, &mut jobs);
        project(cpu, &w.output, &out, tokens)
    }

    fn normalise_heads(&self, cpu: &Cpu, spec: &AttentionSpec, weights: Option<&NormWeights>, x: &mut [f32]) {
        let (Some(weights), Some(place)) = (weights, spec.qk_norm) else { return };
        let width = match place {
            QkNorm::PerHead(_) => spec.head_dim,
            QkNorm::FullDim(_) => weights.weight.len(),
        };
        cpu.rms_norm(x, width, Some(&weights.weight), weights.norm.eps);
    }

    fn turn(&self, cpu: &Cpu, spec: &AttentionSpec, heads: usize, batch: &Batch, x: &mut [f32]) {
        if let Some(rope) = spec.rope {
            cpu.rope(x, heads, spec.head_dim, self.spec.rope_layout, &batch.angles[rope]);
        }
    }
}

fn norm(cpu: &Cpu, weights: Option<&NormWeights>, x: &mut [f32]) {
    let Some(NormWeights { norm, weight, bias }) = weights else { return };
    match norm.kind {
        NormKind::Rms => cpu.rms_norm(x, weight.len(), Some(weight), norm.eps),
        NormKind::Layer { .. } => cpu.layer_norm(x, weight, bias.as_deref(), norm.eps),
    }
}

/// Where the rows of a running step come from.
struct Batch {
    rows: Vec<Row>,
    /// One part per step, in order.
    parts: Vec<Part>,
    /// Per kind of rotary embedding: one row of angles per row.
    angles: Vec<RopeAngles>,
}

#[derive(Clone, Copy)]
struct Row {
    position: usize,
    /// Index among all tokens of the step, as they came.
    token: usize,
    /// Whether frequencies are those of long contexts.
    long: bool,
}

struct Part {
    start: usize,
    count: usize,
    first_position: usize,
    wanted: Wanted,
}

impl Batch {
    fn new(model: &Model, steps: &[Step<'_>]) -> Result<Self, StepError> {
        let vocab = model.spec.vocab;
        let mut batch = Self { rows: Vec::new(), parts: Vec::new(), angles: Vec::new() };
        for step in steps {
            if let Some(&id) = step.tokens.iter().find(|&&id| id as usize >= vocab) {
                return Err(StepError::TokenOutOfRange { id, vocab });
            }
            let (start, first_position, count) = (batch.rows.len(), step.kv.len(), step.tokens.len());
            if let Some(limit) =
                model.spec.embedding.positions.filter(|&limit| first_position + count > limit)
            {
                return Err(StepError::TooLong { found: first_position + count, limit });
            }
            let long = step.kv.long_context;
            batch.rows.extend((0..count).map(|t| Row {
                position: first_position + t,
                token: start + t,
                long,
            }));
            batch.parts.push(Part { start, count, first_position, wanted: step.wanted });
        }
        batch.turn(model);
        Ok(batch)
    }

    fn turn(&mut self, model: &Model) {
        self.angles = model
            .ropes
            .iter()
            .map(|regimes| {
                let mut all =
                    RopeAngles { pairs: regimes[0].frequencies.len(), cos: Vec::new(), sin: Vec::new() };
                for rows in self.rows.chunk_by(|a, b| a.long == b.long) {
                    let positions: Vec<usize> = rows.iter().map(|r| r.position).collect();
                    let part = regimes[usize::from(rows[0].long)].angles(&positions);
                    all.cos.extend(part.cos);
                    all.sin.extend(part.sin);
                }
                all
            })
            .collect();
    }

    fn all_wanted(&self) -> bool {
        self.parts.iter().all(|p| p.wanted == Wanted::All || (p.wanted == Wanted::Last && p.count == 1))
    }

    /// Keeps only wanted rows, here and in `x` and `h` (`[rows, D]`).
    fn narrow(&mut self, model: &Model, x: &mut Buffer<f32>, h: &mut Buffer<f32>) {
        if self.all_wanted() {
            return;
        }
        let mut kept = Vec::new();
        for part in &mut self.parts {
            let skip = match part.wanted {
                Wanted::All => 0,
                Wanted::Last => part.count.saturating_sub(1),
                Wanted::Nothing => part.count,
            };
            let start = kept.len();
            kept.extend(part.start + skip..part.start + part.count);
            *part =
                Part { start, count: part.count - skip, first_position: part.first_position + skip, ..*part };
        }
        let d = model.spec.hidden;
        for rows in [x, h] {
            // Rows only move towards the front, so none is overwritten before it has moved.
            kept.iter()
                .enumerate()
                .for_each(|(to, &from)| rows.copy_within(from * d..(from + 1) * d, to * d));
            rows.truncate(kept.len() * d);
        }
        self.rows = kept.iter().map(|&r| self.rows[r]).collect();
        self.turn(model);
    }
}
