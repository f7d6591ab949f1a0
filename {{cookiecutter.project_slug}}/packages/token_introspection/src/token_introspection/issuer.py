"""Whose tokens these are: the authorization server that this resource server trusts."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from token_introspection import metrics
from token_introspection.breaker import CircuitBreaker
from token_introspection.conf import PerProcess, conf
from token_introspection.introspection import IntrospectionClient
from token_introspection.judgement import judge
from token_introspection.tokens import AccessToken


class Issuer:
    """One authorization server and how its tokens are recognised.

    Args:
        iss: Its issuer identifier, compared with ``iss`` character by character.
        audience: What must stand in ``aud``; empty: accept any.
        client: Asks it.
        breaker: Knows whether that makes sense at the moment.
    """

    def __init__(
        self,
        iss: str,
        audience: str,
        client: IntrospectionClient,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        self.iss = iss
        self.audience = audience
        self.client = client
        self.breaker = breaker or CircuitBreaker(url=client.url)

    def introspect(self, token: str) -> AccessToken | None:
        """Ask about `token` and return what it stands for; None if it is no good here.

        Raises:
            TokenIntrospectionError: Nobody knows.
        """
        answer = self.breaker(lambda: self._ask(token))
        return judge(answer, iss=self.iss, aud=self.audience, url=self.client.url)

    def _ask(self, token: str) -> dict[str, Any]:
        with metrics.seconds.time():
            return self.client.introspect(token)


@PerProcess
def configured_issuer() -> Issuer:
    """Return the issuer of the settings, with the one pool of connections of this process."""
    current = conf()
    if not current.url or not current.issuer:
        # A server runs no system check that would have said so.
        raise ImproperlyConfigured(
            "Introspection needs a URL and an ISSUER; see `manage.py check`."
        )
    client = IntrospectionClient(
        current.url,
        credentials=None if current.bearer_token else current.credentials,
        bearer_token=current.bearer_token,
        connect_timeout=current.connect_timeout,
        read_timeout=current.read_timeout,
        total_timeout=current.total_timeout,
        pool_size=current.pool_size,
    )
    breaker = CircuitBreaker(
        outages=current.breaker_outages, max_delay=current.breaker_max_delay, url=current.url
    )
    return Issuer(current.issuer, current.audience, client, breaker)
