//! Each step as one would write it on paper: sort everything, use the standard library's mathematics, waste time.

/// `(id, logit)`, best first.
pub type List = Vec<(u32, f64)>;

pub fn sorted(logits: &[f32]) -> List {
    let mut list: List = logits.iter().enumerate().map(|(i, &l)| (i as u32, f64::from(l))).collect();
    list.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    list
}

pub fn softmax(list: &List) -> Vec<f64> {
    let max = list.iter().fold(f64::NEG_INFINITY, |m, c| m.max(c.1));
    let weights: Vec<f64> = list.iter().map(|c| (c.1 - max).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

pub fn entropy(p: &[f64]) -> f64 {
    -p.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>()
}

/// The shortest prefix whose probabilities reach `p`.
fn prefix_to(mass: impl Iterator<Item = f64>, p: f64) -> usize {
    let mut total = 0.0;
    let mut n = 0;
    for m in mass {
        total += m;
        n += 1;
        if total >= p {
            break;
        }
    }
    n
}

pub fn top_p(list: &mut List, p: f64) {
    let n = prefix_to(softmax(list).into_iter(), p);
    list.truncate(n);
}

/// arXiv:2407.01082, equation 2: scaled threshold `p * p_max`.
pub fn min_p(list: &mut List, p: f64) {
    let probabilities = softmax(list);
    let n = probabilities.iter().filter(|q| **q >= p * probabilities[0]).count();
    list.truncate(n);
}

/// arXiv:2202.00666, equation 9.
pub fn typical(list: &mut List, p: f64) {
    let probabilities = softmax(list);
    let h = entropy(&probabilities);
    let mut keyed: Vec<_> =
        list.iter().zip(&probabilities).map(|(c, q)| ((h + q.ln()).abs(), *c, *q)).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.0.cmp(&b.1.0)));
    let n = prefix_to(keyed.iter().map(|k| k.2), p);
    let kept: Vec<u32> = keyed[..n].iter().map(|k| k.1.0).collect();
    list.retain(|c| kept.contains(&c.0));
}

/// arXiv:2411.07641: logits below `max - n sigma` go.
pub fn top_n_sigma(list: &mut List, n: f64) {
    let mean = list.iter().map(|c| c.1).sum::<f64>() / list.len() as f64;
    let variance = list.iter().map(|c| (c.1 - mean) * (c.1 - mean)).sum::<f64>() / list.len() as f64;
    let bar = list[0].1 - n * variance.sqrt();
    list.retain(|c| c.1 >= bar);
}

/// ggml-org/llama.cpp#9742: of the tokens at or above the threshold only the last stays.
pub fn xtc(list: &mut List, threshold: f64) {
    let above = softmax(list).iter().filter(|p| **p >= threshold).count();
    if above >= 2 {
        list.drain(..above - 1);
    }
}

/// The penalty of each token by comparing every position with the end, token by token.
pub fn dry(tokens: &[u32], c: &super::DryConfig) -> Vec<(u32, f64)> {
    let mut reach = tokens.len();
    for end in 0..=tokens.len() {
        if c.sequence_breakers.iter().any(|b| tokens[..end].ends_with(b)) {
            reach = tokens.len() - end;
        }
    }
    let mut best: Vec<(u32, usize)> = Vec::new();
    for next in 1..tokens.len() {
        let mut n = 0;
        while n < next && n < reach && tokens[next - 1 - n] == tokens[tokens.len() - 1 - n] {
            n += 1;
        }
        match best.iter_mut().find(|b| b.0 == tokens[next]) {
            Some(b) => b.1 = b.1.max(n),
            None => best.push((tokens[next], n)),
        }
    }
    best.retain(|b| b.1 >= c.allowed_length as usize && !c.sequence_breakers.contains(&vec![b.0]));
    let grow =
        |n: usize| f64::from(c.multiplier) * f64::from(c.base).powf((n - c.allowed_length as usize) as f64);
    best.into_iter().map(|(id, n)| (id, grow(n))).collect()
}
