//! How many positions a conversation gets, and what happens when they are used up.

use crate::platform;
use hob::{ChatOptions, LanguageModel};
use hob_base::Bytes;
use std::fmt;
use std::str::FromStr;

/// A conversation shorter than this is of no use, so memory never makes it smaller.
const POSITIONS_MIN: usize = 512;

/// The value of `--context`: a length, a policy, or both (`4096,shift`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContextArg {
    /// Positions asked for.
    pub positions: Option<usize>,
    /// Whether the oldest tokens make room when the context is full.
    pub shift: bool,
}

impl FromStr for ContextArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut arg = Self::default();
        for word in text.split(',') {
            match word.trim() {
                "shift" => arg.shift = true,
                "error" => arg.shift = false,
                number => {
                    let wrong = || {
                        format!(
                            "expected a number of tokens, `shift`, `error` or both as in `4096,shift`, found {number:?}"
                        )
                    };
                    let _: usize = number.parse().map_err(|_| wrong())?;
                    arg.positions = Some(parse_positions(number)?);
                }
            }
        }
        Ok(arg)
    }
}

/// A context length by itself.
pub fn parse_positions(text: &str) -> Result<usize, String> {
    // One position for a prompt, one for an answer.
    let enough = text.parse().ok().filter(|positions| *positions >= 2);
    enough.ok_or_else(|| format!("expected a number of tokens of at least 2, found {text:?}"))
}

/// A context length and why it is that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// Positions.
    pub positions: usize,
    /// What decided it.
    pub reason: Reason,
}

/// What decided a context length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The user.
    Asked,
    /// The model was trained for no more.
    Trained,
    /// The default.
    Default,
    /// Free memory.
    Memory,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            Reason::Asked => "as asked",
            Reason::Trained => "all the model was trained for",
            Reason::Default => "default",
            Reason::Memory => "what fits into free memory",
        };
        write!(f, "{} tokens ({reason})", self.positions)
    }
}

/// The length asked for, else what fits: the trained length, the default and free memory, whichever is smallest.
pub fn choose(model: &LanguageModel, asked: Option<usize>) -> Context {
    let trained = model.engine().model().spec().context;
    if let Some(positions) = asked {
        return Context { positions, reason: Reason::Asked };
    }
    let wanted = if trained <= ChatOptions::DEFAULT_CONTEXT {
        Context { positions: trained, reason: Reason::Trained }
    } else {
        Context { positions: ChatOptions::DEFAULT_CONTEXT, reason: Reason::Default }
    };
    let Some(memory) = platform::memory() else { return wanted };
    fit(wanted, memory.available, |positions| model.memory_estimate(positions).total())
}

/// The largest length up to `wanted` that needs at most `available` bytes, in steps of an eighth.
fn fit(wanted: Context, available: u64, need: impl Fn(usize) -> u64) -> Context {
    let mut positions = wanted.positions;
    while positions > POSITIONS_MIN && need(positions) > available {
        positions = (positions - positions / 8).max(POSITIONS_MIN);
    }
    if positions == wanted.positions { wanted } else { Context { positions, reason: Reason::Memory } }
}

/// Says so when `tokens` are more than the model was trained for.
pub fn note_if_long(model: &LanguageModel, tokens: usize) {
    let trained = model.engine().model().spec().context;
    if tokens > trained {
        crate::fail::note(&format!(
            "{tokens} tokens are more than the {trained} this model was trained for; what it says of them is worth less"
        ));
    }
}

/// What the user should know about the choice before the model runs.
pub fn warnings(model: &LanguageModel, context: Context) -> Vec<String> {
    let mut list = Vec::new();
    let trained = model.engine().model().spec().context;
    if context.positions > trained {
        list.push(format!(
            "a context of {} tokens was asked for and the model was trained for {trained}; beyond that its answers get worse",
            context.positions
        ));
    }
    if let Some(memory) = platform::memory() {
        let needed = model.memory_estimate(context.positions).total();
        if needed > memory.available {
            list.push(format!(
                "about {} of memory are needed and {} are free; expect a slow run, or try a smaller --context, --kv q8 or a smaller model",
                Bytes(needed),
                Bytes(memory.available)
            ));
        } else if context.reason == Reason::Memory {
            list.push(format!("the context is {context}; --context N asks for another"));
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_takes_a_length_a_policy_or_both() {
        let arg = |positions, shift| Ok(ContextArg { positions, shift });
        assert_eq!("4096".parse(), arg(Some(4096), false));
        assert_eq!("shift".parse(), arg(None, true));
        assert_eq!("4096,shift".parse(), arg(Some(4096), true));
        assert_eq!("error".parse(), arg(None, false));
        assert!("1".parse::<ContextArg>().is_err());
        assert!("lots".parse::<ContextArg>().unwrap_err().contains("\"lots\""));
    }

    #[test]
    fn memory_shortens_the_context_down_to_a_floor() {
        let wanted = Context { positions: 8192, reason: Reason::Default };
        let need = |positions: usize| positions as u64;
        assert_eq!(fit(wanted, 10_000, need), wanted);
        let fitting = fit(wanted, 4000, need);
        assert!(fitting.positions <= 4000 && fitting.positions > 3000, "{fitting:?}");
        assert_eq!(fit(wanted, 1, need).positions, POSITIONS_MIN);
    }
}
