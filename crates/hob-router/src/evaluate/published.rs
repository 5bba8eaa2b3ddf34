//! Rows of RouteLLM's tables, to stand beside ours. Their MT-Bench has 72 questions, on which chance alone has a standard
//! deviation of .06; ours of the same task are fewer still.

use serde::Serialize;

/// A row as published: all of the whole sets after their decontamination, where ours are of half of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Published {
    /// Task.
    pub task: &'static str,
    /// Router.
    pub router: &'static str,
    /// What it learned from.
    pub labels: &'static str,
    /// Percent of calls for half of the gap, where published.
    pub cpt50: Option<f64>,
    /// The same for four fifths.
    pub cpt80: Option<f64>,
    /// Average performance gap recovered.
    pub apgr: f64,
}

const ARENA: &str = "preferences of Chatbot Arena";
const GOLD: &str = "the same and about 1,500 labels of MMLU's validation split";
const JUDGE: &str = "the same and verdicts of GPT-4";

const fn row(
    task: &'static str,
    router: &'static str,
    labels: &'static str,
    cpt: Option<(f64, f64)>,
    apgr: f64,
) -> Published {
    let (cpt50, cpt80) = match cpt {
        Some((half, most)) => (Some(half), Some(most)),
        None => (None, None),
    };
    Published { task, router, labels, cpt50, cpt80, apgr }
}

/// The rows.
pub const PUBLISHED: [Published; 23] = [
    row("mmlu", "random", "none", Some((50.07, 79.93)), 0.500),
    row("mmlu", "BERT", ARENA, None, 0.502),
    row("mmlu", "causal LLM", ARENA, None, 0.499),
    row("mmlu", "matrix factorisation", ARENA, None, 0.524),
    row("mmlu", "similarity-weighted ranking", ARENA, None, 0.473),
    row("mmlu", "BERT", GOLD, Some((41.30, 72.20)), 0.572),
    row("mmlu", "causal LLM", GOLD, Some((35.49, 70.31)), 0.600),
    row("mmlu", "matrix factorisation", GOLD, Some((35.46, 71.40)), 0.597),
    row("mmlu", "similarity-weighted ranking", GOLD, Some((35.40, 71.55)), 0.603),
    row("gsm8k", "random", "none", Some((50.00, 80.08)), 0.497),
    row("gsm8k", "BERT", JUDGE, None, 0.531),
    row("gsm8k", "matrix factorisation", JUDGE, Some((38.82, 72.62)), 0.565),
    row("gsm8k", "similarity-weighted ranking", JUDGE, None, 0.568),
    row("gsm8k", "causal LLM", JUDGE, Some((33.64, 63.26)), 0.622),
    row("mt_bench", "random", "none", Some((49.03, 78.08)), 0.500),
    row("mt_bench", "BERT", ARENA, Some((78.09, 87.64)), 0.391),
    row("mt_bench", "causal LLM", ARENA, Some((28.82, 77.53)), 0.573),
    row("mt_bench", "matrix factorisation", ARENA, Some((25.32, 74.26)), 0.580),
    row("mt_bench", "similarity-weighted ranking", ARENA, Some((37.85, 58.99)), 0.610),
    row("mt_bench", "BERT", JUDGE, Some((19.58, 34.02)), 0.751),
    row("mt_bench", "causal LLM", JUDGE, Some((31.50, 48.75)), 0.679),
    row("mt_bench", "matrix factorisation", JUDGE, Some((13.40, 31.31)), 0.802),
    row("mt_bench", "similarity-weighted ranking", JUDGE, Some((23.21, 36.04)), 0.759),
];
