"""One issuer of the settings: validates its tokens by introspection, by signature, or by both."""

import logging
import time
from typing import Any

from oauth_resource_server import metrics
from oauth_resource_server.conf import Conf
from oauth_resource_server.http.client import HTTPClient
from oauth_resource_server.issuers import introspection, jwks
from oauth_resource_server.issuers.claims import timestamp, token_from_claims
from oauth_resource_server.issuers.introspection import IntrospectionClient, TokenInfoClient
from oauth_resource_server.issuers.jwt import (
    TokenRefused,
    UnverifiedJWT,
    check_claims,
    check_signature,
    check_type,
    checked_algorithm,
)
from oauth_resource_server.issuers.settings import IssuerSettings, Strategy
from oauth_resource_server.issuers.token_checks import TENANT, issuer_of, rejection_reason
from oauth_resource_server.resilience.circuit_breaker import CircuitBreaker
from oauth_resource_server.tokens import AccessToken

PROBE_TOKEN = "readiness-probe"  # noqa: S105

log = logging.getLogger(__name__)


class Issuer:
    """One issuer, with its connections and keys in this process."""

    def __init__(self, settings: IssuerSettings, conf: Conf) -> None:
        self.settings = settings
        self.name = settings.name
        self.client: IntrospectionClient | TokenInfoClient | None = None  # If it `asks`.
        self.keys: jwks.KeySet | None = None  # If it `verifies`.
        if settings.strategy.asks:
            http = HTTPClient(settings.introspection_url, conf)
            is_tokeninfo = settings.strategy is Strategy.TOKENINFO
            self.client = (
                TokenInfoClient(http) if is_tokeninfo else IntrospectionClient(http, settings)
            )
            self.breaker = _breaker(self.name, conf, http.url)
            self._seconds = metrics.seconds.labels(self.name)
        if settings.strategy.verifies:
            http = HTTPClient(settings.jwks_url, conf, max_bytes=jwks.MAX_BYTES)
            breaker = _breaker(f"{self.name} keys", conf, http.url)
            self.keys = jwks.KeySet(http, breaker, name=self.name)

    @property
    def identity(self) -> str:
        """What its results depend on: another audience or client leads to other results."""
        return f"{self.settings.client_id} {self.settings!r}"

    def validate(self, token: str, jwt: UnverifiedJWT | None) -> AccessToken | None:
        """Return the access token; None if it is invalid. `jwt` is None for an opaque token."""
        if self.keys is None:
            return introspection.judge_response(self.ask(token), self.settings)
        access_token = None if jwt is None else self._verify(token, jwt, self.keys)
        if access_token is None or self.client is None:
            return access_token  # A JWT that does not verify is not introspected.
        return access_token if introspection.confirms(self.ask(token), self.settings) else None

    def ask(self, token: str) -> dict[str, Any]:
        """Return the introspection response. The circuit breaker may prevent the request."""
        assert self.client is not None  # noqa: S101 - by the strategy
        client, seconds = self.client, self._seconds

        def timed() -> dict[str, Any]:
            with seconds.time():
                return client.introspect(token)

        return self.breaker(timed)

    def probe(self) -> None:
        """Use all that validation needs; raise a `TokenValidationError` if it does not work."""
        if self.client is not None:
            introspection.judge_response(self.ask(PROBE_TOKEN), self.settings)
        if self.keys is not None:
            self.keys.keys()

    def _verify(self, token: str, jwt: UnverifiedJWT, keys: jwks.KeySet) -> AccessToken | None:
        authentic = False
        try:
            algorithm = checked_algorithm(jwt.header, self.settings)
            iss = issuer_of(jwt.claims, self.settings)
            if iss is None:
                raise TokenRefused("it is from another issuer")
            found = keys.find(jwt.header.get("kid"), algorithm, timestamp(jwt.claims, "iat"))
            # A key of Entra ID may be restricted to the issuer of one tenant.
            tenant = str(jwt.claims.get("tid"))
            usable = [
                key.jwk
                for key in found
                if key.issuer is None or key.issuer.replace(TENANT, tenant) == iss
            ]
            check_signature(token, usable, algorithm)
            authentic = True
            check_type(jwt.header, self.settings)
            check_claims(jwt.claims, self.settings, time.time())
            access_token = token_from_claims(jwt.claims, self.settings, iss)
            if reason := rejection_reason(access_token, self.settings):
                raise TokenRefused(reason)
        except (TokenRefused, ValueError) as refusal:
            # Anyone can cause the refusal of a forged token; of an authentic one the log must tell.
            level = logging.WARNING if authentic else logging.DEBUG
            log.log(level, "Refused a JWT of %s: %s.", self.name, refusal)
            return None
        return access_token


def _breaker(name: str, conf: Conf, url: str) -> CircuitBreaker:
    outages, max_delay = conf.breaker_outages, conf.breaker_max_delay
    return CircuitBreaker(outages=outages, max_delay=max_delay, url=url, name=name)
