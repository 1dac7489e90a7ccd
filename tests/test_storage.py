"""What cloud storage refuses before it talks to a cloud; the rest is in `integration/`."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from maou.domain.data.paths import is_url, make_directory
from maou.domain.data.rust_io import load_generic_df, save_generic_df
from maou.infra.cloud.errors import explain
from maou.infra.cloud.location import join, parse
from maou.infra.cloud.objects import missing, parts
from maou.infra.storage import download, upload


@pytest.mark.parametrize(
    "url",
    [
        "",
        "games.feather",
        "ftp://host/key",
        "s3://bucket",
        "s3://bucket/",
        "s3://bucket/a/",
        "s3://bucket/..",
        "gs:///key",
    ],
)
def test_a_url_of_another_form_is_refused(url: str, tmp_path: Path) -> None:
    message = f"expected s3://bucket/key, gs://bucket/key, az://container/key or https://host/path, got {url!r}"
    with pytest.raises(ValueError, match=message):
        download(url, tmp_path / "a")
    with pytest.raises(ValueError, match=message):
        upload(tmp_path / "a", url)


@pytest.mark.parametrize("url", ["s3://bucket/key", "gs://bucket/key", "az://container/key"])
def test_without_obstore_the_error_says_how_to_get_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ImportError, match=r"pip install 'maou\[cloud\]'"):
        download(url, tmp_path / "a")
    with pytest.raises(ImportError, match=r"pip install 'maou\[cloud\]'"):
        upload(tmp_path / "a", url)
    with pytest.raises(ImportError, match=r"pip install 'maou\[cloud\]'"):
        load_generic_df(url)
    with pytest.raises(ImportError, match=r"pip install 'maou\[cloud\]'"):
        save_generic_df(pl.DataFrame({"x": [1]}), url)


def test_urls_and_paths_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [is_url(path) for path in ("s3://b/k", "https://h/p", "ftp://h/p", "HTTP://h/p")] == [True] * 4
    assert [is_url(path) for path in ("a/b", "C:\\a", "C://a", "a:b", "/s3://b", Path("a"))] == [False] * 6
    with pytest.raises(ValueError, match="pass URLs as str"):
        load_generic_df(Path("s3://bucket/key"))
    with pytest.raises(ValueError, match="expected s3://"):
        save_generic_df(pl.DataFrame({"x": [1]}), "ftp://host/key")


@pytest.mark.parametrize(
    ("url", "bucket", "key", "query"),
    [
        ("s3://bucket/a/b%20c", "bucket", "a/b c", ""),
        ("gs://bucket/駒?#1", "bucket", "駒?#1", ""),
        ("https://host:8/a/b?sig=x%2F", "https://host:8", "a/b", "sig=x%2F"),
    ],
)
def test_urls_are_taken_apart(url: str, bucket: str, key: str, query: str) -> None:
    location = parse(url)
    assert (location.bucket, location.key, location.query) == (bucket, key, query)
    assert "sig=" not in str(location)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("s3://bucket/a\tb", "without control characters"),
        ("s3://bucket/a\n", "without control characters"),
        ("https://host/a\x7f", "without control characters"),
        ("s3://buc ket/a", "the name of a bucket"),
        ("gs://b\N{LATIN SMALL LETTER U WITH DIAERESIS}/a", "the name of a bucket"),
        ("az://user@container/a", "the name of a bucket"),
        ("s3://bucket//a", "one slash at a time"),
        ("s3://bucket/a//b", "one slash at a time"),
        ("s3://bucket/a/%2Fb", "one slash at a time"),
        ("https://host//a", "one slash at a time"),
    ],
)
def test_a_url_that_would_be_read_as_another_is_refused(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"{problem}.*, got "):
        parse(url)


def test_what_signs_a_url_is_not_told() -> None:
    for url in ("https://host/a\n?sig=SECRET", "https://host/?sig=SECRET", "https://host//a?sig=SECRET"):
        with pytest.raises(ValueError, match="expected") as raised:
            parse(url)
        assert "SECRET" not in str(raised.value)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=20))
@example("a%41%2F?#b")
@example("a\nb")
def test_a_name_in_a_url_is_that_name(name: str) -> None:
    assume(name not in (".", ".."))
    for directory, prefix in (("s3://bucket", ""), ("s3://bucket/", ""), ("s3://bucket/a b/%25", "a b/%/")):
        assert parse(join(directory, name)).key == f"{prefix}{name}"


def test_urls_of_one_object_have_one_place() -> None:
    assert parse(join("s3://bucket/%61", "駒 1?.feather")).url == "s3://bucket/%61/駒 1?.feather"
    assert parse(join("s3://bucket/%61", "x")).place == parse("s3://bucket/a/x").place


def test_local_files_take_nothing_new(tmp_path: Path) -> None:
    program = (
        "import sys, polars as pl; from maou.domain.data.rust_io import *; "
        "save_generic_df(pl.DataFrame({'x': [1]}), sys.argv[1]); load_generic_df(sys.argv[1]); "
        "print([name for name in sys.modules if name.startswith(('obstore', 'maou.infra'))])"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.feather")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@given(
    wanted=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=8),
    there=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=4),
    gap=st.integers(0, 20),
    most=st.integers(1, 50),
)
def test_requests_cover_what_is_missing(
    wanted: list[tuple[int, int]], there: list[tuple[int, int]], gap: int, most: int
) -> None:
    def covered(ranges: list[tuple[int, int]]) -> set[int]:
        return {at for start, end in ranges for at in range(start, end)}

    rest = missing(wanted, there)
    assert covered(rest) == covered(wanted) - covered(there)
    requests = parts(rest, gap, most)
    assert all(0 < end - start <= most for start, end in requests)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(requests))
    assert covered(requests) >= covered(rest)
    assert len(covered(requests) - covered(rest)) <= gap * max(0, len(rest) - 1)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (
            "400 Bad Request: <Error><Code>AuthorizationHeaderMalformed</Code>",
            OSError,
            "the bucket 'b' is in another region; set AWS_REGION to it",
        ),
        (
            "403 Forbidden: <Error><Code>RequestTimeTooSkewed</Code>",
            PermissionError,
            "the clock of this machine is wrong",
        ),
        ("403 Forbidden: ", PermissionError, "these credentials may not; have the owner of 'b' allow it"),
        ("418 I'm a teapot: \n\nDebug source:\nGeneric {", OSError, "status code: 418 I'm a teapot:"),
    ],
)
def test_what_services_answer_is_explained(answer: str, kind: type[OSError], message: str) -> None:
    # These do not come from the servers of the integration tests.
    said = Exception(f"Generic S3 error: Server returned non-2xx status code: {answer}")
    error = explain(parse("s3://b/k"), "read", said)
    assert type(error) is kind
    assert str(error).startswith("cannot read s3://b/k: ") and message in str(error)
    assert "Debug" not in str(error)


def test_uploading_a_missing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed: `pip install 'maou[cloud]'`")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    with pytest.raises(FileNotFoundError):
        upload(tmp_path / "nope.feather", "s3://bucket/key")


def test_directories_that_are_made_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    made = tmp_path / "a" / "b"

    make_directory(made)

    assert made.is_dir()
    if os.name != "nt":
        assert synced == [made.parent.stat().st_ino, tmp_path.stat().st_ino]
    synced.clear()
    make_directory(made)
    assert synced == []
