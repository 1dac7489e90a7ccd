"""Arrow IPC files of record batches, and sparse arrays."""

import os
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Literal, Protocol, TypeAlias, final, type_check_only

import numpy as np
import numpy.typing as npt

__all__ = [
    "BatchIterator",
    "ColumnDescription",
    "Description",
    "FeatherWriter",
    "RecordBatch",
    "add_sparse_arrays_dual_rust",
    "add_sparse_arrays_rust",
    "compress_sparse_array_rust",
    "count_rows",
    "data_ranges",
    "describe_feather_file",
    "expand_sparse_array_rust",
    "footer_range",
    "hello",
    "iter_feather",
    "load_feather_batches",
    "load_feather_file",
    "load_hcpe_feather",
    "load_preprocessing_feather",
    "merge_feather_files",
    "metadata_ranges",
    "num_threads",
    "save_feather_batches",
    "save_feather_file",
    "save_hcpe_feather",
    "save_preprocessing_feather",
    "set_num_threads",
    "size_ranges",
    "split_feather_file",
    "verify_feather_file",
]

@type_check_only
class ArrowArrayExportable(Protocol):
    """One record batch: a pyarrow RecordBatch, an arro3 RecordBatch, a nanoarrow array."""

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]: ...

@type_check_only
class ArrowStreamExportable(Protocol):
    """Any number of batches of one schema: a polars DataFrame, a pyarrow Table."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...

_ArrowExportable: TypeAlias = ArrowArrayExportable | ArrowStreamExportable
_StrPath: TypeAlias = str | os.PathLike[str]
_Compression: TypeAlias = Literal["lz4", "uncompressed"]

@final
class RecordBatch:
    """A batch that was read; `polars.DataFrame(batch)` and `pyarrow.record_batch(batch)` take it uncopied."""

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]: ...
    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...
    def __arrow_c_schema__(self) -> object: ...
    @property
    def num_rows(self) -> int: ...
    @property
    def num_columns(self) -> int: ...
    @property
    def column_names(self) -> list[str]: ...
    @property
    def column_types(self) -> list[str]: ...
    def __len__(self) -> int: ...

@final
class BatchIterator:
    """The batches of a file, one after the other; one is in memory at a time."""

    def __iter__(self) -> BatchIterator: ...
    def __next__(self) -> RecordBatch: ...

@final
class FeatherWriter:
    """Writes a file batch by batch, in a `with` block; it appears at the block's end, or, after an exception, not."""

    def __new__(cls, path: _StrPath, *, compression: _Compression = "lz4", durable: bool = True) -> FeatherWriter: ...
    def write(self, batch: _ArrowExportable) -> None: ...
    def finish(self) -> None: ...
    def __enter__(self) -> FeatherWriter: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...

@final
class Description:
    """What the headers of a file say; of its values nothing was read.

    Attributes:
        columns: in the file's order.
        rows: in all batches.
        batches: how many.
        bytes: length of the file.
        uncompressed_bytes: of the data in all batches. Dictionaries do not count.
        codecs: "LZ4", "ZSTD", none, or both where batches differ.
        has_checksums: whether `verify_feather_file` can find a changed byte. Only files of maou have them.
    """

    @property
    def columns(self) -> list[ColumnDescription]: ...
    @property
    def rows(self) -> int: ...
    @property
    def batches(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def uncompressed_bytes(self) -> int: ...
    @property
    def codecs(self) -> list[str]: ...
    @property
    def has_checksums(self) -> bool: ...

@final
class ColumnDescription:
    """What the headers of a file say of one column.

    Attributes:
        name: as the file has it; two columns may have one name.
        arrow_type: without its parameters, but for the widths of numbers and the lengths of lists: "Int16",
            "FixedSizeList<UInt8, 14>", "Dictionary<Utf8>".
        nulls: in all batches. Those within lists and structs do not count.
    """

    @property
    def name(self) -> str: ...
    @property
    def arrow_type(self) -> str: ...
    @property
    def nulls(self) -> int: ...

def hello() -> str: ...
def num_threads() -> int: ...
def set_num_threads(threads: int) -> None: ...
def save_feather_file(
    batch: _ArrowExportable, path: _StrPath, *, compression: _Compression = "lz4", durable: bool = True
) -> None: ...
def save_hcpe_feather(
    batch: _ArrowExportable, path: _StrPath, *, compression: _Compression = "lz4", durable: bool = True
) -> None: ...
def save_preprocessing_feather(
    batch: _ArrowExportable, path: _StrPath, *, compression: _Compression = "lz4", durable: bool = True
) -> None: ...
def load_feather_file(
    path: _StrPath,
    columns: Sequence[str] | None = None,
    rows: tuple[int, int] | None = None,
    *,
    memory_map: bool = False,
    verify: bool = False,
) -> RecordBatch: ...
def load_hcpe_feather(path: _StrPath, *, memory_map: bool = False, verify: bool = False) -> RecordBatch: ...
def load_preprocessing_feather(path: _StrPath, *, memory_map: bool = False, verify: bool = False) -> RecordBatch: ...
def save_feather_batches(
    batches: Iterable[_ArrowExportable] | _ArrowExportable,
    path: _StrPath,
    *,
    compression: _Compression = "lz4",
    durable: bool = True,
) -> None: ...
def load_feather_batches(
    path: _StrPath,
    columns: Sequence[str] | None = None,
    rows: tuple[int, int] | None = None,
    *,
    memory_map: bool = False,
    verify: bool = False,
) -> list[RecordBatch]: ...
def iter_feather(
    path: _StrPath,
    columns: Sequence[str] | None = None,
    batch_rows: int | None = None,
    rows: tuple[int, int] | None = None,
    *,
    memory_map: bool = False,
    verify: bool = False,
) -> BatchIterator: ...
def footer_range(path: _StrPath) -> tuple[int, int]: ...
def metadata_ranges(path: _StrPath) -> list[tuple[int, int]]: ...
def data_ranges(
    path: _StrPath, columns: Sequence[str] | None = None, rows: tuple[int, int] | None = None
) -> list[tuple[int, int]]: ...
def size_ranges(path: _StrPath) -> list[tuple[int, int]]: ...
def describe_feather_file(path: _StrPath) -> Description: ...
def count_rows(path: _StrPath) -> int: ...
def verify_feather_file(path: _StrPath) -> tuple[int, int, bool]: ...
def split_feather_file(path: _StrPath, output_dir: _StrPath, rows_per_file: int) -> list[str]: ...
def merge_feather_files(
    paths: Sequence[_StrPath], output_dir: _StrPath, rows_per_chunk: int, output_prefix: str
) -> list[str]: ...
def compress_sparse_array_rust(
    dense: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int32]]: ...
def expand_sparse_array_rust(
    idx: npt.NDArray[np.uint16], val: npt.NDArray[np.int32], size: int
) -> npt.NDArray[np.int32]:
    """Make the dense array of `size` values, at most 65,536.

    Raises:
        ValueError: for a larger size, an index that is not below it, and arrays of unequal length.
    """

def add_sparse_arrays_rust(
    i1: npt.NDArray[np.uint16],
    v1: npt.NDArray[np.int32],
    i2: npt.NDArray[np.uint16],
    v2: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int32]]: ...
def add_sparse_arrays_dual_rust(
    i1: npt.NDArray[np.uint16],
    lab1: npt.NDArray[np.int32],
    win1: npt.NDArray[np.float32],
    i2: npt.NDArray[np.uint16],
    lab2: npt.NDArray[np.int32],
    win2: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int32], npt.NDArray[np.float32]]: ...
