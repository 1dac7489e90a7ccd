//! Sparse arrays: the non-zero values of a dense array, and their indices.
//!
//! An index is a `u16`, so a dense array has at most 65,536 values; the arrays here are of move labels, and have
//! [`MOVE_LABELS_NUM`](crate::schema::MOVE_LABELS_NUM). What comes out is in ascending order of indices, each of them
//! once. What comes in may be in any order; values of the same index count as their sum.

use crate::error::{Error, Result};

/// Indices and values of a sparse array.
pub type Sparse = (Vec<u16>, Vec<i32>);

/// Indices, labels and wins of a sparse array with two tracks.
pub type DualSparse = (Vec<u16>, Vec<i32>, Vec<f32>);

/// The longest dense array that `u16` indices reach.
const MAX_DENSE: usize = 1 << 16;

/// The non-zero values of `dense` and their indices.
///
/// # Errors
///
/// [`Error::Argument`] when `dense` is longer than 65,536.
///
/// ```
/// assert_eq!(maou_io::sparse::compress(&[0, 7, 0, -1])?, (vec![1, 3], vec![7, -1]));
/// # Ok::<(), maou_io::Error>(())
/// ```
pub fn compress(dense: &[i32]) -> Result<Sparse> {
    if dense.len() > MAX_DENSE {
        return Err(Error::Argument(format!(
            "cannot compress an array of {} values: 16-bit indices reach {MAX_DENSE}",
            dense.len()
        )));
    }
    Ok((0..=u16::MAX).zip(dense.iter().copied()).filter(|(_, value)| *value != 0).unzip())
}

/// The dense array of `size` values.
///
/// # Errors
///
/// [`Error::Argument`] when there are not as many values as indices, when an index is not below `size`, when values of
/// one index add up to more than an `i32`, or when there is no memory for `size` values.
///
/// ```
/// assert_eq!(maou_io::sparse::expand(&[1, 3], &[7, -1], 5)?, [0, 7, 0, -1, 0]);
/// # Ok::<(), maou_io::Error>(())
/// ```
pub fn expand(indices: &[u16], values: &[i32], size: usize) -> Result<Vec<i32>> {
    check_lengths("indices", indices.len(), "values", values.len())?;
    let mut dense = zeros(size)?;
    for (&index, &value) in indices.iter().zip(values) {
        let Some(slot) = dense.get_mut(usize::from(index)) else {
            return Err(Error::Argument(format!("index {index} is out of range for a dense array of {size} values")));
        };
        *slot = slot.checked_add(value).ok_or_else(|| overflow(index))?;
    }
    Ok(dense)
}

/// The sum of two sparse arrays, without the indices whose sum is 0.
///
/// # Errors
///
/// [`Error::Argument`] when an array has not as many values as indices, or when a sum does not fit an `i32`.
///
/// ```
/// let sum = maou_io::sparse::add(&[1, 3], &[7, -1], &[0, 3], &[2, 1])?;
/// assert_eq!(sum, (vec![0, 1], vec![2, 7]));
/// # Ok::<(), maou_io::Error>(())
/// ```
pub fn add(indices1: &[u16], values1: &[i32], indices2: &[u16], values2: &[i32]) -> Result<Sparse> {
    check_lengths("indices1", indices1.len(), "values1", values1.len())?;
    check_lengths("indices2", indices2.len(), "values2", values2.len())?;
    let entries = |indices: &[u16], values: &[i32]| -> Vec<(u16, i64)> {
        indices.iter().copied().zip(values.iter().copied().map(i64::from)).collect()
    };
    let mut sums = entries(indices1, values1);
    sums.extend(entries(indices2, values2));
    sum_by_index(&mut sums, |sum, value| *sum += value);
    narrow(sums.into_iter().filter(|(_, sum)| *sum != 0))
}

/// The sum of two sparse arrays that count labels and wins, without the indices whose sum of labels is 0.
///
/// The wins of such an index go with it, whatever they add up to.
///
/// # Errors
///
/// [`Error::Argument`] when the three parts of an array differ in length, or when a sum of labels does not fit an `i32`.
///
/// ```
/// let sum = maou_io::sparse::add_dual(&[1, 3], &[7, -1], &[0.5, 1.0], &[3], &[1], &[1.0])?;
/// assert_eq!(sum, (vec![1], vec![7], vec![0.5]));
/// # Ok::<(), maou_io::Error>(())
/// ```
pub fn add_dual(
    indices1: &[u16],
    labels1: &[i32],
    wins1: &[f32],
    indices2: &[u16],
    labels2: &[i32],
    wins2: &[f32],
) -> Result<DualSparse> {
    check_lengths("indices1", indices1.len(), "labels1", labels1.len())?;
    check_lengths("indices1", indices1.len(), "wins1", wins1.len())?;
    check_lengths("indices2", indices2.len(), "labels2", labels2.len())?;
    check_lengths("indices2", indices2.len(), "wins2", wins2.len())?;
    let mut sums = dual_entries(indices1, labels1, wins1);
    sums.extend(dual_entries(indices2, labels2, wins2));
    sum_by_index(&mut sums, |sum, (label, win)| {
        sum.0 += label;
        sum.1 += win;
    });
    sums.retain(|(_, (label, _))| *label != 0);
    let wins = sums.iter().map(|(_, (_, win))| *win as f32).collect();
    let (indices, labels) = narrow(sums.into_iter().map(|(index, (label, _))| (index, label)))?;
    Ok((indices, labels, wins))
}

/// Sums in 64 bits: labels cannot overflow there, and two wins add up to what 32-bit addition would give.
fn dual_entries(indices: &[u16], labels: &[i32], wins: &[f32]) -> Vec<(u16, (i64, f64))> {
    let tracks = labels.iter().copied().map(i64::from).zip(wins.iter().copied().map(f64::from));
    indices.iter().copied().zip(tracks).collect()
}

/// Brings `entries` into ascending order and adds up those of one index.
fn sum_by_index<T: Copy>(entries: &mut Vec<(u16, T)>, add: impl Fn(&mut T, T)) {
    // Stable, so that wins are added in the order in which they came. Two sorted halves merge in linear time.
    entries.sort_by_key(|(index, _)| *index);
    entries.dedup_by(|(index, value), (kept_index, kept)| {
        let same = index == kept_index;
        if same {
            add(kept, *value);
        }
        same
    });
}

fn narrow(sums: impl Iterator<Item = (u16, i64)>) -> Result<Sparse> {
    sums.map(|(index, sum)| i32::try_from(sum).map(|sum| (index, sum)).map_err(|_| overflow(index))).collect()
}

fn overflow(index: u16) -> Error {
    Error::Argument(format!("the sum of the values of index {index} does not fit 32 bits"))
}

fn check_lengths(name: &str, length: usize, other_name: &str, other_length: usize) -> Result<()> {
    if length == other_length {
        return Ok(());
    }
    Err(Error::Argument(format!(
        "{name} and {other_name} must have the same length, and have {length} and {other_length}"
    )))
}

fn zeros(size: usize) -> Result<Vec<i32>> {
    let mut dense = Vec::new();
    dense
        .try_reserve_exact(size)
        .map_err(|_| Error::Argument(format!("no memory for a dense array of {size} values")))?;
    dense.resize(size, 0);
    Ok(dense)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compress_and_expand_are_inverse() {
        let mut dense = vec![0; 1496];
        (dense[0], dense[700], dense[1495]) = (i32::MIN, -3, i32::MAX);

        let (indices, values) = compress(&dense).unwrap();

        assert_eq!(indices, [0, 700, 1495]);
        assert_eq!(expand(&indices, &values, 1496).unwrap(), dense);
        assert_eq!(compress(&[]).unwrap(), (vec![], vec![]));
        assert_eq!(expand(&[], &[], 0).unwrap(), []);
    }

    #[test]
    fn compress_reaches_the_last_index_and_no_further() {
        let mut dense = vec![0; MAX_DENSE];
        dense[MAX_DENSE - 1] = 1;
        assert_eq!(compress(&dense).unwrap(), (vec![u16::MAX], vec![1]));

        dense.push(0);
        assert!(compress(&dense).unwrap_err().to_string().contains("65537"));
    }

    #[test]
    fn expand_refuses_what_does_not_fit() {
        let message = |result: Result<Vec<i32>>| result.unwrap_err().to_string();

        assert!(message(expand(&[5], &[1], 5)).contains("index 5 is out of range"));
        assert!(message(expand(&[1, 2], &[1], 5)).contains("2 and 1"));
        assert!(message(expand(&[1, 1], &[i32::MAX, 1], 5)).contains("does not fit"));
        assert!(message(expand(&[], &[], usize::MAX)).contains("no memory"));
        assert_eq!(expand(&[1, 1], &[2, 3], 2).unwrap(), [0, 5]);
    }

    #[test]
    fn add_merges_drops_zeros_and_sorts() {
        assert_eq!(add(&[0, 2], &[1, 2], &[1, 2], &[5, -2]).unwrap(), (vec![0, 1], vec![1, 5]));
        assert_eq!(add(&[9, 3, 9], &[1, 1, 1], &[], &[]).unwrap(), (vec![3, 9], vec![1, 2]));
        assert_eq!(add(&[], &[], &[], &[]).unwrap(), (vec![], vec![]));
        // A sum of three may pass through what does not fit.
        assert_eq!(add(&[1, 1], &[i32::MAX, 1], &[1], &[-1]).unwrap(), (vec![1], vec![i32::MAX]));
        assert!(add(&[1], &[i32::MAX], &[1], &[1]).unwrap_err().to_string().contains("index 1"));
        assert!(add(&[1], &[], &[1], &[1]).unwrap_err().to_string().contains("indices1 and values1"));
    }

    #[test]
    fn add_dual_keeps_by_label() {
        let sum = add_dual(&[1, 4], &[2, 3], &[1.0, 0.0], &[4, 1, 2], &[-3, 1, 0], &[9.0, 0.25, 5.0]).unwrap();

        assert_eq!(sum, (vec![1], vec![3], vec![1.25]));
        // A label without wins stays.
        assert_eq!(add_dual(&[1], &[2], &[0.0], &[], &[], &[]).unwrap(), (vec![1], vec![2], vec![0.0]));
        assert!(add_dual(&[1], &[2], &[], &[], &[], &[]).unwrap_err().to_string().contains("wins1"));
    }
}
