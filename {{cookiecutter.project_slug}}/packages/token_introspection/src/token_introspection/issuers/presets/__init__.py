"""One small function for each vendor: from what its console shows to `IssuerSettings`.

The parameters of a function are the options of its preset; one without a default is needed. In the
environment an option is ``<PRESET>_<OPTION>``. The docstring names the documents it follows.
"""

from collections.abc import Callable

from token_introspection.issuers.presets.auth0 import auth0
from token_introspection.issuers.presets.cognito import cognito
from token_introspection.issuers.presets.entra import entra
from token_introspection.issuers.presets.google import google
from token_introspection.issuers.presets.keycloak import keycloak
from token_introspection.issuers.presets.okta import okta
from token_introspection.issuers.presets.standards import rfc7662, rfc9068
from token_introspection.issuers.settings import IssuerSettings, Strategy

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
