//! Reading and writing files of each kind of record: `cargo bench -p maou_io`, about a minute.
//!
//! Sizes are small, so that a change of the code shows in a moment. How maou compares to other libraries on large files is
//! the business of `python -m maou.infra.utility.benchmark_polars_io`.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::builder::{LargeListBuilder, UInt16Builder};
use arrow_array::{
    ArrayRef, Date32Array, FixedSizeListArray, Float32Array, Int8Array, Int16Array, Int32Array, LargeBinaryArray,
    LargeStringArray, RecordBatch, UInt8Array, UInt64Array,
};
use arrow_schema::{DataType, Field};
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use maou_io::{BatchReader, RecordKind, SaveOptions};

criterion_group! {
    name = feather;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = every_kind
}
criterion_main!(feather);

fn every_kind(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for kind in RecordKind::ALL {
        let batch = records(kind, rows(kind));
        let path = directory.path().join(format!("{kind}.feather"));
        maou_io::save_feather_file(&batch, &path).expect("the file to read");
        let mut group = criterion.benchmark_group(kind.name());
        read(&mut group, &batch, &path, two_columns(kind));
        write(&mut group, &batch, &directory.path().join("written.feather"));
        group.finish();
    }
}

fn read(group: &mut BenchmarkGroup<'_, WallTime>, batch: &RecordBatch, path: &Path, two: [&str; 2]) {
    group.throughput(bytes(batch));
    group.bench_function("read", |bencher| {
        bencher.iter(|| maou_io::load_feather_batches(black_box(path)).expect("reads"));
    });
    let two_of_them = two.map(|name| batch.schema().index_of(name).expect("a column"));
    group.throughput(bytes(&batch.project(&two_of_them).expect("two columns")));
    group.bench_function("read 2 columns", |bencher| {
        bencher.iter(|| {
            let reader = BatchReader::open(black_box(path)).expect("opens");
            reader.with_columns(&two).expect("has the columns").read_all().expect("reads")
        });
    });
}

fn write(group: &mut BenchmarkGroup<'_, WallTime>, batch: &RecordBatch, path: &Path) {
    // What the disk takes is no matter of this code.
    let options = SaveOptions { durable: false, ..SaveOptions::default() };
    group.throughput(bytes(batch));
    group.bench_function("write", |bencher| {
        bencher.iter(|| {
            maou_io::save_feather_batches_with(black_box(std::slice::from_ref(batch)), path, options).expect("writes");
        });
    });
}

fn bytes(batch: &RecordBatch) -> Throughput {
    Throughput::Bytes(batch.get_array_memory_size() as u64)
}

/// Rows that take some MiB.
fn rows(kind: RecordKind) -> usize {
    match kind {
        RecordKind::Hcpe | RecordKind::Stage1 => 50_000,
        RecordKind::Stage2 => 5_000,
        RecordKind::Preprocessing | RecordKind::Intermediate => 1_000,
    }
}

fn two_columns(kind: RecordKind) -> [&'static str; 2] {
    match kind {
        RecordKind::Hcpe => ["id", "eval"],
        _ => ["id", "piecesInHand"],
    }
}

fn records(kind: RecordKind, rows: usize) -> RecordBatch {
    let schema = kind.schema();
    let mut numbers = Numbers(kind as u64);
    let columns = schema.fields().iter().map(|field| column(field, rows, &mut numbers)).collect();
    RecordBatch::try_new(schema, columns).expect("columns of the schema")
}

fn column(field: &Field, rows: usize, numbers: &mut Numbers) -> ArrayRef {
    match field.data_type() {
        DataType::LargeBinary => Arc::new(LargeBinaryArray::from_iter_values((0..rows).map(|_| numbers.bytes()))),
        DataType::LargeUtf8 if field.name() == "id" => Arc::new(LargeStringArray::from_iter_values(
            (0..rows).map(|row| format!("game{}.csa_{}", row / 110, row % 110)),
        )),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from_iter_values((0..rows).map(|_| "%TORYO"))),
        DataType::LargeList(_) => {
            let mut ratings = LargeListBuilder::new(UInt16Builder::new());
            (0..rows).for_each(|_| ratings.append_value([Some(1500 + numbers.below(1000) as u16), Some(1800)]));
            Arc::new(ratings.finish())
        }
        DataType::FixedSizeList(item, length) => {
            let values = column(&item.as_ref().clone().with_name(field.name()), rows * *length as usize, numbers);
            Arc::new(FixedSizeListArray::new(Arc::clone(item), *length, values, None))
        }
        DataType::Int8 => Arc::new(Int8Array::from_iter_values((0..rows).map(|_| numbers.below(3) as i8))),
        DataType::Int16 => Arc::new(Int16Array::from_iter_values((0..rows).map(|_| numbers.below(4000) as i16))),
        DataType::Int32 => Arc::new(Int32Array::from_iter_values((0..rows).map(|_| numbers.sparse() as i32))),
        DataType::Date32 => Arc::new(Date32Array::from_iter_values((0..rows).map(|row| 19_000 + (row / 5000) as i32))),
        DataType::UInt8 => Arc::new(UInt8Array::from_iter_values((0..rows).map(|_| numbers.sparse() as u8))),
        DataType::UInt64 => Arc::new(UInt64Array::from_iter_values((0..rows).map(|_| numbers.next()))),
        DataType::Float32 => {
            Arc::new(Float32Array::from_iter_values((0..rows).map(|_| numbers.sparse() as f32 / 28.0)))
        }
        other => unreachable!("no record has a column of {other}"),
    }
}

/// The same numbers each time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Mostly 0, as move distributions are.
    fn sparse(&mut self) -> u64 {
        let number = self.next();
        if number.is_multiple_of(64) { number >> 32 & 15 } else { 0 }
    }

    fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes.chunks_exact_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.next().to_le_bytes()));
        bytes
    }
}
