"""The compiled extension. This directory holds its type stubs only; `cargo xtask build` makes the module."""

from maou._rust import maou_index, maou_io

__all__ = ["__version__", "maou_index", "maou_io"]

__version__: str
