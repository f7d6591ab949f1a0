"""What drf-spectacular writes about access tokens; imported only where it is installed."""

from typing import Any

from drf_spectacular.contrib.django_oauth_toolkit import DjangoOAuthToolkitScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from oauth2_provider.scopes import get_scopes_backend

from oauth_resource_server.conf import conf
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.presets import BUNDLED


class TokenIntrospectionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Two ways to send a token: OAuth 2.0, whose scopes come from the DOT permissions of a view,
    and a field of the documentation page to paste one into.
    """

    target_class = "oauth_resource_server.rest_framework.authentication.BearerTokenAuthentication"
    name = ["oauth2", "bearer"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        """Return the scopes of an operation; none for one that any token may call."""
        scheme: Any = DjangoOAuthToolkitScheme(self.target)  # type: ignore[no-untyped-call]
        # DOT's extension says nothing about a view without a scope, as if it were open.
        needed = scheme.get_security_requirement(auto_schema) or {"oauth2": []}
        return [*(needed if isinstance(needed, list) else [needed]), {"bearer": []}]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """Return the OpenAPI security schemes: where the first issuer gives out tokens."""
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
