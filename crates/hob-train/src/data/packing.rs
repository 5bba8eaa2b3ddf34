//! Ids to batches: documents cut to the length of a sequence, shuffled, and laid one after the other without padding.

use super::Corpus;
use hob_base::Random;

/// A corpus and how often each epoch sees it.
#[derive(Clone, Debug)]
struct Source {
    corpus: Corpus,
    weight: f64,
}

/// Part of a document, at most a sequence long.
#[derive(Clone, Copy, Debug)]
struct Piece {
    source: u32,
    start: usize,
    len: u32,
    /// Where its document ends.
    end: usize,
}

/// An endless stream of sequences over several corpora; which sequence holds what follows from the seed alone.
#[derive(Clone, Debug)]
pub struct Packing {
    sources: Vec<Source>,
    sequence: usize,
    seed: Option<u64>,
    epoch: Option<Epoch>,
}

/// The pieces of one epoch in their order.
#[derive(Clone, Debug)]
struct Epoch {
    number: u64,
    pieces: Vec<Piece>,
    /// Where each piece starts in the epoch's stream.
    starts: Vec<usize>,
    tokens: usize,
}

/// Whole sequences, ready for a forward pass.
#[derive(Clone, Debug, Default)]
pub struct Sequences {
    /// `[T]`.
    pub tokens: Vec<u32>,
    /// What follows each, `[T]`.
    pub targets: Vec<u32>,
    /// 1 where the target is to be learned, else 0, `[T]`.
    pub weights: Vec<f32>,
    /// Where each token's document begins, `[T]`.
    pub documents: Vec<usize>,
}

impl Sequences {
    /// Keeps the first `tokens`.
    pub fn truncate(&mut self, tokens: usize) {
        self.tokens.truncate(tokens);
        self.targets.truncate(tokens);
        self.weights.truncate(tokens);
        self.documents.truncate(tokens);
    }

    /// Keeps the first `tokens`, which end a sequence, and gives the others.
    pub fn split_off(&mut self, tokens: usize) -> Self {
        let documents = self.documents.split_off(tokens);
        Self {
            tokens: self.tokens.split_off(tokens),
            targets: self.targets.split_off(tokens),
            weights: self.weights.split_off(tokens),
            documents: documents.into_iter().map(|start| start - tokens).collect(),
        }
    }
}

impl Packing {
    /// A stream of sequences of `sequence` tokens over `sources` (corpus, times per epoch), shuffled by `seed`; without a seed in
    /// the order of the corpora.
    pub fn new(sources: Vec<(Corpus, f64)>, sequence: usize, seed: Option<u64>) -> Self {
        let sources = sources.into_iter().map(|(corpus, weight)| Source { corpus, weight }).collect();
        Self { sources, sequence, seed, epoch: None }
    }

    /// Tokens of an epoch; epochs with fractions of a corpus differ a little.
    pub fn epoch_tokens(&mut self) -> usize {
        self.load(0).tokens
    }

    /// Appends `count` sequences of `epoch`, from number `first`, to `out`; false when the epoch has not so many.
    fn of_epoch(&mut self, epoch: u64, first: usize, out: &mut Sequences) -> bool {
        let sequence = self.sequence;
        self.load(epoch);
        let epoch = self.epoch.as_ref().expect("loaded above");
        let start = first * sequence;
        if start + sequence > epoch.tokens {
            return false;
        }
        let mut index = epoch.starts.partition_point(|s| *s <= start) - 1;
        let mut offset = start - epoch.starts[index];
        let mut left = sequence;
        while left > 0 {
            let piece = epoch.pieces[index];
            let corpus = &self.sources[piece.source as usize].corpus;
            let range = piece.start + offset..piece.start + (offset + left).min(piece.len as usize);
            let document = out.tokens.len();
            for at in range.clone() {
                let follows = at + 1 < piece.end;
                out.tokens.push(corpus.tokens[at]);
                out.targets.push(if follows { corpus.tokens[at + 1] } else { 0 });
                out.weights.push(if follows && corpus.learn[at + 1] { 1.0 } else { 0.0 });
                out.documents.push(document);
            }
            left -= range.len();
            (index, offset) = (index + 1, 0);
        }
        true
    }

    /// `count` sequences from number `first` of the whole stream; epoch follows epoch. Empty for empty corpora.
    pub fn sequences(&mut self, first: u64, count: usize) -> Sequences {
        let mut out = Sequences::default();
        let per_epoch = (self.epoch_tokens() / self.sequence) as u64;
        if per_epoch == 0 {
            return out;
        }
        let mut number = first;
        while out.tokens.len() < count * self.sequence {
            let (epoch, index) = (number / per_epoch, number % per_epoch);
            // A later epoch may be a few pieces shorter than the first; its missing last sequences are its first ones again.
            if !self.of_epoch(epoch, index as usize, &mut out) {
                self.of_epoch(epoch, 0, &mut out);
            }
            number += 1;
        }
        out
    }

    fn load(&mut self, number: u64) -> &Epoch {
        if self.epoch.as_ref().is_none_or(|e| e.number != number) {
            self.epoch = Some(self.arrange(number));
        }
        self.epoch.as_ref().expect("set above")
    }

    fn arrange(&self, number: u64) -> Epoch {
        let mut random = Random::new(self.seed.unwrap_or(0), number.wrapping_add(1));
        let mut pieces = Vec::new();
        for (index, source) in self.sources.iter().enumerate() {
            for document in &source.corpus.documents {
                let part = source.weight.fract() > random.unit();
                for _ in 0..source.weight as usize + usize::from(part) {
                    for start in document.clone().step_by(self.sequence) {
                        let len = (document.end - start).min(self.sequence) as u32;
                        pieces.push(Piece { source: index as u32, start, len, end: document.end });
                    }
                }
            }
        }
        if self.seed.is_some() {
            random.shuffle(&mut pieces);
        }
        let mut tokens = 0;
        let starts = pieces.iter().map(|p| (tokens, tokens += p.len as usize).0).collect();
        Epoch { number, pieces, starts, tokens }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Documents whose tokens tell where they stand: `100 * document + place`.
    fn corpus(lengths: &[usize]) -> Corpus {
        let mut corpus = Corpus::default();
        for (i, len) in lengths.iter().enumerate() {
            let start = corpus.tokens.len();
            corpus.tokens.extend((0..*len).map(|t| (100 * i + t) as u32));
            corpus.documents.push(start..start + len);
        }
        corpus.learn = corpus.tokens.iter().map(|t| t % 5 != 3).collect();
        corpus
    }

    #[test]
    fn every_token_comes_once_per_epoch_with_what_follows_it() {
        let mut packing = Packing::new(vec![(corpus(&[3, 25, 8, 1, 40, 3]), 1.0)], 8, Some(7));
        assert_eq!(packing.epoch_tokens(), 80);
        let all = packing.sequences(0, 10);
        let mut sorted = all.tokens.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, corpus(&[3, 25, 8, 1, 40, 3]).tokens);
        for t in 0..80 {
            let (token, target) = (all.tokens[t], all.targets[t]);
            let last = [2, 124, 207, 300, 439, 502].contains(&token);
            assert!(if last { all.weights[t] == 0.0 } else { target == token + 1 });
            assert_eq!(all.weights[t] == 1.0, !last && target % 5 != 3);
            let document = all.documents[t];
            assert!(document <= t && document >= t / 8 * 8 && all.tokens[document] / 100 == token / 100);
            assert_eq!(token - all.tokens[document], (t - document) as u32);
        }
        let again = packing.sequences(3, 2);
        assert_eq!(
            (again.tokens, again.targets),
            (all.tokens[24..40].to_vec(), all.targets[24..40].to_vec())
        );
        assert_ne!(packing.sequences(10, 10).tokens, all.tokens);
    }

    #[test]
    fn weights_are_times_per_epoch() {
        let sources = vec![(corpus(&[10; 100]), 2.0), (corpus(&[10; 1000]), 0.25)];
        let mut packing = Packing::new(sources, 16, Some(1));
        let tokens = packing.epoch_tokens();
        assert!((4000..5000).contains(&tokens), "{tokens}");
        // Past the first epoch, whatever its length.
        assert_eq!(packing.sequences(0, 1000).tokens.len(), 16_000);
    }

    #[test]
    fn without_a_seed_the_order_stays_and_nothing_gives_nothing() {
        let mut packing = Packing::new(vec![(corpus(&[5, 6]), 1.0)], 4, None);
        assert_eq!(packing.sequences(0, 2).tokens, [0, 1, 2, 3, 4, 100, 101, 102]);
        assert!(Packing::new(Vec::new(), 4, None).sequences(0, 2).tokens.is_empty());
    }
}
