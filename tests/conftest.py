"""Shared settings and fixtures."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import polars as pl
import pytest

from maou.infra.utility.records import generate_hcpe_df

# No deadline: a test must not fail because the machine was busy. Derandomized: a red build is red for
# everybody.
hypothesis.settings.register_profile("maou", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("maou")


@pytest.fixture
def hcpe() -> pl.DataFrame:
    return generate_hcpe_df(250, seed=7)


@pytest.fixture
def hcpe_file(hcpe: pl.DataFrame, tmp_path: Path) -> Path:
    from maou.domain.data.rust_io import save_hcpe_df

    path = tmp_path / "hcpe.feather"
    save_hcpe_df(hcpe, path)
    return path
