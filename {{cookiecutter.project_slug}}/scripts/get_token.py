"""Sign a person in, and print an access token: ``make token``, ``make token scope=orders:read``.

With a browser this is a native application (RFC 8252), without one a device (RFC 8628).
"""

import signal
import sys
import time
import webbrowser
from base64 import urlsafe_b64encode
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from _project import environment, resource_servers, setting

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


class Callback(BaseHTTPRequestHandler):
    """Where the browser is redirected to. The parameters are kept in the class."""

    parameters: dict[str, str] = {}
    timeout = 1  # seconds, for a connection that brings no request

    def do_GET(self) -> None:
        self.parameters.update(parse_qsl(urlsplit(self.path).query))
        self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\nClose this window: the terminal has the token.")

    def log_message(self, *args: object) -> None:
        """Write nothing: the code is in the address."""


def by_browser(issuer: str, client_id: str, scope: str) -> dict[str, Any]:
    """Return the token of a person who signs in with the browser of this machine."""
    state, verifier, got = token_urlsafe(32), token_urlsafe(48), Callback.parameters
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
    with HTTPServer(("127.0.0.1", 0), Callback) as listener:
        back = f"http://127.0.0.1:{listener.server_port}/callback"
        client = {"client_id": client_id, "redirect_uri": back}
        request = client | {"response_type": "code", "scope": scope, "state": state}
        request |= {"code_challenge": challenge, "code_challenge_method": "S256"}
        url = f"{issuer}/o/authorize/?{urlencode(request)}"
        print(f"Sign in in the browser. If it does not open:\n\n  {url}\n", file=sys.stderr)
        webbrowser.open(url)
        while not got:
            listener.handle_request()
    if (got.get("state"), got.get("iss"), "code" in got) != (state, issuer, True):  # RFC 9207
        sys.exit(f"No token: {got.get('error_description') or got.get('error', 'try again')}")
    code = {"grant_type": "authorization_code", "code": got["code"], "code_verifier": verifier}
    return post(f"{issuer}/o/token/", client | code)


def by_device(issuer: str, client_id: str, scope: str) -> dict[str, Any]:
    """Return the token of a person who signs in with any other browser."""
    device = post(f"{issuer}/o/device-authorization/", {"client_id": client_id, "scope": scope})
    url = device["verification_uri_complete"]
    print(f"Sign in at this address, on any device:\n\n  {url}\n", file=sys.stderr)
    form = {"client_id": client_id, "grant_type": DEVICE, "device_code": device["device_code"]}
    while "error" in (answer := post(f"{issuer}/o/token/", form)):
        time.sleep(device["interval"] + 5 * (answer["error"] == "slow_down"))
    return answer


def post(url: str, form: dict[str, str]) -> dict[str, Any]:
    """Return the JSON of a response; exit if it is an error that does not pass."""
    try:
        answer: dict[str, Any] = requests.post(url, form, timeout=10).json()
    except requests.RequestException:  # It may also be no JSON.
        sys.exit(f"{url} does not answer: start it with `make run`.")
    if answer.get("error") not in (None, "authorization_pending", "slow_down"):
        sys.exit(f"No token: {answer.get('error_description') or answer['error']}")
    return answer


def main() -> None:
    """Print a token, and the commands that use it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it in silence.
    variables, servers = environment(), resource_servers()
    issuer = setting(variables, "AUTHORIZATION_SERVER_URL").lower().removesuffix("/")
    scope = " ".join(sys.argv[1:] or [each for server in servers for each in server.scopes])
    try:  # A browser for the terminal is not the one of the person.
        has_browser = type(webbrowser.get()) is not webbrowser.GenericBrowser
    except webbrowser.Error:
        has_browser = False
    name, sign_in = ("BROWSER", by_browser) if has_browser else ("DEVICE", by_device)
    answer = sign_in(issuer, setting(variables, f"DEMO_{name}_CLIENT_ID"), scope)
    print(token := answer["access_token"], flush=True)
    print(f"\n{answer['scope']}, for {answer['expires_in']} seconds:\n", file=sys.stderr)
    bearer = f'--header "Authorization: Bearer {token if sys.stdout.isatty() else "$TOKEN"}"'
    for server in servers:
        if not {*server.scopes}.isdisjoint(answer["scope"].split()):
            url = setting(variables, f"{server.prefix}_URL")
            print(f"  curl {bearer} {url}/api/whoami/", file=sys.stderr)


if __name__ == "__main__":
    main()
