//! Fresh parameters that copy from the first step.
//!
//! Most of what a small model says about a text stands in the text: it must find the place where something like the last
//! tokens stood before, and say what came next. The two heads that do this together ("induction", Olsson et al.,
//! arXiv:2209.11895) appear late and suddenly in training, after more tokens than a model made on two cores ever sees. Their
//! weights are known, though, so they can be drawn where other weights are drawn at random, as mimetic initialisation draws the
//! products of attention (Trockman and Kolter, arXiv:2305.09828); training then goes on from there.
//!
//! - Embeddings get a common direction `u`, so that a head can ask for a place whatever the token is.
//! - In layer 0, query heads of key-value head 0 look at the token 1, 2, ... places back, by the fast rotary pairs, and write
//!   what it is into a part `R_1`, `R_2`, ... of the residual stream.
//! - In layer 1, all heads compare the current token, by the slow rotary pairs, with what stands in `R_1` (the token before),
//!   and half of them also `R_1` here with `R_2` there (the two tokens before); where they agree they write the token that
//!   they find there towards the head.

use crate::network::{Layer, Linear};
use crate::{Error, Network};
use hob_base::Random;
use hob_kernels::RopeLayout;
use std::ops::Range;

/// Share of the common direction in an embedding.
const COMMON: f32 = 0.5;
/// Standard deviation of embeddings.
const EMBEDDING: f32 = 0.02;
/// Scores of a perfect match, before the softmax.
const MATCH: f32 = 12.0;
/// What layer 0 writes for a token, of which every element has a variance of 1.
const NOTE: f32 = 0.05;
/// What layer 1 writes towards the head.
const COPY: f32 = 0.1;
/// Radians per position above which a pair tells neighbours apart, and below which it sees none of a passage's distances.
const FAST: f32 = 0.3;
const SLOW: f32 = 0.02;
/// Part of the slow elements that look at one token; the others look at the one before it.
const ONE_TOKEN: f32 = 0.67;

/// Draws orthogonal rows.
struct Frames {
    random: Random,
    width: usize,
}

impl Frames {
    /// `rows` rows of length 1, orthogonal to each other and to those `beside`.
    fn draw(&mut self, rows: usize, beside: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let mut frame = beside.to_vec();
        while frame.len() < beside.len() + rows {
            let mut row: Vec<f32> = (0..self.width).map(|_| self.random.normal()).collect();
            for other in &frame {
                let along: f32 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                row.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
            // A row that lies almost in the others' space says nothing of its own; another draw will.
            if length > 1e-3 {
                row.iter_mut().for_each(|x| *x /= length);
                frame.push(row);
            }
        }
        frame.split_off(beside.len())
    }
}

impl Network {
    /// Puts the two heads into `params`, which [`Network::fresh`] drew.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for fewer than two layers, layers without rotary positions, heads that share keys and values by
    /// more than a residual stream holds, or heads too narrow for both kinds of pairs.
    pub fn wire_induction(&self, params: &mut [f32], seed: u64) -> Result<(), Error> {
        let unsupported = |what: &str| Error::Unsupported { what: format!("{what} with induction heads") };
        let [first, second, ..] = self.layers.as_slice() else {
            return Err(unsupported("fewer than two layers"));
        };
        let own = |layer: &Layer| {
            let both = layer.k.clone().zip(layer.v.clone()).filter(|_| layer.value_norm.is_none());
            both.ok_or_else(|| unsupported("shared or normed keys and values"))
        };
        let (places, matches) = (own(first)?, own(second)?);
        let (d, group) = (self.spec.hidden, first.heads / first.kv_heads);
        if (1 + group) * first.head_dim >= d {
            return Err(unsupported("so many queries to a key"));
        }
        let [fast, _] = self.pairs(first).ok_or_else(|| unsupported("layers without rotary positions"))?;
        let [_, slow] = self.pairs(second).ok_or_else(|| unsupported("layers without rotary positions"))?;
        let one = (slow.len() as f32 * ONE_TOKEN) as usize;
        if fast.is_empty() || one < 4 {
            return Err(unsupported("heads this narrow"));
        }
        let mut frames = Frames { random: Random::new(seed, u64::MAX), width: d };
        let common = frames.draw(1, &[]);
        // Elements of about 1, as a norm's outputs have.
        let u: Vec<f32> = common[0].iter().map(|x| x * (d as f32).sqrt()).collect();
        for row in params[self.embedding.clone()].chunks_exact_mut(d) {
            row.iter_mut().zip(&u).for_each(|(x, u)| *x += EMBEDDING * COMMON * u);
        }
        // Parts of the residual stream that do not disturb each other: what a token is, and what those before it are.
        let token = frames.draw(first.head_dim, &common);
        let notes = frames.draw(group * first.head_dim, &[common, token.clone()].concat());
        self.wire_places((first, &places), &fast, (&u, &token, &notes), params);
        self.wire_matches((second, &matches), &slow[..], one, (&token, &notes), &mut frames, params);
        Ok(())
    }

    /// The elements of a head that turn fast and those that turn slowly, as pairs with their frequency.
    fn pairs(&self, layer: &Layer) -> Option<[Vec<Pair>; 2]> {
        let frequencies = &self.ropes.get(layer.rope?)?.frequencies;
        let half = frequencies.len();
        let pair = |(i, frequency): (usize, &f32)| {
            let elements = match self.spec.rope_layout {
                RopeLayout::Halves => [i, i + half],
                RopeLayout::Adjacent => [2 * i, 2 * i + 1],
            };
            Pair { elements, frequency: *frequency }
        };
        let all = || frequencies.iter().enumerate().map(pair);
        Some([all().filter(|p| p.frequency > FAST).collect(), all().filter(|p| p.frequency < SLOW).collect()])
    }

    fn wire_places(
        &self,
        (layer, (k, v)): (&Layer, &(Linear, Linear)),
        fast: &[Pair],
        (u, token, notes): (&[f32], &[Vec<f32>], &[Vec<f32>]),
        params: &mut [f32],
    ) {
        let (dh, group) = (layer.head_dim, layer.heads / layer.kv_heads);
        sharpen(layer, params);
        // A norm leaves `u . x / D` at about this for every token.
        let common = COMMON / (1.0 + COMMON * COMMON).sqrt();
        let size = (MATCH / layer.scale / fast.len() as f32).sqrt() / common / u.len() as f32;
        for pair in fast {
            let mut ask =
                |linear: &Linear, row: usize, factor: f32| add(params, linear, row, u, factor * size);
            ask(k, pair.elements[0], 1.0);
            for back in 0..group {
                let angle = pair.frequency * (back + 1) as f32;
                ask(&layer.q, back * dh + pair.elements[0], angle.cos());
                ask(&layer.q, back * dh + pair.elements[1], -angle.sin());
            }
        }
        for (row, token) in token.iter().enumerate() {
            add(params, v, row, token, 1.0);
        }
        for (column, note) in notes.iter().enumerate() {
            add_column(params, &layer.output, column, note, NOTE);
        }
    }

    fn wire_matches(
        &self,
        (layer, (k, v)): (&Layer, &(Linear, Linear)),
        slow: &[Pair],
        one: usize,
        (token, notes): (&[Vec<f32>], &[Vec<f32>]),
        frames: &mut Frames,
        params: &mut [f32],
    ) {
        let (dh, group) = (layer.head_dim, layer.heads / layer.kv_heads);
        sharpen(layer, params);
        // Of the residual stream after layer 0, as a norm leaves it: the token itself, and the notes of tokens before it.
        let noted = NOTE * NOTE * (group * dh) as f32 / self.spec.hidden as f32;
        let whole = (EMBEDDING * EMBEDDING * (1.0 + COMMON * COMMON) + noted).sqrt();
        let [of_tokens, of_notes] = [whole / EMBEDDING, whole / NOTE];
        for kv in 0..layer.kv_heads {
            let copied = frames.draw(dh, &[]);
            for (row, copied) in copied.iter().enumerate() {
                add(params, v, kv * dh + row, copied, 1.0);
            }
            for member in 0..group {
                let head = kv * group + member;
                let two = member % 2 == 1 && group > 1;
                let used = 2 * if two { slow.len() } else { one };
                let size = (MATCH / layer.scale / used as f32).sqrt();
                let elements = slow.iter().enumerate().flat_map(|(i, p)| p.elements.map(|e| (i < one, e)));
                for (i, (of_token, element)) in elements.enumerate() {
                    let i = i % dh;
                    if of_token || two {
                        let (here, part) =
                            if of_token { (&token[i], of_tokens) } else { (&notes[i], of_notes) };
                        add(params, &layer.q, head * dh + element, here, size * part);
                    }
                    if member == 0 && (of_token || group > 1) {
                        let there = if of_token { &notes[i] } else { &notes[dh + i] };
                        add(params, k, kv * dh + element, there, size * of_notes);
                    }
                }
                for (row, copied) in copied.iter().enumerate() {
                    add_column(params, &layer.output, head * dh + row, copied, COPY / group as f32);
                }
            }
        }
    }
}

/// Two elements of a head that turn together.
struct Pair {
    elements: [usize; 2],
    frequency: f32,
}

/// Norms of queries and keys, where there are any, let a perfect match reach its score.
fn sharpen(layer: &Layer, params: &mut [f32]) {
    let weight = (MATCH / (layer.scale * layer.head_dim as f32)).sqrt();
    for norm in [&layer.q_norm, &layer.k_norm].into_iter().flatten() {
        params[norm.weight.clone()].fill(weight);
    }
}

fn row(linear: &Linear, row: usize) -> Range<usize> {
    let start = linear.weight.start + row * linear.inputs;
    start..start + linear.inputs
}

fn add(params: &mut [f32], linear: &Linear, at: usize, what: &[f32], factor: f32) {
    params[row(linear, at)].iter_mut().zip(what).for_each(|(x, w)| *x += factor * w);
}

fn add_column(params: &mut [f32], linear: &Linear, column: usize, what: &[f32], factor: f32) {
    for (out, w) in what.iter().enumerate() {
        params[row(linear, out)][column] += factor * w;
    }
}
