//! References against finite differences in f64; every level against the references.

use super::attention::{Gradients, Inputs, softmax};
use super::{adamw, gated, loss, rms_norm};
use crate::ops::testing::{WIDTHS, hold, largest, numbers, variants};
use crate::{Activation, AdamW, Compute, Cpu, Precision, Target, TrainingAttention};

fn doubles(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

fn floats(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

/// Central differences of `f` at `x`.
fn differences(x: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let at = |i: usize, step: f64| {
        let mut x = x.to_vec();
        x[i] += step;
        f(&x)
    };
    (0..x.len()).map(|i| (at(i, STEP) - at(i, -STEP)) / (2.0 * STEP)).collect()
}

#[track_caller]
fn agree(what: &str, found: &[f64], differences: &[f64]) {
    for (i, (f, d)) in found.iter().zip(differences).enumerate() {
        assert!((f - d).abs() < 1e-8 + 1e-7 * d.abs(), "{what}[{i}]: {f}, differences {d}");
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn rms_forward(x: &[f64], weight: &[f64], eps: f64) -> (Vec<f64>, f64) {
    let factor = 1.0 / (dot(x, x) / x.len() as f64 + eps).sqrt();
    (x.iter().zip(weight).map(|(x, w)| x * w * factor).collect(), factor)
}

#[test]
fn rms_norm_reference_has_the_slope_of_its_function() {
    let (x, w, dy) = (doubles(&numbers(1, 7)), doubles(&numbers(2, 7)), doubles(&numbers(3, 7)));
    let (_, factor) = rms_forward(&x, &w, 1e-3);
    let mut dx = dy.clone();
    rms_norm::input_grad(&x, &mut dx, Some(&w), factor);
    agree("dx", &dx, &differences(&x, |x| dot(&rms_forward(x, &w, 1e-3).0, &dy)));
    let dw: Vec<f64> = x.iter().zip(&dy).map(|(x, dy)| x * dy * factor).collect();
    agree("dw", &dw, &differences(&w, |w| dot(&rms_forward(&x, w, 1e-3).0, &dy)));
}

#[test]
fn rms_norm_levels_agree_with_f64() {
    for width in WIDTHS {
        let (x, w, dy) = (numbers(1, 3 * width), numbers(2, width), numbers(3, 3 * width));
        let (mut dx, mut dw) = (doubles(&dy), vec![0.5f64; width]);
        for (x, dx) in doubles(&x).chunks(width).zip(dx.chunks_mut(width)) {
            let (_, factor) = rms_forward(x, &doubles(&w), f64::from(1e-5f32));
            dw.iter_mut().zip(x).zip(&*dx).for_each(|((dw, x), dy)| *dw += x * dy * factor);
            rms_norm::input_grad(x, dx, Some(&doubles(&w)), factor);
        }
        for cpu in variants() {
            let (mut found, mut found_dw) = (dy.clone(), vec![0.5; width]);
            cpu.rms_norm_grad(&x, &mut found, width, Some((&w, &mut found_dw)), 1e-5);
            let bound = |largest: f64, n: usize| 8.0 * f32::EPSILON * (n as f32).sqrt() * largest as f32;
            hold(&format!("{} dx {width}", cpu.isa()), &found, &floats(&dx), |i, _| {
                let (_, factor) = rms_forward(&doubles(&x[i / width * width..][..width]), &doubles(&w), 1e-5);
                bound(factor, width)
            });
            hold(&format!("{} dw {width}", cpu.isa()), &found_dw, &floats(&dw), |_, _| {
                bound(f64::from(largest(&floats(&dw))).max(1.0), 3 * width)
            });
        }
    }
}

const ACTIVATIONS: [Activation; 3] = [Activation::Silu, Activation::GeluTanh, Activation::GeluErf];

#[test]
fn gated_reference_has_the_slope_of_its_function() {
    for act in ACTIVATIONS {
        let scaled = |seed| doubles(&numbers(seed, 40)).iter().map(|x| 5.0 * x).collect::<Vec<_>>();
        let (gate, up, dy) = (scaled(1), scaled(2), scaled(3));
        let forward = |g: &[f64], u: &[f64]| -> f64 {
            g.iter().zip(u).zip(&dy).map(|((g, u), dy)| gated::activation(act, *g).0 * u * dy).sum()
        };
        let (mut dg, mut du, mut y) = (gate.clone(), up.clone(), dy.clone());
        gated::gated_grad(act, &mut dg, &mut du, &mut y);
        agree(&format!("{act:?} gate"), &dg, &differences(&gate, |g| forward(g, &up)));
        agree(&format!("{act:?} up"), &du, &differences(&up, |u| forward(&gate, u)));
        assert!((dot(&y, &dy) - forward(&gate, &up)).abs() < 1e-10);
    }
}

#[test]
fn gated_levels_agree_with_f64() {
    for act in ACTIVATIONS {
        for len in [1, 15, 16, 17, 5000] {
            let gate: Vec<f32> = numbers(1, len).iter().map(|x| 8.0 * x).collect();
            let (up, dy) = (numbers(2, len), numbers(3, len));
            let (mut dg, mut du, mut y) = (doubles(&gate), doubles(&up), doubles(&dy));
            gated::gated_grad(act, &mut dg, &mut du, &mut y);
            for cpu in variants() {
                let (mut a, mut b, mut c) = (gate.clone(), up.clone(), dy.clone());
                cpu.gated_grad(act, &mut a, &mut b, &mut c);
                for (found, wanted) in [(a, &dg), (b, &du), (c, &y)] {
                    hold(&format!("{} {act:?}", cpu.isa()), &found, &floats(wanted), |i, _| {
                        32.0 * f32::EPSILON * gate[i].abs().max(1.0)
                    });
                }
            }
        }
    }
}

#[test]
fn losses_have_the_slope_of_their_function() {
    let (z, teacher) = (doubles(&numbers(1, 9)), doubles(&numbers(2, 9)));
    let mut dz = z.clone();
    loss::cross_entropy(&mut dz, 4, 0.7);
    agree("tokens", &dz, &differences(&z, |z| 0.7 * loss::cross_entropy(&mut z.to_vec(), 4, 1.0)));
    let mut dz = z.clone();
    loss::divergence(&mut dz, &teacher, 0.7);
    agree("logits", &dz, &differences(&z, |z| 0.7 * loss::divergence(&mut z.to_vec(), &teacher, 1.0)));
    assert!(loss::divergence(&mut z.clone(), &z, 1.0).abs() < 1e-15);
}

#[test]
fn loss_levels_agree_with_f64() {
    for vocab in WIDTHS {
        let z: Vec<f32> = numbers(1, 3 * vocab).iter().map(|x| 6.0 * x).collect();
        let teacher: Vec<f32> = numbers(2, 3 * vocab).iter().map(|x| 6.0 * x).collect();
        let (tokens, weights) = ([0, vocab as u32 - 1, u32::MAX], [1.0, 0.25, 0.0]);
        for by_tokens in [true, false] {
            let (mut dz, mut wanted) = (doubles(&z), [0.0; 3]);
            dz[2 * vocab..].fill(0.0);
            for row in 0..2 {
                let place = row * vocab..(row + 1) * vocab;
                wanted[row] = if by_tokens {
                    loss::cross_entropy(&mut dz[place], tokens[row] as usize, f64::from(weights[row])) as f32
                } else {
                    loss::divergence(
                        &mut dz[place.clone()],
                        &doubles(&teacher[place]),
                        f64::from(weights[row]),
                    ) as f32
                };
            }
            let target = if by_tokens { Target::Tokens(&tokens) } else { Target::Logits(&teacher) };
            for cpu in variants() {
                let (mut found, mut losses) = (z.clone(), [9.0; 3]);
                cpu.loss_grad(&mut found, vocab, target, &weights, &mut losses);
                let bound = 16.0 * f32::EPSILON * (vocab as f32).sqrt();
                hold(&format!("{} dz {vocab}", cpu.isa()), &found, &floats(&dz), |_, _| bound);
                hold(&format!("{} loss {vocab}", cpu.isa()), &losses, &wanted, |_, _| bound);
            }
        }
    }
}

#[test]
fn adamw_levels_agree_with_f64() {
    let how = AdamW { rate: 0.01, betas: [0.9, 0.95], eps: 1e-8, decay: 0.1, scale: 0.5, step: 3 };
    for len in [1, 17, 5000] {
        let (x, g, m) = (numbers(1, len), numbers(2, len), numbers(3, len));
        let v: Vec<f32> = numbers(4, len).iter().map(|x| x.abs()).collect();
        let (mut xs, mut ms, mut vs) = (doubles(&x), doubles(&m), doubles(&v));
        let corrections = how.betas.map(|b| 1.0 - f64::from(b).powi(3));
        for i in 0..len {
            adamw::update(&how, corrections, &mut xs[i], f64::from(g[i]), &mut ms[i], &mut vs[i]);
        }
        for cpu in variants() {
            let (mut x, mut m, mut v) = (x.clone(), m.clone(), v.clone());
            cpu.adamw(&how, &mut x, &g, &mut m, &mut v);
            for (found, wanted) in [(&x, &xs), (&m, &ms), (&v, &vs)] {
                hold(&format!("{}", cpu.isa()), found, &floats(wanted), |_, w| {
                    8.0 * f32::EPSILON * w.abs().max(0.1)
                });
            }
        }
    }
}

const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const SEQUENCE: usize = 70;

/// One sequence as the contract states it, in f64; `[T, H, Dh]`.
fn attend(q: &[f64], k: &[f64], v: &[f64], width: usize, first: &[usize], softcap: Option<f64>) -> Vec<f64> {
    let mut out = vec![0.0; q.len()];
    for (t, &first) in first.iter().enumerate() {
        for head in 0..HEADS {
            let kv = head / (HEADS / KV_HEADS);
            let of = |u: usize| (u * KV_HEADS + kv) * width..(u * KV_HEADS + kv + 1) * width;
            let place = (t * HEADS + head) * width..(t * HEADS + head + 1) * width;
            let mut p: Vec<f64> = (first..=t).map(|u| 0.3 * dot(&q[place.clone()], &k[of(u)])).collect();
            softmax(&mut p, softcap);
            for (u, p) in (first..=t).zip(p) {
                out[place.clone()].iter_mut().zip(&v[of(u)]).for_each(|(o, v)| *o += p * v);
            }
        }
    }
    out
}

fn run(cpu: &Cpu, how: &TrainingAttention<'_>, x: Inputs<'_>, d_out: &[f32]) -> [Vec<f32>; 4] {
    let (mut out, mut logs) = (vec![9.0; x.q.len()], vec![9.0; how.first.len() * HEADS]);
    cpu.training_attention(how, x, &mut out, &mut logs);
    let [mut dq, mut dk, mut dv] = [x.q, x.k, x.v].map(|x| vec![9.0; x.len()]);
    let gradients = Gradients { dq: &mut dq, dk: &mut dk, dv: &mut dv };
    cpu.training_attention_grad(how, x, &out, &logs, d_out, gradients);
    [out, dq, dk, dv]
}

#[test]
fn attention_at_every_level_agrees_with_finite_differences() {
    let width = 3;
    // Two documents and a window, over more than one block of rows.
    let first: Vec<usize> =
        (0..SEQUENCE).map(|t| if t < 20 { 0 } else { t.saturating_sub(47).max(20) }).collect();
    let [q, d_out] = [1, 4].map(|seed| numbers(seed, SEQUENCE * HEADS * width));
    let [k, v] = [2, 3].map(|seed| numbers(seed, SEQUENCE * KV_HEADS * width));
    let [qs, ks, vs, ds] = [&q, &k, &v, &d_out].map(|x| doubles(x));
    for softcap in [None, Some(0.4f32)] {
        let cap = softcap.map(f64::from);
        let wanted = [
            attend(&qs, &ks, &vs, width, &first, cap),
            differences(&qs, |q| dot(&attend(q, &ks, &vs, width, &first, cap), &ds)),
            differences(&ks, |k| dot(&attend(&qs, k, &vs, width, &first, cap), &ds)),
            differences(&vs, |v| dot(&attend(&qs, &ks, v, width, &first, cap), &ds)),
        ];
        let how = TrainingAttention {
            heads: HEADS,
            kv_heads: KV_HEADS,
            head_dim: width,
            scale: 0.3,
            softcap,
            sequence: SEQUENCE,
            first: &first,
            precision: Precision::F32,
        };
        for cpu in variants() {
            let found = run(&cpu, &how, Inputs { q: &q, k: &k, v: &v }, &d_out);
            for (name, (found, wanted)) in ["o", "dq", "dk", "dv"].iter().zip(found.iter().zip(&wanted)) {
                hold(&format!("{} {name}", cpu.isa()), found, &floats(wanted), |_, _| 4e-6);
            }
        }
    }
}

#[test]
fn attention_keeps_sequences_apart_and_threads_change_no_bit() {
    let width = 16;
    let (tokens, sequence) = (192, 96);
    let first: Vec<usize> = (0..tokens).map(|t| t / sequence * sequence).collect();
    let [q, d_out] = [1, 4].map(|seed| numbers(seed, tokens * HEADS * width));
    let [k, v] = [2, 3].map(|seed| numbers(seed, tokens * KV_HEADS * width));
    for precision in [Precision::F32, Precision::Bf16] {
        let how = |first, sequence| TrainingAttention {
            heads: HEADS,
            kv_heads: KV_HEADS,
            head_dim: width,
            scale: 0.3,
            softcap: None,
            sequence,
            first,
            precision,
        };
        let both = |threads| {
            run(
                &Cpu::new(threads, Compute::Fast),
                &how(&first, sequence),
                Inputs { q: &q, k: &k, v: &v },
                &d_out,
            )
        };
        let one = both(1);
        assert_eq!(one, both(3));
        let half = |x: &Vec<f32>| x[..x.len() / 2].to_vec();
        let [half_q, half_k, half_v, half_d] = [&q, &k, &v, &d_out].map(half);
        let x = Inputs { q: &half_q, k: &half_k, v: &half_v };
        let alone = run(&Cpu::new(1, Compute::Fast), &how(&first[..sequence], sequence), x, &half_d);
        assert_eq!(one.each_ref().map(half), alone);
    }
}
