"""The HTTP client of the smoke flow: it reports each answer and exits at the first wrong one."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack, suppress
from typing import Any

from _project import (
    AUTHORIZATION_SERVER,
    NOT_INSTALLED,
    Service,
    given,
    resource_servers,
    setting,
    trusts_authorization_server,
)

try:
    import requests
    from requests.utils import parse_dict_header
except ImportError:
    sys.exit(NOT_INSTALLED)

TIMEOUT_SECONDS = 10
POLL_SECONDS = 0.2
# How long a resource server may answer 503 because the authorization server did not answer in time.
UNAVAILABLE_SECONDS = 10


class Something:
    """Equal to every value but None: a member that has to be present."""

    def __eq__(self, other: object) -> bool:
        return other is not None

    def __str__(self) -> str:
        return "..."


class Smoke:
    """The services under test, the demo machine as the client, and the numbered report.

    Args:
        variables: The variables of `.env` and of the environment.
        cleanup: Its callbacks delete what the flow has created.
    """

    def __init__(self, variables: dict[str, str], cleanup: ExitStack) -> None:
        self.variables, self.cleanup, self.number = variables, cleanup, 0
        self.session = cleanup.enter_context(requests.Session())
        # The services run on this machine: no proxy of the environment, no password of a .netrc.
        self.session.trust_env = False
        self.all_servers = resource_servers()
        # Those that accept tokens of the authorization server of this project.
        self.servers = [
            server for server in self.all_servers if trusts_authorization_server(server, variables)
        ]
        services = [AUTHORIZATION_SERVER] * bool(self.servers) + self.all_servers
        self.urls = {
            service: setting(variables, f"{service.prefix}_URL").removesuffix("/")
            for service in services
        }
        self.caching_seconds = float(variables.get("RESOURCE_SERVER_TOKEN_CACHING_SECONDS", "60"))

    @property
    def issuer(self) -> str:
        """The URL of the authorization server of this project."""
        return self.urls[AUTHORIZATION_SERVER]

    @property
    def client_id(self) -> str:
        """The client_id of the demo machine."""
        return setting(self.variables, "DEMO_MACHINE_CLIENT_ID")

    @property
    def credentials(self) -> tuple[str, str]:
        """The client_id and client_secret of the demo machine."""
        return self.client_id, setting(self.variables, "DEMO_MACHINE_CLIENT_SECRET")

    def ask(
        self,
        what: str,
        method: str,
        url: str,
        request: dict[str, Any],
        *,
        within: float = 0,
        **expected: Any,
    ) -> dict[str, Any]:
        """Send a request, report and return its answer. Exit with code 1 if the answer is wrong.

        Args:
            what: The name of the request in the report.
            request: Options for ``requests``: `auth`, `headers`, `json`, `data`, ...
            within: Seconds in which a request may start again until the answer is right; after a
                503, UNAVAILABLE_SECONDS at least.
            expected: The members that the answer must hold (see `members_of`); None for one that it
                must not hold. Nothing else of an answer is ever printed.
        """
        start = time.monotonic()
        while True:
            sent_after = time.monotonic() - start
            answer = self.answer(method, url, request)
            seconds = time.monotonic() - start
            got = {key: answer.get(key) for key in expected}
            patience = max(within, UNAVAILABLE_SECONDS) if answer["status"] == 503 else within
            if got == expected or sent_after >= patience:
                break
            time.sleep(POLL_SECONDS)
        self.report(what, described(got), f"{1000 * seconds:.0f} ms")
        if got != expected:
            reason = answer.get("error_description") or answer.get("detail") or "no reason given"
            sys.exit(
                f"Wrong answer to {method} {url}: expected {described(expected)}, "
                f"got {described(got)} ({reason})."
            )
        return answer

    def whoami(self, what: str, server: Service, headers: dict[str, str], **expected: Any) -> None:
        """Request ``/api/whoami/`` of a resource server."""
        url = f"{self.urls[server]}/api/whoami/"
        self.ask(f"{server.name}: {what}", "GET", url, {"headers": headers}, **expected)

    def token(self, what: str, scopes: list[str]) -> dict[str, str]:
        """Get a token for the demo machine (RFC 6749 section 4.4); return the header with it."""
        request = {
            "auth": self.credentials,
            "data": {"grant_type": "client_credentials", "scope": " ".join(scopes)},
        }
        some = Something()
        expected: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": some,
            "access_token": some,
        }
        url = f"{self.issuer}/o/token/"
        token = self.ask(f"token for {what}", "POST", url, request, status=200, **expected)
        revocation = self.revocation_of(token["access_token"])
        self.cleanup.callback(self.send_quietly, "POST", *revocation)
        return bearer(token["access_token"])

    def revocation_of(self, token: str) -> tuple[str, dict[str, Any]]:
        """Return the URL and the request that revoke a token of the demo machine (RFC 7009)."""
        request = {"auth": self.credentials, "data": {"token": token}}
        return f"{self.issuer}/o/revoke_token/", request

    def foreign_token(self, server: Service, name: str) -> dict[str, str]:
        """Return the header with the token of another issuer for `server`; {} if there is none.

        Args:
            server: PREFIX_NAME, with its prefix, takes precedence over NAME.
            name: ``SMOKE_TOKEN`` or ``SMOKE_READ_TOKEN``.
        """
        names = f"{server.prefix}_{name}", name
        token = next(filter(None, (given(self.variables, each) for each in names)), None)
        return bearer(token) if token else {}

    def send_quietly(self, method: str, url: str, request: dict[str, Any]) -> None:
        """Send a request of the cleanup, whatever its answer is."""
        with suppress(requests.RequestException):
            self.session.request(method, url, timeout=TIMEOUT_SECONDS, **request)

    def answer(self, method: str, url: str, request: dict[str, Any]) -> dict[str, Any]:
        """Return the members of the answer to a request; exit if there is none."""
        try:
            response = self.session.request(
                method, url, timeout=TIMEOUT_SECONDS, allow_redirects=False, **request
            )
        except requests.RequestException as error:
            # Its subclasses are other faults: refused certificates, timeouts.
            if type(error) is requests.ConnectionError:
                sys.exit(f"Nothing answers at {url}: start it with `make run` or `make up`.")
            sys.exit(f"No answer from {url}: {error}.")
        return members_of(response)

    def report(self, what: str, answer: str, duration: str = "") -> None:
        """Print the next line of the report."""
        self.number += 1
        print(f"{self.number:>3}  {what:<46} {answer:<50} {duration:>9}".rstrip(), flush=True)


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token (RFC 6750 section 2.1)."""
    return {"Authorization": f"Bearer {token}"}


def members_of(response: requests.Response) -> dict[str, Any]:
    """Return the `status` of a response, with the parameters of its Bearer challenge.

    Without a Bearer challenge (RFC 6750 section 3), the members of the JSON object in its body.
    """
    scheme, _, parameters = response.headers.get("WWW-Authenticate", "").partition(" ")
    if scheme.lower() == "bearer":
        members = parse_dict_header(parameters)  # type: ignore[no-untyped-call]
    else:
        try:
            members = response.json()
        except requests.JSONDecodeError:
            members = {}
    return {**(members if isinstance(members, dict) else {}), "status": response.status_code}


def described(members: dict[str, Any]) -> str:
    """Return a status and other members in words, without the value of a token."""
    words = [str(members["status"])]
    for key, value in members.items():
        if value is None:
            words.append(f"no {key}")
        elif key not in ("status", "access_token"):
            words.append(f"{key}={value}")
    return " ".join(words)
