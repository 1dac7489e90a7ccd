"""Files to and from Amazon S3 (`s3://bucket/key`) and Google Cloud Storage (`gs://bucket/key`).

Needs obstore, which `pip install 'maou[cloud]'` brings. Credentials and endpoints come from the environment,
under the names that the clouds' own tools use: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
`AWS_ENDPOINT_URL`; `GOOGLE_APPLICATION_CREDENTIALS`, `GOOGLE_BASE_URL`.
"""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from obstore.store import GCSStore, S3Store

StrPath = str | os.PathLike[str]

INSTALL_COMMAND = "pip install 'maou[cloud]'"


def download(url: str, path: StrPath) -> None:
    """Copy the object at `url` to the file `path`, which is replaced whole or not touched.

    Missing parent directories are made.

    Raises:
        ValueError: when the URL is not `s3://bucket/key` or `gs://bucket/key`.
        FileNotFoundError: when there is no such object.
        OSError: when the file cannot be written.
        obstore.exceptions.BaseError: when the service refuses or does not answer.
        ImportError: when obstore is not installed.
    """
    scheme, bucket, key = _parse(url)
    store = _open_store(scheme, bucket)
    from obstore import get

    result = get(store, key)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target: a rename is atomic within one file system only.
    part = target.with_name(f".{target.name[:48]}.{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            for chunk in result.stream():
                file.write(chunk)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def upload(path: StrPath, url: str) -> None:
    """Copy the file `path` to the object at `url`, replacing it.

    Raises:
        ValueError: when the URL is not `s3://bucket/key` or `gs://bucket/key`.
        FileNotFoundError: when there is no such file or bucket.
        OSError: when the file cannot be read.
        obstore.exceptions.BaseError: when the service refuses or does not answer.
        ImportError: when obstore is not installed.
    """
    scheme, bucket, key = _parse(url)
    store = _open_store(scheme, bucket)
    from obstore import put

    put(store, key, Path(path))


def _parse(url: str) -> tuple[str, str, str]:
    parts = urlsplit(url)
    key = unquote(parts.path.removeprefix("/"))
    if parts.scheme not in ("s3", "gs") or not parts.netloc or not key:
        raise ValueError(f"expected s3://bucket/key or gs://bucket/key, got {url!r}")
    return parts.scheme, parts.netloc, key


def _open_store(scheme: str, bucket: str) -> S3Store | GCSStore:
    try:
        from obstore.store import GCSStore, S3Store
    except ImportError as error:
        raise ImportError(f"{scheme}:// needs obstore; install it with `{INSTALL_COMMAND}`") from error
    return S3Store(bucket) if scheme == "s3" else GCSStore(bucket)
