"""Connections to object stores, with credentials and endpoints as the clouds' own tools have them in variables."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from maou.infra.cloud.location import Location

if TYPE_CHECKING:
    from obstore.store import ObjectStore

INSTALL_COMMAND = "pip install 'maou[cloud]'"

RETRIES: Any = {
    "max_retries": 6,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5), "base": 2},
}
"""For answers of 5xx, broken connections and time-outs. That nobody is there is an error after some seconds."""

TIMEOUTS = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "10m"}
"""To connect, without a byte, and for all of a request. `AWS_READ_TIMEOUT` and its like change them."""

_PREFIXES = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE", "http": "HTTP", "https": "HTTP"}
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
_CLIENT_SETTINGS = (*TIMEOUTS, "allow_invalid_certificates", "proxy_url")
_OWN_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SKIP_SIGNATURE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def require_obstore(location: Location) -> None:
    """Have obstore be there.

    Raises:
        ImportError: when it is not installed.
    """
    try:
        import obstore.store  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{location.scheme}:// needs obstore; install it with `{INSTALL_COMMAND}`") from error


def open_store(location: Location) -> ObjectStore:
    """The store that has `location`. Nothing is sent.

    Raises:
        obstore.exceptions.BaseError, ValueError: when the environment has settings that make no sense.
    """
    from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

    options: dict[str, Any] = {"client_options": _client_options(location), "retry_config": RETRIES}
    if location.scheme == "s3":
        return S3Store(location.bucket, credential_provider=_profile_credentials(location), **options)
    if location.scheme == "gs":
        return GCSStore(location.bucket, **options)
    if location.scheme == "az":
        return AzureStore(location.bucket, **options)
    return HTTPStore(f"{location.bucket}/?{location.query}" if location.query else location.bucket, **options)


def endpoint(location: Location) -> str | None:
    """The address that the environment names in place of the cloud's own, or that is in the URL."""
    if location.scheme in ("http", "https"):
        return location.bucket
    found = (os.environ.get(name) for name in _ENDPOINTS[location.scheme])
    return next((address for address in found if address), None)


def _client_options(location: Location) -> dict[str, Any]:
    prefix = _PREFIXES[location.scheme]
    # Given options replace those that obstore would take from the environment.
    chosen = {name: os.environ.get(f"{prefix}_{name.upper()}") for name in _CLIENT_SETTINGS}
    options: dict[str, Any] = TIMEOUTS | {name: value for name, value in chosen.items() if value}
    # Whoever writes http:// into an address means it.
    address = endpoint(location) or ""
    options["allow_http"] = address.startswith("http://") or os.environ.get(f"{prefix}_ALLOW_HTTP", "") == "true"
    return options


def _profile_credentials(location: Location) -> Any:
    """Credentials of a profile in ~/.aws, of SSO and the like: boto3 knows them, where it is installed."""
    if any(os.environ.get(name) for name in _OWN_CREDENTIALS):
        return None
    try:
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        return None
    try:
        provider = Boto3CredentialProvider()
    except BotoCoreError as error:
        raise PermissionError(f"cannot open {location}: {error}; check AWS_PROFILE and ~/.aws") from None
    except ValueError:
        # It has found none either. obstore's own search says so when they are needed.
        return None
    if region := os.environ.get("AWS_REGION"):
        # boto3 does not read it, and has that of the profile.
        provider.config["region"] = region
    return provider
