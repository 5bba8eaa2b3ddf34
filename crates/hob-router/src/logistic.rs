//! Logistic regression with a ridge, by Newton's steps: few features, few examples, one optimum.

/// Newton's steps at most; they come to rest after six or seven.
const STEPS: usize = 50;

/// The largest step that still counts as rest.
const REST: f64 = 1e-10;

/// Weights of the features and, last, the constant, for `1 / (1 + exp(-(w x + c)))` to come near `targets`. `ridge` holds the
/// weights small, the constant is free. Every row has the same length; targets lie from 0 to 1.
pub(crate) fn fit(rows: &[Vec<f64>], targets: &[f64], ridge: f64) -> Vec<f64> {
    let width = rows.first().map_or(0, Vec::len) + 1;
    let mut weights = vec![0.0; width];
    for _ in 0..STEPS {
        let mut slope = vec![0.0; width];
        let mut bend = vec![vec![0.0; width]; width];
        for (i, weight) in weights.iter().take(width - 1).enumerate() {
            slope[i] = -ridge * weight;
            bend[i][i] = ridge;
        }
        // So that a constant that fits everything does not run away.
        bend[width - 1][width - 1] = 1e-6;
        for (row, target) in rows.iter().zip(targets) {
            let p = probability(&weights, row);
            let at = |i: usize| row.get(i).copied().unwrap_or(1.0);
            for i in 0..width {
                slope[i] += (target - p) * at(i);
                for (j, cell) in bend[i].iter_mut().enumerate().take(i + 1) {
                    *cell += p * (1.0 - p) * at(i) * at(j);
                }
            }
        }
        let Some(step) = solve(&mut bend, &slope) else { break };
        weights.iter_mut().zip(&step).for_each(|(weight, step)| *weight += step);
        if step.iter().all(|step| step.abs() < REST) {
            break;
        }
    }
    weights
}

/// What `weights` say of a row.
pub(crate) fn probability(weights: &[f64], row: &[f64]) -> f64 {
    let constant = weights.last().copied().unwrap_or(0.0);
    let sum = constant + weights.iter().zip(row).map(|(w, x)| w * x).sum::<f64>();
    1.0 / (1.0 + (-sum).exp())
}

/// Solves a positive definite system by Cholesky's factors, which take the place of its lower half. `None` where it is not.
fn solve(lower: &mut [Vec<f64>], right: &[f64]) -> Option<Vec<f64>> {
    let n = right.len();
    for i in 0..n {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
            let left = lower[i][j] - known;
            lower[i][j] = match i == j {
                true if left.is_nan() || left <= 0.0 => return None,
                true => left.sqrt(),
                false => left / lower[j][j],
            };
        }
    }
    let mut found = right.to_vec();
    for i in 0..n {
        let known: f64 = (0..i).map(|k| lower[i][k] * found[k]).sum();
        found[i] = (found[i] - known) / lower[i][i];
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|k| lower[k][i] * found[k]).sum();
        found[i] = (found[i] - known) / lower[i][i];
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hob_base::Random;

    #[test]
    fn weights_that_made_the_targets_are_found_again() {
        let mut random = Random::new(1, 0);
        let made = [1.5, -0.7, 0.3];
        let rows: Vec<Vec<f64>> =
            (0..500).map(|_| (0..2).map(|_| 2.0 * random.unit() - 1.0).collect()).collect();
        let targets: Vec<f64> = rows.iter().map(|row| probability(&made, row)).collect();
        let found = fit(&rows, &targets, 0.0);
        found
            .iter()
            .zip(made)
            .for_each(|(found, made)| assert!((found - made).abs() < 1e-4, "{found} {made}"));
        let held = fit(&rows, &targets, 100.0);
        assert!(held[0] < 1.2 && held[0] > 0.0, "a ridge draws weights in: {held:?}");
    }

    #[test]
    fn what_can_be_told_apart_wholly_stays_finite() {
        let rows: Vec<Vec<f64>> = (0..20).map(|i| vec![f64::from(i)]).collect();
        let targets: Vec<f64> = (0..20).map(|i| f64::from(u8::from(i >= 10))).collect();
        let found = fit(&rows, &targets, 0.1);
        assert!(found.iter().all(|w| w.is_finite()) && probability(&found, &[15.0]) > 0.9, "{found:?}");
        // Nothing to learn from, and everything alike.
        assert_eq!(fit(&[], &[], 1.0), vec![0.0]);
        assert!(fit(&[vec![1.0], vec![1.0]], &[1.0, 1.0], 1.0).iter().all(|w| w.is_finite()));
    }
}
