"""What every test may ask for. Nothing here skips: an engine that does not start is an error."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from pyspark.sql import SparkSession

from tests.corpus import Corpus
from tests.readers import spark as spark_reader
from tests.s3 import S3Server, s3_server

# What is set on a machine for its owner must not reach the tests.
for name in list(os.environ):
    if name.startswith(("AWS_", "TABLECAST_")) and name not in ("AWS_CA_BUNDLE", "TABLECAST_IVY"):
        del os.environ[name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

# How long an example takes says more of the machine than of the code.
# The same examples each time, so that a change is judged by what it changes; --hypothesis-profile=search has others.
settings.register_profile("search", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("tablecast", settings.get_profile("search"), derandomize=True)
settings.load_profile("tablecast")


@pytest.fixture(scope="session")
def spark() -> SparkSession:
    """The Spark session that the readers use too."""
    return spark_reader.session()


@pytest.fixture(scope="session", autouse=True)
def _spark_stops() -> Iterator[None]:
    yield
    spark_reader.stop()


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Real Delta, Iceberg and Hudi tables, and the rows that are in them."""
    return Corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server with an empty bucket."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3_folder(s3: S3Server, tmp_path: Path) -> str:
    """An empty place in the bucket, as ``s3://`` URL."""
    return f"{s3.url}/{tmp_path.parent.name}/{tmp_path.name}"
