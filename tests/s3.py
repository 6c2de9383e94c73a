"""A real S3 server (SeaweedFS, from a wheel) on the loopback interface, for as long as a test session."""

import contextlib
import dataclasses
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

HOST = "127.0.0.1"
BUCKET = "lake"
SOCKETS = Path("/tmp")  # where the server puts its own, whatever it is told
STARTS_WITHIN = 60  # seconds
STOPS_WITHIN = 2  # it waits for idle connections, and what it holds is thrown away


@dataclasses.dataclass(frozen=True)
class S3Server:
    """Where the server is and how to get in."""

    endpoint: str
    bucket: str = BUCKET
    region: str = "us-east-1"
    access_key: str = "tests-access-key"
    secret_key: str = "tests-secret-key"

    @property
    def url(self) -> str:
        """The bucket as ``s3://`` URL."""
        return f"s3://{self.bucket}"

    @property
    def storage_options(self) -> dict[str, str]:
        """How obstore is told of the server (delta-rs and polars understand the same with ``aws_`` before each)."""
        return {
            "access_key_id": self.access_key,
            "secret_access_key": self.secret_key,
            "region": self.region,
            "endpoint": self.endpoint,
        }

    @property
    def environment(self) -> dict[str, str]:
        """How a process is told of the server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def client(self) -> "boto3.client":
        """Return boto3's client."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def upload(self, folder: Path, prefix: str) -> str:
        """Put a folder's files under a prefix and return its ``s3://`` URL."""
        client = self.client()
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                client.upload_file(str(file), self.bucket, f"{prefix}/{file.relative_to(folder).as_posix()}")
        return f"{self.url}/{prefix}"

    def download(self, location: str, folder: Path) -> Path:
        """Put what lies below an ``s3://`` URL into a folder."""
        client = self.client()
        prefix = location.removeprefix(f"{self.url}/") + "/"
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        for key in [each["Key"] for page in pages for each in page.get("Contents", [])]:
            place = folder / key.removeprefix(prefix)
            place.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(self.bucket, key, str(place))
        return folder


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]


def _identities(server: S3Server) -> dict[str, object]:
    keys = {"accessKey": server.access_key, "secretKey": server.secret_key}
    return {"identities": [{"name": "tests", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List"]}]}


def _command(folder: Path, ports: list[int]) -> list[str]:
    # Every port is said: one that clashes ends the whole server.
    said = (
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
        "s3.port.grpc",
        "s3.port",
    )
    program = Path(sys.executable).with_name("weed")
    return [
        str(program if program.exists() else shutil.which("weed") or program),
        "-logtostderr",
        "server",
        f"-dir={folder}",
        f"-ip={HOST}",
        f"-ip.bind={HOST}",
        *(f"-{name}={port}" for name, port in zip(said, ports, strict=True)),
        "-s3",
        f"-s3.config={folder / 's3.json'}",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.iam=false",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=64",
        "-volume.minFreeSpace=1",
        "-volume.preStopSeconds=0",
        f"-filer.localSocket={folder / 'filer.sock'}",
        f"-s3.localSocket={folder / 's3.sock'}",
    ]


def _listens(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(endpoint, timeout=2).close()
    except urllib.error.HTTPError as answer:
        answer.close()
        return True
    except OSError:
        return False
    return True


def _wait(server: S3Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until an object can be put: that needs the gateway, the filer and a volume."""
    until = time.monotonic() + STARTS_WITHIN
    last: Exception | None = None
    while time.monotonic() < until and process.poll() is None:
        time.sleep(0.1)
        if not _listens(server.endpoint):
            continue
        client = server.client()
        try:
            with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
                client.create_bucket(Bucket=server.bucket)
            client.put_object(Bucket=server.bucket, Key="ready", Body=b"ready")
            client.delete_object(Bucket=server.bucket, Key="ready")
        except (BotoCoreError, ClientError) as error:
            last = error
        else:
            return
    raise RuntimeError(f"the S3 server did not start ({last}):\n{log.read_text(errors='replace')[-4000:]}")


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Run a server that keeps its files in a folder."""
    ports = free_ports(8)
    server = S3Server(f"http://{HOST}:{ports[-1]}")
    (folder / "s3.json").write_text(json.dumps(_identities(server)), encoding="utf-8")
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(folder, ports), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=folder
        )
        try:
            _wait(server, process, log)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for port in ports:
                for left in SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
                    left.unlink(missing_ok=True)
