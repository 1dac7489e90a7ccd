"""obstore's errors as those that Python users know, with the URL and what to mend."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from maou.infra.cloud.location import Location
from maou.infra.cloud.store import endpoint

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d+)")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
_NOT_ACCEPTED = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AuthorizationFailure")
_OTHER_REGION = ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException")

_CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE with boto3 installed; "
    "for a public bucket AWS_SKIP_SIGNATURE=true",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth application-default login`",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_ENDPOINT = {"s3": "AWS_ENDPOINT_URL", "gs": "GOOGLE_BASE_URL", "az": "AZURE_STORAGE_ENDPOINT"}


@contextmanager
def explained(location: Location, action: str) -> Iterator[None]:
    """Have what obstore raises within be one of the errors below; `action` is to be read after "cannot".

    Raises:
        FileNotFoundError: when there is no such object or bucket.
        PermissionError: when credentials are missing, wrong, or not enough.
        ConnectionError, TimeoutError: when the service does not answer.
        OSError: for what else it says.
        ValueError: when the key is one that object stores do not take.
    """
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, FileNotFoundError, ValueError) as error:
        raise explain(location, action, error) from None


def explain(location: Location, action: str, error: Exception) -> Exception:
    """The error to raise in place of `error`."""
    text = str(error)
    found = _CODE.search(text)
    code = found.group(1) if found else ""
    status = int(match.group(1)) if (match := _STATUS.search(text)) else 0
    what = f"cannot {action} {location}"
    if code in _NO_BUCKET:
        place = f" at {endpoint(location)}" if endpoint(location) else ""
        return FileNotFoundError(f"{what}: there is no bucket {location.bucket!r}{place}; make it or check its name")
    if code in _OTHER_REGION:
        return OSError(f"{what}: the bucket {location.bucket!r} is in another region; set AWS_REGION to it")
    if code == "RequestTimeTooSkewed":
        return PermissionError(f"{what}: the clock of this machine is wrong; set it")
    if _is_without_credentials(text):
        return PermissionError(f"{what}: no credentials found; {_credentials(location)}")
    if code in _NOT_ACCEPTED or status == 401:
        return PermissionError(f"{what}: the credentials are not accepted ({code or status}); {_credentials(location)}")
    if status == 403:
        return PermissionError(f"{what}: these credentials may not; have the owner of {location.bucket!r} allow it")
    if isinstance(error, FileNotFoundError) or status == 404:
        return FileNotFoundError(f"{what}: there is no such object")
    return _of_connection(location, what, text) or _other(what, error, text)


def _of_connection(location: Location, what: str, text: str) -> Exception | None:
    address = endpoint(location) or "the service"
    name = _ENDPOINT.get(location.scheme)
    fix = f"check {name} and the network" if name else "check the URL and the network"
    if "BadScheme" in text:
        return OSError(f"{what}: {address} is not https; write it with http:// in {name}")
    if "kind: Timeout" in text:
        return TimeoutError(f"{what}: {address} has not answered in time; {fix}")
    if "dns error" in text:
        return ConnectionError(f"{what}: there is no host of the name in {address}; {fix}")
    if "kind: Connect" in text:
        return ConnectionError(f"{what}: {address} does not take connections; {fix}")
    if "HTTP error" in text or "kind: Request" in text or "kind: Interrupted" in text:
        return ConnectionError(f"{what}: {address} has broken off; {fix}")
    return None


def _other(what: str, error: Exception, text: str) -> Exception:
    # What is behind it is obstore's inside.
    said = text.partition("\n\nDebug source")[0].strip().partition("\n")[0]
    return ValueError(f"{what}: {said}") if isinstance(error, ValueError) else OSError(f"{what}: {said}")


def _is_without_credentials(text: str) -> bool:
    asked = (
        "latest/api/token",
        "meta-data/iam",
        "computeMetadata",
        "metadata/identity",
        "Missing AccountName",
        "MissingAccount",
    )
    return any(part in text for part in asked)


def _credentials(location: Location) -> str:
    if location.scheme == "s3" and os.environ.get("AWS_PROFILE") and not os.environ.get("AWS_ACCESS_KEY_ID"):
        return f"the profile {os.environ['AWS_PROFILE']!r} is read by boto3: `pip install boto3`, and check ~/.aws"
    return _CREDENTIALS.get(location.scheme, "the server wants a signed URL")
