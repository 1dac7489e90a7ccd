//! What the values of a column have to be, so that nobody who uses them reads what is not theirs: offsets that grow and
//! stay within, text that is UTF-8, as many nulls as were announced.
//!
//! Arrow's own checks look at one value after the other, and cost as much as decompressing does. These look at all of a
//! column at once. Types that they do not know are left to Arrow.

use arrow_array::cast::AsArray;
use arrow_array::types::ByteArrayType;
use arrow_array::{Array, GenericByteArray, OffsetSizeTrait};
use arrow_buffer::{ArrowNativeType as _, Buffer};
use arrow_schema::{ArrowError, DataType};

/// The longest value that a view holds itself.
const INLINE: usize = 12;
/// In any of the twelve bytes behind a view's length.
const NOT_ASCII: u128 = 0x8080_8080_8080_8080_8080_8080;

/// Whether [`check`] knows the type. Of one that it knows, Arrow's constructors check what it does not: the lengths of
/// values, children and bitmaps.
pub(super) fn is_known(data_type: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Boolean, Date32, Date64, FixedSizeList, Float16, Float32, Float64, Int8, Int16, Int32,
        Int64, LargeBinary, LargeList, LargeUtf8, List, UInt8, UInt16, UInt32, UInt64, Utf8, Utf8View,
    };
    match data_type {
        Boolean | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 | Float16 | Float32 | Float64
        | Date32 | Date64 | Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView => true,
        List(item) | LargeList(item) | FixedSizeList(item, _) => is_known(item.data_type()),
        _ => false,
    }
}

/// Checks the values of an array that came from elsewhere, by the C data interface for example: that its offsets stay
/// within its values, and that its text is UTF-8. The lengths of its buffers and children must have been checked.
///
/// # Errors
///
/// When a value is not what its type says.
pub fn check_values(array: &dyn Array) -> Result<(), ArrowError> {
    if is_known(array.data_type()) { check(array) } else { array.to_data().validate_full() }
}

/// Checks a column whose type is known, and which nobody has used.
pub(super) fn check(array: &dyn Array) -> Result<(), ArrowError> {
    nulls(array)?;
    match array.data_type() {
        DataType::Utf8 => text(array.as_string::<i32>()),
        DataType::LargeUtf8 => text(array.as_string::<i64>()),
        DataType::Binary => bytes(array.as_binary::<i32>()),
        DataType::LargeBinary => bytes(array.as_binary::<i64>()),
        DataType::Utf8View => {
            let array = array.as_string_view();
            views(array.views(), array.data_buffers(), true)
        }
        DataType::BinaryView => {
            let array = array.as_binary_view();
            views(array.views(), array.data_buffers(), false)
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            offsets(list.offsets(), list.values().len()).and_then(|()| check(list.values()))
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            offsets(list.offsets(), list.values().len()).and_then(|()| check(list.values()))
        }
        DataType::FixedSizeList(_, size) => {
            let list = array.as_fixed_size_list();
            fixed(list.len(), *size, list.values().len()).and_then(|()| check(list.values()))
        }
        _ => Ok(()),
    }
}

/// Whether `len` lists of `size` values have that many: unchecked, Arrow multiplies without looking.
fn fixed(len: usize, size: i32, values: usize) -> Result<(), ArrowError> {
    let needed = usize::try_from(size).ok().and_then(|size| len.checked_mul(size));
    match needed {
        Some(needed) if needed <= values => Ok(()),
        _ => Err(damaged(format!("{len} lists of {size} values in {values}"))),
    }
}

/// Whether there are as many nulls as was said: Arrow believes it, and leaves out what it need not look at.
fn nulls(array: &dyn Array) -> Result<(), ArrowError> {
    let Some(nulls) = array.nulls() else { return Ok(()) };
    let found = nulls.len() - nulls.inner().count_set_bits();
    if found == nulls.null_count() {
        return Ok(());
    }
    Err(damaged(format!("{} nulls announced, and {found} there", nulls.null_count())))
}

fn bytes<T: ByteArrayType>(array: &GenericByteArray<T>) -> Result<(), ArrowError> {
    offsets(array.offsets(), array.values().len())
}

fn text<T: ByteArrayType>(array: &GenericByteArray<T>) -> Result<(), ArrowError> {
    bytes(array)?;
    let offsets = array.offsets();
    let (first, last) = (offsets[0].as_usize(), offsets[offsets.len() - 1].as_usize());
    let values = &array.values()[first..last];
    if values.is_ascii() {
        return Ok(());
    }
    let text = std::str::from_utf8(values).map_err(|error| damaged(format!("text that is no UTF-8: {error}")))?;
    // The first and the last are at its ends.
    if offsets.iter().all(|offset| text.is_char_boundary(offset.as_usize() - first)) {
        Ok(())
    } else {
        Err(damaged("text that is cut within a character".to_owned()))
    }
}

/// Whether each view holds its bytes itself, with nothing behind them, or leads to some that begin as it says.
fn views(views: &[u128], buffers: &[Buffer], is_text: bool) -> Result<(), ArrowError> {
    // Where all is ASCII, which is the rule, no cut can be wrong.
    let is_ascii = !is_text || buffers.iter().all(|buffer| buffer.is_ascii());
    let good = |view: u128| {
        let bytes = view.to_le_bytes();
        let field =
            |place: usize| u32::from_le_bytes([bytes[place], bytes[place + 1], bytes[place + 2], bytes[place + 3]]);
        let len = field(0) as usize;
        if len <= INLINE {
            // Shifted out entirely where all twelve bytes are text.
            let behind = view.checked_shr(32 + 8 * len as u32).unwrap_or(0);
            let text = &bytes[4..4 + len];
            return behind == 0 && (!is_text || view >> 32 & NOT_ASCII == 0 || std::str::from_utf8(text).is_ok());
        }
        let (buffer, start) = (field(8) as usize, field(12) as usize);
        let text = buffers.get(buffer).and_then(|buffer| buffer.get(start..start.checked_add(len)?));
        text.is_some_and(|text| text[..4] == bytes[4..8] && (is_ascii || std::str::from_utf8(text).is_ok()))
    };
    match views.iter().position(|view| !good(*view)) {
        None => Ok(()),
        Some(row) => {
            let what = if is_text { "text" } else { "bytes" };
            Err(damaged(format!("the view in row {row} leads to no {what}")))
        }
    }
}

/// Whether `offsets` begin at 0 or later, never go back, and end at `end` or before.
fn offsets<T: OffsetSizeTrait>(offsets: &[T], end: usize) -> Result<(), ArrowError> {
    // Negative as soon as one offset, or one step, is: all at once, which takes less time than to look at each.
    let mut signs = offsets.first().map_or(0, |first| first.to_i64().unwrap_or(-1));
    for pair in offsets.windows(2) {
        let (from, to) = (pair[0].to_i64().unwrap_or(-1), pair[1].to_i64().unwrap_or(-1));
        signs |= to | to.wrapping_sub(from);
    }
    let last = offsets.last().and_then(|last| last.to_usize());
    match last {
        Some(last) if signs >= 0 && last <= end => Ok(()),
        Some(_) | None if signs < 0 => Err(damaged("offsets that go back".to_owned())),
        Some(last) => Err(damaged(format!("offsets up to {last} into {end} values"))),
        None => Err(damaged("no offsets".to_owned())),
    }
}

fn damaged(problem: String) -> ArrowError {
    ArrowError::IpcError(problem)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::ArrayRef;
    use arrow_data::{ArrayData, UnsafeFlag};
    use arrow_schema::Field;

    use super::*;

    /// A column of `offsets` into `values`, not checked by anybody.
    fn unchecked(data_type: DataType, offsets: &[i64], values: &str) -> ArrayRef {
        let mut unchecked = UnsafeFlag::new();
        // SAFETY: what is made is checked, or dropped.
        unsafe { unchecked.set(true) };
        let builder = ArrayData::builder(data_type)
            .len(offsets.len() - 1)
            .add_buffer(Buffer::from_slice_ref(offsets))
            .add_buffer(Buffer::from_slice_ref(values.as_bytes()));
        // SAFETY: as above.
        arrow_array::make_array(unsafe { builder.build_unchecked() })
    }

    #[test]
    fn good_columns_pass() {
        for offsets in [&[0, 0][..], &[0, 3, 3, 6], &[3, 6], &[6, 6]] {
            for data_type in [DataType::LargeUtf8, DataType::LargeBinary] {
                check(&unchecked(data_type, offsets, "abcdef")).expect("good");
            }
        }
        check(&unchecked(DataType::LargeUtf8, &[0, 3, 6], "将棋")).expect("good");
    }

    #[test]
    fn offsets_that_lead_astray_are_found() {
        for offsets in [
            &[0, 7][..],
            &[0, 5, 4, 6],
            &[-1, 3],
            &[0, -1, 3],
            &[0, i64::MIN, i64::MAX],
            &[1, i64::MIN],
            &[i64::MAX, 0],
        ] {
            for data_type in [DataType::LargeUtf8, DataType::LargeBinary] {
                assert!(check(&unchecked(data_type, offsets, "abcdef")).is_err(), "{offsets:?}");
            }
        }
    }

    #[test]
    fn lists_of_fixed_length_have_values() {
        for (len, size, values) in [(0, 16, 0), (3, 16, 48), (3, 16, 50), (1 << 60, 0, 0)] {
            fixed(len, size, values).expect("good");
        }
        // The second one comes to 0 where nobody looks.
        for (len, size, values) in [(3, 16, 47), (1 << 60, 16, 0), (usize::MAX, 2, usize::MAX - 1), (1, -1, 0)] {
            assert!(fixed(len, size, values).is_err(), "{len} lists of {size}");
        }
    }

    #[test]
    fn text_that_is_cut_within_a_character_is_found() {
        assert!(check(&unchecked(DataType::LargeUtf8, &[0, 2, 6], "将棋")).is_err());
        assert!(check(&unchecked(DataType::LargeUtf8, &[1, 3], "将棋")).is_err());
        check(&unchecked(DataType::LargeBinary, &[0, 2, 6], "将棋")).expect("bytes may be cut");
    }

    #[test]
    fn views_that_lead_astray_are_found() {
        let view = |len: u32, prefix: &[u8; 4], buffer: u32, offset: u32| {
            let fields = [len, u32::from_le_bytes(*prefix), buffer, offset];
            fields.iter().rev().fold(0, |view, field| view << 32 | u128::from(*field))
        };
        let long = "a text that is longer than twelve bytes";
        let kanji = "将棋の駒は二十枚ずつある";
        let buffers = [long, kanji].map(|text| Buffer::from_slice_ref(text.as_bytes()));
        let is_good = |checked, is_text| views(&[checked], &buffers, is_text).is_ok();
        let good = [0, view(3, b"abc\0", 0, 0), view(12, b"abcd", 0x6162_6364, 0x6162_6364), view(13, b"a te", 0, 0)];
        for good in good.into_iter().chain([view(13, b"text", 0, 2)]) {
            assert!(is_good(good, true) && is_good(good, false), "{good:x}");
        }
        for bad in [
            view(3, b"abcd", 0, 0),
            view(3, b"abc\0", 1, 0),
            view(13, b"b te", 0, 0),
            view(13, b"a te", 2, 0),
            view(40, b"a te", 0, 0),
            view(13, b"a te", 0, u32::MAX),
            view(u32::MAX, b"a te", 0, 0),
        ] {
            assert!(!is_good(bad, true) && !is_good(bad, false), "{bad:x}");
        }
        // Text that is cut within a character, in a buffer and in a view itself.
        let prefix = |start: usize| *kanji.as_bytes()[start..].first_chunk().expect("long");
        for (len, start) in [(13, 0), (15, 1)] {
            let cut = view(len, &prefix(start as usize), 1, start);
            assert!(!is_good(cut, true) && is_good(cut, false));
        }
        assert!(is_good(view(15, &prefix(3), 1, 3), true));
        assert!(!is_good(view(2, &[0xe5, 0xb0, 0, 0], 0, 0), true));
    }

    #[test]
    fn types_with_more_to_check_are_left_to_arrow() {
        let item = |data_type| Arc::new(Field::new("item", data_type, true));
        assert!(is_known(&DataType::FixedSizeList(item(DataType::UInt8), 9)));
        assert!(is_known(&DataType::LargeList(item(DataType::LargeUtf8))));
        assert!(!is_known(&DataType::LargeList(item(DataType::Null))));
        assert!(!is_known(&DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))));
    }
}
