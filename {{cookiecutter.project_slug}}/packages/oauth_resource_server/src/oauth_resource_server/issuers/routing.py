"""Which issuer may see a token: the one that it names, or else those that may have minted it."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from threading import Lock

from cachetools import LRUCache, TTLCache
from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.conf import PerProcess, conf
from oauth_resource_server.errors import TokenValidationError
from oauth_resource_server.issuers.acceptance import issuer_of
from oauth_resource_server.issuers.issuer import Issuer
from oauth_resource_server.issuers.jwt import TokenRefused, Unverified, parse
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.settings import Strategy
from oauth_resource_server.tokens import AccessToken

MAX_REMEMBERED = 10_000  # tokens


class Issuers:
    """Asks the issuers about a token: as few of them as can be.

    A JWT that names its issuer is for that one only. If nobody trusts the issuer that it names it
    is no good, and nobody is asked. An issuer may be there twice: the entry that verifies is for
    its JWTs, the one that asks for its opaque tokens. Any other token is opaque. It goes to the
    issuers that know opaque ones, in the order of the settings, until one of them says that it is
    active; that one is remembered, and asked alone from then on. One that said otherwise a moment
    ago is not asked.

    Args:
        issuers: In the order of the settings.
        caching_seconds: How long a token is remembered, where its issuer does not say.
        inactive_seconds: How long it is remembered that a token is none of an issuer.
    """

    def __init__(
        self,
        issuers: Sequence[Issuer],
        *,
        caching_seconds: float = 60,
        inactive_seconds: float = 5,
    ) -> None:
        self.all = tuple(issuers)
        self._opaque = [issuer for issuer in self.all if issuer.keys is None]
        # Tokeninfo is for opaque tokens of an issuer whose JWTs are another entry's.
        named = [one for one in self.all if one.settings.strategy is not Strategy.TOKENINFO]
        self._named = sorted(named, key=lambda one: not one.settings.strategy.verifies)
        self._default_seconds = caching_seconds
        self._lock = Lock()
        self._owners: LRUCache[bytes, Issuer] = LRUCache(MAX_REMEMBERED)
        self._denied: TTLCache[tuple[str, bytes], bool] = TTLCache(MAX_REMEMBERED, inactive_seconds)

    def judge(self, token: str) -> AccessToken | None:
        """Return what `token` stands for; None if it is no good here.

        Raises:
            TokenValidationError: Nobody knows.
        """
        try:
            jwt = parse(token)
        except TokenRefused:
            return None  # Whoever minted it, it is shown to nobody.
        if jwt is not None and jwt.iss:
            issuer = self.named(jwt)
            return issuer.judge(token, jwt) if issuer else None
        if len(self._opaque) == 1:
            return self._opaque[0].judge(token, None)
        return self._found(token)

    def addressee(self, token: str) -> str:
        """Return the name of the issuer that is asked about `token`; "" where it may be several."""
        if len(self.all) == 1:
            return self.all[0].name
        try:
            jwt = parse(token)
        except TokenRefused:
            return ""
        if jwt is not None and jwt.iss:
            issuer = self.named(jwt)
        elif len(self._opaque) == 1:
            issuer = self._opaque[0]
        else:
            issuer = self._owner(sha256(token.encode()).digest())
        return issuer.name if issuer else ""

    def caching_seconds(self, token: AccessToken) -> float:
        """Return how long `token` may be remembered: the least that an entry of its issuer says.

        An entry that says nothing counts with the default. It is not known which of two entries
        has judged the token, for another process may have done so.
        """
        claims = token.claims
        said = (
            one.settings.caching_seconds
            for one in self.all
            if issuer_of(claims, one.settings) is not None
        )
        seconds = [self._default_seconds if one is None else one for one in said]
        return min(seconds, default=self._default_seconds)

    def named(self, jwt: Unverified) -> Issuer | None:
        """Return the issuer that a JWT names; None if it is not trusted here."""
        for issuer in self._named:
            if issuer_of(jwt.claims, issuer.settings) is not None:
                return issuer
        return None

    def _found(self, token: str) -> AccessToken | None:
        key, outage = sha256(token.encode()).digest(), None
        for issuer in self._candidates(key):
            try:
                found = issuer.judge(token, None)
            except TokenValidationError as error:
                outage = outage or error  # Another one may know the token.
                continue
            with self._lock:
                if found is not None:
                    self._owners[key] = issuer
                    return found
                self._denied[issuer.name, key] = True
        if outage is not None:
            raise outage
        return None

    def _owner(self, key: bytes) -> Issuer | None:
        with self._lock:
            return self._owners.get(key)

    def _candidates(self, key: bytes) -> Iterator[Issuer]:
        if (owner := self._owner(key)) is not None:
            yield owner
            return
        for issuer in self._opaque:
            with self._lock:
                denied = (issuer.name, key) in self._denied
            if not denied:
                yield issuer


@PerProcess
def configured_issuers() -> Issuers:
    """Return the issuers of the settings, with what this process has for them."""
    current = conf()
    if current.issuers is None and not (current.url and current.issuer):
        # A server runs no system check that would have said so.
        raise ImproperlyConfigured(
            "Introspection needs a URL and an ISSUER; see `manage.py check`."
        )
    return Issuers(
        [Issuer(settings, current) for settings in read_issuers(current)],
        caching_seconds=current.caching_seconds,
        inactive_seconds=current.inactive_caching_seconds,
    )
