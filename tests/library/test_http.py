"""`HTTPClient`: replicas that fall silent, proxies, certificates, headers and sizes."""

import socket
import subprocess
import sys
from threading import Barrier, Thread

import pycurl
import pytest
from oauth_resource_server import AuthorizationServerUnavailable
from oauth_resource_server.conf import Conf
from oauth_resource_server.http import client as http
from oauth_resource_server.http.client import MAX_BODY_BYTES, HTTPClient

from .authorization_server import AuthorizationServer
from .web_server import WebServer, self_signed

QUESTION = "token=a-token&token_type_hint=access_token"


def client_of(url, **timeouts):
    """A client with more patience than any machine needs that is busy, unless told otherwise."""
    patience = {"connect_timeout": 30, "read_timeout": 30, "total_timeout": 60}
    return HTTPClient(url, Conf(**patience | timeouts))


def status_of(client, headers=None):
    return client.exchange(headers or {}, QUESTION).status


@pytest.fixture
def silence():
    """Return a function that replaces the patience of a client, once its connections are open."""

    def silence(client):
        for connection in client.idle:
            connection._timeout = 0.3

    return silence


# A host with several addresses.


@pytest.fixture
def replicas(monkeypatch):
    """Two authorization servers behind the name `as.test`, of which libcurl tries the first."""
    if not sys.platform.startswith("linux"):
        pytest.skip("Elsewhere 127.0.0.2 is no address of this machine.")
    first = AuthorizationServer("127.0.0.2")
    second = AuthorizationServer("127.0.0.3", first.port)
    make = pycurl.Curl

    def resolved():
        curl = make()
        curl.setopt(pycurl.RESOLVE, [f"as.test:{first.port}:{first.host},{second.host}"])
        return curl

    monkeypatch.setattr(http.pycurl, "Curl", resolved)
    yield first, second
    for server in (first, second):
        server.stop()


@pytest.fixture
def url(replicas):
    return f"http://as.test:{replicas[0].port}/o/introspect/"


def asked(replicas):
    return [len(one.requests) for one in replicas]


def test_the_first_address_is_asked(replicas, url):
    assert (status_of(client_of(url)), asked(replicas)) == (200, [1, 0])


def test_another_address_answers_for_a_silent_one(replicas, url):
    replicas[0].stall()
    assert (status_of(client_of(url, read_timeout=0.3)), asked(replicas)) == (200, [1, 1])


def test_another_address_answers_for_one_that_falls_silent(replicas, url, silence):
    client = client_of(url)
    status_of(client)
    silence(client)
    replicas[0].stall()
    assert (status_of(client), asked(replicas)) == (200, [2, 1])


def test_another_address_answers_for_one_that_hangs_up(replicas, url):
    replicas[0].hang_up(times=99)
    assert (status_of(client_of(url)), asked(replicas)) == (200, [1, 1])


def test_another_address_answers_for_one_that_does_not_listen(replicas, url):
    replicas[0].stop()
    assert status_of(client_of(url)) == 200


def test_a_silent_address_is_not_asked_again_soon(replicas, url):
    replicas[0].stall()
    client = client_of(url, read_timeout=0.3)
    for _ in range(5):
        status_of(client)
        client.idle.clear()
    assert asked(replicas) == [1, 5]


def test_a_silent_address_is_asked_again_later(replicas, url):
    replicas[0].stall()
    client = client_of(url, read_timeout=0.3)
    status_of(client)
    client.idle.clear()
    client.avoided_until[replicas[0].host] = 0
    replicas[0].behaviour = replicas[0].introspect
    status_of(client)
    assert asked(replicas) == [2, 1]


def test_an_avoided_address_is_asked_if_the_other_one_is_gone(replicas, url):
    replicas[0].stall()
    client = client_of(url, read_timeout=0.3)
    status_of(client)
    client.idle.clear()
    replicas[0].behaviour = replicas[0].introspect
    replicas[1].stop()
    assert status_of(client) == 200


def test_an_outage_of_all_addresses_is_an_outage(replicas, url):
    for one in replicas:
        one.stall()
    with pytest.raises(AuthorizationServerUnavailable):
        status_of(client_of(url, read_timeout=0.3))
    assert asked(replicas) == [1, 1]


def test_an_address_with_half_a_response_is_not_replaced(replicas, url):
    replicas[0].cut_off_in_the_body()
    with pytest.raises(AuthorizationServerUnavailable):
        status_of(client_of(url))
    assert asked(replicas) == [1, 0]


def test_a_silent_address_is_logged_if_another_one_answers(replicas, url, caplog):
    replicas[0].stall()
    status_of(client_of(url, read_timeout=0.3))
    assert [one.getMessage() for one in caplog.records] == [
        f"{url}: no answer from 127.0.0.2, but from another address."
    ]


@pytest.mark.django_db
def test_good_answers_continue_and_the_circuit_stays_closed(replicas, url, configure, client):
    configure(
        RESOURCE_SERVER_INTROSPECTION_URL=url,
        RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS=0.3,
        BREAKER_OUTAGES=1,
    )
    tokens = [f"token-{number}" for number in range(6)]
    for token in tokens:
        replicas[1].issue(token)
    replicas[0].stall()
    headers = [{"Authorization": f"Bearer {token}"} for token in tokens]
    assert {client.get("/default/", headers=one).status_code for one in headers} == {200}


# A host with one address, and several replicas behind it.


def silent_over_kept_connections(server):
    """Answer the first request of each connection only, as if its replica went away."""
    seen = set()

    def behaviour(handler):
        if handler.client_address in seen:
            server._stopped.wait()
        seen.add(handler.client_address)
        server.introspect(handler)

    server.behaviour = behaviour


def test_a_new_connection_replaces_one_that_has_fallen_silent(authorization_server, silence):
    silent_over_kept_connections(authorization_server)
    client = client_of(authorization_server.url)
    status_of(client)
    silence(client)
    assert status_of(client) == 200
    assert (len(authorization_server.requests), authorization_server.connections) == (3, 2)


def test_a_silent_connection_gets_half_of_the_time(authorization_server):
    silent_over_kept_connections(authorization_server)
    client = client_of(authorization_server.url, total_timeout=1)
    status_of(client)
    assert status_of(client) == 200


def test_the_other_idle_connections_are_not_used_after_a_silence(authorization_server, silence):
    client, together = client_of(authorization_server.url), Barrier(3)
    silent_over_kept_connections(authorization_server)
    behaviour = authorization_server.behaviour
    authorization_server.behaviour = lambda handler: (together.wait(30), behaviour(handler))
    threads = [Thread(target=status_of, args=(client,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    authorization_server.behaviour = behaviour
    silence(client)
    # The first question meets a silent connection. The next two find idle ones, and open new ones.
    assert [(status_of(client), client.idle.pop())[0] for _ in range(3)] == [200] * 3
    assert len(authorization_server.requests) == 3 + 2 + 1 + 1


def test_a_service_that_stays_silent_is_unavailable(authorization_server, silence):
    client = client_of(authorization_server.url)
    status_of(client)
    silence(client)
    authorization_server.stall()
    with pytest.raises(AuthorizationServerUnavailable):
        status_of(client)


# Forks.


@pytest.mark.filterwarnings("ignore:.*fork")
def test_a_child_does_not_inherit_connections(authorization_server):
    client = client_of(authorization_server.url)
    status_of(client)
    subprocess.run(["true"], preexec_fn=lambda: None, check=True)
    assert client.idle == []


# Proxies.


@pytest.fixture
def proxy(monkeypatch):
    """A web server that refuses to be a proxy, and that is the one of the environment."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, address)
    lines = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                lines.append(connection.recv(9999).partition(b"\r\n")[0].decode())
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    thread = Thread(target=serve)
    thread.start()
    yield lines
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def failure(client):
    with pytest.raises(AuthorizationServerUnavailable) as raised:
        client.exchange({}, QUESTION)
    return str(raised.value)


def test_https_goes_through_the_proxy_of_the_environment(proxy):
    failure(client_of("https://as.example.com/o/introspect/"))
    assert set(proxy) == {"CONNECT as.example.com:443 HTTP/1.1"}


def test_a_host_of_no_proxy_is_asked_directly(proxy, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "localhost,.invalid")
    failure(client_of("https://as.invalid/o/introspect/"))
    assert proxy == []


def test_plain_http_goes_to_its_private_network_directly(proxy, authorization_server):
    assert (status_of(client_of(authorization_server.url)), proxy) == (200, [])


# Certificates.


@pytest.fixture
def tls_server(tmp_path, monkeypatch):
    """A web server whose certificate no authority has signed."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    server = WebServer(self_signed(tmp_path / "certificate.pem"))
    server.answers["/"] = (200, {}, b"{}")
    yield server
    server.stop()


def test_an_unknown_authority_is_refused(tls_server):
    assert "certificate" in failure(client_of(f"{tls_server.origin}/"))


def test_the_authority_of_the_variable_is_trusted(tls_server, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    assert status_of(client_of(f"{tls_server.origin}/")) == 200


def test_a_missing_file_of_the_variable_leads_to_no_other_authority(
    tls_server, monkeypatch, tmp_path
):
    monkeypatch.setattr(http, "CA_FILES", str(tmp_path / "certificate.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    assert "missing.pem" in failure(client_of(f"{tls_server.origin}/"))


def test_the_authorities_of_the_system_are_found(tls_server, monkeypatch, tmp_path):
    # As with a Python whose OpenSSL was built for another distribution.
    nothing = http.ssl.get_default_verify_paths()._replace(cafile=None, capath=None)
    monkeypatch.setattr(http.ssl, "get_default_verify_paths", lambda: nothing)
    monkeypatch.setattr(http, "CA_FILES", f"/missing {tmp_path / 'certificate.pem'}")
    assert status_of(client_of(f"{tls_server.origin}/")) == 200


def test_a_second_connection_resumes_the_session(tls_server, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    client = client_of(f"{tls_server.origin}/")
    for _ in range(2):  # HTTP/1.0 ends a connection after each answer.
        status_of(client)
    assert tls_server.context.session_stats()["hits"] == 1


# Headers and bodies.


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "a\0b", "a\rb", "a\x1bb"])
def test_a_header_with_a_control_character_is_not_sent(authorization_server, value):
    with pytest.raises(ValueError, match="not printable"):
        status_of(client_of(authorization_server.url), {"X-Request-ID": value})
    assert authorization_server.requests == []


@pytest.mark.parametrize("value", ["", "é", "a;b", "@file"])
def test_any_other_header_is_sent_as_it_is(authorization_server, value):
    status_of(client_of(authorization_server.url), {"X-Request-ID": value})
    assert authorization_server.requests[0].headers["X-Request-ID"] == value


def test_nothing_is_sent_that_was_not_asked_for(authorization_server):
    status_of(client_of(authorization_server.url), {"Accept": "application/json"})
    assert dict(authorization_server.requests[0].headers) == {
        "Host": authorization_server.url.split("/")[2],
        "User-Agent": "django-oauth-resource-server",
        "Accept": "application/json",
        "Content-Length": str(len(QUESTION)),
        "Content-Type": "application/x-www-form-urlencoded",
    }


def test_the_longest_token_is_sent_without_waiting_for_a_status_100(authorization_server):
    client_of(authorization_server.url).exchange({}, f"token={'%2B' * 16_000}")
    [request] = authorization_server.requests
    assert (len(request.form["token"]), request.headers["Expect"]) == (16_000, None)


def test_a_body_without_a_length_has_the_same_limit(authorization_server):
    def behaviour(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(MAX_BODY_BYTES // 1000 + 1):
            handler.wfile.write(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        handler.close_connection = True

    authorization_server.behaviour = behaviour
    response = client_of(authorization_server.url).exchange({}, QUESTION)
    assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/"])
def test_no_other_protocol_is_spoken(url):
    assert f'Protocol "{url.partition(":")[0]}"' in failure(client_of(url))
