"""What drf-spectacular writes about access tokens; imported only where it is installed."""

from typing import Any

from drf_spectacular.contrib.django_oauth_toolkit import DjangoOAuthToolkitScheme
from oauth2_provider.scopes import get_scopes_backend
from token_introspection.conf import conf


class TokenIntrospectionScheme(DjangoOAuthToolkitScheme):  # type: ignore[no-untyped-call]
    """The OAuth 2.0 security scheme; the scopes of an operation come from its DOT permissions."""

    target_class = "token_introspection.authentication.TokenIntrospectionAuthentication"

    def get_security_requirement(self, auto_schema: Any) -> Any:
        """Return the scopes of an operation; none for one that any token may call."""
        requirement = super().get_security_requirement(auto_schema)  # type: ignore[no-untyped-call]
        # The base class says nothing about a view without a scope, as if it were open.
        return requirement or {self.name: []}

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return the OpenAPI security scheme: where the authorization server gives out tokens."""
        scopes = dict(get_scopes_backend().get_all_scopes())
        token = {"tokenUrl": f"{conf().issuer}/o/token/", "scopes": scopes}
        code = {"authorizationUrl": f"{conf().issuer}/o/authorize/", **token}
        return {"type": "oauth2", "flows": {"authorizationCode": code, "clientCredentials": token}}
