"""What cloud storage refuses before it talks to a cloud; the rest is in `integration/`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from maou.infra.storage import download, upload


@pytest.mark.parametrize("url", ["", "games.feather", "https://host/key", "s3://bucket", "s3://bucket/", "gs:///key"])
def test_a_url_of_another_form_is_refused(url: str, tmp_path: Path) -> None:
    message = f"expected s3://bucket/key or gs://bucket/key, got {url!r}"
    with pytest.raises(ValueError, match=message):
        download(url, tmp_path / "a")
    with pytest.raises(ValueError, match=message):
        upload(tmp_path / "a", url)


@pytest.mark.parametrize("url", ["s3://bucket/key", "gs://bucket/key"])
def test_without_obstore_the_error_says_how_to_get_it(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(ImportError, match=r"pip install 'maou\[cloud\]'"):
        download(url, tmp_path / "a")
    with pytest.raises(ImportError, match=r"pip install 'maou\[cloud\]'"):
        upload(tmp_path / "a", url)


def test_uploading_a_missing_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed: `pip install 'maou[cloud]'`")
    monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
    with pytest.raises(FileNotFoundError):
        upload(tmp_path / "nope.feather", "s3://bucket/key")
