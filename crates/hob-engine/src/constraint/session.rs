//! A grammar at some place in an answer.

use llguidance::Matcher;

use super::distinct::Distinct;
use super::factory::first_line;
use crate::sampling::TokenMask;
use crate::{Error, Result};

/// The state of one constrained answer. A clone continues independently, as speculation needs.
#[derive(Clone)]
pub struct Constraint {
    matcher: Matcher,
    /// Keeps items apart, where the schema asks for that.
    distinct: Option<Distinct>,
    mask: TokenMask,
    mask_is_current: bool,
    eos: Vec<u32>,
    accepted_count: usize,
    finished: bool,
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (accepted, finished) = (self.accepted_count, self.finished);
        f.debug_struct("Constraint")
            .field("accepted", &accepted)
            .field("finished", &finished)
            .finish_non_exhaustive()
    }
}

impl Constraint {
    pub(super) fn new(
        matcher: Matcher,
        distinct: Option<Distinct>,
        vocab_count: usize,
        eos: Vec<u32>,
    ) -> Self {
        let mask = TokenMask::none(vocab_count);
        Self { matcher, distinct, mask, mask_is_current: false, eos, accepted_count: 0, finished: false }
    }

    /// The tokens that may come next; the end-of-sequence tokens are among them where the answer may end, and alone
    /// where it must. Nothing is allowed after the end. Computed once per place.
    ///
    /// # Errors
    /// [`Error::ConstraintStopped`] if a budget runs out; the constraint stays unusable then.
    pub fn mask(&mut self) -> Result<&TokenMask> {
        if !self.mask_is_current {
            if self.finished {
                self.mask.copy_words(&[]);
            } else {
                let words = self.matcher.compute_mask_or_eos().map_err(|e| self.stopped(&e.to_string()))?;
                self.mask.copy_words(words.as_slice());
                self.keep_distinct()?;
            }
            self.mask_is_current = true;
        }
        Ok(&self.mask)
    }

    /// Takes from the mask what would repeat an item, or could only go on by doing so.
    fn keep_distinct(&mut self) -> Result<()> {
        let Some(distinct) = &mut self.distinct else { return Ok(()) };
        distinct.narrow(&mut self.mask);
        for id in distinct.risky() {
            let goes_on =
                |with: &u32| self.matcher.validate_tokens(&[id, *with]).is_ok_and(|fitting| fitting == 2);
            if !self.mask.is_allowed(id) || distinct.common().iter().any(goes_on) {
                continue;
            }
            let mut ahead = self.matcher.clone();
            // Where a budget runs out it does so again when the token is taken.
            let Ok(words) = ahead.try_consume_tokens(&[id]).and_then(|_| ahead.compute_mask_or_eos()) else {
                continue;
            };
            let mut left = TokenMask::none(self.mask.len());
            left.copy_words(words.as_slice());
            let mut after = distinct.clone();
            after.take(id);
            after.narrow(&mut left);
            if left.allowed_count() == 0 {
                self.mask.forbid(id);
            }
        }
        match self.mask.allowed_count() {
            0 => Err(self.stopped("no item is left that differs from the earlier ones")),
            _ => Ok(()),
        }
    }

    /// Moves on by a token, which need not have been drawn under the mask.
    ///
    /// # Errors
    /// [`Error::TokenNotAllowed`] if it does not fit, with nothing changed; [`Error::ConstraintStopped`] as above.
    pub fn accept(&mut self, id: u32) -> Result<()> {
        let refused = Err(Error::TokenNotAllowed { id, position: self.accepted_count });
        if self.finished || id as usize >= self.mask.len() {
            return refused;
        }
        // A grammar may name an end-of-sequence token; it ends the answer there, too.
        if self.eos.contains(&id) && (self.can_end()? || self.mask()?.is_allowed(id)) {
            self.finished = true;
        } else if self.matcher.is_stopped() {
            self.check_alive()?;
            return refused;
        } else if self.distinct.as_mut().is_some_and(|distinct| distinct.repeats(id)) {
            return refused;
        } else {
            let taken = self.matcher.try_consume_tokens(&[id]).map_err(|e| self.stopped(&e.to_string()))?;
            if taken == 0 {
                return refused;
            }
            if let Some(distinct) = &mut self.distinct {
                distinct.take(id);
            }
        }
        self.accepted_count += 1;
        self.mask_is_current = false;
        Ok(())
    }

    /// How many tokens at the beginning of `ids` fit from here on. Nothing changes, and no mask is computed.
    pub fn fitting(&mut self, ids: &[u32]) -> usize {
        let known = ids.iter().position(|id| *id as usize >= self.mask.len()).unwrap_or(ids.len());
        if known == 0 || self.must_end() {
            return 0;
        }
        // What went wrong here goes wrong again, and is reported, when the mask is asked for.
        let fitting = self.matcher.validate_tokens(&ids[..known]).unwrap_or(0);
        match self.distinct.clone() {
            Some(mut distinct) => ids[..fitting].iter().take_while(|id| distinct.take(**id)).count(),
            None => fitting,
        }
    }

    /// Whether the answer is complete and an end-of-sequence token has been accepted.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether the answer could end here.
    ///
    /// # Errors
    /// [`Error::ConstraintStopped`] as for [`Constraint::mask`].
    pub fn can_end(&mut self) -> Result<bool> {
        if self.finished {
            return Ok(true);
        }
        if self.matcher.is_stopped() {
            self.check_alive()?;
            return Ok(true);
        }
        self.matcher.is_accepting().map_err(|e| self.stopped(&e.to_string()))
    }

    /// Whether the answer must end here: the only thing left to accept is an end-of-sequence token.
    pub fn must_end(&self) -> bool {
        self.finished || (self.matcher.is_stopped() && !self.matcher.is_error())
    }

    /// The bytes that every continuation starts with, empty where there is a choice. Turning them into tokens is the
    /// tokenizer's business; the caller then accepts those.
    pub fn forced_bytes(&mut self) -> Vec<u8> {
        if self.must_end() { Vec::new() } else { self.matcher.compute_ff_bytes() }
    }

    /// Takes back the last `count` accepted tokens.
    ///
    /// # Errors
    /// [`Error::ConstraintStopped`] if there were fewer, or the constraint is unusable.
    pub fn rollback(&mut self, count: usize) -> Result<()> {
        if count > self.accepted_count {
            return Err(self.stopped(&format!("cannot take back {count} tokens")));
        }
        // The end was never shown to the matcher.
        let shown = count - usize::from(self.finished && count > 0);
        self.matcher.rollback(shown).map_err(|e| self.stopped(&e.to_string()))?;
        if let Some(distinct) = &mut self.distinct {
            distinct.rollback(shown);
        }
        self.finished &= count == 0;
        self.accepted_count -= count;
        self.mask_is_current = false;
        Ok(())
    }

    fn check_alive(&self) -> Result<()> {
        match self.matcher.get_error() {
            Some(e) => Err(self.stopped(&e)),
            None if self.matcher.stop_reason().is_ok() => Ok(()),
            None => Err(self.stopped(&self.matcher.stop_reason().to_string())),
        }
    }

    fn stopped(&self, message: &str) -> Error {
        Error::ConstraintStopped { position: self.accepted_count, message: in_words(message) }
    }
}

/// llguidance's names for its reasons to stop mean nothing to whoever wrote the grammar.
fn in_words(message: &str) -> String {
    let line = first_line(message);
    match line.as_str() {
        "NoExtension" | "NoExtensionBias" => {
            "no text fits here, or none that this vocabulary can spell; is there a part that nothing matches?"
                .into()
        }
        "LexerTooComplex" | "ParserTooComplex" => {
            "the next token costs more work than the budget allows; simplify the grammar".into()
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn reasons_are_told_in_words() {
        assert!(in_words("NoExtensionBias").contains("no text fits here"));
        assert!(in_words("LexerTooComplex").contains("budget"));
        assert_eq!(in_words("cannot take back 3 tokens\nmore"), "cannot take back 3 tokens");
    }
}
