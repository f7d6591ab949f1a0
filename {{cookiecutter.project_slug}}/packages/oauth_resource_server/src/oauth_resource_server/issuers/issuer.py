"""One issuer: whether a token of it is good, and what it stands for."""

import logging
import time
from typing import Any, Protocol

from oauth_resource_server import metrics
from oauth_resource_server.conf import Conf
from oauth_resource_server.http.client import MAX_BODY_BYTES, HTTPClient
from oauth_resource_server.issuers import jwks
from oauth_resource_server.issuers.acceptance import issuer_of, objection
from oauth_resource_server.issuers.claims import access_token, timestamp
from oauth_resource_server.issuers.introspection import IntrospectionClient
from oauth_resource_server.issuers.judgement import is_still_good, judge
from oauth_resource_server.issuers.jwt import (
    TokenRefused,
    Unverified,
    check_claims,
    check_signature,
    checked_algorithm,
)
from oauth_resource_server.issuers.settings import IssuerSettings, Strategy
from oauth_resource_server.issuers.tokeninfo import TokenInfoClient
from oauth_resource_server.resilience.circuit_breaker import CircuitBreaker
from oauth_resource_server.tokens import AccessToken

PROBE_TOKEN = "readiness-probe"  # noqa: S105

log = logging.getLogger(__name__)


class Client(Protocol):
    """What can be asked about a token."""

    http: HTTPClient
    url: str

    def introspect(self, token: str) -> dict[str, Any]:
        """Return an answer of RFC 7662 section 2.2."""


class Issuer:
    """One issuer of the settings, with the connections and keys that this process has for it.

    Attributes:
        settings: What there is to know about it.
        client: Asks it about a token; None where nobody is asked.
        keys: Its key set; None where no signature is checked.
    """

    def __init__(self, settings: IssuerSettings, conf: Conf) -> None:
        self.settings = settings
        self.name = settings.name
        self.client: Client | None = None
        self.keys: jwks.KeySet | None = None
        if settings.strategy.asks:
            self.client = _client(settings, conf)
            self.breaker = _breaker(settings.name, conf, settings.introspection_url)
            self._seconds = metrics.seconds.labels(settings.name)
        if settings.strategy.verifies:
            http = _http(settings.jwks_url, conf, max_bytes=jwks.MAX_BYTES)
            breaker = _breaker(f"{settings.name} keys", conf, settings.jwks_url)
            self.keys = jwks.KeySet(http, breaker, name=settings.name)

    @property
    def identity(self) -> str:
        """What its judgements depend on: with another audience or client they are others."""
        client_id = self.settings.credentials[0] if self.settings.credentials else ""
        return f"{client_id} {self.settings!r}"

    def judge(self, token: str, jwt: Unverified | None) -> AccessToken | None:
        """Return what `token` stands for; None if it is no good here.

        Args:
            token: As it stood in the header.
            jwt: What it says of itself; None if it is opaque.

        Raises:
            TokenValidationError: Nobody knows.
        """
        if self.keys is None:
            return judge(self.ask(token), self.settings)
        verified = None if jwt is None else self._verified(token, jwt, self.keys)
        if verified is None or self.client is None:
            return verified  # Nobody is asked about a token that is garbage.
        return verified if is_still_good(self.ask(token), self.settings) else None

    def ask(self, token: str) -> dict[str, Any]:
        """Return what the issuer answers about `token`."""
        assert self.client is not None  # noqa: S101 - the strategy asks
        client, seconds = self.client, self._seconds

        def ask() -> dict[str, Any]:
            with seconds.time():
                return client.introspect(token)

        return self.breaker(ask)

    def probe(self) -> None:
        """Do what judging a token would need.

        Raises:
            TokenValidationError: It does not work.
        """
        if self.client is not None:
            judge(self.ask(PROBE_TOKEN), self.settings)
        if self.keys is not None:
            self.keys.keys()

    def _verified(self, token: str, jwt: Unverified, keys: jwks.KeySet) -> AccessToken | None:
        genuine = False
        try:
            algorithm = checked_algorithm(jwt.header, self.settings)
            iss = issuer_of(jwt.claims, self.settings)
            if iss is None:
                raise TokenRefused("its issuer is another")
            found = keys.find(jwt.kid, algorithm, timestamp(jwt.claims, "iat"))
            # A key of Entra says which tenants it is for.
            mine = [key.jwk for key in found if _is_of(key.issuer, iss, jwt)]
            check_signature(token, mine, algorithm)
            genuine = True
            check_claims(jwt.claims, self.settings, time.time())
            access = access_token(jwt.claims, self.settings, iss)
            if reason := objection(access, self.settings):
                raise TokenRefused(reason)
        except (TokenRefused, ValueError) as refusal:
            # Strangers can cause the others. Of a genuine one the owner of this API wants to know.
            level = logging.WARNING if genuine else logging.DEBUG
            log.log(level, "Refused a JWT of %s: %s.", self.name, refusal)
            return None
        return access


def _is_of(key_issuer: str | None, iss: str, jwt: Unverified) -> bool:
    if key_issuer is None:
        return True
    return key_issuer.replace("{tenantid}", str(jwt.claims.get("tid"))) == iss


def _client(settings: IssuerSettings, conf: Conf) -> Client:
    http = _http(settings.introspection_url, conf)
    if settings.strategy is Strategy.TOKENINFO:
        return TokenInfoClient(http)
    return IntrospectionClient(
        http,
        credentials=settings.credentials,
        bearer_token=settings.bearer_token,
        token_type_hint=settings.token_type_hint,
    )


def _http(url: str, conf: Conf, *, max_bytes: int = MAX_BODY_BYTES) -> HTTPClient:
    return HTTPClient(
        url,
        connect_timeout=conf.connect_timeout,
        read_timeout=conf.read_timeout,
        total_timeout=conf.total_timeout,
        pool_size=conf.pool_size,
        max_bytes=max_bytes,
    )


def _breaker(name: str, conf: Conf, url: str) -> CircuitBreaker:
    return CircuitBreaker(
        outages=conf.breaker_outages,
        max_delay=conf.breaker_max_delay,
        url=url,
        name=name,
    )
