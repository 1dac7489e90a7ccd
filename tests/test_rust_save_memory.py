"""What a save takes beside the table: a part of it, however long the table is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")

PROGRAM = """
import re
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa

from maou._rust import maou_io
from maou.infra.utility.records import generate_hcpe_df

function, rows, chunks, path = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]


def kib(name):
    return int(re.search(rf"^{name}:\\s+(\\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)[1])


save = getattr(maou_io, function)
chunk = pl.concat([generate_hcpe_df(2000)] * (rows // 2000), rechunk=True)
# All of one memory. A frame of Polars would join its chunks before it gives them away.
table = pa.Table.from_batches(pa.RecordBatchReader.from_stream(chunk).read_all().to_batches() * chunks)
save(chunk, path, durable=False)
Path("/proc/self/clear_refs").write_text("5")
before = kib("VmRSS")
save(table, path, durable=False)
print((kib("VmHWM") - before) << 10, table.nbytes)
assert maou_io.count_rows(path) == table.num_rows
"""


@pytest.mark.parametrize(
    ("function", "rows", "chunks"), [("save_hcpe_feather", 160_000, 20), ("save_feather_file", 4000, 800)]
)
def test_a_save_takes_a_part_of_the_table(function: str, rows: int, chunks: int, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, function, str(rows), str(chunks), str(tmp_path / "a.feather")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    extra, size = map(int, done.stdout.split())
    assert size > 200 << 20
    assert extra < size // 3


def test_an_error_in_a_later_chunk_leaves_the_old_file(tmp_path: Path) -> None:
    import polars as pl

    from maou._rust.maou_io import load_preprocessing_feather, save_preprocessing_feather
    from maou.infra.utility.records import generate_preprocessing_df

    path = tmp_path / "a.feather"
    good = generate_preprocessing_df(1500)
    save_preprocessing_feather(good, path)
    bad = good.with_columns(id=pl.when(pl.int_range(pl.len()) < 1499).then(pl.col("id")))
    frame = pl.concat([good, bad], rechunk=False)
    with pytest.raises(ValueError, match="column `id`: expected no nulls"):
        save_preprocessing_feather(frame, path)
    assert pl.DataFrame(load_preprocessing_feather(path)).height == 1500
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.feather"]
