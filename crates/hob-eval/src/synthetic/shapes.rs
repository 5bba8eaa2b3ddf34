//! The published models whose shapes can be written, as a table.
//!
//! Source: the models' published `config.json`; Gemma 4 as in `../shared/reference/architectures.md`.

/// A published model.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Name on the command line.
    pub name: &'static str,
    /// `general.name`.
    pub title: &'static str,
    /// `general.architecture`.
    pub arch: &'static str,
    pub layers: usize,
    pub hidden: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub ffn: usize,
    pub vocab: usize,
    pub context: usize,
    pub eps: f32,
    pub theta: f32,
    /// The head is the embedding matrix.
    pub tied: bool,
    pub rope: Rope,
    pub words: Words,
    pub extra: Extra,
}

/// How rotary frequencies are stretched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rope {
    Plain,
    /// Llama 3.1 and 3.2: by this factor, from 8192 positions.
    Llama3(f32),
    /// Phi-4-mini: over this width of the head, from 4096 positions.
    Long(usize),
    /// No rotary embedding.
    None,
}

/// Which published vocabulary the synthetic one imitates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Words {
    Llama3,
    Phi3,
    Phi4,
    Qwen,
    SmolLm,
    Gemma3,
    Gemma4,
    Bert,
}

/// What only some families have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Extra {
    Nothing,
    /// Sliding attention in all layers, or in five of six where the family says so.
    Window(usize),
    Gemma4(Gemma4),
}

/// Gemma 4's additions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Gemma4 {
    pub window: usize,
    /// One layer in so many sees everything.
    pub period: usize,
    /// Last layers that read earlier layers' keys and values.
    pub shared: usize,
    /// Whether those have a feed-forward part of twice the width.
    pub doubled: bool,
    /// Width of the embeddings per layer.
    pub per_layer: usize,
    /// Width of a head in layers that see everything.
    pub full_head_dim: usize,
}

impl Gemma4 {
    /// Whether `layer` attends through the window.
    pub fn slides(&self, layer: usize) -> bool {
        !(layer + 1).is_multiple_of(self.period)
    }
}

const PLAIN: Shape = Shape {
    name: "",
    title: "",
    arch: "llama",
    layers: 0,
    hidden: 0,
    heads: 0,
    kv_heads: 0,
    head_dim: 0,
    ffn: 0,
    vocab: 0,
    context: 0,
    eps: 1e-5,
    theta: 10_000.0,
    tied: true,
    rope: Rope::Plain,
    words: Words::Llama3,
    extra: Extra::Nothing,
};

const LLAMA_32: Shape =
    Shape { vocab: 128_256, context: 131_072, theta: 500_000.0, rope: Rope::Llama3(32.0), ..PLAIN };
const PHI: Shape = Shape { arch: "phi3", layers: 32, hidden: 3072, ffn: 8192, ..PLAIN };
const QWEN3: Shape = Shape {
    arch: "qwen3",
    head_dim: 128,
    kv_heads: 8,
    vocab: 151_936,
    context: 40_960,
    eps: 1e-6,
    theta: 1e6,
    words: Words::Qwen,
    ..PLAIN
};
const GEMMA_4: Shape = Shape {
    arch: "gemma4",
    heads: 8,
    head_dim: 256,
    vocab: 262_144,
    context: 131_072,
    eps: 1e-6,
    theta: 1e6,
    words: Words::Gemma4,
    ..PLAIN
};

/// Every shape, smallest first within a family.
pub(super) static SHAPES: &[Shape] = &[
    Shape {
        name: "llama-3.2-1b",
        title: "Llama 3.2 1B shape",
        layers: 16,
        hidden: 2048,
        heads: 32,
        kv_heads: 8,
        head_dim: 64,
        ffn: 8192,
        ..LLAMA_32
    },
    Shape {
        name: "llama-3.2-3b",
        title: "Llama 3.2 3B shape",
        layers: 28,
        hidden: 3072,
        heads: 24,
        kv_heads: 8,
        head_dim: 128,
        ffn: 8192,
        ..LLAMA_32
    },
    Shape {
        name: "llama-3-8b",
        title: "Llama 3.1 8B shape",
        layers: 32,
        hidden: 4096,
        heads: 32,
        kv_heads: 8,
        head_dim: 128,
        ffn: 14_336,
        tied: false,
        rope: Rope::Llama3(8.0),
        ..LLAMA_32
    },
    Shape {
        name: "phi-3-mini",
        title: "Phi-3-mini-4k shape",
        heads: 32,
        kv_heads: 32,
        head_dim: 96,
        vocab: 32_064,
        context: 4096,
        tied: false,
        words: Words::Phi3,
        extra: Extra::Window(2047),
        ..PHI
    },
    Shape {
        name: "phi-4-mini",
        title: "Phi-4-mini shape",
        heads: 24,
        kv_heads: 8,
        head_dim: 128,
        vocab: 200_064,
        context: 131_072,
        rope: Rope::Long(96),
        words: Words::Phi4,
        ..PHI
    },
    Shape {
        name: "qwen2.5-0.5b",
        title: "Qwen2.5 0.5B shape",
        arch: "qwen2",
        layers: 24,
        hidden: 896,
        heads: 14,
        kv_heads: 2,
        head_dim: 64,
        ffn: 4864,
        vocab: 151_936,
        context: 32_768,
        eps: 1e-6,
        theta: 1e6,
        words: Words::Qwen,
        ..PLAIN
    },
    Shape {
        name: "qwen3-0.6b",
        title: "Qwen3 0.6B shape",
        layers: 28,
        hidden: 1024,
        heads: 16,
        ffn: 3072,
        ..QWEN3
    },
    Shape {
        name: "qwen3-4b",
        title: "Qwen3 4B shape",
        layers: 36,
        hidden: 2560,
        heads: 32,
        ffn: 9728,
        ..QWEN3
    },
    Shape {
        name: "smollm2-135m",
        title: "SmolLM2 135M shape",
        layers: 30,
        hidden: 576,
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
        ffn: 1536,
        vocab: 49_152,
        context: 8192,
        theta: 100_000.0,
        words: Words::SmolLm,
        ..PLAIN
    },
    Shape {
        name: "gemma-3-1b",
        title: "Gemma 3 1B shape",
        arch: "gemma3",
        layers: 26,
        hidden: 1152,
        heads: 4,
        kv_heads: 1,
        head_dim: 256,
        ffn: 6912,
        vocab: 262_144,
        context: 32_768,
        eps: 1e-6,
        theta: 1e6,
        words: Words::Gemma3,
        extra: Extra::Window(512),
        ..PLAIN
    },
    Shape {
        name: "gemma-4-e2b",
        title: "Gemma 4 E2B shape",
        layers: 35,
        hidden: 1536,
        kv_heads: 1,
        ffn: 6144,
        extra: Extra::Gemma4(Gemma4 {
            window: 512,
            period: 5,
            shared: 20,
            doubled: true,
            per_layer: 256,
            full_head_dim: 512,
        }),
        ..GEMMA_4
    },
    Shape {
        name: "gemma-4-e4b",
        title: "Gemma 4 E4B shape",
        layers: 42,
        hidden: 2560,
        kv_heads: 2,
        ffn: 10_240,
        extra: Extra::Gemma4(Gemma4 {
            window: 512,
            period: 6,
            shared: 18,
            doubled: false,
            per_layer: 256,
            full_head_dim: 512,
        }),
        ..GEMMA_4
    },
    Shape {
        name: "bge-small",
        title: "bge-small-en shape",
        arch: "bert",
        layers: 12,
        hidden: 384,
        heads: 12,
        kv_heads: 12,
        head_dim: 32,
        ffn: 1536,
        vocab: 30_522,
        context: 512,
        eps: 1e-12,
        rope: Rope::None,
        words: Words::Bert,
        ..PLAIN
    },
    Shape {
        name: "minilm-l6",
        title: "all-MiniLM-L6 shape",
        arch: "bert",
        layers: 6,
        hidden: 384,
        heads: 12,
        kv_heads: 12,
        head_dim: 32,
        ffn: 1536,
        vocab: 30_522,
        context: 512,
        eps: 1e-12,
        rope: Rope::None,
        words: Words::Bert,
        ..PLAIN
    },
];
