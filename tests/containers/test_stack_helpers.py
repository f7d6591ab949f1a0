"""The helpers of the container suite work; these tests need no engine."""

import gzip
import io
import os
import re
import subprocess
import sys
import tarfile
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import engine
import layers
import pytest
from load import Load, connection_pool

NEEDLE = b"a-secret-of-the-project"


# A Docker client with the output of a test.
CLIENT = """#!/bin/sh
case "$*" in
    info) exit {info} ;;
    "compose version --short") echo {version} ;;
esac
"""


@pytest.fixture
def client(tmp_path, monkeypatch):
    """Return a function that replaces the Docker client."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def client(**output):
        (tmp_path / "docker").write_text(CLIENT.format(**output), encoding="utf-8")
        (tmp_path / "docker").chmod(0o755)

    return client


# --- Without an engine ----------------------------------------------------------------------------


def test_a_missing_docker_client_is_a_reason_to_skip(client):
    assert "client is not installed" in engine.reason_to_skip()


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ({"info": 1, "version": "2.40.0"}, "no Docker Engine answers"),
        ({"info": 0, "version": "2.25.9"}, "2.25.9 is installed"),
        ({"info": 0, "version": ""}, "none is installed"),
    ],
    ids=["no engine", "an old Compose", "no Compose"],
)
def test_the_reason_to_skip_is_one_sentence(client, output, reason):
    client(**output)
    assert re.fullmatch(rf"No container was run: .*{reason}\.", engine.reason_to_skip())


@pytest.mark.parametrize("version", ["2.26.1-4", "v2.40.3", "5.0.1"])
def test_a_supported_version_of_compose_is_accepted(client, version):
    client(info=0, version=version)
    assert engine.reason_to_skip() is None


def test_without_an_engine_the_suite_is_skipped_with_one_line(client):
    suite = Path(__file__).with_name("test_stack_start.py")
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", suite],
        cwd=suite.parents[2],
        env={name: value for name, value in os.environ.items() if "XDIST" not in name},
        capture_output=True,
        encoding="utf-8",
    )
    reasons = [line for line in process.stdout.splitlines() if "No container was run" in line]
    assert ("passed" in process.stdout, process.returncode, len(reasons)) == (False, 0, 1)


# --- Search and load ------------------------------------------------------------------------------


def archive(members):
    """Return a tar archive of `members`, a dict from file names to contents, as a stream."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return io.BytesIO(file.getvalue())


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "compressed"])
def test_a_secret_in_a_file_of_a_layer_is_found(pack):
    layer = archive({"project/notes": b"before " + NEEDLE + b" behind"}).getvalue()
    found = layers.found_in_archive(archive({"layer": pack(layer), "config": b"{}"}), [NEEDLE])
    assert found == {"layer": {NEEDLE}, "config": set()}


@pytest.mark.parametrize("before", range(1, len(NEEDLE)))
def test_a_secret_across_two_chunks_is_found(monkeypatch, before):
    monkeypatch.setattr(layers, "CHUNK", 64)
    stream = io.BytesIO(b"x" * (64 - before) + NEEDLE)
    assert layers.found_in_stream(stream, [NEEDLE, b"other"]) == {NEEDLE}


@contextmanager
def server(statuses):
    """Send each status once, then 200; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            status = statuses.pop() if statuses else 200
            if status is None:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_each_response_is_counted():
    statuses = [503, 401, 503]
    with server(statuses) as url, connection_pool(url, threads=2) as pool:
        with Load(pool, "/", {}, threads=2) as load:
            load.wait_for_more(20)
    assert (load.answers[503], load.answers[401], load.answers[200] >= 17) == (2, 1, True)


def test_a_request_without_a_response_is_counted_by_its_error():
    with server([None]) as url, connection_pool(url) as pool:
        with Load(pool, "/", {}, threads=1) as load:
            pass
    assert [answer for answer in load.answers if answer != 200] == ["ProtocolError"]
