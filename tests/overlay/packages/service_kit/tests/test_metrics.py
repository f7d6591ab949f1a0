"""What Prometheus learns about the requests of a service."""

import asyncio

import pytest
from django.http.request import validate_host
from prometheus_client import REGISTRY
from service_kit.wsgi_bridge import Line, Refused, WSGIBridge

SCOPE = {
    "type": "http",
    "http_version": "1.1",
    "method": "GET",
    "path": "/",
    "query_string": b"",
    "scheme": "http",
    "headers": [],
}


@pytest.fixture
def counted():
    """Return a function: by how much a sample has grown since its first use in the test."""
    before = {}

    def counted(name, **labels):
        value = REGISTRY.get_sample_value(name, labels) or 0
        return value - before.setdefault((name, *labels.values()), value)

    return counted


def ask(status, headers=()):
    """Send one request to a bridge whose application answers with `status`."""

    def application(environ, start_response):
        start_response(f"{status} -", [])
        return [b""]

    async def receive():
        return {"type": "http.request", "body": b"too long", "more_body": False}

    async def send(message):
        pass

    bridge = WSGIBridge(application, threads=1, max_body=1)
    asyncio.run(bridge(SCOPE | {"headers": list(headers)}, receive, send))


@pytest.mark.parametrize("status", [200, 404, 503])
def test_a_request_is_counted_by_its_status(counted, status):
    counted("service_request_seconds_count", status=str(status))
    ask(status)
    assert counted("service_request_seconds_count", status=str(status)) == 1


def test_a_request_that_is_refused_before_django_is_counted_too(counted):
    counted("service_request_seconds_count", status="413")
    ask(200, [(b"content-length", b"8")])
    assert counted("service_request_seconds_count", status="413") == 1


def test_a_request_for_which_no_thread_is_free_is_counted(counted):
    counted("service_overloads_total")
    with pytest.raises(Refused):
        asyncio.run(Line(places=0, length=0, seconds=60).enter(None))
    assert counted("service_overloads_total") == 1


@pytest.mark.parametrize("allowed", ["service.example.com", ".example.com", "*", "[::1]"])
def test_prometheus_may_use_any_host_name(settings, allowed):
    settings.ALLOWED_HOSTS, hosts = [allowed], []

    def application(environ, start_response):
        hosts.append(environ["HTTP_HOST"])
        start_response("200 -", [])
        return [b""]

    async def send(message):
        pass

    bridge = WSGIBridge(application, threads=1, max_body=0, any_host=True)
    asyncio.run(bridge(SCOPE | {"headers": [(b"host", b"192.0.2.1:8000")]}, None, send))
    assert [validate_host(host, [allowed]) for host in hosts] == [True]
