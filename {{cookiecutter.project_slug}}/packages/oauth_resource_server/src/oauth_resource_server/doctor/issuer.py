"""An issuer out of ``ISSUERS``: its addresses, its discovery document, its keys, its answers."""

import os
import secrets
import time
from collections.abc import Generator, Iterator

from urllib3.exceptions import HTTPError

from oauth_resource_server.conf import Conf
from oauth_resource_server.doctor.connection import examine_address, examine_tls
from oauth_resource_server.doctor.discovery import first_document, well_known_urls
from oauth_resource_server.doctor.endpoint import ask, examine_clock
from oauth_resource_server.doctor.findings import Finding, ok, origin, problem, shown, warning
from oauth_resource_server.errors import IntrospectionCredentialsRefused, TokenValidationError
from oauth_resource_server.issuers.issuer import Issuer
from oauth_resource_server.issuers.jwks import KeySet
from oauth_resource_server.issuers.options import COMMON
from oauth_resource_server.issuers.presets import parameters_of
from oauth_resource_server.issuers.settings import IssuerSettings


def examine_issuer(settings: IssuerSettings, conf: Conf) -> Iterator[Finding]:
    """Yield what is well with an issuer and what is not, and which variables to change."""
    yield examine_rules(settings)
    line = line_of(settings)
    urls = [settings.jwks_url] if settings.strategy.verifies else []
    urls += [settings.introspection_url] if settings.strategy.asks else []
    for url in {origin(url): url for url in urls}.values():
        if not (yield from _examine_way(url, line, conf)):
            return
    issuer = Issuer(settings, conf)
    if issuer.keys is not None:
        yield from examine_keys(issuer, issuer.keys, line)
    if issuer.client is not None:
        yield from examine_answer(issuer, line)
    yield from examine_discovery(settings, line, conf)


def line_of(settings: IssuerSettings) -> str:
    """Return what to change: the variables that are set, or else the entry of the settings."""
    preset = settings.preset
    wanted = [f"{preset}_{option}".upper() for option in (*parameters_of(preset), *COMMON)]
    names = sorted(name for name in os.environ if name.endswith(tuple(wanted)))
    names = [name for name in names if "SECRET" not in name and "TOKEN" not in name]
    return f"{' or '.join(names)} in .env" if names else f"the entry {settings.name!r} of ISSUERS"


def examine_rules(settings: IssuerSettings) -> Finding:
    """Return which tokens are accepted, and what that means for one that is revoked."""
    rules = [f"for {' or '.join(settings.audiences)}"] if settings.audiences else []
    rules += [f"of the clients {', '.join(settings.client_ids)}"] if settings.client_ids else []
    text = f"tokens of {settings.iss} {' and '.join(rules)}, by {settings.strategy}"
    if not settings.strategy.asks:
        text += "; one that was revoked is good until `exp`"
    return ok("rules", text)


def _examine_way(url: str, line: str, conf: Conf) -> Generator[Finding, None, bool]:
    seconds = conf.connect_timeout
    if not (yield from examine_address(url, line, seconds)):
        return False
    if url.startswith("https:") and not (yield from examine_tls(url, line, seconds)):
        return False
    start = time.time()
    try:
        _, headers, _ = ask("GET", url, conf)
    except HTTPError as error:
        yield problem("endpoint", f"{shown(url)} gives no answer ({type(error).__name__}).")
        return False
    yield from examine_clock(headers.get("date", ""), (start + time.time()) / 2)
    return True


def examine_keys(issuer: Issuer, keys: KeySet, line: str) -> Iterator[Finding]:
    """Yield whether the key set has keys for the algorithms of the issuer."""
    try:
        found = keys.keys()
    except TokenValidationError as error:
        yield problem("keys", f"{shown(keys.http.url)}: {error}. Change {line}.")
        return
    algorithms = issuer.settings.algorithms
    usable = [key for key in found if any(key.fits(key.kid, one) for one in algorithms)]
    if usable:
        yield ok("keys", f"{len(usable)} for {', '.join(algorithms)} at {shown(keys.http.url)}")
    else:
        yield problem(
            "keys",
            f"none of the {len(found)} at {shown(keys.http.url)} is for {', '.join(algorithms)}. "
            "Change `algorithms`.",
        )


def examine_answer(issuer: Issuer, line: str) -> Iterator[Finding]:
    """Yield what is answered to the real credentials about a token that nobody issued."""
    try:
        answer = issuer.ask(secrets.token_urlsafe(32))
    except IntrospectionCredentialsRefused as error:
        client = error.client_id or "the bearer token"
        yield problem(
            "credentials",
            f"{client} is refused (status {error.status}). Change its id or its secret: {line}.",
        )
        return
    except TokenValidationError as error:
        status = "no answer" if error.status is None else f"status {error.status}"
        yield problem("introspection", f"{status} at {shown(error.url)}. Change {line}.")
        return
    if answer.get("active") is False:
        yield ok("introspection", "the credentials are accepted, and a made-up token is inactive")
    else:
        yield problem("introspection", f"a made-up token is not inactive. Change {line}.")


def examine_discovery(settings: IssuerSettings, line: str, conf: Conf) -> Iterator[Finding]:
    """Yield where the document of the issuer differs from what the preset has derived."""
    iss, special = settings.iss, settings.discovery_url
    urls = [special] if special else well_known_urls(iss, origin(iss))
    document = first_document(urls, conf)
    if document is None:
        yield warning("discovery", f"no document at {shown(special or iss)} to compare with")
        return
    expected = {
        "issuer": iss,
        "jwks_uri": settings.jwks_url if settings.strategy.verifies else "",
        "introspection_endpoint": settings.introspection_url if settings.strategy.asks else "",
    }
    differs = False
    for member, ours in expected.items():
        theirs = document.get(member)
        others = () if member == "issuer" else settings.other_urls
        if ours and isinstance(theirs, str) and theirs not in (ours, *others):
            differs = True
            level = problem if member == "issuer" else warning
            yield level("discovery", f"`{member}` is {theirs}, and here {ours}. Change {line}.")
    if not differs:
        yield ok("discovery", f"the document of {iss} says the same")
