use super::*;
use half::f16;

fn shape(ty: KvType, kv_heads: usize, head_dim: usize) -> KvShape {
    KvShape { ty, kv_heads, head_dim }
}

fn numbers(seed: u32, len: usize) -> Vec<f32> {
    crate::ops::testing::numbers(seed, len).iter().map(|x| x * 4.0).collect()
}

/// What comes back for `x`, and how far it may be from it.
fn bound(ty: KvType, x: &[f32], d: usize) -> f32 {
    match ty {
        KvType::F32 => 0.0,
        KvType::F16 => x[d].abs() * 2f32.powi(-11) + 2f32.powi(-25),
        KvType::Q8 => {
            let group = &x[d / Q8_GROUP * Q8_GROUP..];
            let largest = group[..group.len().min(Q8_GROUP)].iter().fold(0f32, |m, x| m.max(x.abs()));
            largest / 253.0 + 4e-6
        }
    }
}

#[test]
fn what_is_written_is_read_within_the_type_s_error() {
    for ty in [KvType::F32, KvType::F16, KvType::Q8] {
        for (kv_heads, head_dim) in [(1, 1), (2, 17), (3, 64), (1, 80), (2, 100), (1, 512)] {
            let row = kv_heads * head_dim;
            let (k, v) = (numbers(1, PAGE_POSITIONS * row), numbers(2, PAGE_POSITIONS * row));
            let mut page = KvPage::new(shape(ty, kv_heads, head_dim));
            page.write_rows(0, 5, &k[..5 * row], &v[..5 * row]);
            page.write(5, &k[5 * row..6 * row], &v[5 * row..6 * row]);
            page.write_rows(6, 58, &k[6 * row..], &v[6 * row..]);
            let (mut key, mut value) = (vec![0f32; head_dim], vec![0f32; head_dim]);
            for slot in 0..PAGE_POSITIONS {
                for head in 0..kv_heads {
                    let at = slot * row + head * head_dim;
                    page.key(head, slot, &mut key);
                    page.value(head, slot, &mut value);
                    for d in 0..head_dim {
                        let (k, v) = (&k[at..at + head_dim], &v[at..at + head_dim]);
                        assert!((key[d] - k[d]).abs() <= bound(ty, k, d), "{ty:?} key {slot} {head} {d}");
                        assert!((value[d] - v[d]).abs() <= bound(ty, v, d), "{ty:?} value {slot} {head} {d}");
                    }
                }
            }
        }
    }
}

#[test]
fn halves_are_rounded_to_even_and_clamped() {
    let mut page = KvPage::new(shape(KvType::F16, 1, 4));
    let k = [1.0 + 2f32.powi(-11), 1e9, f32::NEG_INFINITY, -3.0e-8];
    page.write(63, &k, &k);
    let mut out = [0f32; 4];
    page.key(0, 63, &mut out);
    assert_eq!(out, [1.0, 65504.0, -65504.0, f16::from_f32(-3.0e-8).to_f32()]);
    page.value(0, 63, &mut out);
    assert_eq!(out[..3], [1.0, 65504.0, -65504.0]);
}

#[test]
fn a_write_into_a_shared_page_is_seen_by_its_writer_only() {
    let ones = [1f32; 8];
    let mut mine = Arc::new(KvPage::new(shape(KvType::F16, 1, 8)));
    let theirs = Arc::clone(&mine);
    Arc::make_mut(&mut mine).write(3, &ones, &ones);
    let mut out = [9f32; 8];
    theirs.key(0, 3, &mut out);
    assert_eq!(out, [0f32; 8]);
    mine.key(0, 3, &mut out);
    assert_eq!(out, ones);
    drop(theirs);
    let before = Arc::as_ptr(&mine);
    Arc::make_mut(&mut mine).write(4, &ones, &ones);
    assert_eq!(Arc::as_ptr(&mine), before, "a page of one holder is written in place");
}

#[test]
fn page_bytes_are_what_the_buffers_hold() {
    for ty in [KvType::F32, KvType::F16, KvType::Q8] {
        for head_dim in [1, 17, 64, 80, 512] {
            let page = KvPage::new(shape(ty, 3, head_dim));
            let bytes: usize = [&page.k, &page.v]
                .map(|data| match data {
                    KvData::F32(x) => 4 * x.len(),
                    KvData::F16(x) => 2 * x.len(),
                    KvData::Q8 { codes, scales, .. } => codes.len() + 2 * scales.len(),
                })
                .iter()
                .sum();
            assert_eq!(page.shape().page_bytes(), bytes, "{ty:?} {head_dim}");
        }
    }
}

#[test]
#[should_panic(expected = "positions lie in the page")]
fn positions_beyond_the_page_are_refused() {
    KvPage::new(shape(KvType::F32, 1, 1)).write_rows(63, 2, &[0.0; 2], &[0.0; 2]);
}
