"""The claims of the setting CLAIMS: attributes of users, and who learns them.

A client finds a claim in ID tokens and at the UserInfo endpoint if its token has the scope of the
claim. A resource server finds it in the introspection responses about tokens of users if the claim
names the resource server, whatever the scope: it is an API of the same operator.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import BooleanField, CharField, IntegerField, TextField, UUIDField

from client_registry.manifests import resource_servers

# Members of ID tokens and introspection responses that have a meaning of their own.
PROTOCOL = {
    *("sub", "iss", "aud", "exp", "iat", "nbf", "jti", "nonce", "azp", "sid", "cnf", "act"),
    *("auth_time", "acr", "amr", "at_hash", "c_hash", "events"),
    *("active", "scope", "client_id", "token_type", "username"),
}
# Their values are read from the text that a database driver returns.
FIELDS = (BooleanField, CharField, IntegerField, TextField, UUIDField)


class Claim(NamedTuple):
    """One value of CLAIMS. A claim whose value is None or "" is left out."""

    #: An attribute of the user model: a field, a property or a method without arguments.
    attribute: str
    #: One of OPENID_SCOPES, which a client needs.
    scope: str
    #: Names of resource servers, "*" for all of them. The attribute is a field then.
    resource_servers: Collection[str] = ()

    def value(self, request: Any) -> Any:
        """Return the value of the claim for the user of `request`."""
        value = getattr(request.user, self.attribute)
        return value() if callable(value) else value


@cache
def introspected() -> tuple[tuple[str, Claim, Any], ...]:
    """Return the claims for resource servers: name, claim and field, in the order of the query."""
    fields = get_user_model()._meta
    return tuple(
        (name, claim, fields.get_field(claim.attribute))
        for name, claim in settings.CLAIMS.items()
        if claim.resource_servers
    )


def claims_for(resource_server: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return the claims for a resource server, from the values of all `introspected` columns."""
    return {
        name: field.to_python(value)
        for (name, claim, field), value in zip(introspected(), values, strict=True)
        if value not in (None, "") and not {resource_server, "*"}.isdisjoint(claim.resource_servers)
    }


def problems() -> Iterator[str]:
    """Yield one line for each claim that is not valid.

    Raises:
        RegistryError: A manifest is not valid.
    """
    user = get_user_model()
    fields = {field.name: field for field in user._meta.concrete_fields}
    for name, (attribute, scope, servers) in settings.CLAIMS.items():
        unknown = set(servers).difference(resource_servers(complete=True), "*")
        if name in PROTOCOL:
            yield f"{name} is a claim of the protocol."
        elif not hasattr(user, attribute):
            yield f"{name}: {user._meta.label} has no attribute {attribute!r}."
        elif scope not in settings.OPENID_SCOPES:
            yield f"{name}: OPENID_SCOPES has no scope {scope!r}."
        elif unknown:
            yield f"{name}: there is no resource server {min(unknown)!r}."
        elif servers and not isinstance(fields.get(attribute), FIELDS):
            kinds = ", ".join(kind.__name__ for kind in FIELDS)
            yield f"{name}: for a resource server, {attribute!r} must be a field ({kinds})."
