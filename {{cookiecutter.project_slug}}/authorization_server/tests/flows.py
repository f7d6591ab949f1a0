"""The requests of clients and people in the OAuth flows, by Django's test client."""

import base64
import hashlib
import html
import os
import re
import secrets
from urllib.parse import parse_qs, urlencode, urlsplit

from django.test import Client

FORM = "application/x-www-form-urlencoded"
REDIRECT_URI = "http://127.0.0.1:8765/callback"
# One for all requests without cookies: a new one would search the static files again.
MACHINE = Client()
VERIFIER = secrets.token_urlsafe(48)
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
)


def secret_of(client_id):
    """Return the secret of a confidential client."""
    return os.environ[f"{client_id.upper().replace('-', '_')}_CLIENT_SECRET"]


def basic(client_id, secret=None):
    """Return the headers with which a client authenticates (RFC 6749 section 2.3.1)."""
    credentials = f"{client_id}:{secret_of(client_id) if secret is None else secret}"
    return {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}


def bearer(token):
    """Return the headers with which an access token is sent (RFC 6750 section 2.1)."""
    return {"Authorization": f"Bearer {token}"}


def post_form(path, data, headers=None):
    """Send a form as clients do, without cookies; None leaves a parameter out."""
    body = urlencode(present(data), doseq=True)
    return MACHINE.post(path, body, content_type=FORM, headers=headers)


def present(parameters):
    """Return the parameters that are not None."""
    return {name: value for name, value in parameters.items() if value is not None}


def request_token(headers=None, **data):
    """Return the response of the token endpoint."""
    return post_form("/o/token/", data, headers)


def machine_token(client_id="demo-machine", **data):
    """Return an access token of a machine for itself."""
    response = request_token(basic(client_id), grant_type="client_credentials", **data)
    return response.json()["access_token"]


def introspect(token, resource_server="orders", headers=None):
    """Return the response of the introspection endpoint to a resource server."""
    return ask({"token": token}, headers or basic(f"{resource_server}-introspection"))


def ask(data, headers=None):
    """Send a form to the introspection endpoint, and return its response."""
    return post_form("/o/introspect/", data, headers)


def is_active(token, resource_server="orders"):
    """Return whether the token is active for a resource server."""
    return introspect(token, resource_server).json()["active"]


def parameters_of(response):
    """Return the parameters of an authorization response (RFC 6749 section 4.1.2)."""
    assert response.status_code == 302, response.content
    assert response["Location"].startswith(REDIRECT_URI)
    query = urlsplit(response["Location"]).query
    return {name: value for name, (value,) in parse_qs(query).items()}


class Browser(Client):
    """A person at a browser."""

    def authorize(self, **changes):
        """Open the authorization endpoint; None leaves a parameter out."""
        parameters = {
            "client_id": "demo-browser",
            "response_type": "code",
            "redirect_uri": REDIRECT_URI,
            "scope": "openid orders:read",
            "state": "a-state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | changes
        self.address = f"/o/authorize/?{urlencode(present(parameters), doseq=True)}"
        return self.get(self.address)

    def send_form(self, page, **changes):
        """Send the hidden fields of a page and `changes`, as its buttons do."""
        inputs = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text)
        fields = {name: html.unescape(value) for name, value in inputs}
        return self.post(self.address, fields | changes)

    def consent(self, **parameters):
        """Open the consent page, allow everything, and return the authorization response."""
        return parameters_of(self.send_form(self.authorize(**parameters), allow="true"))

    def tokens(self, **parameters):
        """Go through the authorization code flow, and return the response of the token endpoint."""
        return exchange(self.consent(**parameters)["code"])


def exchange(code, /, headers=None, **changes):
    """Return the response of the token endpoint to an authorization code."""
    return request_token(
        headers,
        **{
            "grant_type": "authorization_code",
            "client_id": "demo-browser",
            "redirect_uri": REDIRECT_URI,
            "code": code,
            "code_verifier": VERIFIER,
        }
        | changes,
    )


def refresh(refresh_token, /, **changes):
    """Return the response of the token endpoint to a refresh token."""
    data = {"grant_type": "refresh_token", "client_id": "demo-browser"}
    return request_token(**data | {"refresh_token": refresh_token} | changes)
