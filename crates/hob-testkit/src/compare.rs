//! Comparisons of numbers, with messages that say where they first differ.

use crate::subject::Rows;

/// How two sets of numbers differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Largest absolute difference; infinite where one side is not a number and the other is.
    pub max_abs: f32,
    /// Root of the mean square difference over the standard deviation of the expected numbers.
    pub rms_over_std: f64,
    /// Row and column of the first difference above the tolerance.
    pub first: Option<(usize, usize)>,
}

/// Compares row by row.
///
/// # Errors
/// A message when the shapes differ.
pub fn difference(expected: &Rows, found: &Rows, tolerance: f32) -> Result<Difference, String> {
    if (expected.width, expected.data.len()) != (found.width, found.data.len()) {
        return Err(format!(
            "expected {} x {} numbers, found {} x {}",
            expected.count(),
            expected.width,
            found.count(),
            found.width
        ));
    }
    let (mut max_abs, mut squares, mut first) = (0.0_f32, 0.0_f64, None);
    for (index, (&e, &f)) in expected.data.iter().zip(&found.data).enumerate() {
        let diff = if e == f { 0.0 } else { (e - f).abs() };
        let diff = if diff.is_nan() { f32::INFINITY } else { diff };
        max_abs = max_abs.max(diff);
        squares += f64::from(diff) * f64::from(diff);
        if diff > tolerance && first.is_none() {
            first = Some((index / expected.width, index % expected.width));
        }
    }
    let rms = (squares / expected.data.len().max(1) as f64).sqrt();
    Ok(Difference {
        max_abs,
        rms_over_std: rms / standard_deviation(&expected.data).max(f64::MIN_POSITIVE),
        first,
    })
}

fn standard_deviation(values: &[f32]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    (values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count).sqrt()
}

/// Requires every number within `tolerance`, absolutely.
///
/// # Errors
/// A message with the largest difference and the first place.
pub fn require_close(expected: &Rows, found: &Rows, tolerance: f32) -> Result<(), String> {
    let diff = difference(expected, found, tolerance)?;
    let Some((row, column)) = diff.first else { return Ok(()) };
    let at = row * expected.width + column;
    Err(format!(
        "max abs {:.3e} (allowed {tolerance:.1e}), rms/std {:.3e}; first at row {row}, column {column}: expected {}, \
         found {}",
        diff.max_abs, diff.rms_over_std, expected.data[at], found.data[at]
    ))
}

/// Requires each row's difference to be at most `tolerance` of the row's length, both as L2 norms.
///
/// # Errors
/// A message with the first such row.
pub fn require_rows_close(expected: &Rows, found: &Rows, tolerance: f64) -> Result<(), String> {
    difference(expected, found, f32::INFINITY)?;
    for (index, (e, f)) in
        expected.data.chunks(expected.width).zip(found.data.chunks(expected.width)).enumerate()
    {
        let norm =
            |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
        let length = norm(&mut e.iter().map(|&value| f64::from(value)));
        let diff = norm(&mut e.iter().zip(f).map(|(&a, &b)| f64::from(a) - f64::from(b)));
        // Written so that a NaN fails.
        let close = diff <= tolerance * length;
        if !close {
            return Err(format!(
                "row {index}: relative difference {:.3e}, allowed {tolerance:.1e}",
                diff / length
            ));
        }
    }
    Ok(())
}

/// Requires equal tokens up to the first step that the reference itself decided by less than `margin`.
///
/// # Errors
/// A message with the first differing step.
pub fn require_greedy(expected: &[u32], margins: &[f32], found: &[u32], margin: f32) -> Result<(), String> {
    let decided = margins.iter().position(|&m| m < margin).unwrap_or(margins.len()).min(expected.len());
    let first = (0..decided).find(|&step| found.get(step) != Some(&expected[step]));
    let Some(step) = first else { return Ok(()) };
    let got = found.get(step).map_or("nothing".to_owned(), u32::to_string);
    Err(format!(
        "greedy step {step}: expected token {} (margin {}), found {got}",
        expected[step], margins[step]
    ))
}

/// Requires equal token ids.
///
/// # Errors
/// A message with the first difference and its surroundings.
pub fn require_ids(expected: &[u32], found: &[u32]) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    let at = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    let window =
        |ids: &[u32]| format!("{:?}", &ids[at.saturating_sub(2).min(ids.len())..(at + 4).min(ids.len())]);
    Err(format!(
        "ids differ at {at}: expected ..{}.. ({} ids), found ..{}.. ({} ids)",
        window(expected),
        expected.len(),
        window(found),
        found.len()
    ))
}

/// Requires equal texts.
///
/// # Errors
/// A message with the first difference and its surroundings.
pub fn require_text(expected: &str, found: &str) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    let at = expected.chars().zip(found.chars()).take_while(|(a, b)| a == b).count();
    let window = |text: &str| text.chars().skip(at.saturating_sub(10)).take(40).collect::<String>();
    Err(format!("text differs at character {at}: expected {:?}, found {:?}", window(expected), window(found)))
}

/// Index of the largest number, of equals the first.
pub fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(data: &[f32]) -> Rows {
        Rows::new(2, data.to_vec())
    }

    #[test]
    fn finds_the_first_number_past_the_tolerance() {
        let diff = difference(&rows(&[1.0, 2.0, 3.0, 4.0]), &rows(&[1.0, 2.001, 3.5, 9.0]), 0.01).unwrap();
        assert_eq!(diff.first, Some((1, 0)));
        assert_eq!(diff.max_abs, 5.0);
    }

    #[test]
    fn nan_never_passes() {
        let expected = rows(&[1.0, 2.0]);
        assert!(require_close(&expected, &rows(&[1.0, f32::NAN]), 1e9).is_err());
        assert!(require_rows_close(&expected, &rows(&[1.0, f32::NAN]), 1e9).is_err());
        assert!(require_close(&rows(&[f32::INFINITY, 0.0]), &rows(&[f32::INFINITY, -0.0]), 0.0).is_ok());
    }

    #[test]
    fn shapes_have_to_agree() {
        assert!(require_close(&rows(&[1.0, 2.0]), &Rows::new(1, vec![1.0, 2.0]), 1.0).is_err());
    }

    #[test]
    fn greedy_counts_until_the_first_close_call() {
        let margins = [0.5, 0.2, 0.001, 0.9];
        assert!(require_greedy(&[1, 2, 3, 4], &margins, &[1, 2, 9, 9], 5e-3).is_ok());
        assert!(require_greedy(&[1, 2, 3, 4], &margins, &[1, 3, 3, 4], 5e-3).is_err());
        assert!(require_greedy(&[1, 2, 3, 4], &margins, &[1], 5e-3).is_err());
    }

    #[test]
    fn differing_texts_and_ids_say_where() {
        assert!(require_ids(&[1, 2, 3], &[1, 2]).unwrap_err().contains("differ at 2"));
        assert!(require_text("hello", "help!").unwrap_err().contains("character 3"));
    }

    #[test]
    fn of_equals_the_first_wins() {
        assert_eq!(argmax(&[0.0, 2.0, 2.0]), 1);
    }
}
