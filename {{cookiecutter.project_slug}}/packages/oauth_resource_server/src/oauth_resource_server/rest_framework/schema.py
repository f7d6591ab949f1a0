"""OpenAPI security schemes and refusals for drf-spectacular. Imported only if it is installed."""

from typing import Any

from drf_spectacular.contrib.django_oauth_toolkit import DjangoOAuthToolkitScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from oauth2_provider.scopes import get_scopes_backend
from rest_framework.settings import api_settings

from oauth_resource_server.conf import conf
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.presets import BUNDLED

REFUSALS = {
    400: "The request is not valid.",
    401: "There is no valid access token.",
    403: "The access token does not have the scope.",
    404: "There is nothing at this address.",
    406: "The response can be JSON only.",
    409: "It conflicts with what is there.",
    415: "The body is not JSON.",
    429: "There were too many requests; `Retry-After` says when to try again.",
    503: "The access token cannot be checked now; `Retry-After` says when to try again.",
}


# Also 400 and 409, but for invalid fields: the name of each has a list of messages.
ERROR = {"type": "object", "properties": {name: {"type": "string"} for name in ("error", "detail")}}


def document_refusals(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Complete the OpenAPI document by refusals (drf-spectacular's POSTPROCESSING_HOOKS)."""
    content = {"application/json": {"schema": ERROR}}
    for operation in [each for path in result["paths"].values() for each in path.values()]:
        parameters = operation.get("parameters", [])
        statuses = [400, 401, 403, 503] * ("security" in operation)
        statuses += [404] * bool(parameters) + [409, 415] * ("requestBody" in operation)
        statuses += [429] * bool(api_settings.DEFAULT_THROTTLE_CLASSES)
        for status in sorted({*statuses, 406}):
            response = {"description": REFUSALS[status], "content": content}
            operation["responses"].setdefault(str(status), response)
        for parameter in parameters:  # An empty one is as good as none.
            parameter |= {"allowEmptyValue": True} if parameter["in"] == "query" else {}
    return result


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Two security schemes: OAuth 2.0 with the scopes of DOT's permissions, and a bearer token to
    paste into the documentation page.
    """

    target_class = "oauth_resource_server.rest_framework.authentication.BearerTokenAuthentication"
    name = ["oauth2", "token"]  # in this order on the page

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[str]]]:
        """Return the scopes of an operation; none if any token may call it."""
        scheme: Any = DjangoOAuthToolkitScheme(self.target)  # type: ignore[no-untyped-call]
        # DOT's extension returns nothing for a view without scopes, as if it were public.
        needed = scheme.get_security_requirement(auto_schema) or {"oauth2": []}
        return [*(needed if isinstance(needed, list) else [needed]), {"token": []}]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        """Return the OpenAPI security schemes, with the endpoints of the first issuer."""
        bearer = {"type": "http", "scheme": "bearer"}
        issuer = read_issuers(conf())[0]
        if issuer.preset != BUNDLED:
            document = f"{issuer.iss.rstrip('/')}/.well-known/openid-configuration"
            return [{"type": "openIdConnect", "openIdConnectUrl": document}, bearer]
        # The flow by which people sign in on the page. Programs read the metadata of the issuer.
        code = {
            "authorizationUrl": f"{conf().issuer}/o/authorize/",
            "tokenUrl": f"{conf().issuer}/o/token/",
            "scopes": dict(get_scopes_backend().get_all_scopes()),
        }
        return [{"type": "oauth2", "flows": {"authorizationCode": code}}, bearer]
