"""Opening an S3 bucket with the caller's or the environment's credentials."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, cast

from obstore.store import S3Store

__all__ = ["open_bucket"]


def open_bucket(bucket: str, options: Mapping[str, str]) -> S3Store:
    """Open a bucket.

    Args:
        bucket: Its name.
        options: ``S3Store`` configuration; empty means the environment: ``AWS_*`` variables, else the default
            credential chain of boto3 (profiles, web identity, container and instance roles).
    """
    config: dict[str, Any] = dict(options)
    endpoint = config.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        config["endpoint"] = endpoint
    client_options = {"allow_http": True} if endpoint and endpoint.startswith("http://") else {}
    if "access_key_id" not in config and "AWS_ACCESS_KEY_ID" not in os.environ:
        from obstore.auth.boto3 import Boto3CredentialProvider  # noqa: PLC0415 - boto3 is slow to import

        return S3Store(
            bucket,
            config=cast("Any", config),
            client_options=cast("Any", client_options),
            credential_provider=Boto3CredentialProvider(),
        )
    return S3Store(bucket, config=cast("Any", config), client_options=cast("Any", client_options))
