"""In production each line of a service is a JSON object with the same first keys."""

import json
import os
import signal
from datetime import datetime
from pathlib import Path

import pytest
import requests
from conftest import until
from infrastructure import Server

KEYS = ["time", "level", "logger", "request_id", "message"]


@pytest.fixture
def lines(stack, tmp_path):
    """Run the authorization server in production, kill its worker, and return its lines."""
    secure = {
        name: value.replace("http:", "https:")
        for name, value in stack.env.items()
        if name.endswith("_URL")
    }
    log = tmp_path / "log"
    options = {"ENVIRONMENT": "production", **secure}
    options["TRUST_PROXY_HEADERS"] = "true"
    with Server(stack, "authorization_server", log, **options) as server:
        host = secure["AUTHORIZATION_SERVER_URL"].removeprefix("https://")
        headers = {"Host": host, "X-Request-ID": "abc", "X-Forwarded-Proto": "https"}
        url = f"{server.url}/o/introspect/"
        requests.post(url, {"token": "a"}, auth=("a", "b"), headers=headers, timeout=30)
        requests.get(f"{server.url}/unknown?token=hidden", headers=headers, timeout=30)
        parent = server.process.pid
        [worker] = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        os.kill(int(worker), signal.SIGKILL)
        until(lambda: "gunicorn.error" in log.read_text())
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_each_line_is_an_object_with_the_same_first_keys(lines):
    assert [line for line in lines if list(line)[:5] != KEYS] == []
    loggers = {line["logger"] for line in lines}
    assert {"gunicorn.error", "security", "django.request"} <= loggers
    assert [line for line in lines if datetime.fromisoformat(line["time"]).tzinfo is None] == []
    assert [line for line in lines if "hidden" in json.dumps(line)] == []


def test_the_lines_of_a_request_have_its_identifier(lines):
    loggers = {line["logger"] for line in lines if line["request_id"] == "abc"}
    assert loggers == {"security", "django.request"}
