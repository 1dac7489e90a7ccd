"""What a URL says: the kind of store, the bucket and the key."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

READABLE = ("s3", "gs", "az", "http", "https")
WRITABLE = ("s3", "gs", "az")


@dataclass(frozen=True)
class Location:
    """One object."""

    url: str
    scheme: str
    bucket: str
    """Bucket or container; of http the server, with its scheme."""
    key: str
    query: str = ""
    """Of http only: what signs a URL."""

    @property
    def name(self) -> str:
        """The last part of the key, as a file name."""
        return self.key.rpartition("/")[2]

    def __str__(self) -> str:
        """The URL, to be shown."""
        # What signs a URL is a secret.
        return self.url.partition("?")[0] if self.query else self.url


def parse(url: str) -> Location:
    """Take a URL apart.

    Raises:
        ValueError: when it is none that can be read.
    """
    parts = urlsplit(url)
    is_http = parts.scheme in ("http", "https")
    # In the keys of a bucket these two are characters like others.
    tail = "" if is_http else url[len(f"{parts.scheme}://{parts.netloc}{parts.path}") :]
    key = unquote(parts.path.removeprefix("/") + tail)
    if parts.scheme not in READABLE or not parts.netloc or key.rpartition("/")[2] in ("", ".", ".."):
        raise ValueError(
            f"expected s3://bucket/key, gs://bucket/key, az://container/key or https://host/path, got {url!r}"
        )
    bucket = f"{parts.scheme}://{parts.netloc}" if is_http else parts.netloc
    return Location(url, parts.scheme, bucket, key, parts.query if is_http else "")


def join(directory: str, name: str) -> str:
    """The URL of `name` under the URL `directory`."""
    return f"{directory.rstrip('/')}/{name}"
