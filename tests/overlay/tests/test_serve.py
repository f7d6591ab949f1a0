"""deploy/serve.py: bodies, numbers in the environment, and settings that are wrong."""

import subprocess
import sys

import pytest
import serve
from conftest import ROOT, START_SECONDS, free_port
from django.conf import settings
from django.core.signals import request_finished
from django.http import HttpResponse, StreamingHttpResponse

if not settings.configured:
    settings.configure()


def served(response):
    """Return the body that Granian receives from an application that returns `response`."""
    return serve.in_one_piece(lambda environ, start_response: response)({}, None)


def test_a_complete_body_is_sent_together_with_the_headers():
    assert served(HttpResponse("known")) == [b"known"]


def test_a_complete_body_ends_the_request_once():
    ended = []
    response = HttpResponse("known")

    def note(sender, **details):
        ended.append(sender)

    request_finished.connect(note)
    try:
        served(response)
    finally:
        request_finished.disconnect(note)
    assert len(ended) == 1


@pytest.mark.parametrize("body", [StreamingHttpResponse([b"a", b"b"]), [b"a", b"b"]])
def test_a_streaming_body_is_passed_on_unchanged(body):
    assert served(body) is body


@pytest.mark.parametrize(
    ("name", "value"),
    [("WEB_CONCURRENCY", "two"), ("WEB_CONCURRENCY", "0"), ("WEB_THREADS", "-1")],
)
def test_an_invalid_number_is_refused_in_one_sentence(stack, name, value):
    process = serve_authorization_server(stack, **{name: value})
    assert (process.returncode, process.stderr.count("\n")) == (1, 1)
    assert name in process.stderr


def test_an_invalid_setting_is_reported_without_a_traceback(stack):
    process = serve_authorization_server(stack, LOG_LEVEL="verbose", WEB_RELOAD="false")
    assert (process.returncode, "Traceback" in process.stderr) == (1, False)
    assert "LOG_LEVEL" in process.stderr


def serve_authorization_server(stack, **variables):
    """Start it with other `variables`, and wait until it has ended."""
    return subprocess.run(
        [sys.executable, ROOT / "deploy" / "serve.py", f"127.0.0.1:{free_port()}"],
        cwd=ROOT / "authorization_server",
        env=stack.environment | variables,
        capture_output=True,
        encoding="utf-8",
        timeout=START_SECONDS,
    )
