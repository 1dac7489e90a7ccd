"""Files to and from object stores: `s3://bucket/key`, `gs://bucket/key`, `az://container/key`, and from `https://host/path`.

Needs obstore, which `pip install 'maou[cloud]'` brings. Credentials and endpoints come from the environment, under the
names that the clouds' own tools use: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`;
`GOOGLE_APPLICATION_CREDENTIALS`, `GOOGLE_BASE_URL`; `AZURE_STORAGE_ACCOUNT_NAME`, `AZURE_STORAGE_ACCOUNT_KEY`. Profiles
of `~/.aws` are read where boto3 is installed.
"""

from __future__ import annotations

import uuid
from pathlib import Path

from maou.domain.data.paths import StrPath
from maou.infra.cloud.files import write_whole
from maou.infra.cloud.location import parse
from maou.infra.cloud.objects import RemoteObject, put


def download(url: str, path: StrPath) -> None:
    """Copy the object at `url` to the file `path`, which is replaced whole or not touched.

    Missing parent directories are made.

    Raises:
        ValueError: when the URL is none that can be read.
        FileNotFoundError: when there is no such object or bucket.
        PermissionError: when credentials are missing, wrong or not enough.
        ConnectionError, TimeoutError: when the service does not answer.
        OSError: when the file cannot be written, and for what else the service says.
        ImportError: when obstore is not installed.
    """
    remote = RemoteObject(parse(url))
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target: a rename is atomic within one file system only.
    part = target.with_name(f".{target.name[:48]}.{uuid.uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            write_whole(remote, file)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def upload(path: StrPath, url: str) -> None:
    """Copy the file `path` to the object at `url`, which is replaced whole or not touched.

    Raises:
        ValueError: when the URL is none.
        io.UnsupportedOperation: when it is an http one, which cannot be written.
        FileNotFoundError: when there is no such file or bucket.
        PermissionError, ConnectionError, TimeoutError, OSError: as `download`.
        ImportError: when obstore is not installed.
    """
    put(path, parse(url))
