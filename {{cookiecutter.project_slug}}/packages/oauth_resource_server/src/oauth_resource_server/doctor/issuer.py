"""The steps for one issuer, driven by its `IssuerSettings`."""

import secrets
from collections.abc import Iterator
from typing import Any

from oauth2_provider.scopes import get_scopes_backend
from oauth2_provider.settings import oauth2_settings

from oauth_resource_server import checks, errors
from oauth_resource_server.conf import Conf
from oauth_resource_server.doctor import connection
from oauth_resource_server.doctor.findings import (
    Finding,
    ok,
    origin,
    problem,
    shown,
    source_of,
    warning,
)
from oauth_resource_server.http.client import HTTPClient, json_object
from oauth_resource_server.issuers.environment import variable_of
from oauth_resource_server.issuers.introspection import authorization
from oauth_resource_server.issuers.issuer import Issuer
from oauth_resource_server.issuers.presets import BUNDLED
from oauth_resource_server.issuers.settings import ANY_TYPE, IssuerSettings, parts_of

LONG_SECONDS = 300
AUDIENCE = "OAUTH_RESOURCE_SERVER['AUDIENCE'] (`audience` of resource_server.toml)"


def examine_issuer(settings: IssuerSettings, conf: Conf) -> Iterator[Finding]:
    """Yield the findings about one issuer; stop where an endpoint cannot be used."""
    yield from _rules(settings)
    yield _caching(settings, conf)
    requests = [("GET", settings.jwks_url)] if settings.strategy.verifies else []
    requests += [("POST", settings.introspection_url)] if settings.strategy.asks else []
    for method, url in {origin(request[1]): request for request in requests}.values():
        change = source_of(url, settings, checks.URL)
        if not (yield from connection.examine_endpoint(method, url, change, conf)):
            return
    issuer = Issuer(settings, conf)
    if settings.strategy.verifies:
        yield _keys(issuer)
    if settings.strategy.asks:
        yield from _made_up_token(issuer)
    if settings.preset == BUNDLED and conf.revocation_events_url:
        yield _revocations(settings, conf)
    yield from examine_discovery(settings, conf)


def _rules(settings: IssuerSettings) -> Iterator[Finding]:
    text = f"accepts tokens of {settings.iss}"
    text += f" for {' or '.join(settings.audiences)}" if settings.audiences else ""
    text += f" of the clients {', '.join(settings.client_ids)}" if settings.client_ids else ""
    text += f" by {settings.strategy}"
    if settings.strategy.verifies and settings.types != ANY_TYPE:
        text += f" with the header `typ` {' or '.join(filter(None, settings.types))}"
    for audience in settings.audiences if settings.preset == BUNDLED else ():
        if not parts_of(audience).scheme or parts_of(audience).fragment:
            text = f"no token has the audience {audience!r}, which is not an absolute URI without "
            change = source_of(audience, settings, AUDIENCE)
            yield problem("rules", f"{text}a fragment (RFC 8707 section 2). Change {change}.")
            return
    yield ok("rules", text)


def _caching(settings: IssuerSettings, conf: Conf) -> Finding:
    if not settings.strategy.asks:
        return ok("caching", "a revoked token is accepted until `exp`: nothing is introspected")
    seconds, name = settings.caching_seconds, f"`caching_seconds` of {settings.name}"
    if seconds is None:
        seconds, name = conf.caching_seconds, "RESOURCE_SERVER_TOKEN_CACHING_SECONDS"
    text = f"a revoked token is accepted for up to {seconds:g} s"
    if seconds == 0:
        text = f"each request is introspected. Change {name}, for example to 10."
        return warning("caching", text)
    if seconds > LONG_SECONDS:
        return warning("caching", f"{text}. Change {name}, for example to 60.")
    return ok("caching", text)


def _keys(issuer: Issuer) -> Finding:
    settings, url = issuer.settings, shown(issuer.settings.jwks_url)
    try:
        keys = issuer.keys.keys() if issuer.keys else ()
    except errors.TokenValidationError as error:
        change = source_of(settings.jwks_url, settings, checks.URL)
        return problem("keys", f"{url}: {error}. Change {change}.")
    fitting = [key for key in keys if any(key.fits(key.kid, one) for one in settings.algorithms)]
    option = f"`algorithms` ({variable_of(settings.preset, 'algorithms')} in .env)"
    text = f"{len(fitting)} of {len(keys)} at {url} are for {', '.join(settings.algorithms)}"
    return ok("keys", text) if fitting else problem("keys", f"{text}. Change {option}.")


def _made_up_token(issuer: Issuer) -> Iterator[Finding]:
    settings = issuer.settings
    change = source_of(settings.introspection_url, settings, checks.URL)
    try:
        answer = issuer.ask(secrets.token_urlsafe(32))
    except errors.IntrospectionCredentialsRefused as error:
        yield problem("credentials", _refused(settings, error.status))
        return
    except errors.TokenValidationError as error:
        text = f"{error}. Look at the log of the authorization server, or change {change}."
        yield problem("introspection", text)
        return
    if settings.credentials:
        yield ok("credentials", f"the client {settings.client_id} is accepted")
    if answer.get("active") is False:
        yield ok("introspection", "a made-up token is inactive")
    else:
        text = f"a made-up token is not `active: false` (RFC 7662). Change {change}."
        yield problem("introspection", text)


def _revocations(settings: IssuerSettings, conf: Conf) -> Finding:
    url = conf.revocation_events_url
    headers = {"Authorization": authorization(settings), "Content-Type": "application/json"}
    try:
        response = HTTPClient(url, conf).exchange(headers, '{"returnImmediately": true}')
    except errors.AuthorizationServerUnavailable as error:
        return warning("revocations", f"are not reported: {error}. The caching time above holds.")
    members = json_object(response.body) if response.status == 200 else None
    if not members or "position" not in members:
        change = source_of(url, settings, "OAUTH_RESOURCE_SERVER['REVOCATION_EVENTS_URL']")
        text = f"are not reported: status {response.status} at {shown(url)}. Change {change}."
        return warning("revocations", text)
    text = "are reported; while they are, a revoked token is refused within a second"
    return ok("revocations", text)


def _refused(settings: IssuerSettings, status: int | None) -> str:
    if settings.credentials is None:
        change = source_of(settings.bearer_token or "", settings, checks.BEARER_TOKEN)
        return f"the bearer token is refused (status {status}). Change {change}."
    sources = dict.fromkeys(
        source_of(one, settings, checks.CREDENTIALS) for one in settings.credentials
    )
    advice = ", and run `manage.py ensure_clients` there" if settings.preset == BUNDLED else ""
    return (
        f"the client {settings.client_id} is refused (status {status}). Make "
        f"{' and '.join(sources)} the same as at the authorization server{advice}."
    )


def examine_discovery(settings: IssuerSettings, conf: Conf) -> Iterator[Finding]:
    document = _document(settings, conf)
    if document is None:
        where = shown(settings.discovery_url or settings.iss)
        yield warning("discovery", f"no document at {where} to compare the settings with")
    elif differences := list(_differences(settings, document)):
        yield from differences
    else:
        yield ok("discovery", f"the document of {settings.iss} agrees with the settings")


def _differences(settings: IssuerSettings, document: dict[str, Any]) -> Iterator[Finding]:
    text = "`{}` is {}, but {} in the settings. Change {}."
    if (theirs := document["issuer"]) != (ours := settings.iss):
        change = f"{source_of(ours, settings, checks.ISSUER)}, or every token is refused"
        yield problem("discovery", text.format("issuer", theirs, ours, change))
    urls = {"jwks_uri": settings.jwks_url} if settings.strategy.verifies else {}
    urls |= {"introspection_endpoint": settings.introspection_url} if settings.strategy.asks else {}
    for member, ours in urls.items():
        theirs = document.get(member)
        if not isinstance(theirs, str) or theirs in (ours, *settings.other_urls):
            continue
        if parts_of(theirs).path != parts_of(ours).path:  # Containers may use another host.
            change = source_of(ours, settings, checks.URL)
            yield warning("discovery", text.format(member, shown(theirs), shown(ours), change))
    supported = document.get("scopes_supported")
    # Without SCOPES in the settings, the scopes here are DOT's default: read, write.
    compares = settings.preset == BUNDLED and "SCOPES" in oauth2_settings.user_settings
    if not compares or not isinstance(supported, list):
        return
    if missing := [one for one in get_scopes_backend().get_all_scopes() if one not in supported]:
        yield problem(
            "discovery",
            f"the authorization server has no scope {', '.join(missing)}. Run `manage.py "
            "ensure_clients` there and restart it, or change OAUTH2_PROVIDER['SCOPES'] "
            "(`[scopes]` of resource_server.toml).",
        )


def _document(settings: IssuerSettings, conf: Conf) -> dict[str, Any] | None:
    """Return the document of the issuer; without one, another document from its URLs."""
    found = None
    urls = [settings.discovery_url] if settings.discovery_url else _well_known_urls(settings)
    for url in dict.fromkeys(urls):
        try:
            response = HTTPClient(url, conf, max_bytes=connection.MAX_BODY_BYTES).exchange({})
        except errors.AuthorizationServerUnavailable:
            continue
        document = json_object(response.body) if response.status == 200 else None
        if document and document.get("issuer") == settings.iss:
            return document
        if document and "issuer" in document:
            found = found or document
    return found


def _well_known_urls(settings: IssuerSettings) -> Iterator[str]:
    """Yield the URLs of RFC 8414 section 3 and of OpenID Connect Discovery section 4.

    The endpoint comes before the issuer: from a container the public address may lead elsewhere.
    """
    path = parts_of(settings.iss).path.rstrip("/")
    for base in (origin(settings.introspection_url), origin(settings.iss)):
        if base.startswith(("http://", "https://")):
            yield f"{base}/.well-known/oauth-authorization-server{path}"
            yield f"{base}{path}/.well-known/openid-configuration"
            yield f"{base}{path}/.well-known/oauth-authorization-server"
