"""Records and queries of the index benchmark: the same ones each time, made a file at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from maou.infra.utility.index_engine import PAGE_EVALS
from maou.infra.utility.records import POSITIONS_PER_GAME

Ids = Literal["numbers", "texts"]

ROWS_PER_FILE: dict[Ids, int] = {"numbers": 10_000_000, "texts": 1_000_000}

REPEATED = 1000
"""One record in so many has the id of an earlier one. Even, so that the earlier one does not repeat itself."""

QUERIES = 5500
"""Of each kind; some of them warm up."""

MATCHES = 100
"""About the fewest ids that begin with a prefix that is asked for, where ids are numbers."""

EVAL_SPREAD = 800
"""Standard deviation, centipawns."""

EVAL_LIMIT = 32_000

Numbers = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Records:
    """So many records in files in a directory.

    Record `r`, counted through all files from 0, has an id that depends on `r` alone: nothing need be kept to
    know it.
    """

    directory: Path
    number: int
    ids: Ids

    def files(self) -> list[tuple[Path, range]]:
        """Each file and its records."""
        step = ROWS_PER_FILE[self.ids]
        starts = range(0, self.number, step)
        return [
            (self.directory / f"records-{start // step:04}.feather", range(start, min(start + step, self.number)))
            for start in starts
        ]

    def frames(self) -> Iterator[tuple[Path, pl.DataFrame]]:
        """The content of each file: `id` (UInt64 or String) and `eval` (Int16, about normal)."""
        for number, (path, records) in enumerate(self.files()):
            spread = np.random.default_rng([1, number]).normal(0, EVAL_SPREAD, len(records))
            evals = np.clip(spread, -EVAL_LIMIT, EVAL_LIMIT, out=spread).astype(np.int16)
            del spread
            sources = _sources(np.arange(records.start, records.stop, dtype=np.uint64))
            yield path, pl.DataFrame({"id": _ids(self.ids, sources), "eval": evals})

    def write(self) -> npt.NDArray[np.int64]:
        """Write the files; returns how many records have each evaluation, from `-EVAL_LIMIT` on."""
        from maou._rust.maou_io import save_feather_file

        counts = np.zeros(2 * EVAL_LIMIT + 1, np.int64)
        for path, frame in self.frames():
            save_feather_file(frame, path, durable=False)
            counts += np.bincount(frame["eval"].to_numpy().astype(np.int32) + EVAL_LIMIT, minlength=len(counts))
        return counts


def make_queries(records: Records, eval_counts: npt.NDArray[np.int64]) -> dict[str, dict[str, list[Any]]]:
    """Queries of every kind, with the answers that are known without an index.

    Returns:
        For each of `id`, `absent`, `prefix`, `page` and `count` the `queries` (an id, an id, a prefix, an offset
        into all records by evaluation, a lowest and highest evaluation) and, but for `prefix` and `page`, the
        `answers`: a record, None, a number of records.
    """
    rng = np.random.default_rng(2)
    picked = rng.integers(0, records.number, QUERIES, dtype=np.uint64)
    firsts = _sources(picked)
    ids = _texts(records.ids, firsts)
    bounds = np.sort(rng.integers(-3 * EVAL_SPREAD, 3 * EVAL_SPREAD, (QUERIES, 2)), axis=1)
    below = np.concatenate([[0], np.cumsum(eval_counts)])
    return {
        "id": {"queries": ids, "answers": firsts.tolist()},
        "absent": {"queries": _absent(records, rng), "answers": [None] * QUERIES},
        "prefix": {"queries": _prefixes(records, ids, rng)},
        "page": {"queries": rng.integers(0, max(1, records.number - PAGE_EVALS), QUERIES).tolist()},
        "count": {
            "queries": bounds.tolist(),
            "answers": (below[bounds[:, 1] + EVAL_LIMIT + 1] - below[bounds[:, 0] + EVAL_LIMIT]).tolist(),
        },
    }


def _sources(records: Numbers) -> Numbers:
    """The first record with the id of each: itself, or for one that repeats an earlier one that does not."""
    return np.where(records % REPEATED == REPEATED - 1, records // 2 - 1, records)


def _ids(kind: Ids, sources: Numbers) -> pl.Series:
    if kind == "numbers":
        return pl.Series("id", _mixed(sources))
    frame = pl.DataFrame({"game": sources // POSITIONS_PER_GAME, "ply": sources % POSITIONS_PER_GAME})
    return frame.select(id=pl.format("game_{}_{}", "game", "ply"))["id"]


def _texts(kind: Ids, sources: Numbers) -> list[str]:
    texts: list[str] = _ids(kind, sources).cast(pl.String).to_list()
    return texts


def _mixed(numbers: Numbers) -> Numbers:
    """SplitMix64's finalizer: no two numbers become the same, and neighbours look unrelated."""
    mixed: Numbers = numbers * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed ^= mixed >> np.uint64(shift)
        mixed *= np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _absent(records: Records, rng: np.random.Generator) -> list[str]:
    if records.ids == "numbers":
        return _texts("numbers", rng.integers(records.number, 1 << 40, QUERIES, dtype=np.uint64))
    games = rng.integers(0, records.number // POSITIONS_PER_GAME + 1, QUERIES)
    return [f"game_{game}_{POSITIONS_PER_GAME + ply}" for ply, game in enumerate(games.tolist())]


def _prefixes(records: Records, ids: list[str], rng: np.random.Generator) -> list[str]:
    # As somebody types: from the first character that tells anything to where about a page is left.
    if records.ids == "numbers":
        first, longest = 0, [max(1, len(str(records.number // MATCHES)) - 1)] * len(ids)
    else:
        first, longest = len("game_"), [id.rindex("_") - len("game_") for id in ids]
    return [id[: first + rng.integers(1, length + 1)] for id, length in zip(ids, longest, strict=True)]
