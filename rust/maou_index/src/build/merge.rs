//! Sorted streams made one.
//!
//! What runs for each entry is marked for inlining here and where it is called: it is spread over codegen units otherwise.

use crate::error::Result;

/// Entries in order. It is at one of them, or at its end.
pub(crate) trait Stream {
    type Item: Ord + ?Sized;

    /// Where it is; nothing at the end.
    fn head(&self) -> Option<&Self::Item>;

    /// Goes on to the next.
    fn advance(&mut self) -> Result<()>;
}

/// The entries of several streams, in order.
pub(crate) struct Merge<S> {
    streams: Vec<S>,
    /// Places of the streams that are not at their end, as a heap: the one with the least entry in front.
    heap: Vec<u32>,
}

impl<S: Stream> Merge<S> {
    pub(crate) fn new(mut streams: Vec<S>) -> Self {
        streams.retain(|stream| stream.head().is_some());
        let heap = (0..streams.len() as u32).collect();
        let mut merge = Self { streams, heap };
        for place in (0..merge.heap.len() / 2).rev() {
            merge.sift_down(place);
        }
        merge
    }

    #[inline]
    fn is_less(&self, left: usize, right: usize) -> bool {
        let head = |place: usize| self.streams[self.heap[place] as usize].head();
        head(left) < head(right)
    }

    #[inline]
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

    #[inline]
    fn head(&self) -> Option<&S::Item> {
        self.streams[*self.heap.first()? as usize].head()
    }

    #[inline]
    fn advance(&mut self) -> Result<()> {
        let Some(first) = self.heap.first() else { return Ok(()) };
        let stream = &mut self.streams[*first as usize];
        stream.advance()?;
        if stream.head().is_none() {
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
