"""Data backend of a shogi AI: Arrow IPC files of positions, and an index over them.

`maou.domain.data.schema` has the record types, `maou.domain.data.rust_io` reads and writes them as Polars
frames, and `maou._rust` is the compiled extension beneath, which `cargo xtask build` makes. Importing `maou`
or its schemas does not need the extension.
"""
