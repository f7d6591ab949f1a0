"""Each parser of the library as a function of bytes, for `fuzzing`.

A function returns whether the bytes are accepted. It raises nothing for bytes that the parser
refuses as it should; whatever else it raises is a fault.
"""

import json
import re
from base64 import urlsafe_b64encode
from dataclasses import replace
from io import BytesIO
from unittest.mock import patch

from django.core.exceptions import ImproperlyConfigured, TooManyFieldsSent
from django.core.handlers.wsgi import WSGIRequest
from oauth_resource_server import errors
from oauth_resource_server.cache.local import LocalCache
from oauth_resource_server.conf import read_conf
from oauth_resource_server.doctor import issuer as doctor
from oauth_resource_server.http.client import Response
from oauth_resource_server.issuers import issuer as issuer_module
from oauth_resource_server.issuers.environment import issuers_from_environment
from oauth_resource_server.issuers.introspection import (
    IntrospectionClient,
    TokenInfoClient,
    confirms,
    judge_response,
)
from oauth_resource_server.issuers.jwks import KeySet
from oauth_resource_server.issuers.jwt import TokenRefused, check_signature, parse
from oauth_resource_server.issuers.keys import CURVES, Key
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.settings import Strategy
from oauth_resource_server.resilience.circuit_breaker import CircuitBreaker
from oauth_resource_server.rest_framework.authentication import InvalidRequest, bearer_token
from oauth_resource_server.revocation.matcher import RevocationMatcher
from oauth_resource_server.revocation.receiver import Receiver, ResponseInvalid
from oauth_resource_server.tokens import AccessToken
from oauth_resource_server.validation import is_well_formed
from rest_framework.request import Request

from . import jwts
from .test_issuer_settings import EVERY, TOKENINFO, issuers

CONF = read_conf()
CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
ISSUERS = [*(one for entry in EVERY for one in issuers(entry)), *issuers(TOKENINFO)]
RFC7662, RFC9068 = ISSUERS[6:8]
MATCHER = RevocationMatcher(LocalCache(max_entries=10, inactive_max_entries=10), None, "x", 60)


class Answer:
    """An HTTP client that has got a response."""

    url, max_bytes = "https://as/", 64 * 1024

    def __init__(self, body):
        self.send = self.exchange = lambda *_: Response(200, body)


def introspection(data):
    """An introspection response (RFC 7662), or one of Google's tokeninfo."""
    accepted = []
    for client in (IntrospectionClient(Answer(data), RFC7662), TokenInfoClient(Answer(data))):
        for issuer in ISSUERS:
            try:
                members = client.introspect("token")
                accepted.append(judge_response(members, issuer))
                confirms(members, issuer)
            except errors.IntrospectionResponseInvalid:
                continue
            assert accepted[-1] is None or members["active"] is True
    return any(isinstance(one, AccessToken) for one in accepted)


def jwt(data):
    """A JWT: its header and its claims, a line each. Its signature counts as good."""
    parts = [urlsafe_b64encode(part).rstrip(b"=").decode() for part in data.split(b"\n", 1)]
    token = ".".join([*parts, "c2lnbmF0dXJl"])
    accepted = []
    for settings in (one for one in ISSUERS if one.strategy.verifies):
        issuer = issuer_module.Issuer(replace(settings, strategy=Strategy.JWT), CONF)
        issuer.keys.find = lambda *_: (Key(jwts.key("one", "EC")),)
        try:
            unverified = parse(token)
            with patch.object(issuer_module, "check_signature", lambda *_: None):
                accepted.append(issuer.validate(token, unverified))
        except TokenRefused:
            continue
    return any(accepted)


def signature(data):
    """A JWT as it is, whose signature is verified."""
    token = data.decode("latin-1")
    try:
        check_signature(token, [jwts.key("one", "EC")], "ES256")
        return parse(token) is not None
    except TokenRefused:
        return False


def key_set(data):
    """A key set (RFC 7517), or certificates."""
    keys = KeySet(Answer(data), CircuitBreaker(outages=10**9, max_delay=1, url="", name="fuzz"))
    try:
        found = keys.keys()
    except errors.KeySetInvalid:
        return False
    return [key.fits("one", name) for key in found for name in ("RS256", *CURVES)] != []


def metadata(data):
    """A discovery document (RFC 8414), which the doctor compares."""
    with patch.object(doctor, "HTTPClient", lambda *_, **options: Answer(data)):
        findings = [finding for one in ISSUERS for finding in doctor.examine_discovery(one, CONF)]
    assert len(findings) >= len(ISSUERS)
    return "agrees" in str(findings)


def events(data):
    """A response to a poll for revocations, the first one and a later one."""
    receiver = Receiver("https://as/o/events/", RFC7662, CONF, MATCHER)
    receiver._http = Answer(data)
    try:
        receiver._poll(False)
        receiver._poll(False)
    except ResponseInvalid:
        return False
    return receiver.is_live


def header(data):
    """A request: the lines Authorization, query and Content-Type, and its body."""
    first, query, kind, body = (*data.split(b"\n", 3), b"", b"", b"")[:4]
    if CONTROL.search(b"".join((first, query, kind))):
        return False  # An HTTP server refuses it; Django does not expect NUL in a charset.
    environ = {
        "REQUEST_METHOD": "POST",
        "HTTP_HOST": "testserver",
        "HTTP_AUTHORIZATION": first.decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "CONTENT_TYPE": kind.decode("latin-1"),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": BytesIO(body),
    }
    try:
        token = bearer_token(Request(WSGIRequest(environ)))
    except (InvalidRequest, TooManyFieldsSent):
        return False
    assert token is None or token.split() == [token]
    return token is not None and is_well_formed(token)


class File:
    """The file of ``ISSUERS_CONFIG``, and its folder."""

    name = "issuers.toml"

    def __init__(self, data):
        self.data = data

    def __truediv__(self, name):
        return self

    def read_text(self, encoding):
        return self.data.decode(encoding)


def configuration(data):
    """``ISSUERS``, in one line, the value of all other variables, in the next, and the file."""
    names, value, file = (*data.split(b"\n", 2), b"", b"")[:3]
    variables = {"ISSUERS": names.decode("latin-1"), "ISSUERS_CONFIG": file and "issuers.toml"}
    other = value.decode("latin-1")

    def env(name, default):
        return "" if name.startswith("ORDERS_") else variables.get(name, other)

    try:
        found = issuers_from_environment(env, "ORDERS", File(file))
        return bool(found and read_issuers(replace(CONF, issuers=found)))
    except ImproperlyConfigured:
        return False


CLAIMS = json.dumps(jwts.claims(iss="https://as", exp=4e9, aud=CONF.audience, active=True))
DOCUMENT = {"issuer": "https://as", "jwks_uri": "https://as/jwks", "scopes_supported": ["a"]}
NEWS = {"position": "e.p.1.2", "tokens": ["0" * 64], "clients": ["shop"], "reset": False}
TOML = b'[[issuers]]\npreset = "rfc9068"\nissuer = "https://as"\njwks_url = "https://as/jwks"\n'
# Each function with bytes that it accepts.
PARSERS = {
    introspection: CLAIMS.encode(),
    jwt: b'{"alg": "RS256", "typ": "at+jwt", "kid": "one"}\n' + CLAIMS.encode(),
    signature: jwts.jwt(jwts.key("one", "EC")).encode(),
    key_set: json.dumps(jwts.key_set(jwts.key(), jwts.key("two", "EC"))).encode(),
    metadata: json.dumps(DOCUMENT).encode(),
    events: json.dumps(NEWS | {"moreAvailable": True, "live": 8, "delay": 0.5}).encode(),
    header: b"Bearer abc\nq=1\napplication/x-www-form-urlencoded; charset=utf-8\nname=Lamp",
    configuration: b"\n\n" + TOML,
}
