"""`AccessToken`: what a view gets as ``request.auth``."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

# Attributes with the name of their claim (RFC 7662 section 2.2), besides `aud`.
CLAIMS = ("sub", "client_id", "scope", "exp", "iat", "iss", "username", "token_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """An active access token: the claims of RFC 7662 section 2.2, the interface of DOT's tokens.

    It does not contain the token string, so it can be cached and logged. It is immutable, because
    requests share it. `exp` and `iat` are Unix seconds, or None if unknown.
    """

    sub: str  # The resource owner; for a client credentials token, the client.
    client_id: str = ""
    scope: str = ""  # Space-separated.
    exp: int | None = None
    iat: int | None = None
    iss: str = ""
    aud: tuple[str, ...] = ()  # RFC 8707 resource identifiers.
    username: str | None = None  # The name at the authorization server, for display only.
    token_type: str = "Bearer"  # noqa: S105
    machine: bool | None = None  # A client credentials token. None: infer it from `sub`.
    # The other claims as JSON text, which is immutable and needs a tenth of the memory of the
    # objects. Read `claims` instead.
    extra_claims_json: str = field(default="", repr=False)

    # The `application` of DOT's tokens is a row in the database of the authorization server.
    application = None

    @property
    def is_machine(self) -> bool:
        """Whether the client acts for itself, as with the client credentials grant."""
        if self.machine is not None:
            return self.machine
        return not self.username and self.sub in ("", self.client_id)

    @property
    def claims(self) -> Mapping[str, Any]:
        """All claims of the token, read-only, by the names that the issuer uses.

        The attributes are included under the names of RFC 7662. ``aud`` is always a list, ``exp``
        and ``iat`` are always numbers. Parsed at each access.
        """
        claims = {name: getattr(self, name) for name in CLAIMS}
        claims = {name: value for name, value in claims.items() if value not in (None, "")}
        claims |= {"aud": list(self.aud)} if self.aud else {}
        return MappingProxyType(claims | json.loads(self.extra_claims_json or "{}"))

    def is_valid(self, scopes: Iterable[str] | None = None) -> bool:
        """Return whether it has not expired and carries all `scopes`."""
        return not self.is_expired() and self.allow_scopes(scopes)

    def is_expired(self) -> bool:
        """Return whether `exp` has passed."""
        return self.exp is not None and self.exp <= time.time()

    def allow_scopes(self, scopes: Iterable[str] | None) -> bool:
        """Return whether it carries all `scopes`."""
        return not scopes or set(scopes) <= set(self.scope.split())

    @property
    def scopes(self) -> dict[str, str]:
        """The scopes that this resource server knows, with their descriptions."""
        # Imported late: this module is imported before the settings and apps are ready.
        from oauth2_provider.scopes import get_scopes_backend

        carried = self.scope.split()
        known = get_scopes_backend().get_all_scopes()
        return {name: text for name, text in known.items() if name in carried}

    @property
    def expires(self) -> datetime | None:
        """Expiry in UTC."""
        return None if self.exp is None else datetime.fromtimestamp(self.exp, tz=UTC)
