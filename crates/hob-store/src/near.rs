//! Names that are like another one, for suggestions.

use std::cmp::Reverse;

/// Names suggested at most.
const SUGGESTIONS_MAX: usize = 3;

/// The names among `all` that `wanted` may have meant, best first.
pub fn near<'a>(wanted: &str, all: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let plain = |text: &str| -> Vec<char> {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted = plain(wanted);
    let mut found: Vec<(usize, &str)> = Vec::new();
    for name in all {
        let last = name.rsplit('/').next().unwrap_or(name);
        let candidates = [name, last, last.split(':').next().unwrap_or(last)];
        let score = candidates.iter().filter_map(|c| likeness(&wanted, &plain(c))).max();
        if let Some(score) = score {
            found.push((score, name));
        }
    }
    found.sort_by_key(|(score, name)| (Reverse(*score), name.len()));
    found.into_iter().take(SUGGESTIONS_MAX).map(|(_, name)| name.to_owned()).collect()
}

/// How alike two names are, from 1 on; `None` when one would not be taken for the other.
fn likeness(a: &[char], b: &[char]) -> Option<usize> {
    let longest = a.len().max(b.len());
    if longest == 0 {
        return None;
    }
    let contains = |x: &[char], y: &[char]| y.len() >= 3 && x.windows(y.len()).any(|w| w == y);
    let away = distance(a, b);
    let same = longest - away.min(longest);
    if contains(a, b) || contains(b, a) || away <= longest / 3 {
        Some(1 + same * 100 / longest)
    } else {
        None
    }
}

/// Letters to insert, remove, replace or swap (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::near;

    #[test]
    fn what_was_meant_comes_first() {
        let all = [
            "qwen3-4b:q4_k_m",
            "qwen3-0.6b:q8_0",
            "gemma3-1b:q4_0",
            "hf.co/unsloth/Llama-3.2-1B-Instruct-GGUF:Q8_0",
        ];
        let first = |wanted: &str| near(wanted, all).into_iter().next();
        assert_eq!(first("qwen3-4"), Some(all[0].into()));
        assert_eq!(first("qwne3-4b"), Some(all[0].into()));
        assert_eq!(first("gemma"), Some(all[2].into()));
        assert_eq!(first("llama3.2-1b"), Some(all[3].into()));
        assert_eq!(first("mistral"), None);
        assert_eq!(first(""), None);
    }
}
