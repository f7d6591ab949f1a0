"""deploy/serve.py: numbers in the environment, addresses, and settings that are wrong."""

import socket
import subprocess
import sys

import pytest
from conftest import ROOT, START_SECONDS, free_port


@pytest.mark.parametrize(
    ("name", "value"),
    [("WEB_CONCURRENCY", "two"), ("WEB_CONCURRENCY", "0"), ("WEB_THREADS", "-1")],
)
def test_an_invalid_number_is_refused_in_one_sentence(stack, name, value):
    process = serve_authorization_server(stack, **{name: value})
    assert (process.returncode, process.stderr.count("\n")) == (1, 1)
    assert name in process.stderr


@pytest.mark.parametrize("address", ["", "8000", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"])
def test_an_invalid_address_is_refused_in_one_sentence(stack, address):
    process = serve_authorization_server(stack, address)
    assert (process.returncode, process.stderr.count("\n")) == (1, 1)


def test_a_port_in_use_is_refused_in_one_sentence(stack):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        process = serve_authorization_server(stack, address)
    assert (process.returncode, process.stderr.count("\n")) == (1, 1)
    assert process.stderr.startswith(f"{address}: ")


def test_an_invalid_setting_is_reported_without_a_traceback(stack):
    process = serve_authorization_server(stack, LOG_LEVEL="verbose", WEB_RELOAD="false")
    assert process.returncode != 0
    assert "Traceback" not in process.stderr
    assert "LOG_LEVEL" in process.stderr


def test_traces_without_their_packages_are_refused_in_one_sentence(stack):
    url = "http://127.0.0.1:4318"
    process = serve_authorization_server(stack, OTEL_EXPORTER_OTLP_ENDPOINT=url, WEB_RELOAD="false")
    assert process.returncode != 0
    assert "Traceback" not in process.stderr
    assert "in default-groups of pyproject.toml" in process.stderr


def serve_authorization_server(stack, address=None, **variables):
    """Start it with other `variables`, and wait until it has ended."""
    address = f"127.0.0.1:{free_port()}" if address is None else address
    return subprocess.run(
        [sys.executable, ROOT / "deploy" / "serve.py", address],
        cwd=ROOT / "authorization_server",
        env=stack.environment | variables,
        capture_output=True,
        encoding="utf-8",
        timeout=START_SECONDS,
    )
