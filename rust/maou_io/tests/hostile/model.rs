//! Sparse arrays as maps: what [`maou_io::sparse`] has to agree with.

use std::collections::BTreeMap;

use maou_io::sparse;

use crate::arrays::Bytes;

/// Arrays out of `data`, through every function.
pub(crate) fn check(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let (indices1, values1) = pairs(&mut bytes);
    let (indices2, values2) = pairs(&mut bytes);
    let size = usize::from(bytes.u16());
    check_expand(&indices1, &values1, size);
    check_add((&indices1, &values1), (&indices2, &values2));
    let wins: Vec<f32> = values1.iter().map(|value| f32::from_bits(value.cast_unsigned())).collect();
    if let Ok((indices, labels, sums)) = sparse::add_dual(&indices1, &values1, &wins, &indices2, &values2, &[]) {
        assert!(indices2.is_empty() && indices.len() == labels.len() && labels.len() == sums.len());
    }
    let dense: Vec<i32> = bytes.rest().chunks_exact(4).map(|four| i32::from(four[0]) << (four[1] % 24)).collect();
    let (indices, values) = sparse::compress(&dense).expect("short");
    assert_eq!(sparse::expand(&indices, &values, dense.len()).expect("what was compressed"), dense);
}

fn check_expand(indices: &[u16], values: &[i32], size: usize) {
    let dense = sparse::expand(indices, values, size);
    if indices.len() != values.len() || indices.iter().any(|index| usize::from(*index) >= size) {
        assert!(dense.is_err());
    } else if let Ok(dense) = dense {
        let sums = sums([(indices, values)].into_iter());
        for (index, value) in dense.into_iter().enumerate() {
            assert_eq!(i64::from(value), sums.get(&(index as u16)).copied().unwrap_or(0));
        }
    }
}

fn check_add(first: (&[u16], &[i32]), second: (&[u16], &[i32])) {
    let sum = sparse::add(first.0, first.1, second.0, second.1);
    if first.0.len() != first.1.len() || second.0.len() != second.1.len() {
        assert!(sum.is_err());
        return;
    }
    let expected: Vec<(u16, i64)> =
        sums([first, second].into_iter()).into_iter().filter(|(_, sum)| *sum != 0).collect();
    if expected.iter().any(|(_, sum)| i32::try_from(*sum).is_err()) {
        assert!(sum.is_err());
        return;
    }
    let (indices, values) = sum.expect("a sum that fits");
    assert_eq!(indices.into_iter().zip(values.into_iter().map(i64::from)).collect::<Vec<_>>(), expected);
}

fn sums<'a>(arrays: impl Iterator<Item = (&'a [u16], &'a [i32])>) -> BTreeMap<u16, i64> {
    let mut sums = BTreeMap::new();
    for (index, value) in arrays.flat_map(|(indices, values)| indices.iter().zip(values)) {
        *sums.entry(*index).or_insert(0) += i64::from(*value);
    }
    sums
}

/// As many values as indices, but for one case in eight.
fn pairs(bytes: &mut Bytes<'_>) -> (Vec<u16>, Vec<i32>) {
    let count = usize::from(bytes.u8());
    let values = if bytes.below(8) == 0 { usize::from(bytes.u8()) } else { count };
    // Few enough indices that some come twice.
    let indices = (0..count).map(|_| bytes.u16() % 300).collect();
    (indices, (0..values).map(|_| i32::from_le_bytes(bytes.array())).collect())
}
