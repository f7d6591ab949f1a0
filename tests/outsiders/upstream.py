"""A server that stands for Google and GitHub: the endpoints that django-allauth uses of them."""

import base64
import hashlib
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT_ID, SECRET = "gatehouse", "an-upstream-secret"
SETTINGS = """
SOCIALACCOUNT_PROVIDERS["github"]["GITHUB_URL"] = "{0}"
SOCIALACCOUNT_PROVIDERS["google"] |= {{
    "AUTHORIZE_URL": "{0}/authorize",
    "ACCESS_TOKEN_URL": "{0}/token",
    "ID_TOKEN_ISSUER": "{0}",
}}
"""


class Upstream(ThreadingHTTPServer):
    """`person` is who has signed in there: id, email, is_verified."""

    person = ("", "", False)

    def __init__(self, port, redirect_uris):
        super().__init__(("localhost", port), Handler)
        self.url = f"http://localhost:{port}"
        self.redirect_uris = redirect_uris
        self.requests = {}  # of authorization, by code

    @contextmanager
    def running(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        yield self
        self.shutdown()
        self.server_close()


def encoded(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Handler(BaseHTTPRequestHandler):
    """Answers 400 to a request that is wrong, as a failed assertion closes the connection."""

    server: Upstream

    def log_message(self, *arguments):
        pass

    def answer(self, content, status=200, **headers):
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json"} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def do_GET(self):
        address = urlsplit(self.path)
        uid, email, is_verified = self.server.person
        if address.path.endswith("/authorize"):
            self.authorize({name: values[0] for name, values in parse_qs(address.query).items()})
        elif self.headers.get("Authorization") != f"token {uid}":
            self.answer({}, 401)
        elif address.path == "/api/v3/user":
            self.answer({"id": uid, "login": "someone", "email": None})
        else:
            assert address.path == "/api/v3/user/emails"
            self.answer([{"email": email, "primary": True, "verified": is_verified}])

    def authorize(self, asked):
        """Lead back without a page, as for a person who has allowed it before."""
        if asked["redirect_uri"] not in self.server.redirect_uris:
            return self.answer({"error": "redirect_uri_mismatch"}, 400)
        assert (asked["client_id"], asked["code_challenge_method"]) == (CLIENT_ID, "S256")
        code = token_urlsafe()
        self.server.requests[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        return self.answer({}, 302, Location=f"{asked['redirect_uri']}?{back}")

    def do_POST(self):
        """Give out the tokens for a code, once."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        asked = self.server.requests.pop(form["code"])
        challenge = encoded(hashlib.sha256(form["code_verifier"].encode()).digest())
        assert (challenge, form["client_secret"]) == (asked["code_challenge"], SECRET)
        assert form["redirect_uri"] == asked["redirect_uri"]
        uid, email, is_verified = self.server.person
        claims = {
            "iss": self.server.url,
            "aud": CLIENT_ID,
            "exp": int(time.time()) + 600,
            "iat": int(time.time()),
            "sub": uid,
            "email": email,
            "email_verified": is_verified,
        }
        parts = [encoded(json.dumps(each).encode()) for each in ({"alg": "RS256"}, claims)]
        # It came from the server itself, so its signature is not looked at.
        self.answer({"access_token": uid, "id_token": ".".join([*parts, encoded(b"none")])})
