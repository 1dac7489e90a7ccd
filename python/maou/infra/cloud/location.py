"""What a URL says: the kind of store, the bucket and the key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

READABLE = ("s3", "gs", "az", "http", "https")
WRITABLE = ("s3", "gs", "az")

# `urlsplit` would take them out, which names another object.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# What any of the clouds has allowed at any time. obstore panics at some others, in the middle of a request.
_BUCKET = re.compile(r"[A-Za-z0-9$][A-Za-z0-9._$-]*")
# What `parse` would take for something else.
_QUOTED = re.compile(r"[%\x00-\x1f\x7f]")


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
    def place(self) -> tuple[str, str, str]:
        """What is the same for every way to write the URL of one object."""
        return self.scheme, self.bucket, self.key

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
    # What signs a URL is a secret in a broken one too.
    shown = url.partition("?")[0] if is_http else url
    if _CONTROL.search(url):
        raise ValueError(f"expected a URL without control characters, got {shown!r}; write them as %09 or %0A")
    # In the keys of a bucket these two are characters like others.
    tail = "" if is_http else url[len(f"{parts.scheme}://{parts.netloc}{parts.path}") :]
    key = unquote(parts.path.removeprefix("/") + tail)
    if parts.scheme not in READABLE or not parts.netloc or key.rpartition("/")[2] in ("", ".", ".."):
        raise ValueError(
            f"expected s3://bucket/key, gs://bucket/key, az://container/key or https://host/path, got {shown!r}"
        )
    if not is_http and not _BUCKET.fullmatch(parts.netloc):
        raise ValueError(f"expected the name of a bucket in {shown!r}, got {parts.netloc!r}")
    # obstore would drop the first, and read another object.
    if "" in key.split("/"):
        raise ValueError(f"expected one slash at a time, got {shown!r}; keys with empty parts cannot be had")
    bucket = f"{parts.scheme}://{parts.netloc}" if is_http else parts.netloc
    return Location(url, parts.scheme, bucket, key, parts.query if is_http else "")


def join(directory: str, name: str) -> str:
    """The URL of the file `name` under the URL `directory`."""
    quoted = _QUOTED.sub(lambda found: quote(found.group(), safe=""), name)
    return f"{directory.removesuffix('/')}/{quoted}"
