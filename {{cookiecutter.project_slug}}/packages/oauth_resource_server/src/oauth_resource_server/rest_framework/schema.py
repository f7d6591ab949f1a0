"""OpenAPI security schemes for drf-spectacular. Imported only if it is installed."""

from typing import Any

from drf_spectacular.contrib.django_oauth_toolkit import DjangoOAuthToolkitScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from oauth2_provider.scopes import get_scopes_backend

from oauth_resource_server.conf import conf
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.presets import BUNDLED


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Two security schemes: OAuth 2.0 with the scopes of DOT's permissions, and a bearer token to
    paste into the documentation page.
    """

    target_class = "oauth_resource_server.rest_framework.authentication.BearerTokenAuthentication"
    name = ["oauth2", "bearer"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        """Return the scopes of an operation; none if any token may call it."""
        scheme: Any = DjangoOAuthToolkitScheme(self.target)  # type: ignore[no-untyped-call]
        # DOT's extension returns nothing for a view without scopes, as if it were public.
        needed = scheme.get_security_requirement(auto_schema) or {"oauth2": []}
        return [*(needed if isinstance(needed, list) else [needed]), {"bearer": []}]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """Return the OpenAPI security schemes, with the endpoints of the first issuer."""
        bearer = {"type": "http", "scheme": "bearer"}
        issuer = read_issuers(conf())[0]
        if issuer.preset != BUNDLED:
            document = f"{issuer.iss.rstrip('/')}/.well-known/openid-configuration"
            return [{"type": "openIdConnect", "openIdConnectUrl": document}, bearer]
        scopes = dict(get_scopes_backend().get_all_scopes())
        token = {"tokenUrl": f"{conf().issuer}/o/token/", "scopes": scopes}
        code = {"authorizationUrl": f"{conf().issuer}/o/authorize/", **token}
        return [
            {"type": "oauth2", "flows": {"authorizationCode": code, "clientCredentials": token}},
            bearer,
        ]
