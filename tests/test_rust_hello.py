"""The extension is there and is ours."""

from __future__ import annotations

import pickle
import re

import maou._rust
from maou._rust import maou_index, maou_io
from maou._rust.maou_io import hello
from maou.domain.data.rust_io import RUST_BACKEND_AVAILABLE, check_rust_backend


def test_hello() -> None:
    assert hello() == "Maou I/O Rust backend initialized"


def test_check_rust_backend() -> None:
    assert check_rust_backend() is True
    assert RUST_BACKEND_AVAILABLE


def test_what_is_in_it_can_go_to_another_process() -> None:
    for item in (maou_io.load_feather_file, maou_index.SearchIndex, maou_index.PathScanner):
        assert pickle.loads(pickle.dumps(item)) is item


def test_submodules_know_their_name() -> None:
    assert maou_io.__name__ == "maou._rust.maou_io"
    assert maou_index.__name__ == "maou._rust.maou_index"


def test_the_version_is_the_packages() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", maou._rust.__version__)
