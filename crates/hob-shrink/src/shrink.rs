//! From a parent and a budget to the tensors of the child.

use crate::journal::{Journal, Key, State};
use crate::menu::{Menu, aligned};
use crate::plan::frontier;
use crate::statistics::{AT_ONCE, form_numbers};
use crate::table::{Judge, Method, Search};
use crate::work::WorkFile;
use crate::{Entry, Error, Plan, Statistics, StoredTensor, Table, plan};
use hob_format::{GgufLayout, GgufWriter, Metadata};
use hob_kernels::Cpu;
use hob_model::spec::TensorSpec;
use hob_quant::{RowFormat, TensorType, quantize_row};
use hob_train::data::Sequences;
use hob_train::{Layout, Network, Numbers, Seen, Source, Sweep};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

/// Tokens below which the curvature says nothing of most columns.
const TOKENS_MIN: usize = 2048;

/// Sizes of which the best plan is reported.
const FRONTIER: usize = 96;

/// Bytes of a tensor in a safetensors header, at most, beside the end of its name.
const HEADER_LINE: u64 = 140;

/// Types worth considering: the rest are larger and worse than one of these, or need other kernels.
const TYPES: [TensorType; 17] = [
    TensorType::IQ1_S,
    TensorType::IQ1_M,
    TensorType::IQ2_XXS,
    TensorType::IQ2_XS,
    TensorType::IQ2_S,
    TensorType::Q2_K,
    TensorType::IQ3_XXS,
    TensorType::IQ3_S,
    TensorType::Q3_K,
    TensorType::IQ4_XS,
    TensorType::IQ4_NL,
    TensorType::Q4_K,
    TensorType::Q5_0,
    TensorType::Q5_K,
    TensorType::Q6_K,
    TensorType::Q8_0,
    TensorType::F16,
];

/// What a child should be like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of the whole file, at most: one child for each.
    pub budgets: Vec<u64>,
    /// How it is planned and rounded.
    pub method: Method,
    /// Start of every random choice.
    pub seed: u64,
    /// Tokens of a sequence of the text.
    pub sequence: usize,
}

impl Options {
    /// The usual ways of this crate.
    pub fn new(budgets: Vec<u64>, threads: usize, sequence: usize) -> Self {
        let types = TYPES.iter().copied().filter(|ty| ty.can_quantize()).collect();
        let menu = Menu::Blocks(types);
        let method = Method { menu, judge: Judge::default(), search: Search::default(), threads };
        Self { budgets, method, seed: 1, sequence }
    }
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage<'a> {
    /// The text goes through a layer, of so many.
    Forward(usize, usize),
    /// An earlier run is gone on with: so many layers are left, of so many.
    GoingOn(usize, usize),
    /// It turns at the head.
    Turning,
    /// Gradients go back through a layer, of so many.
    Back(usize, usize),
    /// Costs of types are predicted for a tensor.
    Predicting(&'a str),
    /// A tensor is rounded to its format.
    Rounding(&'a str, RowFormat),
}

/// A child, and how it came to be.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its tensors, in the parent's order.
    pub tensors: Vec<StoredTensor>,
    /// The types and what they were predicted to cost.
    pub plan: Plan,
    /// Bytes of a file, and the least cost predicted for that size.
    pub frontier: Vec<(u64, f64)>,
}

/// What is known of a parent after reading a text with it: enough to make a child of any size.
pub struct Study<'a> {
    cpu: &'a Cpu,
    network: &'a Network,
    source: &'a dyn Source,
    method: &'a Method,
    table: Table,
    work: WorkFile,
    journal: Option<Journal>,
    /// Bytes that no plan changes.
    rest: u64,
    frontier: Vec<(u64, f64)>,
}

impl<'a> Study<'a> {
    /// Reads `text` with the model whose parameters come from `source`, one layer in memory at a time, and predicts what each
    /// type costs each of its matrices. What is learned is kept on disk, as `notes` says.
    ///
    /// # Errors
    /// [`Error::Budget`] with the smallest size that there is, [`Error::Text`], [`Error::Curvature`], [`Error::Quantize`],
    /// [`Error::Work`].
    pub fn new(
        cpu: &'a Cpu,
        (network, source): (&'a Network, &'a dyn Source),
        metadata: &Metadata,
        text: &Sequences,
        options: &'a Options,
        notes: Notes<'_>,
        heard: &mut dyn FnMut(Stage<'_>),
    ) -> Result<Self, Error> {
        let total = text.tokens.len();
        if total < TOKENS_MIN {
            return Err(Error::Text { expected: TOKENS_MIN, found: total });
        }
        check_budgets(network, metadata, options)?;
        let rest = unplanned_bytes(network.layout(), metadata, &options.method.menu)?;
        let method = &options.method;
        let (work, journal) = match notes {
            Notes::Nameless(folder) => (WorkFile::new(folder)?, None),
            Notes::At(folder) => {
                let journal = Journal::open(folder, key(network, source, text, options)?)?;
                let places = journal.entries.iter().flat_map(|e| &e.matrices).map(|m| m.place);
                (WorkFile::at(&journal.data(), places)?, Some(journal))
            }
        };
        let mut learner = Learner {
            cpu,
            network,
            source,
            method,
            statistics: RefCell::new(Statistics { tokens: total, ..Statistics::default() }),
            entries: BTreeMap::new(),
            work,
            journal,
        };
        learner.learn(text, options, heard)?;
        let Learner { entries, work, journal, .. } = learner;
        let table = Table { entries: entries.into_values().collect() };
        let frontier = frontier(&table, rest, FRONTIER);
        Ok(Self { cpu, network, source, method, table, work, journal, rest, frontier })
    }

    /// Plans and rounds the child that takes at most `budget` bytes.
    ///
    /// # Errors
    /// [`Error::Budget`], [`Error::Quantize`], [`Error::Work`], and whatever `source` says.
    pub fn child(&self, budget: u64, heard: &mut dyn FnMut(Stage<'_>)) -> Result<Outcome, Error> {
        let plan = plan(&self.table, budget, self.rest)?;
        let mut planned = self.table.entries.iter().zip(&plan.choices);
        let mut tensors = Vec::new();
        for (tensor, range) in self.network.layout().iter() {
            let numbers = self.source.numbers(range.clone())?;
            let (format, bytes) = if tensor.shape.len() < 2 {
                self.vector(&tensor.name, &numbers)?
            } else {
                let (entry, choice) = planned.next().expect("the table has every matrix, in this order");
                let format = choice.candidate.format;
                heard(Stage::Rounding(&tensor.name, format));
                let params = Numbers::from(range.start, &numbers);
                (format, entry.round(self.cpu, params, format, self.method, &self.work)?)
            };
            tensors.push(StoredTensor {
                name: tensor.name.clone(),
                format,
                shape: tensor.shape.clone(),
                bytes,
            });
        }
        Ok(Outcome { tensors, plan, frontier: self.frontier.clone() })
    }
}

impl Study<'_> {
    /// A vector as a child holds it.
    fn vector(&self, name: &str, numbers: &[f32]) -> Result<(RowFormat, Vec<u8>), Error> {
        let ty = self.method.menu.vectors();
        let mut bytes = vec![0; ty.row_bytes(numbers.len()).expect("floats have blocks of one")];
        let failed = |source| Error::Quantize { name: name.to_owned(), source };
        quantize_row(ty, numbers, &mut bytes).map_err(failed)?;
        Ok((ty.into(), bytes))
    }

    /// Ends the study, whose children are written: what [`Notes::At`] kept is removed.
    pub fn finish(self) {
        drop(self.work);
        self.journal.into_iter().for_each(Journal::remove);
    }
}

/// Where a study keeps what it learns.
#[derive(Clone, Copy, Debug)]
pub enum Notes<'a> {
    /// In a file without a name in this folder, which is gone when the program ends.
    Nameless(&'a Path),
    /// In this folder, until [`Study::finish`]: a study that was interrupted goes on from there.
    At(&'a Path),
}

/// What everything that a study learns depends on is reduced to.
fn key(network: &Network, source: &dyn Source, text: &Sequences, options: &Options) -> Result<Key, Error> {
    let method = &options.method;
    let mut key = Key::new().and_text(env!("CARGO_PKG_VERSION")).and([options.seed, options.sequence as u64]);
    key = key.and_text(&format!("{:?} {:?} {:?}", method.menu, method.judge, method.search));
    key = key.and(text.tokens.iter().map(|t| u64::from(*t))).and(text.documents.iter().map(|d| *d as u64));
    for (tensor, range) in network.layout().iter() {
        key = key.and_text(&tensor.name).and([range.start as u64, range.end as u64]);
        // Vectors are small, and differ between any two models of one shape.
        if tensor.shape.len() < 2 {
            key = key.and_f32s(&source.numbers(range)?);
        }
    }
    Ok(key.and_f32s(&source.numbers(network.embedding_stretch())?))
}

/// Reads a text forward and back, and makes the table's entries on the way back, from the head to the embedding.
struct Learner<'a> {
    cpu: &'a Cpu,
    network: &'a Network,
    source: &'a dyn Source,
    method: &'a Method,
    statistics: RefCell<Statistics>,
    /// By the start of their range.
    entries: BTreeMap<usize, Entry>,
    work: WorkFile,
    journal: Option<Journal>,
}

impl Learner<'_> {
    fn learn(
        &mut self,
        text: &Sequences,
        options: &Options,
        heard: &mut dyn FnMut(Stage<'_>),
    ) -> Result<(), Error> {
        let (cpu, network, source, layers) =
            (self.cpu, self.network, self.source, self.network.spec().layers.len());
        let embedding = network.embedding_stretch();
        let begun = self.journal.as_mut().and_then(|journal| journal.state.take());
        let begun = begun.filter(|state| self.is_whole(state, text));
        let left = begun.as_ref().map_or(layers, |state| state.layers);
        if begun.is_some() {
            heard(Stage::GoingOn(left, layers));
        }
        let mut sweep = Sweep::new(network, text, options.sequence, AT_ONCE);
        sweep.enter(source)?;
        for i in 0..left {
            heard(Stage::Forward(i, layers));
            sweep.forward(cpu, i, &source.numbers(network.layer_stretch(i))?);
        }
        match begun {
            Some(state) => self.go_on(state, &mut sweep),
            None => self.turn(&mut sweep, options.seed, heard)?,
        }
        for i in (0..left).rev() {
            heard(Stage::Back(i, layers));
            let stretch = network.layer_stretch(i);
            let numbers = source.numbers(stretch.clone())?;
            let statistics = &self.statistics;
            sweep.backward(cpu, i, &numbers, &|seen| statistics.borrow_mut().hear(cpu, network, seen));
            self.enter(stretch, &numbers, heard)?;
            self.save(i, &sweep)?;
        }
        let statistics = &self.statistics;
        sweep.leave(cpu, &|seen| statistics.borrow_mut().hear(cpu, network, seen));
        drop(sweep);
        for stretch in network.own_input_stretches() {
            self.enter(stretch.clone(), &source.numbers(stretch)?, heard)?;
        }
        self.enter(embedding.clone(), &source.numbers(embedding)?, heard)
    }

    /// Whether an earlier run left everything that one of `text` needs from `state` on: its files may be damaged.
    fn is_whole(&self, state: &State, text: &Sequences) -> bool {
        let spec = self.network.spec();
        let entries = self.journal.iter().flat_map(|journal| &journal.entries);
        let names: BTreeSet<&str> = entries.map(|entry| entry.name.as_str()).collect();
        let embedding = self.network.embedding_stretch();
        let layers = 0..state.layers.min(spec.layers.len());
        let last = self.network.own_input_stretches().chain([embedding.clone()]);
        let left: Vec<Range<usize>> = layers.map(|i| self.network.layer_stretch(i)).chain(last).collect();
        let is_there = |(tensor, range): (&TensorSpec, Range<usize>)| {
            let is_left = left.iter().any(|stretch| stretch.contains(&range.start));
            tensor.shape.len() < 2 || is_left || names.contains(tensor.name.as_str())
        };
        let is_tied = self.network.head_stretch() == embedding;
        state.layers <= spec.layers.len()
            && state.gradients.len() == Sweep::gradient_numbers(self.network, text.tokens.len())
            && state.parts.iter().any(|part| part.range == embedding) == is_tied
            && self.network.layout().iter().all(is_there)
    }

    /// Goes on where an earlier run was.
    fn go_on(&mut self, state: State, sweep: &mut Sweep<'_>) {
        sweep.go_on(&state.gradients);
        let parts = state.parts.into_iter().map(|part| (part.range.start, part));
        self.statistics.get_mut().parts.extend(parts);
        let entries = self.journal.iter_mut().flat_map(|journal| journal.entries.drain(..));
        let layout = self.network.layout();
        let place = |name: &str| layout.iter().find(|(t, _)| t.name == name).map(|(_, range)| range.start);
        self.entries.extend(entries.filter_map(|entry| Some((place(&entry.name)?, entry))));
    }

    /// Turns at the head.
    fn turn(
        &mut self,
        sweep: &mut Sweep<'_>,
        seed: u64,
        heard: &mut dyn FnMut(Stage<'_>),
    ) -> Result<(), Error> {
        heard(Stage::Turning);
        let (cpu, network, source) = (self.cpu, self.network, self.source);
        let norm = network.final_norm_stretch().map(|norm| source.numbers(norm)).transpose()?;
        let head = network.head_stretch();
        let numbers = source.numbers(head.clone())?;
        let statistics = &self.statistics;
        let watch = |seen: Seen<'_>| statistics.borrow_mut().hear(cpu, network, seen);
        sweep.turn(cpu, norm.as_deref().unwrap_or(&[]), &numbers, seed, &watch);
        if head != network.embedding_stretch() {
            self.enter(head, &numbers, heard)?;
        }
        self.save(network.spec().layers.len(), sweep)
    }

    fn save(&self, layers: usize, sweep: &Sweep<'_>) -> Result<(), Error> {
        let Some(journal) = &self.journal else { return Ok(()) };
        self.work.sync()?;
        let statistics = self.statistics.borrow();
        journal.save(layers, sweep.gradients(), &statistics.parts)
    }

    /// Makes entries of the matrices at `stretch`, whose numbers are `numbers`, and forgets what they saw.
    fn enter(
        &mut self,
        stretch: Range<usize>,
        numbers: &[f32],
        heard: &mut dyn FnMut(Stage<'_>),
    ) -> Result<(), Error> {
        let params = Numbers::from(stretch.start, numbers);
        let within = |range: &Range<usize>| stretch.start <= range.start && range.end <= stretch.end;
        let layout = self.network.layout();
        for (tensor, range) in layout.iter().filter(|(t, range)| t.shape.len() > 1 && within(range)) {
            heard(Stage::Predicting(&tensor.name));
            let statistics = self.statistics.get_mut();
            let at = (tensor, range.clone());
            let entry = Entry::new(self.cpu, at, params, statistics, self.method, &mut self.work)?;
            statistics.parts.retain(|start, _| !range.contains(start));
            self.journal.iter_mut().try_for_each(|journal| journal.note(&entry))?;
            self.entries.insert(range.start, entry);
        }
        Ok(())
    }
}

/// Says before the work begins that there is no file as small as one of the budgets.
///
/// # Errors
/// [`Error::Budget`] with the smallest size that there is.
pub fn check_budgets(network: &Network, metadata: &Metadata, options: &Options) -> Result<(), Error> {
    let layout = network.layout();
    let menu = &options.method.menu;
    let least = unplanned_bytes(layout, metadata, menu)? + least_bytes(layout, menu);
    match options.budgets.iter().find(|budget| least > **budget) {
        Some(&budget) => Err(Error::Budget { budget, least }),
        None => Ok(()),
    }
}

/// Bytes of memory that a [`Study`] takes at its peak for a text of `tokens` tokens, roughly: the text on its way, the numbers of a
/// layer or of the head, and what its matrices saw.
pub fn memory_bytes(network: &Network, tokens: usize) -> u64 {
    let layers = (0..network.spec().layers.len()).map(|i| network.layer_stretch(i));
    let ends = [network.embedding_stretch(), network.head_stretch()];
    let stretches = layers.chain(ends).chain(network.own_input_stretches());
    let forms = |stretch: &Range<usize>| {
        let within = network.layout().iter().filter(|(_, range)| stretch.contains(&range.start));
        let squares: Vec<u64> = within.map(|(t, _)| form_numbers(t)).collect();
        // All forms of a layer, and of its largest the copies that factoring makes.
        squares.iter().sum::<u64>() + 3 * squares.iter().max().copied().unwrap_or(0)
    };
    let numbers = stretches.map(|stretch| stretch.len() as u64 + forms(&stretch)).max().unwrap_or(0);
    4 * numbers + Sweep::bytes(network, tokens)
}

/// Bytes of a child that no plan changes: the header, tensors of one dimension, and constants.
fn unplanned_bytes(layout: &Layout, metadata: &Metadata, menu: &Menu) -> Result<u64, Error> {
    let ty = menu.vectors();
    let bytes = |count: usize| aligned(ty.row_bytes(count).expect("floats have blocks of one") as u64);
    let vectors =
        layout.iter().filter(|(t, _)| t.shape.len() < 2).map(|(_, range)| bytes(range.len())).sum::<u64>();
    if let Menu::Mobile(_) = menu {
        // At most: codes, scales and two ranges of every matrix have a line each.
        return Ok(vectors + layout.iter().map(|(t, _)| 4 * (t.name.len() as u64 + HEADER_LINE)).sum::<u64>());
    }
    let mut file = GgufLayout::new(metadata.clone());
    layout.iter().for_each(|(t, _)| {
        file.tensor(&t.name, TensorType::F32, &t.shape);
    });
    layout.constants().iter().for_each(|(t, _)| {
        file.tensor(&t.name, TensorType::F32, &t.shape);
    });
    let mut header = Vec::new();
    drop(GgufWriter::new(&mut header, &file)?);
    let constants =
        layout.constants().iter().map(|(_, values)| aligned(4 * values.len() as u64)).sum::<u64>();
    Ok(header.len() as u64 + vectors + constants)
}

/// Bytes of all matrices, each as the smallest that `menu` has for it.
fn least_bytes(layout: &Layout, menu: &Menu) -> u64 {
    let matrices = layout.iter().filter(|(t, _)| t.shape.len() > 1);
    matrices.map(|(t, _)| menu.candidates(t).map(|(_, bytes)| bytes).min().unwrap_or(0)).sum()
}

impl Outcome {
    /// The child's weights as numbers, laid out as the parent's are.
    pub fn params(&self, layout: &Layout) -> Vec<f32> {
        let mut params = vec![0.0; layout.len()];
        for (tensor, (_, range)) in self.tensors.iter().zip(layout.iter()) {
            let columns = tensor.shape[tensor.shape.len() - 1];
            tensor.format.dequantize(columns, &tensor.bytes, &mut params[range]);
        }
        params
    }
}
