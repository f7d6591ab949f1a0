"""Try the whole flow against the running services: ``make smoke``.

It ends with exit code 1 at the first wrong answer. No token and no secret is printed, and what is
made here is deleted at the end, whatever happens. A new step is a function in one of the lists.

Resource servers may trust other issuers, beside the authorization server of this project or instead
of it. Nobody but you can log in there: hand a token over in SMOKE_TOKEN, and one that may only read
in SMOKE_READ_TOKEN (docs/issuers/README.md).
"""

from __future__ import annotations

import secrets
import sys
from contextlib import ExitStack

from _project import Service, environment
from _smoke import Smoke, Something, bearer

# How long a service that answers, but with 503, may take to find what it needs.
READY_SECONDS = 30


def services_are_ready(smoke: Smoke) -> None:
    for service, url in smoke.urls.items():
        smoke.ask(
            f"{service.name}: ready",
            "GET",
            f"{url}/health/ready",
            expected={"status": 200},
            within=READY_SECONDS,
        )


def discovery_names_the_issuer(smoke: Smoke) -> None:
    smoke.ask(
        "discovery (RFC 8414)",
        "GET",
        f"{smoke.issuer}/.well-known/oauth-authorization-server",
        expected={"status": 200, "issuer": smoke.issuer},
    )


def the_machine_gets_tokens(smoke: Smoke) -> None:
    all_scopes = [scope for server in smoke.servers for scope in server.scopes]
    smoke.full = smoke.bearer_of_new_token("all scopes", all_scopes)
    read_scopes = [f"{server.name}:read" for server in smoke.servers]
    smoke.read_only = smoke.bearer_of_new_token("reading only", read_scopes)


def whoami_knows_the_machine(smoke: Smoke, server: Service) -> None:
    # A client that acts for itself is its own subject.
    smoke.whoami(
        "whoami", server, smoke.full, status=200, sub=smoke.client_id, client_id=smoke.client_id
    )


def items_are_created_listed_and_deleted(smoke: Smoke, server: Service) -> None:
    items = f"{smoke.urls[server]}/api/items/"
    name = f"smoke-{secrets.token_hex(8)}"
    created = smoke.ask(
        f"{server.name}: create an item",
        "POST",
        items,
        headers=smoke.full,
        json={"name": name},
        expected={"status": 201, "id": Something()},
    )
    item = f"{items}{created['id']}/"
    smoke.at_the_end.callback(smoke.send_quietly, "DELETE", item, headers=smoke.full)
    smoke.ask(
        f"{server.name}: find it",
        "GET",
        items,
        headers=smoke.full,
        params={"name": name},
        expected={"status": 200, "count": 1},
    )
    smoke.ask(
        f"{server.name}: delete it", "DELETE", item, headers=smoke.full, expected={"status": 204}
    )


def whoami_knows_whom_the_other_issuer_means(smoke: Smoke, server: Service) -> None:
    what = "whoami, token of another issuer"
    smoke.whoami(what, server, smoke.full, status=200, sub=Something(), iss=Something())


def no_token_is_challenged_without_an_error(smoke: Smoke, server: Service) -> None:
    smoke.whoami("no token", server, {}, status=401, error=None)


def a_malformed_header_is_a_bad_request(smoke: Smoke, server: Service) -> None:
    headers = bearer("two words")
    smoke.whoami("malformed header", server, headers, status=400, error="invalid_request")


def garbage_is_an_invalid_token(smoke: Smoke, server: Service) -> None:
    smoke.whoami("garbage", server, bearer("garbage"), status=401, error="invalid_token")


def a_missing_scope_is_named(smoke: Smoke, server: Service) -> None:
    what = f"{server.name}: create with the token for reading"
    if not smoke.read_only:
        smoke.report(what, "skipped: SMOKE_READ_TOKEN is not set")
        return
    smoke.ask(
        what,
        "POST",
        f"{smoke.urls[server]}/api/items/",
        headers=smoke.read_only,
        json={"name": "smoke-refused"},
        expected={"status": 403, "error": "insufficient_scope", "scope": f"{server.name}:write"},
    )


def a_token_of_one_is_refused_by_the_others(smoke: Smoke) -> None:
    first, *others = smoke.servers
    if not others:
        smoke.report("token of one resource server at another", "skipped: there is only one")
        return
    headers = smoke.bearer_of_new_token(f"{first.name} only", list(first.scopes))
    for other in others:
        what = f"token for {first.name} only"
        smoke.whoami(what, other, headers, status=401, error="invalid_token")


def a_revoked_token_is_refused_in_time(smoke: Smoke) -> None:
    server = smoke.servers[0]
    headers = smoke.bearer_of_new_token(f"{server.name}, to be revoked", list(server.scopes))
    smoke.whoami("whoami", server, headers, status=200, sub=smoke.client_id)
    smoke.ask(
        "revoke that token (RFC 7009)",
        "POST",
        f"{smoke.issuer}/o/revoke_token/",
        auth=smoke.credentials,
        data={"token": headers["Authorization"].removeprefix("Bearer ")},
        expected={"status": 200},
    )
    smoke.whoami(
        f"refused within {smoke.caching_seconds:g} s",
        server,
        headers,
        status=401,
        error="invalid_token",
        within=smoke.caching_seconds,
    )


def introspection_is_refused_to_the_machine(smoke: Smoke) -> None:
    smoke.ask(
        "introspection by no resource server",
        "POST",
        f"{smoke.issuer}/o/introspect/",
        auth=smoke.credentials,
        data={"token": "whatever"},
        expected={"status": 401, "error": "invalid_client"},
    )


FIRST = [discovery_names_the_issuer, the_machine_gets_tokens]
AT_EACH_RESOURCE_SERVER = [
    whoami_knows_the_machine,
    items_are_created_listed_and_deleted,
    no_token_is_challenged_without_an_error,
    a_malformed_header_is_a_bad_request,
    garbage_is_an_invalid_token,
    a_missing_scope_is_named,
]
LAST = [
    a_token_of_one_is_refused_by_the_others,
    a_revoked_token_is_refused_in_time,
    introspection_is_refused_to_the_machine,
]
WITH_A_TOKEN_OF_ANOTHER_ISSUER = [
    whoami_knows_whom_the_other_issuer_means,
    *AT_EACH_RESOURCE_SERVER[1:],
]


def try_the_authorization_server(smoke: Smoke) -> None:
    """Take the steps with tokens of this project, at the resource servers that accept them."""
    for step in FIRST:
        step(smoke)
    for server in smoke.servers:
        for step_at in AT_EACH_RESOURCE_SERVER:
            step_at(smoke, server)
    for step in LAST:
        step(smoke)


def try_another_issuer(smoke: Smoke, server: Service) -> bool:
    """Take the steps with a token that was handed over for `server`; return whether one was."""
    token = smoke.token_of_another_issuer(server, "SMOKE_TOKEN")
    if token is None:
        return False
    read_token = smoke.token_of_another_issuer(server, "SMOKE_READ_TOKEN")
    smoke.full, smoke.read_only = bearer(token), bearer(read_token) if read_token else {}
    for step in WITH_A_TOKEN_OF_ANOTHER_ISSUER:
        step(smoke, server)
    return True


def main() -> None:
    """Take all steps, and at the end, or when one of them exits, delete what they have made."""
    with ExitStack() as at_the_end:
        smoke = Smoke(environment(), at_the_end)
        if not smoke.all_servers:
            sys.exit("There is no resource server: run `make resource-server name=orders`, say.")
        services_are_ready(smoke)
        if smoke.servers:
            try_the_authorization_server(smoke)
        for server in smoke.all_servers:
            if not try_another_issuer(smoke, server) and server not in smoke.servers:
                sys.exit(
                    f"{server.name} trusts other issuers only: set SMOKE_TOKEN or "
                    f"{server.prefix}_SMOKE_TOKEN to a token of one (docs/issuers/README.md)."
                )
    print(f"All {smoke.number} answers are right.")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
