"""``openapi.yaml`` and the service say the same: by schema, by a generated client, by many made-up requests."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from litestar import Litestar
from litestar.openapi import OpenAPIConfig

from app.api import contract as wire
from app.api.errors import EXCEPTION_HANDLERS
from app.server import ROUTES
from tests.service.server import ROOT, Server
from tests.tables import append_delta, read_rows, write_delta

BIN = Path(sys.executable).parent
CONTRACT = ROOT / "openapi.yaml"
_KEPT = {
    "type",
    "format",
    "enum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "minimum",
    "maximum",
    "nullable",
}


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    """What is written."""
    return yaml.safe_load(CONTRACT.read_text())


@pytest.fixture(scope="module")
def generated() -> dict[str, Any]:
    """What Litestar makes of the routes."""
    app = Litestar(ROUTES, openapi_config=OpenAPIConfig(title="", version=""), exception_handlers=EXCEPTION_HANDLERS)
    return app.openapi_schema.to_schema()


def test_it_is_openapi_3_0(contract: dict[str, Any]) -> None:
    assert (contract["openapi"], contract["info"]["title"]) == ("3.0.3", "XTable REST Service API")


def test_paths_methods_and_operations(contract: dict[str, Any], generated: dict[str, Any]) -> None:
    ours = {
        path: {method: each["operationId"] for method, each in item.items()} for path, item in contract["paths"].items()
    }
    served = {
        path: {method: each["operationId"] for method, each in item.items() if method != "head"}
        for path, item in generated["paths"].items()
        if path.startswith(("/v1", "/healthz", "/readyz"))
    }
    assert ours == served


def test_statuses(contract: dict[str, Any], generated: dict[str, Any]) -> None:
    for path, item in contract["paths"].items():
        for method, operation in item.items():
            served = set(generated["paths"][path][method]["responses"])
            assert set(operation["responses"]) - {"default"} == served, path


def test_schemas(contract: dict[str, Any], generated: dict[str, Any]) -> None:
    ours = contract["components"]["schemas"]
    assert ours.keys() == generated["components"]["schemas"].keys()
    # From the structs: what Litestar makes of them lacks the limits of lists' members.
    structs = [getattr(wire, name) for name in ours]
    _, served = msgspec.json.schema_components(structs, ref_template="#/components/schemas/{name}")
    for name, schema in ours.items():
        # The setting that lets the one list take the other's place is the exception that the contract tells of.
        required = {"conversions"} if name == "ConvertTableResponse" else set(served[name].get("required", ()))
        assert set(schema["required"]) == required, name
        assert _shapes(schema) == _shapes(served[name]), name


def _shapes(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: _shape(each) for name, each in schema["properties"].items()}


def _shape(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without words, and with 3.1's way to say nullable turned into 3.0's."""
    if "anyOf" in schema:
        (other,) = [each for each in schema["anyOf"] if each != {"type": "null"}]
        return _shape(other) | {"nullable": True}
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    shape = {key: value for key, value in schema.items() if key in _KEPT}
    if "enum" in shape:
        shape["enum"] = sorted(shape["enum"])
        shape["type"] = "string"
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            shape[key] = _shape(schema[key])
    return shape


def test_it_is_served_as_it_is(server: Server) -> None:
    answer = server.client.get("/openapi.yaml")
    assert answer.content == CONTRACT.read_bytes()
    assert answer.headers["Content-Type"].startswith("application/yaml")


def test_a_generated_client_drives_the_service(
    server: Server, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "generated"
    subprocess.run(
        [
            BIN / "openapi-python-client",
            "generate",
            f"--path={CONTRACT}",
            f"--output-path={target}",
            "--meta=none",
            "--fail-on-warning",
        ],
        check=True,
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},  # it formats what it writes
    )
    monkeypatch.syspath_prepend(tmp_path)
    generated = importlib.import_module("generated")
    models = importlib.import_module("generated.models")
    convert_table = importlib.import_module("generated.api.x_table_service_api.convert_table")
    get_readiness = importlib.import_module("generated.api.health.get_readiness")

    write_delta(place)
    with generated.Client(base_url=server.url) as client:
        assert get_readiness.sync(client=client).status == "ok"
        request = models.ConvertTableRequest(
            source_format="DELTA", source_table_name="t", source_table_path=str(place), target_formats=["ICEBERG"]
        )
        answer = convert_table.sync(client=client, body=request)
        assert isinstance(answer, models.ConvertTableResponse)
        (table,) = answer.conversions
        assert (table.target_format, table.status) == ("ICEBERG", "synced")
        assert read_rows("iceberg", place) == read_rows("delta", place)

        append_delta(place)
        assert convert_table.sync(client=client, body=request).conversions[0].status == "synced"
        assert read_rows("iceberg", place) == read_rows("delta", place)

        request.source_table_path = str(place / "nothing")
        error = convert_table.sync_detailed(client=client, body=request)
        assert isinstance(error.parsed, models.ErrorModel)
        assert (error.status_code, error.parsed.type_) == (404, "SourceTableNotFound")


def test_made_up_requests_meet_the_contract(server: Server, tmp_path: Path) -> None:
    # The contract leaves open which formats, options and tables there are, as XTable's does: what is well-formed may
    # still be refused.
    accepted = '["2xx", "400", "403", "404", "409", "422"]'
    (tmp_path / "schemathesis.toml").write_text(f"[checks.positive_data_acceptance]\nexpected-statuses = {accepted}\n")
    done = subprocess.run(
        [
            BIN / "schemathesis",
            "run",
            str(CONTRACT),
            f"--url={server.url}",
            "--checks=all",
            "--max-examples=40",
            "--seed=1",
            "--workers=1",
            "--no-color",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
