//! Bytes of the distinct pages that some caches hold, kept up to date as caches come and go.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// Pages by identity, with the number of caches that hold each. A page that is held keeps its identity.
#[derive(Default)]
pub(super) struct PageCount {
    holders: HashMap<usize, usize>,
    bytes: usize,
}

impl PageCount {
    /// A cache with these pages (identity and bytes) has come.
    pub fn add(&mut self, pages: impl Iterator<Item = (usize, usize)>) {
        for (page, bytes) in pages {
            let holders = self.holders.entry(page).or_default();
            *holders += 1;
            if *holders == 1 {
                self.bytes += bytes;
            }
        }
    }

    /// A cache that was counted goes.
    pub fn remove(&mut self, pages: impl Iterator<Item = (usize, usize)>) {
        for (page, bytes) in pages {
            let Entry::Occupied(mut holders) = self.holders.entry(page) else {
                unreachable!("only what was counted is taken away")
            };
            *holders.get_mut() -= 1;
            if *holders.get() == 0 {
                holders.remove();
                self.bytes -= bytes;
            }
        }
    }

    /// Bytes of all pages, each counted once.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::PageCount;

    #[test]
    fn a_page_counts_once_as_long_as_someone_holds_it() {
        let mut count = PageCount::default();
        count.add([(1, 10), (2, 10)].into_iter());
        count.add([(1, 10), (3, 5)].into_iter());
        assert_eq!(count.bytes(), 25);
        count.remove([(1, 10), (2, 10)].into_iter());
        assert_eq!(count.bytes(), 15);
        count.remove([(1, 10), (3, 5)].into_iter());
        assert_eq!(count.bytes(), 0);
        assert!(count.holders.is_empty());
    }
}
