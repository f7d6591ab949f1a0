"""What the authorization server says of itself (RFC 8414), against what the settings say of it."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from oauth2_provider.scopes import get_scopes_backend
from urllib3.exceptions import HTTPError

from oauth_resource_server.conf import Conf
from oauth_resource_server.doctor.endpoint import ask
from oauth_resource_server.doctor.findings import (
    Finding,
    line_of_issuer,
    line_of_url,
    ok,
    origin,
    parts_of,
    problem,
    shown,
    warning,
)


def examine_discovery(conf: Conf) -> Iterator[Finding]:
    """Yield where the document and the settings differ."""
    document = discovery_document(conf)
    if document is None:
        yield warning(
            "discovery",
            f"no document at {origin(conf.url)} or {shown(conf.issuer)}, so that issuer and "
            "scopes cannot be compared",
        )
        return
    yield examine_issuer(document.get("issuer"), conf)
    yield examine_introspection_endpoint(document.get("introspection_endpoint"), conf)
    yield examine_scopes(document.get("scopes_supported"))


def discovery_document(conf: Conf) -> dict[str, Any] | None:
    """Return the document from where introspection is, or else from the issuer itself.

    In this order, because an issuer with a mistake in it leads to nobody or to somebody else.
    """
    bases = (origin(conf.url), origin(conf.issuer))
    return first_document((url for one in bases for url in well_known_urls(conf.issuer, one)), conf)


def first_document(urls: Iterable[str], conf: Conf) -> dict[str, Any] | None:
    """Return the first of the documents at `urls` that names an issuer; None if there is none."""
    for url in dict.fromkeys(urls):
        try:
            status, _, body = ask("GET", url, conf)
            document = json.loads(body) if status == 200 else None
        except (HTTPError, ValueError, RecursionError):
            continue
        if isinstance(document, dict) and "issuer" in document:
            return document
    return None


def well_known_urls(issuer: str, base: str) -> Iterator[str]:
    """Yield where the document of `issuer` may be, at the origin `base`.

    RFC 8414 section 3 puts the path of the issuer at the end; OpenID Connect Discovery section 4
    puts it in front, and so do some servers with the name of RFC 8414.
    """
    path = parts_of(issuer).path.rstrip("/")
    if base.startswith(("http://", "https://")):
        yield f"{base}/.well-known/oauth-authorization-server{path}"
        yield f"{base}{path}/.well-known/openid-configuration"
        yield f"{base}{path}/.well-known/oauth-authorization-server"


def examine_issuer(issuer: Any, conf: Conf) -> Finding:
    """Return whether `issuer` is the one of the settings, character by character."""
    if issuer == conf.issuer:
        return ok("issuer", f"{issuer} on both sides")
    return problem(
        "issuer",
        f"the authorization server calls itself {issuer!r}, the settings {conf.issuer!r}, and no "
        f"token is accepted. Change {line_of_issuer(conf.issuer)}.",
    )


def examine_introspection_endpoint(endpoint: Any, conf: Conf) -> Finding:
    """Return whether `endpoint` is the one that is asked."""
    subject = "introspection endpoint"
    if not isinstance(endpoint, str):
        return warning(subject, "the discovery document names none")
    if shown(endpoint) == shown(conf.url):
        return ok(subject, "the one of the discovery document")
    if parts_of(endpoint).path == parts_of(conf.url).path:
        # As in containers, where the public address leads nowhere.
        return ok(subject, f"asked at {origin(conf.url)}, for the public {origin(endpoint)}")
    return problem(
        subject,
        f"the discovery document names {shown(endpoint)}, and {shown(conf.url)} is asked. "
        f"Change {line_of_url(conf.url)}.",
    )


def examine_scopes(supported: Any) -> Finding:
    """Return whether the scopes of this resource server can be granted at all."""
    mine = sorted(get_scopes_backend().get_all_scopes())
    if not isinstance(supported, list):
        return warning("scopes", "the discovery document does not say which scopes there are")
    missing = [scope for scope in mine if scope not in supported]
    if not missing:
        return ok("scopes", f"the authorization server knows {', '.join(mine) or 'no scope of it'}")
    return problem(
        "scopes",
        f"the authorization server does not know {', '.join(missing)}. Run `manage.py "
        "ensure_clients` there and restart it, or change OAUTH2_PROVIDER['SCOPES'] (`[scopes]` of "
        "resource_server.toml).",
    )
