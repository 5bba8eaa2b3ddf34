//! Which pieces of a file are here, which are on their way and which nobody fetches yet.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Missing,
    Taken,
    Here,
}

/// The pieces of one file.
#[derive(Debug)]
pub(crate) struct Pieces {
    states: Vec<State>,
    bytes: u64,
    piece_bytes: u64,
    missing: usize,
    here: usize,
}

impl Pieces {
    /// Pieces of a file of `bytes`, those of `here` marked as here.
    pub fn new(bytes: u64, piece_bytes: u64, here: &[bool]) -> Self {
        let states: Vec<State> = here.iter().map(|h| if *h { State::Here } else { State::Missing }).collect();
        let count = states.iter().filter(|s| **s == State::Here).count();
        Self { missing: states.len() - count, here: count, states, bytes, piece_bytes }
    }

    /// How many pieces a file has.
    pub fn count(bytes: u64, piece_bytes: u64) -> usize {
        usize::try_from(bytes.div_ceil(piece_bytes)).unwrap_or(usize::MAX)
    }

    /// The bytes of a piece.
    pub fn range(&self, index: usize) -> Range<u64> {
        let start = index as u64 * self.piece_bytes;
        start..(start + self.piece_bytes).min(self.bytes)
    }

    /// Takes a run of pieces that nobody fetches; at most `most`, and fewer near the end, so that all connections have
    /// something to do until then.
    pub fn take(&mut self, most: usize, connections: usize) -> Option<Range<usize>> {
        let start = self.states.iter().position(|s| *s == State::Missing)?;
        let share = self.missing.div_ceil(2 * connections.max(1));
        let run = self.states[start..].iter().take(most.min(share).max(1));
        let end = start + run.take_while(|s| **s == State::Missing).count();
        self.states[start..end].fill(State::Taken);
        self.missing -= end - start;
        Some(start..end)
    }

    /// Takes one piece if nobody fetches it.
    pub fn claim(&mut self, index: usize) -> bool {
        let is_free = self.states[index] == State::Missing;
        if is_free {
            self.states[index] = State::Taken;
            self.missing -= 1;
        }
        is_free
    }

    /// Gives back pieces that were taken and did not come.
    pub fn release(&mut self, run: Range<usize>) {
        for state in self.states[run].iter_mut().filter(|s| **s == State::Taken) {
            *state = State::Missing;
            self.missing += 1;
        }
    }

    /// A piece that was taken has come and is written down.
    pub fn arrived(&mut self, index: usize) {
        debug_assert_eq!(self.states[index], State::Taken, "a piece arrives once");
        self.states[index] = State::Here;
        self.here += 1;
    }

    /// Whether every piece is here.
    pub fn is_complete(&self) -> bool {
        self.here == self.states.len()
    }

    /// Bytes that are here.
    pub fn bytes_here(&self) -> u64 {
        let whole = (0..self.states.len()).filter(|i| self.states[*i] == State::Here);
        whole.map(|i| self.range(i)).map(|r| r.end - r.start).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hob_base::Random;

    #[test]
    fn every_piece_is_fetched_once_whatever_fails() {
        let mut random = Random::new(7, 0);
        for _ in 0..50 {
            let bytes = 1 + u64::from(random.below(10_000));
            let here: Vec<bool> = (0..Pieces::count(bytes, 64)).map(|_| random.below(3) == 0).collect();
            let mut pieces = Pieces::new(bytes, 64, &here);
            let mut times = vec![0; here.len()];
            while let Some(run) = pieces.take(8, 3) {
                assert!(run.len() <= 8 && !run.is_empty());
                let end = run.start + random.index(run.len() + 1);
                for (i, times) in times.iter_mut().enumerate().take(end).skip(run.start) {
                    pieces.arrived(i);
                    *times += 1;
                }
                pieces.release(end..run.end);
            }
            assert!(pieces.is_complete());
            assert_eq!(pieces.bytes_here(), bytes);
            assert!(times.iter().zip(&here).all(|(t, h)| *t == i32::from(!h)));
        }
    }

    #[test]
    fn the_last_piece_is_shorter_and_an_empty_file_has_none() {
        let pieces = Pieces::new(100, 64, &[false, false]);
        assert_eq!((pieces.range(0), pieces.range(1)), (0..64, 64..100));
        assert!(Pieces::new(0, 64, &[]).is_complete());
    }
}
