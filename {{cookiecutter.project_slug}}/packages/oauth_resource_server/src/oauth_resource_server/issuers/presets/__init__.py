"""One function for each vendor: from the values that its console shows to `IssuerSettings`.

The first parameter is `Conf`. The keyword-only parameters are the options of the preset; those
without a default are required. REFERENCE.md describes them.
"""

import inspect
from collections.abc import Callable

from oauth_resource_server.issuers.presets.cognito import cognito
from oauth_resource_server.issuers.presets.entra import entra
from oauth_resource_server.issuers.presets.google import google
from oauth_resource_server.issuers.presets.keycloak import keycloak
from oauth_resource_server.issuers.presets.okta import auth0, okta
from oauth_resource_server.issuers.presets.standards import authorization_server, rfc7662, rfc9068
from oauth_resource_server.issuers.settings import IssuerSettings, Strategy

BUNDLED = "authorization_server"
INTROSPECTION, JWT = (Strategy.INTROSPECTION,), (Strategy.JWT,)
BOTH = (Strategy.JWT_AND_INTROSPECTION,)
# The function, and the strategies that the vendor supports; the first one is the default.
PRESETS: dict[str, tuple[Callable[..., IssuerSettings], tuple[Strategy, ...]]] = {
    BUNDLED: (authorization_server, INTROSPECTION),
    "okta": (okta, INTROSPECTION + JWT + BOTH),
    "auth0": (auth0, JWT),
    "cognito": (cognito, JWT),
    "google": (google, ()),  # Depends on its `kind`.
    "keycloak": (keycloak, INTROSPECTION + JWT + BOTH),
    "entra": (entra, JWT),
    "rfc7662": (rfc7662, INTROSPECTION),
    "rfc9068": (rfc9068, JWT + BOTH),
}


def parameters_of(preset: str) -> dict[str, inspect.Parameter]:
    """Return the options of `preset` that are parameters of its function."""
    parameters = inspect.signature(PRESETS[preset][0]).parameters.items()
    return {name: one for name, one in parameters if one.kind is one.KEYWORD_ONLY}
