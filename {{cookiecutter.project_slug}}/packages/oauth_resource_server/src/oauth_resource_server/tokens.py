"""What a view gets as ``request.auth``: the access token, as the authorization server told it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from django.utils.functional import SimpleLazyObject

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

    from oauth_resource_server.users import TokenUser

# Attributes that are claims by the same name, as RFC 7662 section 2.2 has them; and `aud`.
CLAIMS = ("sub", "client_id", "scope", "exp", "iat", "iss", "username", "token_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """An active access token: the members of RFC 7662 section 2.2, and what DOT asks of a token.

    It does not hold the token itself, so it can be cached, logged and shown. It is shared between
    requests, and therefore never changes.

    Attributes:
        sub: The resource owner; for a token that no person stands behind, the client.
        client_id: The client that the token was issued to.
        scope: Scopes with spaces between them, as on the wire.
        exp: When it ends, in Unix seconds; None when the authorization server does not say.
        iat: When it was issued, in Unix seconds; None when the authorization server does not say.
        iss: The issuer.
        aud: The resource servers that it is meant for (RFC 8707 resource identifiers).
        username: What the authorization server calls the person: an attribute, never a key.
        token_type: ``Bearer``, or what the authorization server says instead.
        machine: Whether the issuer says that no person stands behind it; None when `sub` tells.
        rest: What the issuer said besides, as JSON: a tenth of the memory of the objects, and
            nobody can change it. `claims` is for reading.
    """

    sub: str
    client_id: str = ""
    scope: str = ""
    exp: int | None = None
    iat: int | None = None
    iss: str = ""
    aud: tuple[str, ...] = ()
    username: str | None = None
    token_type: str = "Bearer"  # noqa: S105
    machine: bool | None = None
    rest: str = field(default="", repr=False)

    # DOT has no client here: the `application` of a token is a row of the authorization server.
    application = None

    @property
    def is_machine(self) -> bool:
        """Whether no person stands behind it, as with the client credentials grant."""
        if self.machine is not None:
            return self.machine
        return not self.username and self.sub in ("", self.client_id)

    @property
    def claims(self) -> Mapping[str, Any]:
        """All that the issuer said of the token, by its own names; read-only.

        The attributes are there too, where it has other names for them. ``aud`` is always a list,
        ``exp`` and ``iat`` are always numbers. Parsed each time.
        """
        said = {name: getattr(self, name) for name in CLAIMS}
        said = {name: value for name, value in said.items() if value not in (None, "")}
        said |= {"aud": list(self.aud)} if self.aud else {}
        return MappingProxyType(said | json.loads(self.rest or "{}"))

    def is_valid(self, scopes: Iterable[str] | None = None) -> bool:
        """Return whether it is still good, and good for all `scopes`."""
        return not self.is_expired() and self.allow_scopes(scopes)

    def is_expired(self) -> bool:
        """Return whether its end has come."""
        return self.exp is not None and self.exp <= time.time()

    def allow_scopes(self, scopes: Iterable[str] | None) -> bool:
        """Return whether it carries all `scopes`."""
        return not scopes or set(scopes) <= set(self.scope.split())

    @property
    def scopes(self) -> dict[str, str]:
        """Its scopes that this resource server knows, each with its description."""
        # Both imports are late, for this module is imported before settings and apps are ready.
        from oauth2_provider.scopes import get_scopes_backend

        carried = self.scope.split()
        known = get_scopes_backend().get_all_scopes()
        return {name: text for name, text in known.items() if name in carried}

    @property
    def expires(self) -> datetime | None:
        """When it ends, in UTC."""
        return None if self.exp is None else datetime.fromtimestamp(self.exp, tz=UTC)

    @property
    def user(self) -> SimpleLazyObject[AbstractBaseUser | TokenUser] | None:
        """The local user, read from the database when it is touched; None for a machine."""
        from oauth_resource_server.users import local_user

        return None if self.is_machine else SimpleLazyObject(partial(local_user, self))
