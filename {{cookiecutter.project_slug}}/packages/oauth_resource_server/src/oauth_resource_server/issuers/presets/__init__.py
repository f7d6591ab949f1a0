"""One small function for each vendor: from what its console shows to `IssuerSettings`.

The parameters of a function are the options of its preset; one without a default is needed. In the
environment an option is ``<PRESET>_<OPTION>``. The docstring names the documents it follows.
"""

from collections.abc import Callable

from oauth_resource_server.issuers.presets.auth0 import auth0
from oauth_resource_server.issuers.presets.cognito import cognito
from oauth_resource_server.issuers.presets.entra import entra
from oauth_resource_server.issuers.presets.google import google
from oauth_resource_server.issuers.presets.keycloak import keycloak
from oauth_resource_server.issuers.presets.okta import okta
from oauth_resource_server.issuers.presets.standards import rfc7662, rfc9068
from oauth_resource_server.issuers.settings import IssuerSettings, Strategy

INTROSPECTION, JWT, BOTH = (
    Strategy.INTROSPECTION,
    Strategy.JWT,
    Strategy.JWT_AND_INTROSPECTION,
)
# The function, and the strategies that the vendor has; the first one is the default.
PRESETS: dict[str, tuple[Callable[..., IssuerSettings], tuple[Strategy, ...]]] = {
    "okta": (okta, (INTROSPECTION, JWT, BOTH)),
    "auth0": (auth0, (JWT,)),
    "cognito": (cognito, (JWT,)),
    "google": (google, ()),  # Its `kind` says which.
    "keycloak": (keycloak, (INTROSPECTION, JWT, BOTH)),
    "entra": (entra, (JWT,)),
    "rfc7662": (rfc7662, (INTROSPECTION,)),
    "rfc9068": (rfc9068, (JWT, BOTH)),
}
