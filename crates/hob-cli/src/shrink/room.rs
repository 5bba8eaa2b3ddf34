//! Whether a model fits into memory while it is made smaller, and how much text there is room for if not.

use super::size::Size;
use super::text::Texts;
use super::{ShrinkArgs, sequence};
use crate::fail::{self, note};
use crate::parent::Parent;
use crate::platform;
use anyhow::bail;
use hob_base::Bytes;
use hob_shrink::{memory_bytes, prune_memory_bytes};

/// Tokens that are read at least.
const TOKENS_MIN: usize = 4096;

/// How a model is read.
pub struct Room {
    /// All its numbers are kept in memory.
    pub has_all: bool,
    /// Tokens of text that there is room for.
    tokens: usize,
}

impl Room {
    /// What `args` and the machine allow for `parent`.
    pub fn new(args: &ShrinkArgs, parent: &Parent) -> anyhow::Result<Self> {
        let memory = match args.memory {
            Some(Size::Bytes(bytes)) => bytes,
            Some(Size::BitsPerWeight(_)) => {
                return Err(fail::usage("--memory: expected a size such as 8GB"));
            }
            None => match platform::memory() {
                Some(memory) => memory.available,
                None => return Ok(Self { has_all: true, tokens: usize::MAX }),
            },
        };
        let (network, weights) = (&parent.network, parent.network.layout().len() as u64);
        let sequence = sequence(parent);
        let most = args.text.tokens;
        // The parent and a child as numbers, and of one that is trained also gradients and means.
        let mut all = 4 * weights * if args.text.train.is_some() { 5 } else { 2 };
        if args.prune {
            // The best of the narrower models and the one that is tried, beside what narrowing takes.
            all = (all + 8 * weights).max(prune_memory_bytes(network));
        }
        if all + memory_bytes(network, most) <= memory {
            return Ok(Self { has_all: true, tokens: most });
        }
        if args.text.train.is_some() || args.prune {
            bail!(
                "training or narrowing a model of this size takes about {} of memory, and {} are free; without --train and --prune \
                 it is read layer by layer",
                Bytes(all + memory_bytes(network, most)),
                Bytes(memory)
            );
        }
        let per_sequence = memory_bytes(network, sequence) - memory_bytes(network, 0);
        let room = memory.saturating_sub(memory_bytes(network, 0)) / per_sequence.max(1) * sequence as u64;
        let tokens = usize::try_from(room).unwrap_or(usize::MAX).min(most);
        if tokens < TOKENS_MIN.min(most) {
            bail!(
                "shrinking this model takes at least {} of memory, and {} are free; `hob quantize` takes little",
                Bytes(memory_bytes(network, TOKENS_MIN.min(most))),
                Bytes(memory)
            );
        }
        Ok(Self { has_all: false, tokens })
    }

    /// Cuts the text that the model is read with to what there is room for, and says so.
    pub fn cut(&self, texts: &mut Texts, sequence: usize) {
        let found = texts.curvature.tokens.len();
        if !self.has_all {
            note("the model is read layer by layer, since not all of it fits into memory");
        }
        if found > self.tokens {
            // Not as much as there is room for at this moment: a run that goes on has to read the same text.
            let kept = sequence << (self.tokens / sequence).ilog2();
            note(&format!("of {found} tokens of text there is room for {kept} in memory"));
            texts.curvature.truncate(kept);
        }
    }
}
