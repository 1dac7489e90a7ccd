//! Sorted streams made one.

use crate::error::Result;

/// Entries in order. It is at one of them, or at its end.
pub(crate) trait Stream {
    type Item: Ord + ?Sized;

    /// Where it is; nothing at the end.
    fn head(&self) -> Option<&Self::Item>;

    /// Goes on to the next.
    fn advance(&mut self) -> Result<()>;
}

/// The entries of several streams, in order: a heap of those that are not at their end, the least in front.
pub(crate) struct Merge<S> {
    heap: Vec<S>,
}

impl<S: Stream> Merge<S> {
    pub(crate) fn new(mut streams: Vec<S>) -> Self {
        streams.retain(|stream| stream.head().is_some());
        let mut merge = Self { heap: streams };
        for place in (0..merge.heap.len() / 2).rev() {
            merge.sift_down(place);
        }
        merge
    }

    fn is_less(&self, left: usize, right: usize) -> bool {
        self.heap[left].head() < self.heap[right].head()
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let mut least = 2 * place + 1;
            if least >= self.heap.len() {
                return;
            }
            if least + 1 < self.heap.len() && self.is_less(least + 1, least) {
                least += 1;
            }
            if !self.is_less(least, place) {
                return;
            }
            self.heap.swap(least, place);
            place = least;
        }
    }
}

impl<S: Stream> Stream for Merge<S> {
    type Item = S::Item;

    fn head(&self) -> Option<&S::Item> {
        self.heap.first()?.head()
    }

    fn advance(&mut self) -> Result<()> {
        let Some(first) = self.heap.first_mut() else { return Ok(()) };
        first.advance()?;
        if first.head().is_none() {
            self.heap.swap_remove(0);
        }
        self.sift_down(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Random;

    struct Numbers(std::vec::IntoIter<u64>, Option<u64>);

    impl Stream for Numbers {
        type Item = u64;

        fn head(&self) -> Option<&u64> {
            self.1.as_ref()
        }

        fn advance(&mut self) -> Result<()> {
            self.1 = self.0.next();
            Ok(())
        }
    }

    #[test]
    fn a_merge_is_a_sort() {
        let mut random = Random::new(5);
        for streams in 0..20 {
            let mut all = Vec::new();
            let streams = (0..streams).map(|_| {
                let mut numbers: Vec<u64> = (0..random.below(50)).map(|_| random.below(100)).collect();
                numbers.sort_unstable();
                all.extend(&numbers);
                let mut numbers = numbers.into_iter();
                let head = numbers.next();
                Numbers(numbers, head)
            });
            let mut merge = Merge::new(streams.collect());
            all.sort_unstable();
            for number in all {
                assert_eq!(merge.head(), Some(&number));
                merge.advance().unwrap();
            }
            assert_eq!(merge.head(), None);
        }
    }
}
