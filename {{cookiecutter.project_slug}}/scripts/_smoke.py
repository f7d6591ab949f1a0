"""What the steps of smoke.py share: how they ask, report the answer, and stop at a wrong one."""

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
# How long a resource server may answer 503, because nobody has told it in time what a token is.
UNAVAILABLE_SECONDS = 10


class Something:
    """Equal to whatever an answer holds, as long as it holds it at all."""

    def __eq__(self, other: object) -> bool:
        return other is not None

    def __str__(self) -> str:
        return "..."


class Smoke:
    """Where the services are, which client asks, the report, and what is to be done at the end."""

    def __init__(self, variables: dict[str, str], at_the_end: ExitStack) -> None:
        self.at_the_end = at_the_end
        self.session = at_the_end.enter_context(requests.Session())
        # The services are near: no proxy of the environment, and no password of a .netrc.
        self.session.trust_env = False
        self.number = 0
        self.variables = variables
        self.all_servers = resource_servers()
        # Those that accept tokens of the authorization server of this project.
        self.servers = [
            server for server in self.all_servers if trusts_authorization_server(server, variables)
        ]
        services = [AUTHORIZATION_SERVER] * bool(self.servers) + self.all_servers
        self.urls = {service: setting(variables, f"{service.prefix}_URL") for service in services}
        self.caching_seconds = float(variables.get("RESOURCE_SERVER_TOKEN_CACHING_SECONDS", "60"))
        # Set by the steps that get the tokens, one with all scopes and one for reading only.
        self.full: dict[str, str] = {}
        self.read_only: dict[str, str] = {}

    @property
    def issuer(self) -> str:
        """The address of the authorization server of this project."""
        return self.urls[AUTHORIZATION_SERVER]

    @property
    def client_id(self) -> str:
        """The identifier of the demo machine."""
        return setting(self.variables, "DEMO_MACHINE_CLIENT_ID")

    @property
    def credentials(self) -> tuple[str, str]:
        """What the demo machine authenticates with."""
        return self.client_id, setting(self.variables, "DEMO_MACHINE_CLIENT_SECRET")

    def token_of_another_issuer(self, server: Service, name: str) -> str | None:
        """Return the token for `server` that whoever runs this has handed over; None without one.

        Args:
            server: For which PREFIX_NAME wins over NAME.
            name: ``SMOKE_TOKEN`` or ``SMOKE_READ_TOKEN``.
        """
        names = f"{server.prefix}_{name}", name
        return next(filter(None, (given(self.variables, one) for one in names)), None)

    def ask(
        self,
        what: str,
        method: str,
        url: str,
        *,
        expected: dict[str, Any],
        within: float = 0,
        **options: Any,
    ) -> dict[str, Any]:
        """Send a request, report its answer, and exit 1 unless it is the right one.

        Args:
            what: Names the request in the report.
            expected: What the answer must hold, in the form of `held_by`; None for what it must not
                hold. Only this is ever printed of an answer.
            within: Seconds in which to ask again, until the answer is the right one. An answer
                belongs to the moment of its question, however long it took. After a 503 it is asked
                again for UNAVAILABLE_SECONDS at least.
            options: For ``requests``: `auth`, `headers`, `json`, `data`, ...

        Returns:
            All that the answer holds.
        """
        start = time.monotonic()
        while True:
            asked = time.monotonic() - start
            answer = self.answer(method, url, **options)
            seconds = time.monotonic() - start
            came = {key: answer.get(key) for key in expected}
            is_unavailable = answer["status"] == 503
            patience = max(within, UNAVAILABLE_SECONDS) if is_unavailable else within
            if came == expected or asked >= patience:
                break
            time.sleep(POLL_SECONDS)
        self.report(what, described(came), f"{1000 * seconds:.0f} ms")
        if came != expected:
            why = answer.get("error_description") or answer.get("detail") or "it does not say why"
            sys.exit(
                f"Wrong answer to {method} {url}: {described(expected)} expected, "
                f"{described(came)} came ({why})."
            )
        return answer

    def send_quietly(self, method: str, url: str, **options: Any) -> None:
        """Send a request without a line in the report: whatever comes of it is right."""
        with suppress(requests.RequestException):
            self.session.request(method, url, timeout=TIMEOUT_SECONDS, **options)

    def answer(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        """Return what the answer to a request holds; exit when none comes."""
        try:
            response = self.session.request(
                method, url, timeout=TIMEOUT_SECONDS, allow_redirects=False, **options
            )
        except requests.RequestException as error:
            # The others, refused certificates and timeouts above all, derive from it.
            if type(error) is requests.ConnectionError:
                sys.exit(f"Nothing answers at {url}: start it with `make run` or `make up`.")
            sys.exit(f"No answer from {url}: {error}.")
        return held_by(response)

    def report(self, what: str, answer: str, duration: str = "") -> None:
        """Print the next line of the report."""
        self.number += 1
        print(f"{self.number:>3}  {what:<46} {answer:<50} {duration:>9}".rstrip(), flush=True)

    def bearer_of_new_token(self, what: str, scopes: list[str]) -> dict[str, str]:
        """Get a token for the demo machine (RFC 6749 section 4.4); return the header with it."""
        answer = self.ask(
            f"token for {what}",
            "POST",
            f"{self.issuer}/o/token/",
            auth=self.credentials,
            data={"grant_type": "client_credentials", "scope": " ".join(scopes)},
            expected={
                "status": 200,
                "token_type": "Bearer",
                "expires_in": Something(),
                "access_token": Something(),
            },
        )
        self.at_the_end.callback(
            self.send_quietly,
            "POST",
            f"{self.issuer}/o/revoke_token/",
            auth=self.credentials,
            data={"token": answer["access_token"]},
        )
        return bearer(answer["access_token"])

    def whoami(
        self,
        what: str,
        server: Service,
        headers: dict[str, str],
        within: float = 0,
        **expected: Any,
    ) -> None:
        """Ask a resource server for whom it takes the sender of `headers`."""
        url = f"{self.urls[server]}/api/whoami/"
        self.ask(
            f"{server.name}: {what}", "GET", url, headers=headers, expected=expected, within=within
        )


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token (RFC 6750 section 2.1)."""
    return {"Authorization": f"Bearer {token}"}


def held_by(response: requests.Response) -> dict[str, Any]:
    """Return what an answer holds: its `status`, and the members that say most about it.

    These are the parameters of its Bearer challenge where it has one (RFC 6750 section 3), else the
    members of the JSON object in its body.
    """
    scheme, _, parameters = response.headers.get("WWW-Authenticate", "").partition(" ")
    is_bearer = scheme.lower() == "bearer"
    held = parse_dict_header(parameters) if is_bearer else json_object(response)  # type: ignore[no-untyped-call]
    return {**held, "status": response.status_code}


def json_object(response: requests.Response) -> dict[str, Any]:
    """Return the JSON object in the body; an empty one where the body is something else."""
    try:
        body = response.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def described(members: dict[str, Any]) -> str:
    """Return a status and some members in words. The value of a token is not among them."""
    words = [str(members["status"])]
    for key, value in members.items():
        if value is None:
            words.append(f"no {key}")
        elif key not in ("status", "access_token"):
            words.append(f"{key}={value}")
    return " ".join(words)
