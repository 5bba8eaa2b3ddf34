//! What makers and observers of large models published of one prompt.

use crate::Range;

/// A published figure.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// Whose model.
    pub whose: &'static str,
    /// Watt-hours of one prompt.
    pub wh: Range,
    /// When it was published.
    pub year: u16,
    /// What it is a figure of.
    pub scope: &'static str,
    /// Where.
    pub source: &'static str,
}

/// The figures that are compared with, oldest first.
pub const PUBLISHED: [Published; 4] = [
    Published {
        whose: "GPT-4o, by Epoch AI",
        wh: Range::exact(0.3),
        year: 2025,
        scope: "an observer's estimate for a typical query; 2.5 Wh with 10,000 tokens of input",
        source: "Epoch AI, How much energy does ChatGPT use?, February 2025",
    },
    Published {
        whose: "ChatGPT, by OpenAI",
        wh: Range::exact(0.34),
        year: 2025,
        scope: "the maker's average of all queries, without a method",
        source: "Sam Altman, The Gentle Singularity, June 2025",
    },
    Published {
        whose: "Gemini, by Google",
        wh: Range::exact(0.24),
        year: 2025,
        scope: "the maker's median of text prompts in May 2025, with idle machines and cooling",
        source: "Google, Measuring the environmental impact of delivering AI, August 2025",
    },
    Published {
        whose: "Qwen3 235B, by ML.ENERGY",
        wh: Range { low: 0.06, high: 0.27 },
        year: 2026,
        scope: "measured for a chat answer of 875 tokens on H100s and B200s that give as many at a time as is best, up to 2.8 Wh \
                where they give few; graphics processors alone, without their machines, idle time and cooling",
        source: "ML.ENERGY Leaderboard, data of February 2026",
    },
];
