//! Which kernel a layer gets, with its activations in the form that kernel reads, cut into chunks of rows.

use super::activations::{Activations, GROUP, Order, Steps};
use super::finish::Finish;
use super::panel::{self, Form, Packed, Source};
#[cfg(target_arch = "x86_64")]
use super::{amx, eights, fours, groups};
use super::{blocks, codes, float, scalar};
#[cfg(target_arch = "x86_64")]
use super::{blocks::format, words};

use crate::matrix::Storage;
use crate::{Compute, Cpu, Isa, Linear, Matrix, Projection};
use hob_quant::TensorType;
use std::borrow::Cow;
use std::sync::Arc;

/// Weight bytes of one chunk of work: enough that claiming it costs nothing beside the work, few enough that stealing
/// evens out a core that another process keeps busy.
const CHUNK_BYTES: usize = 64 << 10;

/// Chunks are whole panels of rows.
const CHUNK_ROWS: usize = 32;

/// Tokens from which rounding block formats into panels costs less than it saves.
const PANEL_TOKENS: usize = 24;

/// The same where `groups.rs` is the alternative.
pub(super) const PANEL_TOKENS_MAX: usize = 48;

/// Tokens from which several at a time cost less than one or two at a time.
#[cfg(target_arch = "x86_64")]
const SEVERAL_TOKENS: usize = 3;

/// The same for integer codes, whose panels need no rounding. With AVX2 a few tokens are about as fast without.
fn panel_tokens_of_codes(isa: Isa) -> usize {
    if isa == Isa::Avx2 { 24 } else { 12 }
}

/// Tokens from which block formats are rounded into panels, if any are.
pub(super) fn panel_tokens(isa: Isa) -> usize {
    if matches!(isa, Isa::Amx | Isa::Avx512 | Isa::Avx2) { PANEL_TOKENS_MAX } else { PANEL_TOKENS }
}

/// The same for one format. Groups that keep their scales are faster than panels with AVX2, nearly as fast with AVX-512, and
/// two to three times nearer to exact arithmetic; AMX has no use for rounded bytes.
pub(super) fn panel_tokens_of(isa: Isa, ty: TensorType) -> usize {
    match isa {
        Isa::Avx2 | Isa::Amx => usize::MAX,
        Isa::Avx512 if ty.block_size() == GROUP => usize::MAX,
        _ => panel_tokens(isa),
    }
}

/// What was made of the input, by what tells the forms apart.
type Made<K, V> = Vec<(K, Arc<V>)>;

/// The input of a call in every form asked for so far.
pub(super) struct Inputs<'a> {
    cpu: &'a Cpu,
    x: &'a [f32],
    tokens: usize,
    quantised: Made<(Steps, Order), Activations>,
    packed: Made<Form, Packed>,
    #[cfg(target_arch = "x86_64")]
    tiles: Made<format::Form, groups::Tiles>,
    #[cfg(target_arch = "x86_64")]
    fours: Made<format::Form, fours::Fours>,
    #[cfg(target_arch = "x86_64")]
    eights: Made<format::Form, eights::Packed>,
    /// By the words and the trained range.
    #[cfg(target_arch = "x86_64")]
    words: Made<(words::Word, Option<f32>), words::Packed>,
    #[cfg(target_arch = "x86_64")]
    pairs: Option<Arc<amx::Packed>>,
}

impl<'a> Inputs<'a> {
    pub(super) fn new(cpu: &'a Cpu, x: &'a [f32], tokens: usize) -> Self {
        Self {
            cpu,
            x,
            tokens,
            quantised: Vec::new(),
            packed: Vec::new(),
            #[cfg(target_arch = "x86_64")]
            tiles: Vec::new(),
            #[cfg(target_arch = "x86_64")]
            fours: Vec::new(),
            #[cfg(target_arch = "x86_64")]
            eights: Vec::new(),
            #[cfg(target_arch = "x86_64")]
            words: Vec::new(),
            #[cfg(target_arch = "x86_64")]
            pairs: None,
        }
    }

    fn quantised(&mut self, steps: Steps, order: Order) -> Arc<Activations> {
        let (cpu, x, tokens) = (self.cpu, self.x, self.tokens);
        once(&mut self.quantised, (steps, order), || {
            Activations::quantise(cpu.isa, &cpu.pool, x, tokens, x.len() / tokens, steps, order)
        })
    }

    fn packed(&mut self, form: Form) -> Arc<Packed> {
        once(&mut self.packed, form, || Packed::new(self.cpu, self.x, self.tokens, form))
    }

    #[cfg(target_arch = "x86_64")]
    fn tiles(&mut self, form: format::Form) -> Arc<groups::Tiles> {
        once(&mut self.tiles, form, || groups::Tiles::new(self.cpu, self.x, self.tokens, form))
    }

    #[cfg(target_arch = "x86_64")]
    fn fours(&mut self, form: format::Form) -> Arc<fours::Fours> {
        once(&mut self.fours, form, || fours::Fours::new(self.cpu, self.x, self.tokens, form))
    }

    #[cfg(target_arch = "x86_64")]
    fn eights(&mut self, form: format::Form) -> Arc<eights::Packed> {
        once(&mut self.eights, form, || eights::Packed::new(self.cpu, self.x, self.tokens, form))
    }

    #[cfg(target_arch = "x86_64")]
    fn words(&mut self, word: words::Word, input_scale: Option<f32>) -> Arc<words::Packed> {
        let (cpu, x, tokens) = (self.cpu, self.x, self.tokens);
        once(&mut self.words, (word, input_scale), || {
            words::Packed::new(cpu, &rounded(x, input_scale), tokens, word)
        })
    }

    #[cfg(target_arch = "x86_64")]
    fn pairs(&mut self) -> Arc<amx::Packed> {
        let make = || Arc::new(amx::Packed::new(self.cpu, self.x, self.tokens));
        Arc::clone(self.pairs.get_or_insert_with(make))
    }

    fn float(&self, input_scale: Option<f32>) -> Cow<'a, [f32]> {
        rounded(self.x, input_scale)
    }
}

/// The values themselves, rounded to the layer's trained range if it has one.
fn rounded(x: &[f32], input_scale: Option<f32>) -> Cow<'_, [f32]> {
    match input_scale {
        Some(scale) => x.iter().map(|&x| scalar::round_to_range(x, scale)).collect(),
        None => Cow::Borrowed(x),
    }
}

/// What was made for `key` before, or what `make` makes now.
fn once<K: PartialEq, V>(made: &mut Made<K, V>, key: K, make: impl FnOnce() -> V) -> Arc<V> {
    if let Some((_, found)) = made.iter().find(|(k, _)| *k == key) {
        return Arc::clone(found);
    }
    let new = Arc::new(make());
    made.push((key, Arc::clone(&new)));
    new
}

/// The kernel, with the activations in the form it reads.
enum Kernel<'a> {
    Float(Cow<'a, [f32]>),
    Blocks(TensorType, Arc<Activations>),
    #[cfg(target_arch = "x86_64")]
    Fours(TensorType, Arc<fours::Fours>),
    #[cfg(target_arch = "x86_64")]
    Eights(TensorType, Arc<eights::Packed>),
    #[cfg(target_arch = "x86_64")]
    Groups(TensorType, Arc<groups::Tiles>),
    Codes(codes::Weights<'a>, codes::Input),
    Panel(Source<'a>, Arc<Packed>),
    #[cfg(target_arch = "x86_64")]
    Words(words::Source<'a>, Arc<words::Packed>),
    #[cfg(target_arch = "x86_64")]
    AmxBytes(Source<'a>, Arc<Packed>),
    #[cfg(target_arch = "x86_64")]
    AmxPairs(amx::Source<'a>, Arc<amx::Packed>),
}

/// One layer's share of a call.
pub(super) struct Task<'a> {
    weight: &'a Matrix,
    kernel: Kernel<'a>,
    chunk_rows: usize,
    finish: Finish<'a>,
}

impl<'a> Task<'a> {
    pub(super) fn plan(inputs: &mut Inputs<'a>, job: &'a mut Projection<'_>) -> Self {
        let linear = job.linear;
        let weight = &linear.weight;
        assert_eq!(inputs.x.len(), inputs.tokens * weight.cols(), "x is [T, in]");
        let kernel = choose(inputs, linear);
        let row_bytes = (weight.byte_len() / weight.rows().max(1)).max(1);
        let chunk_rows = match &kernel {
            Kernel::Panel(..) => CHUNK_ROWS,
            #[cfg(target_arch = "x86_64")]
            Kernel::AmxBytes(..) | Kernel::AmxPairs(..) => amx::chunk_rows(inputs.cpu, weight.rows()),
            #[cfg(target_arch = "x86_64")]
            Kernel::Words(..) => CHUNK_ROWS,
            _ => (CHUNK_BYTES / row_bytes).max(1).next_multiple_of(CHUNK_ROWS),
        };
        Self { weight, kernel, chunk_rows, finish: Finish::new(linear, inputs.tokens, job.out) }
    }

    pub(super) fn chunks(&self) -> usize {
        self.weight.rows().div_ceil(self.chunk_rows)
    }

    #[cfg(target_arch = "x86_64")]
    fn chunk(&self, cpu: &Cpu, rows: std::ops::Range<usize>) -> groups::Chunk {
        let next = rows.start + cpu.pool.threads() * self.chunk_rows;
        groups::Chunk { rows, next }
    }

    pub(super) fn run(&self, cpu: &Cpu, chunk: usize) {
        let isa = cpu.isa;
        let rows = chunk * self.chunk_rows..((chunk + 1) * self.chunk_rows).min(self.weight.rows());
        match &self.kernel {
            Kernel::Float(x) => float::project(isa, self.weight, rows, x, &self.finish),
            Kernel::Blocks(ty, x) => blocks::project(isa, *ty, self.weight, rows, x, &self.finish),
            #[cfg(target_arch = "x86_64")]
            Kernel::Fours(ty, x) => fours::project(*ty, self.weight.encoded_rows(), rows, x, &self.finish),
            #[cfg(target_arch = "x86_64")]
            Kernel::Eights(ty, x) => {
                let chunk = self.chunk(cpu, rows);
                eights::project(*ty, self.weight.encoded_rows(), chunk, x, &self.finish);
            }
            #[cfg(target_arch = "x86_64")]
            Kernel::Groups(ty, x) => {
                let chunk = self.chunk(cpu, rows);
                groups::project(*ty, self.weight.encoded_rows(), chunk, x, &self.finish);
            }
            Kernel::Panel(source, x) => panel::project(cpu, source, rows, x, &self.finish),
            #[cfg(target_arch = "x86_64")]
            Kernel::Words(source, x) => words::project(source, rows, x, &self.finish),
            #[cfg(target_arch = "x86_64")]
            Kernel::AmxBytes(source, x) => amx::project_bytes(source, rows, x, &self.finish),
            #[cfg(target_arch = "x86_64")]
            Kernel::AmxPairs(source, x) => amx::project_pairs(*source, rows, x, &self.finish),
            Kernel::Codes(weights, input) => codes::project(isa, weights, rows, input, &self.finish),
        }
    }
}

fn choose<'a>(inputs: &mut Inputs<'a>, linear: &'a Linear) -> Kernel<'a> {
    let fast = inputs.cpu.compute == Compute::Fast;
    #[cfg(target_arch = "x86_64")]
    if fast
        && inputs.cpu.amx
        && inputs.tokens >= PANEL_TOKENS_MAX
        && let Some(source) = amx::Source::new(linear)
    {
        return Kernel::AmxPairs(source, inputs.pairs());
    }
    match linear.weight.storage() {
        Storage::Blocks { ty, .. } if fast && blocks::is_supported(*ty) => {
            if inputs.tokens >= panel_tokens_of(inputs.cpu.isa(), *ty) {
                let steps = linear.input_scale.map_or(Steps::Unit, Steps::Fixed);
                let source = Source::Blocks(*ty, linear.weight.encoded_rows());
                let form = Form { steps, order: Order::Halves, offset: source.offset() };
                return Kernel::Panel(source, inputs.packed(form));
            }
            let steps = linear.input_scale.map_or(Steps::Group, Steps::Fixed);
            #[cfg(target_arch = "x86_64")]
            if matches!(inputs.cpu.isa, Isa::Avx512 | Isa::Avx2) && inputs.tokens > 1 {
                let form = format::Form::new(inputs.cpu, steps, format::format(*ty).expect("just found"));
                match (inputs.cpu.isa, inputs.tokens) {
                    (Isa::Avx2, ..=eights::TOKENS_MAX) if eights::is_supported(*ty, form) => {
                        return Kernel::Eights(*ty, inputs.eights(form));
                    }
                    // Row by row.
                    (_, ..SEVERAL_TOKENS) => {}
                    (Isa::Avx512, ..=fours::TOKENS_MAX) => return Kernel::Fours(*ty, inputs.fours(form)),
                    _ => return Kernel::Groups(*ty, inputs.tiles(form)),
                }
            }
            let order = blocks::order(inputs.cpu.isa, *ty);
            Kernel::Blocks(*ty, inputs.quantised(steps, order))
        }
        // A trained input range makes integers of both sides, so exact and fast are one.
        Storage::Codes { .. } if fast || linear.input_scale.is_some() => {
            let Some(weights) = codes::Weights::new(&linear.weight) else {
                return Kernel::Float(inputs.float(linear.input_scale));
            };
            let steps = linear.input_scale.map_or(Steps::Row, Steps::Fixed);
            let order = codes::order(weights.bits);
            if inputs.tokens >= panel_tokens_of_codes(inputs.cpu.isa) && weights.cols <= codes::MAX_COLS {
                let source = Source::Codes(weights);
                let form = Form { steps, order, offset: source.offset() };
                #[cfg(target_arch = "x86_64")]
                if inputs.cpu.amx {
                    return Kernel::AmxBytes(source, inputs.packed(form));
                }
                return Kernel::Panel(source, inputs.packed(form));
            }
            Kernel::Codes(weights, codes::Input::new(inputs.quantised(steps, order)))
        }
        #[cfg(target_arch = "x86_64")]
        _ if fast && inputs.tokens >= words::WORDS_TOKENS => match words::Source::new(inputs.cpu, linear) {
            Some(source) => Kernel::Words(source, inputs.words(source.word(), linear.input_scale)),
            None => Kernel::Float(inputs.float(linear.input_scale)),
        },
        _ => Kernel::Float(inputs.float(linear.input_scale)),
    }
}
