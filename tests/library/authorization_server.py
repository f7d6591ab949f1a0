"""An authorization server that the tests command: a real HTTP server in a thread."""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import SimpleNamespace
from urllib.parse import parse_qs

ISSUER = "https://as.example.com"
AUDIENCE = "https://orders.example.com"


class AuthorizationServer:
    """Answers introspection from `tokens`, until `behaviour` is replaced.

    Attributes:
        tokens: What is answered about each token; about any other, that it is inactive.
        behaviour: Called with the handler of a request; answers it, or does not.
        requests: Each with `path`, `headers` and `form`.
        asked: Set by the first of them, which may come after the last request has timed out.
        connections: How many were opened.
    """

    def __init__(self, host="127.0.0.1", port=0):
        self.host = host
        self.tokens = {}
        self.behaviour = self.introspect
        self.requests = []
        self.asked = Event()
        self.connections = 0
        self.start(port)
        self.port = self._server.server_port
        self.url = f"http://{host}:{self.port}/o/introspect/"

    def start(self, port=0):
        """Listen, and answer."""
        self._stopped = Event()
        self._server = _Server((self.host, port), _handler_of(self))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def start_again(self):
        """Be back at the same address, if it has stopped."""
        if self._stopped.is_set():
            self.start(self.port)

    def stop(self):
        """Stop answering; let go whatever is stalled."""
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def issue(self, token, **members):
        """Make `token` an active one of Alice's; `members` replace those of the answer."""
        now = int(time.time())
        self.tokens[token] = {
            "active": True,
            "scope": "orders:read orders:write",
            "client_id": "shop",
            "token_type": "Bearer",
            "exp": now + 600,
            "iat": now,
            "sub": "alice-uuid",
            "aud": [AUDIENCE],
            "iss": ISSUER,
            "username": "alice@example.com",
        } | members
        return token

    def issue_to_machine(self, token, **members):
        """Make `token` an active one that `importer` got by client credentials."""
        self.issue(token, **{"client_id": "importer", "sub": "importer"} | members)
        del self.tokens[token]["username"]
        return token

    def introspect(self, handler):
        answer = self.tokens.get(handler.form["token"], {"active": False})
        handler.answer(200, json.dumps(answer).encode())

    def answer_with(self, status, body=b"", **headers):
        """Answer every request like this from now on."""
        self.behaviour = lambda handler: handler.answer(status, body, **headers)

    def stall(self):
        """Accept requests from now on, and never answer."""

        def behaviour(handler):
            self._stopped.wait()
            handler.close_connection = True

        self.behaviour = behaviour

    def stall_in_the_body(self):
        """Promise 100 bytes from now on, and send 10."""

        def behaviour(handler):
            handler.answer(200, b'{"active":', Content_Length="100")
            self._stopped.wait()

        self.behaviour = behaviour

    def cut_off_in_the_body(self):
        """Promise 100 bytes from now on, send 10 and hang up."""

        def behaviour(handler):
            handler.answer(200, b'{"active":', Content_Length="100")
            handler.close_connection = True

        self.behaviour = behaviour

    def drip(self, answer):
        """Send a byte of `answer` now and then from now on, until the other end hangs up."""

        def behaviour(handler):
            handler.close_connection = True
            for byte in answer:
                handler.wfile.write(bytes([byte]))
                if self._stopped.wait(0.02):
                    break

        self.behaviour = behaviour

    def hang_up(self, times):
        """Close the connection without an answer, `times` times from now on."""
        remaining = iter(range(times))

        def behaviour(handler):
            if next(remaining, None) is None:
                self.introspect(handler)
            else:
                handler.close_connection = True

        self.behaviour = behaviour


class _Server(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        # Some tests want the other end to hang up.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler_of(authorization_server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # Connections stay open.
        disable_nagle_algorithm = True

        def setup(self):
            super().setup()
            authorization_server.connections += 1

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.form = {name: value for name, [value] in parse_qs(body).items()}
            authorization_server.requests.append(
                SimpleNamespace(path=self.path, headers=self.headers, form=self.form)
            )
            authorization_server.asked.set()
            authorization_server.behaviour(self)

        def answer(self, status, body, **headers):
            self.send_response(status)
            for name, value in ({"Content_Length": str(len(body))} | headers).items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, *args):
            pass

    return Handler
