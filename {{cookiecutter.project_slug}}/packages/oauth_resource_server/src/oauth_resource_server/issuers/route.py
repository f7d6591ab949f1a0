"""Decide which issuers may see a token, and ask as few of them as possible."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from threading import Lock

from cachetools import LRUCache, TTLCache

from oauth_resource_server.conf import PerProcess, conf
from oauth_resource_server.errors import TokenValidationError
from oauth_resource_server.issuers.issuer import Issuer
from oauth_resource_server.issuers.jwt import TokenRefused, UnverifiedJWT, parse
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.settings import Strategy
from oauth_resource_server.issuers.token_checks import issuer_of
from oauth_resource_server.tokens import AccessToken

MAX_REMEMBERED = 10_000  # tokens


@dataclass(frozen=True, slots=True)
class Route:
    """The issuers to ask about a token, in this order. Without one the token is invalid."""

    issuers: tuple[Issuer, ...]
    jwt: UnverifiedJWT | None = None  # None for an opaque token.

    @property
    def issuer_name(self) -> str:
        """Name of the issuer that will be asked; empty if there may be several."""
        return self.issuers[0].name if len(self.issuers) == 1 else ""


class Issuers:
    """The issuers of the settings.

    A JWT goes to the issuer that its ``iss`` names, and to no other. Two entries may have one
    ``iss``: the entry that verifies signatures gets the JWTs, the other one the opaque tokens. An
    opaque token goes to the issuers that introspect, in the order of the settings, until one
    answers that it is active. That issuer is remembered and asked alone from then on. An issuer
    that has answered "inactive" within `inactive_seconds` is skipped. `caching_seconds` holds for
    the tokens of issuers that have no setting for it.
    """

    def __init__(
        self, issuers: Iterable[Issuer], *, caching_seconds: float = 60, inactive_seconds: float = 5
    ) -> None:
        self.all = tuple(issuers)
        self._opaque = tuple(issuer for issuer in self.all if issuer.keys is None)
        # Tokeninfo is for the opaque tokens of an issuer whose JWTs belong to another entry.
        named = [one for one in self.all if one.settings.strategy is not Strategy.TOKENINFO]
        self._named = sorted(named, key=lambda one: not one.settings.strategy.verifies)
        self._default_seconds = caching_seconds
        self._has_one_lifetime = all(one.settings.caching_seconds is None for one in self.all)
        self._lock = Lock()
        self._owners: LRUCache[bytes, Issuer] = LRUCache(MAX_REMEMBERED)
        self._denied: TTLCache[tuple[str, bytes], bool] = TTLCache(MAX_REMEMBERED, inactive_seconds)

    def route(self, token: str, key: bytes) -> Route:
        """Return where `token` goes. `key` is its digest."""
        try:
            jwt = parse(token)
        except TokenRefused:
            return Route(())
        if jwt is not None and jwt.iss:
            named = (one for one in self._named if issuer_of(jwt.claims, one.settings) is not None)
            return Route(tuple(islice(named, 1)), jwt)
        with self._lock:
            owner = self._owners.get(key)
        return Route(self._opaque if owner is None else (owner,))

    def validate(self, route: Route, token: str, key: bytes) -> AccessToken | None:
        """Ask the issuers of `route`; return the token, or None if it is not valid here.

        If no issuer knows it and one could not be asked, raise a `TokenValidationError`.
        """
        if len(route.issuers) == 1:
            return route.issuers[0].validate(token, route.jwt)
        failure = None
        for issuer in route.issuers:
            with self._lock:
                if (issuer.name, key) in self._denied:
                    continue
            try:
                access_token = issuer.validate(token, None)
            except TokenValidationError as error:
                failure = failure or error  # Another issuer may know the token.
                continue
            with self._lock:
                if access_token is not None:
                    self._owners[key] = issuer
                    return access_token
                self._denied[issuer.name, key] = True
        if failure is not None:
            raise failure
        return None

    def caching_seconds(self, access_token: AccessToken) -> float:
        """Return the cache lifetime: the shortest of the entries with the issuer of the token.

        Which of them has validated the token is not known: another process may have done so.
        """
        if self._has_one_lifetime:
            return self._default_seconds
        claims, default = access_token.claims, self._default_seconds
        entries = [one.settings for one in self.all if issuer_of(claims, one.settings) is not None]
        seconds = [one.caching_seconds for one in entries]
        return min((default if one is None else one for one in seconds), default=default)


@PerProcess
def configured_issuers() -> Issuers:
    """Return the issuers of the settings, with the connections and keys of this process."""
    current = conf()
    return Issuers(
        [Issuer(settings, current) for settings in read_issuers(current)],
        caching_seconds=current.caching_seconds,
        inactive_seconds=current.inactive_caching_seconds,
    )
