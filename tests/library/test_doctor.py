"""`manage.py resource_server_doctor` says what is wrong, and which line to change."""

import json
import socket
import time
from email.utils import formatdate
from io import StringIO

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.core.management import CommandError, call_command
from oauth_resource_server.doctor.configuration import is_private

from .web_server import WebServer, basic_of, self_signed

PATH = "/o/introspect/"
METADATA = "/.well-known/oauth-authorization-server"
URL = "RESOURCE_SERVER_INTROSPECTION_URL"
PAIR = "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS"
CACHING = "RESOURCE_SERVER_TOKEN_CACHING_SECONDS"
CLIENT_ID, SECRET = "orders-introspection", "s3cret-that-nobody-must-read"
SCOPES = ["orders:read", "orders:write", "inventory:read"]


@pytest.fixture
def run():
    """Return a function that runs the command, and returns its exit code and its lines."""

    def run():
        output = StringIO()
        try:
            call_command("resource_server_doctor", stdout=output)
        except CommandError as error:
            return error.returncode, output.getvalue().splitlines()
        return 0, output.getvalue().splitlines()

    return run


@pytest.fixture
def line(run):
    """Return a function that returns the one line that is no ``ok``."""

    def line():
        _, lines = run()
        [line] = [line for line in lines if not line.startswith("ok ")]
        return line

    return line


@pytest.fixture
def set_up(configure, monkeypatch):
    """Return a function that makes a web server an authorization server that we are known to."""

    def set_up(server):
        def introspect(handler):
            header = handler.headers["Authorization"] or ""
            if not header or basic_of(header) != f"{CLIENT_ID}:{SECRET}":
                return 401, {}, b'{"error": "invalid_client"}'
            return 200, {}, b'{"active": false}'

        server.document = {
            "issuer": server.origin,
            "introspection_endpoint": f"{server.origin}{PATH}",
            "scopes_supported": SCOPES,
        }
        server.answers[PATH] = introspect
        server.answers[METADATA] = lambda handler: (200, {}, json.dumps(server.document).encode())
        configure(
            **{URL: f"{server.origin}{PATH}", PAIR: (CLIENT_ID, SECRET), CACHING: 10},
            ISSUER=server.origin,
        )
        # As `.env` has it.
        monkeypatch.setenv("AUTHORIZATION_SERVER_URL", server.origin)
        monkeypatch.setenv("ORDERS_INTROSPECTION_CLIENT_ID", CLIENT_ID)
        monkeypatch.setenv("ORDERS_INTROSPECTION_CLIENT_SECRET", SECRET)
        monkeypatch.setenv(CACHING, "10")
        return server

    return set_up


@pytest.fixture
def server(set_up):
    """An authorization server with which all is well."""
    server = WebServer()
    yield set_up(server)
    server.stop()


@pytest.fixture
def tls_server(set_up, tmp_path, monkeypatch):
    """Return a function that makes one behind a certificate, which is trusted unless told not."""
    started = []

    def tls_server(*, trusted=True, **options):
        certificate = self_signed(tmp_path / "certificate.pem", **options)
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        started.append(WebServer(certificate))
        return set_up(started[-1])

    yield tls_server
    for server in started:
        server.stop()


# When all is well.


def test_a_good_setup_has_no_problem(server, run):
    code, lines = run()
    assert (code, {line.split()[0] for line in lines}) == (0, {"ok"})


def test_everything_is_looked_at(server, run):
    subjects = [line[9:].partition(":")[0] for line in run()[1]]
    assert subjects == [
        "settings",
        "audience",
        "caching",
        "address",
        "clock",
        "credentials",
        "introspection",
        "issuer",
        "introspection endpoint",
        "scopes",
    ]


def test_the_real_credentials_are_sent_once(server, run):
    run()
    assert [basic_of(seen) for seen in server.seen if seen] == [f"{CLIENT_ID}:{SECRET}"]


def test_a_warning_is_no_reason_to_fail(server, run, configure):
    configure(**{CACHING: 0})
    assert run()[0] == 0


def test_a_problem_is_one(server, run, configure):
    configure(ISSUER="https://elsewhere.example.com")
    assert run()[0] == 1


def test_a_resource_server_in_a_container_asks_at_another_address(server, run, configure):
    configure(ISSUER="http://localhost:8000")
    server.document |= {
        "issuer": "http://localhost:8000",
        "introspection_endpoint": f"http://localhost:8000{PATH}",
    }
    code, lines = run()
    assert (code, f"asked at {server.origin}" in "".join(lines)) == (0, True)


# Settings.


def test_a_rule_with_a_misspelt_scope_is_doubtful(server, line, configure):
    rule = {"groups:admins": "orders:raed"}
    configure(ISSUERS=[{"preset": "authorization_server", "scopes": rule}])
    found = line()
    assert found.startswith("warning  settings:")
    assert "'groups:admins' grants orders:raed" in found
    assert "orders:read, orders:write" in found


def test_what_the_system_checks_say_is_said(line, configure):
    configure(ISSUER=None)
    assert line().startswith("problem  settings: OAUTH_RESOURCE_SERVER['ISSUER'] is not set")


def test_without_a_usable_url_the_rest_is_still_looked_at(run, configure):
    configure(**{URL: "ftp://as.example.com/"}, AUDIENCE="orders")
    problems = [line.split()[1] for line in run()[1] if line.startswith("problem")]
    assert problems == ["settings:", "audience:"]


def test_a_url_without_a_slash_at_the_end_is_doubtful(server, run, configure):
    configure(**{URL: f"{server.origin}/o/introspect"})
    assert any(line.startswith("warning  settings:") and "slash" in line for line in run()[1])


def test_plain_http_to_another_machine_is_doubtful(run, configure):
    configure(**{URL: "http://as.example.invalid/o/introspect/"})
    warnings = [line for line in run()[1] if line.startswith("warning  settings:")]
    assert ["is not https" in line for line in warnings] == [True]


@pytest.mark.parametrize("host", ["localhost", "authorization-server", "10.0.0.1", "127.0.0.1"])
def test_plain_http_within_the_platform_is_not(host):
    assert is_private(host)


@pytest.mark.parametrize("audience", ["orders", "https://orders.example.com/#a"])
def test_an_audience_that_no_token_can_have_is_a_problem(server, line, configure, audience):
    configure(AUDIENCE=audience)
    assert line().startswith("problem  audience:")


def test_no_audience_is_doubtful(server, line, configure):
    configure(AUDIENCE=None)
    assert line().startswith("warning  settings: OAUTH_RESOURCE_SERVER['AUDIENCE']")


@pytest.mark.parametrize("seconds", [0, 3600])
def test_caching_nothing_or_for_long_is_doubtful(server, line, configure, monkeypatch, seconds):
    configure(**{CACHING: seconds})
    monkeypatch.setenv(CACHING, str(seconds))
    found = line()
    assert (found.startswith("warning  caching:"), f"{CACHING} in .env" in found) == (True, True)


def test_forgetting_bad_tokens_is_doubtful(server, line, configure):
    configure(INACTIVE_CACHING_SECONDS=0)
    assert "INACTIVE_CACHING_SECONDS" in line()


# The shared cache: what the system checks do not see.


class BrokenCache(LocMemCache):
    """One that is down, and has the password of its address in its words."""

    def set(self, *args, **kwargs):
        raise ConnectionError("redis://:s3cret-of-the-cache@cache:6379 is down")


@pytest.fixture
def shared_cache_line(server, run, configure, settings):
    """Return a function that returns the line about a shared cache of some backend."""

    def shared_cache_line(backend, **options):
        settings.CACHES = {"default": {"BACKEND": backend, **options}}
        configure(SHARED_CACHE="default")
        [line] = [line for line in run()[1] if line[9:].startswith("shared cache:")]
        return line

    return shared_cache_line


def test_a_cache_that_is_down_is_a_problem(shared_cache_line):
    line = shared_cache_line("library.test_doctor.BrokenCache")
    assert line.startswith("problem  shared cache: 'default' does not answer (ConnectionError)")


def test_the_password_of_a_cache_is_not_printed(shared_cache_line):
    assert "s3cret" not in shared_cache_line("library.test_doctor.BrokenCache")


def test_a_cache_that_forgets_is_a_problem(shared_cache_line):
    line = shared_cache_line("django.core.cache.backends.dummy.DummyCache")
    assert line.startswith("problem  shared cache: 'default' forgets")


def test_a_cache_that_keeps_what_it_is_given_is_good(shared_cache_line, tmp_path):
    backend = "django.core.cache.backends.filebased.FileBasedCache"
    line = shared_cache_line(backend, LOCATION=str(tmp_path))
    assert line == "ok       shared cache: 'default' keeps what it is given"


# The way there.


def test_a_name_without_an_address_is_a_problem(line, server, configure, monkeypatch):
    configure(**{URL: "https://as.invalid/o/introspect/"})
    monkeypatch.setenv("AUTHORIZATION_SERVER_INTERNAL_URL", "https://as.invalid")
    found = line()
    assert found.startswith("problem  address:")
    assert "Change AUTHORIZATION_SERVER_INTERNAL_URL in .env" in found


def test_an_authorization_server_that_is_down_is_one_line(line, server):
    server.stop()
    found = line()
    assert found.startswith("problem  address: nobody answers at 127.0.0.1:")
    assert "AUTHORIZATION_SERVER_URL in .env" in found


def test_a_certificate_that_is_trusted_is_good(tls_server, run):
    tls_server(days=90)
    code, lines = run()
    assert (code, "ok       TLS: the certificate of 127.0.0.1 is good for 90 days" in lines) == (
        0,
        True,
    )


def test_a_certificate_that_nobody_vouches_for_is_a_problem(tls_server, line):
    tls_server(trusted=False)
    found = line()
    assert found.startswith("problem  TLS:")
    assert ("self-signed" in found, "SSL_CERT_FILE" in found) == (True, True)


def test_a_certificate_that_has_ended_is_a_problem(tls_server, line):
    tls_server(days=-1)
    assert "expired" in line()


def test_a_certificate_for_another_host_is_a_problem(tls_server, line):
    tls_server(host="127.0.0.2")
    assert "127.0.0.1" in line()


@pytest.mark.parametrize(("days", "level"), [(13, "warning"), (15, "ok")])
def test_a_certificate_that_ends_soon_is_doubtful(tls_server, run, days, level):
    tls_server(days=days)
    [found] = [line for line in run()[1] if "TLS" in line]
    assert (found.startswith(level), f" {days} days" in found) == (True, True)


def test_a_port_that_does_not_speak_tls_is_a_problem(server, line, configure):
    configure(**{URL: f"{server.origin}{PATH}".replace("http:", "https:")})
    assert "does not speak TLS" in line()


# The endpoint.


def test_a_redirect_is_a_problem(server, run):
    target = "https://as.example.com/o/introspect/?key=abc"
    server.answers[PATH] = 301, {"Location": target}, b""
    [found] = [line for line in run()[1] if line.startswith("problem")]
    assert "redirects to https://as.example.com/o/introspect/, which" in found
    assert "Change AUTHORIZATION_SERVER_URL in .env" in found


def test_a_redirect_gets_no_credentials(server, run):
    server.answers[PATH] = 301, {"Location": "/elsewhere/"}, b""
    run()
    assert set(server.seen) == {""}


@pytest.mark.parametrize(
    ("seconds", "level"), [(0, "ok"), (-20, "warning"), (20, "warning"), (-300, "problem")]
)
def test_the_clocks_are_compared(server, run, seconds, level):
    def answer(handler):
        return 401, {"Date": formatdate(time.time() + seconds, usegmt=True)}, b""

    server.answers[PATH] = answer
    [found] = [line for line in run()[1] if line[9:].startswith("clock:")]
    assert found.startswith(level)


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_a_server_that_does_not_say_what_time_it_is_is_doubtful(server, run, date):
    server.answers[PATH] = 401, {"Date": date}, b""
    [found] = [line for line in run()[1] if line[9:].startswith("clock:")]
    assert found.startswith("warning")


def test_something_that_is_not_http_is_a_problem(line, server, configure):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        configure(
            **{URL: f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}"},
            RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS=1,
        )
        assert line().startswith("problem  endpoint:")


@pytest.mark.parametrize("wrong", [(CLIENT_ID, "wrong"), ("somebody", SECRET)])
def test_credentials_that_are_refused_are_a_problem(server, line, configure, monkeypatch, wrong):
    configure(**{PAIR: wrong})
    monkeypatch.setenv("ORDERS_INTROSPECTION_CLIENT_ID", wrong[0])
    monkeypatch.setenv("ORDERS_INTROSPECTION_CLIENT_SECRET", wrong[1])
    found = line()
    assert found.startswith("problem  credentials: the client")
    assert "ORDERS_INTROSPECTION_CLIENT_ID in .env" in found
    assert "ORDERS_INTROSPECTION_CLIENT_SECRET in .env" in found


def test_where_no_variable_holds_the_credentials_the_setting_is_named(server, line, configure):
    configure(**{PAIR: ("somebody", "wrong")})
    assert f"OAUTH2_PROVIDER['{PAIR}'] in the settings" in line()


def test_a_bearer_token_that_is_refused_is_a_problem(server, line, configure):
    configure(**{PAIR: None}, RESOURCE_SERVER_AUTH_TOKEN="mine-that-nobody-must-read")
    server.answers[PATH] = 401, {}, b""
    assert "OAUTH2_PROVIDER['RESOURCE_SERVER_AUTH_TOKEN']" in line()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {}, b"<html>"), "no JSON object"),
        ((200, {}, b'{"active": true, "sub": "x"}'), "not that it is inactive"),
        ((200, {}, b"{}"), "not that it is inactive"),
        ((404, {}, b""), "no introspection endpoint"),
        ((500, {}, b""), "log of the authorization server"),
        ((429, {}, b""), "log of the authorization server"),
    ],
)
def test_an_answer_that_is_not_rfc_7662_is_a_problem(server, line, answer, words):
    server.answers[PATH] = answer
    found = line()
    assert (found.startswith("problem  introspection:"), words in found) == (True, True)


# What the authorization server says of itself.


def test_another_issuer_is_a_problem(server, line, configure):
    server.document["issuer"] = f"{server.origin}/"
    found = line()
    assert found.startswith("problem  issuer: the authorization server calls itself")
    assert f"'{server.origin}/'" in found
    assert "Change AUTHORIZATION_SERVER_URL in .env" in found


def test_another_introspection_endpoint_is_a_problem(server, line):
    server.document["introspection_endpoint"] = f"{server.origin}/introspect"
    assert line().startswith("problem  introspection endpoint:")


@pytest.mark.parametrize("endpoint", [None, "http://[", 5])
def test_an_introspection_endpoint_that_is_none_is_no_match(server, line, endpoint):
    server.document["introspection_endpoint"] = endpoint
    assert "introspection endpoint:" in line()


def test_a_scope_that_the_authorization_server_does_not_know_is_a_problem(server, line):
    server.document["scopes_supported"] = ["orders:read"]
    found = line()
    assert ("orders:write" in found, "[scopes]" in found) == (True, True)


def test_scopes_that_are_not_listed_are_doubtful(server, line):
    del server.document["scopes_supported"]
    assert line().startswith("warning  scopes:")


@pytest.mark.parametrize("body", [b"[]", b"<html>", b'{"a":' * 99_999, b"{}"])
def test_no_document_is_doubtful(server, line, body):
    server.answers[METADATA] = 200, {}, body
    assert line().startswith("warning  discovery:")


def test_openid_configuration_will_do(server, run):
    server.answers["/.well-known/openid-configuration"] = server.answers.pop(METADATA)
    assert run()[0] == 0


def test_an_issuer_with_a_path_has_its_document_where_rfc_8414_says(server, run, configure):
    configure(ISSUER=f"{server.origin}/tenant")
    server.document["issuer"] = f"{server.origin}/tenant"
    server.answers[f"{METADATA}/tenant"] = server.answers.pop(METADATA)
    assert run()[0] == 0


# What is printed.


@pytest.mark.parametrize("status", [200, 302, 401, 404, 500])
def test_neither_secret_nor_token_is_printed(server, run, status):
    server.answers[PATH] = status, {"Location": f"http://me:{SECRET}@x/?{SECRET}"}, SECRET.encode()
    assert SECRET not in "".join(run()[1])


def test_credentials_in_the_url_are_not_printed(server, run, configure):
    configure(**{URL: server.origin.replace("//", f"//me:{SECRET}@") + PATH})
    assert SECRET not in "".join(run()[1])


def test_what_a_stranger_says_cannot_move_the_cursor(server, run):
    server.document["introspection_endpoint"] = "http://x/\x1b[2J\nok"
    lines = run()[1]
    assert (len(lines), "\x1b" in "".join(lines)) == (10, False)


def test_a_long_story_is_cut(server, run):
    server.document["issuer"] = "x" * 10_000
    assert max(map(len, run()[1])) < 600
