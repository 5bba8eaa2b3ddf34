use proptest::prelude::*;

use super::super::candidates::Candidates;
use super::reference::{self, List};

fn fast(logits: &[f32]) -> Candidates {
    let mut c = Candidates::default();
    c.fill_all(logits);
    c
}

fn ids(c: &Candidates) -> Vec<u32> {
    c.list.iter().map(|c| c.id).collect()
}

fn sorted_ids(list: &List) -> Vec<u32> {
    let mut ids: Vec<u32> = list.iter().map(|c| c.0).collect();
    ids.sort_unstable();
    ids
}

/// Smooth logits of many sizes, so that both the sorted beginning and the repeated cut search are used.
fn smooth() -> impl Strategy<Value = Vec<f32>> {
    (1usize..3000, any::<u64>(), 0.01f32..20.0).prop_map(|(n, seed, scale)| {
        let mut rng = super::Rng::new(seed);
        (0..n).map(|_| (rng.next_unit() as f32 - 0.5) * scale).collect()
    })
}

/// Logits with many ties.
fn stepped() -> impl Strategy<Value = Vec<f32>> {
    (1usize..2000, any::<u64>(), 1u64..30).prop_map(|(n, seed, values)| {
        let mut rng = super::Rng::new(seed);
        (0..n).map(|_| (rng.next_u64() % values) as f32 * 0.5 - 3.0).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn top_k(logits in prop_oneof![smooth(), stepped()], k in 1usize..200) {
        let mut expected = reference::sorted(&logits);
        expected.truncate(k);
        let mut cut = fast(&logits);
        cut.top_k(k);
        prop_assert_eq!(ids(&cut), sorted_ids(&expected));
        let mut streamed = Candidates::default();
        streamed.fill_top_k(&logits, k);
        prop_assert_eq!(ids(&streamed), sorted_ids(&expected));
    }

    #[test]
    fn top_k_leaves_out_removed_tokens(mut logits in stepped(), k in 1usize..50, every in 2usize..9) {
        logits.iter_mut().step_by(every).for_each(|l| *l = f32::NEG_INFINITY);
        let mut expected = reference::sorted(&logits);
        expected.retain(|c| c.1 > f64::NEG_INFINITY);
        expected.truncate(k);
        let mut streamed = Candidates::default();
        streamed.fill_top_k(&logits, k);
        prop_assert_eq!(ids(&streamed), sorted_ids(&expected));
    }

    #[test]
    fn top_p(logits in smooth(), p in 0.0f64..1.0) {
        let mut expected = reference::sorted(&logits);
        reference::top_p(&mut expected, p);
        let mut cut = fast(&logits);
        cut.top_p(p);
        prop_assert_eq!(ids(&cut), sorted_ids(&expected));
    }

    #[test]
    fn min_p(logits in smooth(), p in 0.001f64..1.0) {
        let mut expected = reference::sorted(&logits);
        reference::min_p(&mut expected, p);
        let mut cut = fast(&logits);
        cut.min_p(p);
        prop_assert_eq!(ids(&cut), sorted_ids(&expected));
    }

    #[test]
    fn typical_p(logits in smooth(), p in 0.01f64..1.0) {
        let mut expected = reference::sorted(&logits);
        reference::typical(&mut expected, p);
        let mut cut = fast(&logits);
        cut.typical_p(p);
        prop_assert_eq!(ids(&cut), sorted_ids(&expected));
    }

    #[test]
    fn top_n_sigma(logits in smooth(), n in 0.0f64..5.0) {
        let mut expected = reference::sorted(&logits);
        reference::top_n_sigma(&mut expected, n);
        let mut cut = fast(&logits);
        cut.top_n_sigma(n);
        prop_assert_eq!(ids(&cut), sorted_ids(&expected));
    }

    #[test]
    fn xtc(logits in smooth(), threshold in 0.001f64..0.5) {
        let mut expected = reference::sorted(&logits);
        reference::xtc(&mut expected, threshold);
        let mut cut = fast(&logits);
        cut.xtc(threshold);
        prop_assert_eq!(ids(&cut), sorted_ids(&expected));
    }

    #[test]
    fn dynamic_temperature(logits in smooth(), low in 0.0f64..1.0, width in 0.0f64..2.0, exponent in 0.1f64..4.0) {
        let list = reference::sorted(&logits);
        let h = reference::entropy(&reference::softmax(&list)) / (list.len().max(2) as f64).ln();
        let expected = low + width * h.max(0.0).powf(exponent);
        let found = fast(&logits).dynamic_temperature(low, low + width, exponent);
        prop_assert!((f64::from(found) - expected).abs() < 1e-5, "{found} {expected}");
    }

    #[test]
    fn mirostat_cut(logits in smooth(), mu in 0.0f64..12.0) {
        let list = reference::sorted(&logits);
        let p = reference::softmax(&list);
        let kept = p.iter().filter(|p| -p.log2() <= mu).count().max(1);
        let mut cut = fast(&logits);
        let zero = cut.truncate_surprise(mu);
        prop_assert_eq!(ids(&cut), sorted_ids(&list[..kept].to_vec()));
        let surprise = (zero - cut.logit_of(list[0].0)) * std::f64::consts::LOG2_E;
        prop_assert!((surprise + p[0].log2()).abs() < 1e-9);
    }
}

#[test]
fn xtc_keeps_the_higher_id_of_a_tie() {
    let mut cut = fast(&[2.0, 2.0, -9.0]);
    cut.xtc(0.3);
    assert_eq!(ids(&cut), [1, 2]);
}
