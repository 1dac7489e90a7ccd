//! Damaged indexes through what the fuzz target is given: docs/fuzzing.md.

#[path = "../../../maou_io/tests/hostile/bound.rs"]
#[expect(dead_code, reason = "nothing here may ask for more than there is")]
mod bound;
#[path = "../../../maou_io/tests/hostile/directory.rs"]
mod directory;
mod entry;
#[path = "../../../maou_io/tests/hostile/random.rs"]
mod random;

use random::Random;

#[global_allocator]
static ALLOCATOR: bound::Bounded = bound::Bounded;

#[test]
fn damaged_indexes() {
    for round in 0..150 {
        let mut random = Random(round);
        let length = 1 + 3 * random.below(12) + random.below(2);
        let bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        entry::index(&bytes);
    }
}
