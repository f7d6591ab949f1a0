"""`manage.py resource_server_doctor` reports problems and the setting to change."""

import json
import socket
import time
from email.utils import formatdate
from io import StringIO

import pytest
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import Warning, register
from django.core.checks.registry import registry
from django.core.management import CommandError, call_command
from oauth_resource_server.doctor import connection

from .jwts import AUD, jwt, key, key_set
from .web_server import WebServer, basic_of, self_signed

PATH = "/o/introspect/"
METADATA = "/.well-known/oauth-authorization-server"
URL = "RESOURCE_SERVER_INTROSPECTION_URL"
PAIR = "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS"
CACHING = "RESOURCE_SERVER_TOKEN_CACHING_SECONDS"
CLIENT_ID, SECRET = "orders-introspection", "s3cret-never-printed"
SCOPES = ["orders:read", "orders:write", "inventory:read"]


@pytest.fixture
def run():
    """Return a function that runs the command, and returns its exit code and its lines."""

    def run(**options):
        output = StringIO()
        try:
            call_command("resource_server_doctor", stdout=output, **options)
        except CommandError as error:
            return error.returncode, output.getvalue().splitlines()
        return 0, output.getvalue().splitlines()

    return run


@pytest.fixture
def line(run):
    """Return a function that returns the only line that does not begin with ``ok``."""

    def line():
        _, lines = run()
        [line] = [line for line in lines if not line.startswith("ok ")]
        return line

    return line


@pytest.fixture
def set_up(configure, monkeypatch):
    """Return a function that sets up a web server as the authorization server of the settings."""

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
        # As in `.env`.
        monkeypatch.setenv("AUTHORIZATION_SERVER_URL", server.origin)
        monkeypatch.setenv("ORDERS_INTROSPECTION_CLIENT_ID", CLIENT_ID)
        monkeypatch.setenv("ORDERS_INTROSPECTION_CLIENT_SECRET", SECRET)
        monkeypatch.setenv(CACHING, "10")
        return server

    return set_up


@pytest.fixture
def server(set_up):
    """A working authorization server."""
    server = WebServer()
    yield set_up(server)
    server.stop()


@pytest.fixture
def tls_server(set_up, tmp_path, monkeypatch):
    """Return a function that makes an authorization server with a certificate."""
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


# A working setup.


def test_a_working_setup_has_no_problem(server, run):
    code, lines = run()
    assert (code, {line.split()[0] for line in lines}) == (0, {"ok"})


def test_a_check_of_the_project_about_credentials_is_repeated(server, run, monkeypatch):
    def check(app_configs, **kwargs):
        return [Warning("A rotation is overdue.", id="project.W001")]

    monkeypatch.setattr(registry, "registered_checks", {*registry.registered_checks})
    register(check, "credentials")
    code, lines = run()
    assert (code, lines[0]) == (0, "warning  settings: A rotation is overdue. (project.W001)")


def test_each_step_has_a_line(server, run):
    subjects = [line[9:].partition(":")[0] for line in run()[1]]
    assert subjects == [
        *("settings", "rules", "caching", "address"),
        *("clock", "credentials", "introspection", "discovery"),
    ]


def test_the_credentials_are_sent_once(server, run):
    run()
    assert [basic_of(seen) for seen in server.seen if seen] == [f"{CLIENT_ID}:{SECRET}"]


def test_a_warning_is_not_a_failure(server, run, configure):
    configure(**{CACHING: 0})
    assert run()[0] == 0


def test_a_problem_is_a_failure(server, run, configure):
    configure(ISSUER="https://elsewhere.example.com")
    assert run()[0] == 1


def test_a_container_may_use_another_address_than_the_public_one(server, run, configure):
    configure(ISSUER="http://localhost:8000")
    server.document |= {
        "issuer": "http://localhost:8000",
        "introspection_endpoint": f"http://localhost:8000{PATH}",
    }
    code, lines = run()
    assert (code, [line for line in lines if not line.startswith("ok")]) == (0, [])


# Settings.


def test_a_warning_of_the_system_checks_is_a_warning(server, line, configure):
    configure(AUDIENCE=None)
    assert line().startswith("warning  settings: OAUTH_RESOURCE_SERVER['AUDIENCE']")


def test_an_error_of_the_system_checks_is_the_only_line(run, configure):
    configure(ISSUER=None)
    [line] = run()[1]
    assert line.startswith("problem  settings: OAUTH_RESOURCE_SERVER['ISSUER'] is not set")


def test_plain_http_to_another_network_is_a_warning(server, run, configure, monkeypatch):
    monkeypatch.setattr(connection, "is_safe", lambda url: False)
    [line] = [line for line in run()[1] if line.startswith("warning")]
    assert line.startswith("warning  TLS: secrets are sent unencrypted")
    assert "AUTHORIZATION_SERVER_URL in .env" in line


@pytest.mark.parametrize("audience", ["orders", "https://orders.example.com/#a"])
def test_an_audience_that_no_token_can_have_is_a_problem(server, line, configure, audience):
    configure(AUDIENCE=audience)
    assert line().startswith(f"problem  rules: no token has the audience {audience!r}")


def test_it_is_not_called_accepted(server, run, configure, monkeypatch):
    monkeypatch.setenv("ORDERS_URL", "orders")
    configure(AUDIENCE="orders")
    [line] = [line for line in run()[1] if line[9:].startswith("rules:")]
    assert line.endswith("Change ORDERS_URL in .env.")


@pytest.mark.parametrize("seconds", [0, 3600])
def test_caching_nothing_or_for_long_is_a_warning(server, line, configure, seconds):
    configure(**{CACHING: seconds})
    found = line()
    assert (found.startswith("warning  caching:"), f"Change {CACHING}" in found) == (True, True)


def test_the_caching_time_of_an_entry_is_the_one_that_counts(server, run, configure):
    configure(ISSUERS=[{"preset": "authorization_server", "caching_seconds": 7}])
    assert "ok       caching: a revoked token is accepted for up to 7 s" in run()[1]


def test_the_caching_time_of_an_entry_is_named(server, line, configure):
    configure(ISSUERS=[{"preset": "authorization_server", "caching_seconds": 3600}])
    assert "Change `caching_seconds` of authorization_server" in line()


def test_not_caching_invalid_tokens_is_a_warning(server, line, configure):
    configure(INACTIVE_CACHING_SECONDS=0)
    assert "INACTIVE_CACHING_SECONDS" in line()


# The shared cache.


class BrokenCache(LocMemCache):
    """A cache that is down, with the password of its address in the message."""

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


def test_a_cache_that_is_down_is_a_problem_without_its_password(shared_cache_line):
    line = shared_cache_line("library.test_doctor.BrokenCache")
    assert line.startswith("problem  shared cache: 'default' does not answer (ConnectionError)")
    assert "s3cret" not in line


def test_a_cache_that_stores_nothing_is_a_problem(shared_cache_line):
    line = shared_cache_line("django.core.cache.backends.dummy.DummyCache")
    assert line.startswith("problem  shared cache: 'default' does not store values")


def test_a_cache_that_stores_values_is_ok(shared_cache_line, tmp_path):
    backend = "django.core.cache.backends.filebased.FileBasedCache"
    line = shared_cache_line(backend, LOCATION=str(tmp_path))
    assert line == "ok       shared cache: 'default' stores values"


# Connection.


def test_a_name_without_an_address_is_a_problem(line, server, configure, monkeypatch):
    configure(**{URL: "https://as.invalid/o/introspect/"})
    monkeypatch.setenv("AUTHORIZATION_SERVER_INTERNAL_URL", "https://as.invalid")
    found = line()
    assert found.startswith("problem  address: no connection to https://as.invalid")
    assert "change AUTHORIZATION_SERVER_INTERNAL_URL in .env" in found


def test_a_server_that_is_down_is_one_line(line, server):
    server.stop()
    found = line()
    assert found.startswith("problem  address: no connection to http://127.0.0.1:")
    assert "AUTHORIZATION_SERVER_URL in .env" in found


@pytest.mark.parametrize(("days", "level"), [(13, "warning"), (15, "ok"), (90, "ok")])
def test_a_certificate_that_expires_soon_is_a_warning(tls_server, run, days, level):
    tls_server(days=days)
    code, lines = run()
    [found] = [line for line in lines if "TLS" in line]
    assert (code, found.startswith(level), f" {days} days" in found) == (0, True, True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trusted": False}, "self-signed"),
        ({"days": -1}, "expired"),
        ({"host": "127.0.0.2"}, "127.0.0.1"),
    ],
)
def test_a_certificate_that_is_not_accepted_is_a_problem(tls_server, line, options, words):
    tls_server(**options)
    found = line()
    assert found.startswith("problem  TLS: the certificate of https://127.0.0.1:")
    assert (words in found, "SSL_CERT_FILE" in found) == (True, True)


def test_a_port_that_does_not_speak_tls_is_a_problem(server, line, configure):
    configure(**{URL: f"{server.origin}{PATH}".replace("http:", "https:")})
    assert "does not speak TLS" in line()


def test_a_redirect_is_a_problem(server, run):
    target = "https://as.example.com/o/introspect/?key=abc"
    server.answers[PATH] = 301, {"Location": target}, b""
    [found] = [line for line in run()[1] if line.startswith("problem")]
    assert "redirects to https://as.example.com/o/introspect/. " in found
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
def test_a_response_without_a_date_is_a_warning(server, run, date):
    server.answers[PATH] = 401, {"Date": date}, b""
    [found] = [line for line in run()[1] if line[9:].startswith("clock:")]
    assert found.startswith("warning")


def test_a_server_that_does_not_speak_http_is_a_problem(line, server, configure):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        configure(
            **{URL: f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}"},
            RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS=1,
        )
        assert line().startswith("problem  endpoint:")


# Credentials and introspection.


@pytest.mark.parametrize("wrong", [(CLIENT_ID, "wrong"), ("another", SECRET)])
def test_refused_credentials_are_a_problem(server, line, configure, monkeypatch, wrong):
    configure(**{PAIR: wrong})
    monkeypatch.setenv("ORDERS_INTROSPECTION_CLIENT_ID", wrong[0])
    monkeypatch.setenv("ORDERS_INTROSPECTION_CLIENT_SECRET", wrong[1])
    found = line()
    assert found.startswith(f"problem  credentials: the client {wrong[0]} is refused (status 401)")
    assert "ORDERS_INTROSPECTION_CLIENT_ID in .env" in found
    assert "ORDERS_INTROSPECTION_CLIENT_SECRET in .env" in found


def test_a_secret_from_a_file_is_named_by_its_variable(
    server, line, configure, monkeypatch, tmp_path
):
    (tmp_path / "secret").write_text("wrong\n")
    monkeypatch.delenv("ORDERS_INTROSPECTION_CLIENT_SECRET")
    monkeypatch.setenv("ORDERS_INTROSPECTION_CLIENT_SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("OTHER_CLIENT_SECRET_FILE", str(tmp_path / "missing"))
    configure(**{PAIR: (CLIENT_ID, "wrong")})
    assert "and ORDERS_INTROSPECTION_CLIENT_SECRET_FILE in .env" in line()


def test_credentials_of_no_variable_are_named_by_their_setting(server, line, configure):
    configure(**{PAIR: ("another", "wrong")})
    assert f"Make OAUTH2_PROVIDER['{PAIR}'] in the settings the same" in line()


def test_a_refused_bearer_token_is_a_problem(server, line, configure):
    configure(**{PAIR: None}, RESOURCE_SERVER_AUTH_TOKEN="mine")
    server.answers[PATH] = 401, {}, b""
    assert "OAUTH2_PROVIDER['RESOURCE_SERVER_AUTH_TOKEN']" in line()


def test_an_accepted_bearer_token_is_ok(server, run, configure):
    configure(**{PAIR: None}, RESOURCE_SERVER_AUTH_TOKEN="mine")
    server.answers[PATH] = 200, {}, b'{"active": false}'
    assert "ok       introspection: a made-up token is inactive" in run()[1]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, {}, b"<html>"), "JSON object"),
        ((200, {}, b'{"active": true, "sub": "x"}'), "not `active: false`"),
        ((200, {}, b"{}"), "not `active: false`"),
        ((404, {}, b""), "Status 404"),
        ((500, {}, b""), "Status 500"),
        ((429, {}, b""), "Status 429"),
    ],
)
def test_a_response_that_is_not_rfc_7662_is_a_problem(server, line, answer, words):
    server.answers[PATH] = answer
    found = line()
    assert (found.startswith("problem  introspection:"), words in found) == (True, True)
    assert "hange AUTHORIZATION_SERVER_URL in .env" in found


# Discovery.


def test_another_issuer_is_a_problem(server, line):
    server.document["issuer"] = f"{server.origin}/"
    found = line()
    assert found.startswith(
        f"problem  discovery: `issuer` is {server.origin}/, but {server.origin}"
    )
    assert "Change AUTHORIZATION_SERVER_URL in .env" in found


@pytest.mark.parametrize("endpoint", ["/introspect", "["])
def test_another_introspection_endpoint_is_a_warning(server, line, endpoint):
    server.document["introspection_endpoint"] = f"{server.origin}{endpoint}"
    assert line().startswith("warning  discovery: `introspection_endpoint` is")


def test_a_scope_that_the_authorization_server_does_not_have_is_a_problem(server, line):
    server.document["scopes_supported"] = ["orders:read"]
    found = line()
    assert found.startswith(
        "problem  discovery: the authorization server has no scope orders:write"
    )
    assert "[scopes]" in found


def test_the_default_scopes_of_dot_are_not_required(server, run, settings):
    dot = settings.OAUTH2_PROVIDER
    settings.OAUTH2_PROVIDER = {name: dot[name] for name in dot if name != "SCOPES"}
    assert run()[0] == 0


@pytest.mark.parametrize("member", ["introspection_endpoint", "scopes_supported"])
@pytest.mark.parametrize("value", [None, 5])
def test_an_optional_member_may_be_missing(server, run, member, value):
    server.document[member] = value
    assert run()[0] == 0


@pytest.mark.parametrize("body", [b"[]", b"<html>", b'{"a":' * 99_999, b"{}"])
def test_a_missing_document_is_a_warning(server, line, body):
    server.answers[METADATA] = 200, {}, body
    assert line().startswith("warning  discovery: no document")


@pytest.mark.parametrize(
    "path",
    [
        "/.well-known/oauth-authorization-server/tenant",
        "/tenant/.well-known/openid-configuration",
        "/tenant/.well-known/oauth-authorization-server",
    ],
)
def test_the_document_of_an_issuer_with_a_path_has_three_places(server, run, configure, path):
    configure(ISSUER=f"{server.origin}/tenant")
    server.document["issuer"] = f"{server.origin}/tenant"
    server.answers[path] = server.answers.pop(METADATA)
    assert run()[0] == 0


# Other issuers: the same steps, and keys.


@pytest.fixture
def jwks(server, configure, monkeypatch):
    """Return a function that configures an issuer of JWTs on the same server."""
    for name in ("AUTHORIZATION_SERVER_URL", CACHING):
        monkeypatch.delenv(name)

    def jwks(*others, **options):
        issuer = {"preset": "rfc9068", "issuer": server.origin, "jwks_url": f"{server.origin}/keys"}
        configure(ISSUERS=[*others, issuer | options])

    server.answers["/keys"] = (200, {}, json.dumps(key_set(key("one"))).encode())
    return jwks


def test_a_working_issuer_of_jwts_has_no_problem(run, server, jwks):
    jwks()
    code, lines = run()
    assert (code, {line.split()[0] for line in lines}) == (0, {"ok"})
    assert f"ok       keys: 1 of 1 at {server.origin}/keys are for RS256" in lines


def test_a_working_issuer_of_both_kinds_has_no_problem(run, server, jwks):
    jwks(
        strategy="jwt+introspection",
        url=f"{server.origin}{PATH}",
        client_id=CLIENT_ID,
        client_secret=SECRET,
    )
    subjects = [line[9:].partition(":")[0] for line in run()[1] if line.startswith("ok")]
    assert subjects[-4:] == ["keys", "credentials", "introspection", "discovery"]


def test_a_missing_key_set_is_a_problem(line, server, jwks, monkeypatch):
    monkeypatch.setenv("ORDERS_RFC9068_JWKS_URL", f"{server.origin}/keys")
    monkeypatch.setenv("INVENTORY_RFC9068_JWKS_URL", "https://id.example.com/keys")
    server.answers["/keys"] = (404, {}, b"")
    jwks()
    found = line()
    assert found.startswith("problem  keys:")
    assert "Change ORDERS_RFC9068_JWKS_URL in .env." in found


def test_a_key_set_without_a_key_for_the_algorithms_is_a_problem(line, jwks):
    jwks(algorithms=["ES256"])
    assert line().startswith("problem  keys: 0 of 1 at")


def test_a_host_without_an_address_is_named_by_the_entry(line, jwks):
    jwks(jwks_url="https://id.invalid/keys")
    assert "change OAUTH_RESOURCE_SERVER['ISSUERS'] (the entry 'rfc9068') in the settings" in line()


def test_revocation_without_introspection_is_explained(run, jwks):
    jwks()
    assert any("a revoked token is accepted until `exp`" in line for line in run()[1])


def test_the_rules_name_the_type_of_the_jwt(run, jwks):
    jwks()
    [line] = [line for line in run()[1] if line[9:].startswith("rules:")]
    assert line.endswith(" by jwt with the header `typ` at+jwt or application/at+jwt")


def test_the_rules_of_one_entry_name_its_own_audience_only(run, jwks):
    jwks(audience="orders", client_ids="shop")
    lines = "".join(run()[1])
    assert ("for orders of the clients shop" in lines, "orders.example.com" in lines) == (
        True,
        False,
    )


def test_other_keys_than_those_of_the_document_are_a_warning(server, line, jwks):
    server.document["jwks_uri"] = f"{server.origin}/other"
    jwks()
    assert line().startswith("warning  discovery: `jwks_uri` is")


def test_a_refused_client_of_an_entry_is_named_by_its_variables(
    line, server, configure, monkeypatch
):
    entry = {"preset": "rfc7662", "issuer": server.origin, "url": f"{server.origin}{PATH}"}
    configure(ISSUERS=[entry | {"client_id": "another", "client_secret": "s3cret"}])
    monkeypatch.setenv("RFC7662_CLIENT_ID", "another")
    monkeypatch.setenv("PARTNERS_SECRET", "s3cret")
    found = line()
    assert "Make RFC7662_CLIENT_ID in .env and PARTNERS_SECRET in .env the same" in found


def test_the_lines_of_several_issuers_begin_with_their_names(run, jwks):
    jwks({"preset": "authorization_server"})
    subjects = {line[9:].partition(":")[0] for line in run()[1]}
    assert {"authorization_server address", "rfc9068 keys"} <= subjects


def test_a_mistake_in_an_entry_is_a_problem(line, configure):
    configure(ISSUERS=[{"preset": "okta"}])
    assert "option domain is missing" in line()


# One token.


@pytest.fixture
def last(run, monkeypatch):
    """Return a function that sends a token to the standard input, and returns the last line."""

    def last(token):
        monkeypatch.setattr("sys.stdin", StringIO(f"{token}\n"))
        code, lines = run(token=True)
        assert token == "" or token not in "".join(lines)
        assert (code == 1) is any(line.startswith("problem") for line in lines)
        return lines[-1]

    return last


@pytest.mark.django_db
def test_a_token_that_is_accepted(last, server, jwks):
    jwks()
    line = last(jwt(iss=server.origin))
    assert line == "ok       token: is accepted, of the client shop for 'orders:read'"


@pytest.mark.parametrize(
    ("signer", "header", "changes", "words"),
    [
        (key("two"), {"typ": "JWT"}, {"aud": "other"}, "signature does not verify"),
        (None, {"typ": "JWT"}, {"aud": "other"}, "(the option `types`, or RFC9068_TYPES in .env)"),
        (None, {}, {"aud": "other"}, "expected the audience https://orders.example.com, got"),
        (None, {}, {"aud": "other"}, "Change ORDERS_URL in .env, or the request."),
        (None, {}, {"exp": 1}, "it has expired"),
        (None, {}, {"iss": "https://other.example.com"}, "issued: https://other.example.com."),
    ],
)
def test_a_jwt_that_is_refused(
    last, server, jwks, monkeypatch, caplog, signer, header, changes, words
):
    monkeypatch.setenv("ORDERS_URL", "https://orders.example.com")
    jwks()
    caplog.clear()
    token = jwt(signer, {"kid": "one"} | header, **{"iss": server.origin} | changes)
    line = last(token)
    assert (line.startswith("problem  token: "), words in line) == (True, True), line
    assert caplog.messages == []  # What is printed is not logged as well.


@pytest.mark.django_db
def test_the_option_types_accepts_another_type(last, server, jwks):
    jwks(types="JWT")
    assert last(jwt(header={"typ": "JWT"}, iss=server.origin)).startswith("ok       token:")


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("opaque", "authorization_server: a token is unknown, expired, revoked or for others."),
        ("a b", "is malformed"),
        ("", "is malformed"),
        ("a.b.c", "a token is unknown"),
        ("x" * 20_000, "is malformed"),
    ],
)
def test_an_opaque_token_that_is_refused(server, last, token, words):
    assert words in last(token)


def test_an_active_token_for_another_audience_is_explained(server, last):
    aud = "https://x.example.com"
    answer = {"active": True, "sub": "alice", "client_id": "shop", "aud": aud, "iss": server.origin}
    server.answers[PATH] = 200, {}, json.dumps(answer).encode()
    assert "expected the audience https://orders.example.com, got" in last("genuine")


@pytest.mark.django_db
def test_an_active_token_of_a_deactivated_person_is_explained(server, last, configure):
    configure(USERS="linked")
    answer = {"active": True, "sub": "alice", "client_id": "shop", "aud": AUD, "iss": server.origin}
    server.answers[PATH] = 200, {}, json.dumps(answer).encode()
    assert "owner is deactivated, or linked to no user here" in last("genuine")


def test_a_token_in_an_outage_cannot_be_checked(server, last):
    server.stop()
    assert last("unknown").startswith("problem  token: cannot be checked: No answer")


# Output.


@pytest.mark.parametrize("status", [200, 302, 401, 404, 500])
def test_neither_secret_nor_token_is_printed(server, run, status):
    server.answers[PATH] = status, {"Location": f"http://me:{SECRET}@x/?{SECRET}"}, SECRET.encode()
    assert SECRET not in "".join(run()[1])


def test_credentials_in_the_url_are_not_printed(server, run, configure):
    configure(**{URL: server.origin.replace("//", f"//me:{SECRET}@") + PATH})
    assert SECRET not in "".join(run()[1])


def test_a_server_cannot_send_control_characters_to_the_terminal(server, run):
    server.document["introspection_endpoint"] = "http://x/\x1b[2J\nok"
    lines = run()[1]
    assert (len(lines), "\x1b" in "".join(lines)) == (8, False)


def test_a_long_value_is_cut(server, run):
    server.document["issuer"] = "x" * 10_000
    assert max(map(len, run()[1])) < 600


# Reports of revocations.


@pytest.fixture
def reports(server, configure):
    """A server that reports revocations."""
    configure(REVOCATION_EVENTS_URL=f"{server.origin}/o/events/")
    server.answers["/o/events/"] = 200, {}, b'{"position": "1"}'
    return server


def test_reports_of_revocations_are_ok(reports, run):
    assert any(line.startswith("ok       revocations: are reported") for line in run()[1])


@pytest.mark.parametrize("answer", [(404, {}, b""), (200, {}, b"{}"), (200, {}, b"<html>")])
def test_missing_reports_of_revocations_are_a_warning(reports, line, answer):
    reports.answers["/o/events/"] = answer
    assert line().startswith("warning  revocations: are not reported: status")
