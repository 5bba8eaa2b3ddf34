use super::*;
use crate::ops::testing::{hold, largest, numbers, reference};
use crate::{Compute, KvShape, KvType};
use half::bf16;
use std::sync::Arc;

const CAUSAL: Mask = Mask::Causal { window: None };

/// Every level in every mode, the reference first; with products of bf16 pairs and, as on a machine without, not.
fn variants_with(threads: usize) -> Vec<Cpu> {
    let mut all = Vec::new();
    for isa in Isa::available() {
        all.push(Cpu::with_isa(threads, Compute::Exact, isa));
        all.push(Cpu::with_isa(threads, Compute::Fast, isa));
        if isa.has_bf16() {
            let mut cpu = Cpu::with_isa(threads, Compute::Fast, isa);
            cpu.bf16 = false;
            all.push(cpu);
        }
    }
    all
}

fn variants() -> Vec<Cpu> {
    variants_with(1)
}

fn name(cpu: &Cpu) -> String {
    format!("{} {:?}{}", cpu.isa(), cpu.compute(), if cpu.bf16 { " bf16" } else { "" })
}

/// A cache with its queries: `tokens` queries whose last one is at the last of `end` positions; the pages before `first` are gone.
struct Case {
    shape: AttentionShape,
    q: Vec<f32>,
    tokens: usize,
    pages: Vec<Arc<KvPage>>,
    first: usize,
    end: usize,
}

impl Case {
    fn new(
        (heads, kv_heads, head_dim): (usize, usize, usize),
        ty: KvType,
        tokens: usize,
        end: usize,
    ) -> Self {
        let scale = 1.0 / (head_dim as f32).sqrt();
        let shape = AttentionShape { heads, kv_heads, head_dim, scale, softcap: None };
        let row = kv_heads * head_dim;
        let (k, v) = (numbers(21, end * row), numbers(22, end * row));
        let mut pages = vec![KvPage::new(KvShape { ty, kv_heads, head_dim }); end.div_ceil(PAGE_POSITIONS)];
        for (position, (k, v)) in k.chunks(row).zip(v.chunks(row)).enumerate() {
            pages[position / PAGE_POSITIONS].write(position % PAGE_POSITIONS, k, v);
        }
        // Queries long enough that weights differ by orders of magnitude.
        let q = numbers(23, tokens * heads * head_dim).iter().map(|x| x * 4.0).collect();
        Self { shape, q, tokens, pages: pages.into_iter().map(Arc::new).collect(), first: 0, end }
    }

    fn row(&self) -> usize {
        self.shape.heads * self.shape.head_dim
    }

    fn view(&self, end: usize) -> KvView<'_> {
        KvView { pages: &self.pages[self.first / PAGE_POSITIONS..], first: self.first, end }
    }

    fn run(&self, cpu: &Cpu, mask: Mask) -> Vec<f32> {
        let mut out = vec![9f32; self.q.len()];
        let first = self.end - self.tokens;
        cpu.attention(&self.shape, mask, &self.q, first, self.view(self.end), &mut out);
        out
    }

    /// The contract's bound in f32, in integers and in bf16, and that of bf16 against [`Case::rounded`].
    fn bounds(&self) -> [f32; 4] {
        let (s, v) = self.magnitudes();
        let single = f32::EPSILON * (4.0 * (self.shape.head_dim as f32).sqrt() * s + 32.0) * v;
        // Weights are off by at most 2^-8 and the fit of 2^x, each in a numerator and a denominator.
        let weights = 2.0 * (1.01 / 256.0 + 8e-5) * v;
        let integers = ((self.shape.head_dim as f32).sqrt() * s / 32767.0 + 1.0 / 1000.0) * v;
        [single, single + integers, single + v / 64.0, single + weights]
    }

    /// The largest `scale * |q| * |k|` and the largest value.
    fn magnitudes(&self) -> (f32, f32) {
        let AttentionShape { heads, kv_heads, head_dim, scale, .. } = self.shape;
        let norm = |x: &[f32]| x.iter().map(|x| x * x).sum::<f32>().sqrt();
        let q =
            (0..self.tokens * heads).map(|r| norm(&self.q[r * head_dim..][..head_dim])).fold(0.0, f32::max);
        let (mut k, mut v, mut row) = (0f32, 0f32, vec![0f32; head_dim]);
        for position in self.first..self.end {
            for head in 0..kv_heads {
                let page = &self.pages[position / PAGE_POSITIONS];
                page.key(head, position % PAGE_POSITIONS, &mut row);
                k = k.max(norm(&row));
                page.value(head, position % PAGE_POSITIONS, &mut row);
                v = v.max(largest(&row));
            }
        }
        (scale * q * k, v)
    }

    /// The same with values as the arithmetic in bf16 has them, in f32.
    fn rounded(&self) -> Self {
        let AttentionShape { kv_heads, head_dim, .. } = self.shape;
        let shape = KvShape { ty: KvType::F32, kv_heads, head_dim };
        let row = kv_heads * head_dim;
        let pages = self.pages.iter().map(|page| {
            let mut copy = KvPage::new(shape);
            let (mut k, mut v) = (vec![0f32; row], vec![0f32; row]);
            for slot in 0..PAGE_POSITIONS {
                for head in 0..kv_heads {
                    page.key(head, slot, &mut k[head * head_dim..][..head_dim]);
                    page.value(head, slot, &mut v[head * head_dim..][..head_dim]);
                }
                v.iter_mut().for_each(|x| *x = bf16::from_f32(*x).to_f32());
                copy.write(slot, &k, &v);
            }
            Arc::new(copy)
        });
        Self {
            shape: self.shape,
            q: self.q.clone(),
            tokens: self.tokens,
            pages: pages.collect(),
            first: self.first,
            end: self.end,
        }
    }

    fn check(&self, mask: Mask) {
        let expected = self.run(&reference(), mask);
        let twin = self.rounded().run(&reference(), mask);
        let [single, integers, half, half_from_twin] = self.bounds();
        for cpu in variants() {
            let (shape, ty) = (self.shape, self.pages[0].shape().ty);
            let name = format!("{} {mask:?} {shape:?} {ty:?} T {} S {}", name(&cpu), self.tokens, self.end);
            let found = self.run(&cpu, mask);
            let fast = cpu.compute() == Compute::Fast;
            if fast && ty == KvType::Q8 && crate::simd::has_int16(cpu.isa()) {
                hold(&name, &found, &expected, |_, _| integers);
            } else if fast && cpu.bf16 && ty != KvType::F32 {
                hold(&name, &found, &expected, |_, _| half);
                hold(&name, &found, &twin, |_, _| half_from_twin);
            } else {
                hold(&name, &found, &expected, |_, _| single);
            }
        }
    }
}

#[test]
fn variants_agree_with_the_reference_for_every_shape_and_type() {
    let shapes = [
        (1, 1, 16),
        (2, 1, 1),
        (3, 3, 17),
        (4, 2, 64),
        (9, 3, 64),
        (7, 1, 80),
        (8, 1, 256),
        (6, 2, 100),
        (2, 1, 512),
    ];
    for shape in shapes {
        for ty in [KvType::F32, KvType::F16, KvType::Q8] {
            for (tokens, end) in [(1, 1), (1, 64), (1, 65), (5, 130), (33, 33), (2, 300)] {
                Case::new(shape, ty, tokens, end).check(CAUSAL);
            }
        }
    }
}

#[test]
fn masks_end_where_they_say() {
    for (tokens, end) in [(1, 200), (70, 200), (130, 130)] {
        let mut case = Case::new((4, 2, 32), KvType::F16, tokens, end);
        for width in [1, 2, 63, 64, 65, tokens, tokens + 1, end, end + 7, usize::MAX] {
            case.check(Mask::Causal { window: Some(width) });
            case.check(Mask::Bidirectional { reach: Some(width - 1) });
        }
        case.check(Mask::Bidirectional { reach: None });
        case.shape.softcap = Some(2.0);
        case.check(CAUSAL);
        case.check(Mask::Causal { window: Some(50) });
    }
}

#[test]
fn a_window_reads_only_the_pages_that_are_left() {
    let mut case = Case::new((4, 2, 32), KvType::F16, 3, 700);
    let mask = Mask::Causal { window: Some(100) };
    for cpu in variants() {
        case.first = 0;
        let whole = case.run(&cpu, mask);
        // The first query, at 697, sees 598..=697.
        case.first = 576;
        assert_eq!(case.run(&cpu, mask), whole, "{}", name(&cpu));
    }
    case.check(mask);
}

#[test]
fn prefill_equals_decode_and_later_positions_change_nothing() {
    for ty in [KvType::F32, KvType::F16, KvType::Q8] {
        for (shape, tokens, end) in [((6, 2, 80), 70, 340), ((8, 1, 64), 20, 530)] {
            let case = Case::new(shape, ty, tokens, end);
            for mask in [CAUSAL, Mask::Causal { window: Some(90) }] {
                for cpu in variants() {
                    let prefill = case.run(&cpu, mask);
                    // Every third is at another place of a tile each time; emulated machines are slow.
                    for t in (0..tokens).step_by(3) {
                        let (row, position) = (t * case.row(), end - tokens + t);
                        let q = &case.q[row..][..case.row()];
                        let mut decode = vec![0f32; q.len()];
                        cpu.attention(&case.shape, mask, q, position, case.view(position + 1), &mut decode);
                        assert_eq!(prefill[row..][..q.len()], decode, "{} {ty:?} {mask:?} {t}", name(&cpu));
                    }
                }
            }
        }
    }
}

#[test]
fn thread_counts_and_batches_agree_bit_for_bit() {
    // One deep decode step is split along the cache from two threads on; the prefill and the batch are not.
    for ty in [KvType::F16, KvType::Q8] {
        let cases = [(1, 2000), (3, 1000), (30, 400)].map(|(t, end)| Case::new((8, 2, 64), ty, t, end));
        threads_and_batches_agree(&cases);
    }
}

fn threads_and_batches_agree(cases: &[Case]) {
    for (index, one) in variants().iter().enumerate() {
        let alone: Vec<_> = cases.iter().map(|case| case.run(one, CAUSAL)).collect();
        for threads in [2, 4] {
            let cpu = &variants_with(threads)[index];
            for (case, alone) in cases.iter().zip(&alone) {
                assert_eq!(&case.run(cpu, CAUSAL), alone, "{} with {threads} threads", name(cpu));
            }
            let mut outs: Vec<_> = alone.iter().map(|out| vec![0f32; out.len()]).collect();
            let mut jobs: Vec<_> = cases
                .iter()
                .zip(&mut outs)
                .map(|(case, out)| AttentionJob {
                    q: &case.q,
                    first_position: case.end - case.tokens,
                    kv: case.view(case.end),
                    out,
                })
                .collect();
            cpu.attention_batch(&cases[0].shape, CAUSAL, &mut jobs);
            assert_eq!(outs, alone, "{}: a batch with {threads} threads", name(cpu));
        }
    }
}

#[test]
fn no_token_and_no_visible_position() {
    let case = Case::new((2, 1, 16), KvType::F16, 1, 10);
    for cpu in variants() {
        cpu.attention_batch(&case.shape, CAUSAL, &mut []);
        cpu.attention(&case.shape, CAUSAL, &[], 0, case.view(10), &mut []);
        // A query far behind the end of the cache, with a window that ends before it.
        let mut out = [9f32; 32];
        let mask = Mask::Causal { window: Some(5) };
        cpu.attention(&case.shape, mask, &case.q, 100, case.view(10), &mut out);
        assert_eq!(out, [0f32; 32], "{}", cpu.isa());
    }
}

#[test]
fn nan_is_not_hidden() {
    for ty in [KvType::F32, KvType::F16, KvType::Q8] {
        let mut case = Case::new((2, 1, 16), ty, 1, 100);
        case.q[3] = f32::NAN;
        for cpu in variants() {
            let out = case.run(&cpu, CAUSAL);
            let (first, second) = out.split_at(16);
            let found = first.iter().all(|x| x.is_nan()) && second.iter().all(|x| x.is_finite());
            assert!(found, "{}", name(&cpu));
        }
    }
    // Codes cannot say NaN.
    for ty in [KvType::F32, KvType::F16] {
        let mut case = Case::new((2, 1, 16), ty, 1, 100);
        Arc::make_mut(&mut case.pages[0]).write(5, &[f32::NAN; 16], &[0.0; 16]);
        for cpu in variants() {
            assert!(case.run(&cpu, CAUSAL).iter().all(|x| x.is_nan()), "{}", name(&cpu));
        }
    }
}

#[test]
#[should_panic(expected = "every position the mask shows")]
fn a_cache_that_lacks_positions_is_refused() {
    let mut case = Case::new((2, 1, 16), KvType::F16, 1, 200);
    case.first = 128;
    case.run(&reference(), Mask::Causal { window: Some(100) });
}
