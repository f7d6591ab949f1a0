"""Run the smoke flow against the running services: ``make smoke``.

It exits with code 1 at the first wrong answer. No token and no secret is printed; items and tokens
that it creates are deleted at the end, also after a wrong answer.

A resource server may accept other issuers as well, or only others. SMOKE_TOKEN is a token of one of
them, SMOKE_READ_TOKEN a token with the scope for reading only (docs/issuers/README.md).
"""

from __future__ import annotations

import secrets
import sys
from contextlib import ExitStack

from _project import Service, environment
from _smoke import Smoke, Something, bearer

# How long a service may answer 503 while it starts.
READY_SECONDS = 30

Header = dict[str, str]


def main() -> None:
    """Run the flow, then delete what it has created."""
    with ExitStack() as cleanup:
        smoke = Smoke(environment(), cleanup)
        if not smoke.all_servers:
            sys.exit("There is no resource server: run `make resource-server name=orders`, say.")
        for service, url in smoke.urls.items():
            what, url = f"{service.name}: ready", f"{url}/health/ready"
            states = smoke.ask(what, "GET", url, {}, within=READY_SECONDS, status=200)
            if "revocations" in states:
                what = f"{service.name}: reports of revocations"
                smoke.ask(what, "GET", url, {}, within=READY_SECONDS, status=200, revocations="ok")
        if smoke.servers:
            try_platform(smoke)
        for server in smoke.all_servers:
            try_other_issuer(smoke, server)
    print(f'All {smoke.number} answers are right. Next: "Make it yours" in README.md.')


def try_platform(smoke: Smoke) -> None:
    """Run the flow with tokens of this project, at the resource servers that accept them."""
    url = f"{smoke.issuer}/.well-known/oauth-authorization-server"
    smoke.ask("discovery (RFC 8414)", "GET", url, {}, status=200, issuer=smoke.issuer)
    full = smoke.token("all scopes", [scope for server in smoke.servers for scope in server.scopes])
    read_only = smoke.token("reading only", [f"{server.name}:read" for server in smoke.servers])
    # A client that acts for itself is its own subject.
    machine = {"sub": smoke.client_id, "client_id": smoke.client_id}
    for server in smoke.servers:
        smoke.whoami("whoami", server, full, status=200, **machine)
        try_resource_server(smoke, server, full, read_only)
    try_audience(smoke)
    try_revocation(smoke)
    request = {"auth": smoke.credentials, "data": {"token": "any"}}
    what, url = "introspection by another client", f"{smoke.issuer}/o/introspect/"
    smoke.ask(what, "POST", url, request, status=401, error="invalid_client")


def try_other_issuer(smoke: Smoke, server: Service) -> None:
    """Run the flow at `server` with a token of another issuer, if there is one."""
    full = smoke.foreign_token(server, "SMOKE_TOKEN")
    if full:
        some = Something()
        smoke.whoami(
            "whoami, token of another issuer", server, full, status=200, sub=some, iss=some
        )
        read_only = smoke.foreign_token(server, "SMOKE_READ_TOKEN")
        try_resource_server(smoke, server, full, read_only)
    elif server not in smoke.servers:
        sys.exit(
            f"{server.name} trusts other issuers only: set SMOKE_TOKEN or "
            f"{server.prefix}_SMOKE_TOKEN to a token of one (docs/issuers/README.md)."
        )


def try_resource_server(smoke: Smoke, server: Service, full: Header, read_only: Header) -> None:
    """Create, find and delete an item, then send what has to be refused."""
    items, name = f"{smoke.urls[server]}/api/items/", f"smoke-{secrets.token_hex(8)}"
    request = {"headers": full, "json": {"name": name}}
    what = f"{server.name}: create an item"
    created = smoke.ask(what, "POST", items, request, status=201, id=Something())
    item = f"{items}{created['id']}/"
    smoke.cleanup.callback(smoke.send_quietly, "DELETE", item, {"headers": full})
    request = {"headers": full, "params": {"name": name}}
    smoke.ask(f"{server.name}: find it", "GET", items, request, status=200, count=1)
    smoke.ask(f"{server.name}: delete it", "DELETE", item, {"headers": full}, status=204)

    smoke.whoami("no token", server, {}, status=401, error=None)
    malformed = bearer("two words")
    smoke.whoami("malformed header", server, malformed, status=400, error="invalid_request")
    smoke.whoami("garbage", server, bearer("garbage"), status=401, error="invalid_token")
    what = f"{server.name}: create with the token for reading"
    if read_only:
        request = {"headers": read_only, "json": {"name": "smoke-refused"}}
        scope = f"{server.name}:write"
        error = "insufficient_scope"
        smoke.ask(what, "POST", items, request, status=403, error=error, scope=scope)
    else:
        smoke.report(what, "skipped: SMOKE_READ_TOKEN is not set")


def try_audience(smoke: Smoke) -> None:
    """Send a token for one resource server to the others."""
    first, *others = smoke.servers
    if not others:
        smoke.report("token of one resource server at another", "skipped: there is only one")
        return
    token = smoke.token(f"{first.name} only", list(first.scopes))
    for other in others:
        what = f"token for {first.name} only"
        smoke.whoami(what, other, token, status=401, error="invalid_token")


def try_revocation(smoke: Smoke) -> None:
    """Revoke a token that a resource server has accepted."""
    server, seconds = smoke.servers[0], smoke.caching_seconds
    token = smoke.token(f"{server.name}, to be revoked", list(server.scopes))
    smoke.whoami("whoami", server, token, status=200, sub=smoke.client_id)
    revocation = smoke.revocation_of(token["Authorization"].removeprefix("Bearer "))
    smoke.ask("revoke that token (RFC 7009)", "POST", *revocation, status=200)
    what = f"refused within {seconds:g} s"
    smoke.whoami(what, server, token, within=seconds, status=401, error="invalid_token")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
