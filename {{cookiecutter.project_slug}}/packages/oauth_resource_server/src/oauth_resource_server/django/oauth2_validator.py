"""DOT's ``OAUTH2_VALIDATOR_CLASS``: its mixins, views and decorators ask `validate` too.

Import this when the apps are ready; the name in the settings does.
"""

from typing import Any

from oauth2_provider.oauth2_validators import OAuth2Validator

from oauth_resource_server import responses
from oauth_resource_server.validation import MAX_TOKEN_LENGTH, is_well_formed, validate


class ResourceServerValidator(OAuth2Validator):  # type: ignore[misc]
    """DOT's validator, without its table of tokens and its own call of the authorization server."""

    def validate_bearer_token(self, token: str | None, scopes: list[str], request: Any) -> bool:
        """Return whether `token` is good for all `scopes`, and say on `request` who it stands for.

        Sets ``client``, ``user``, ``scopes`` and ``access_token`` of the oauthlib request, or
        ``oauth2_error``, as DOT does.

        Raises:
            TokenValidationError: Nobody knows; the middleware answers 503.
        """
        if not token:
            return False
        # oauthlib also takes a token out of the body, where RFC 9700 section 4.3.2 wants none.
        if "Authorization" not in request.headers or not is_well_formed(token):
            request.oauth2_error = {"error": responses.INVALID_REQUEST}
            if len(token) > MAX_TOKEN_LENGTH:
                request.oauth2_error["error_description"] = responses.TOKEN_TOO_LONG
            return False
        # Never a stale one: oauthlib does not know the view, so the view could not say no.
        access_token = validate(token, meta=request.headers)
        if access_token is None or not access_token.is_valid(scopes):
            self._set_oauth2_error_on_request(request, access_token, scopes)
            if request.oauth2_error["error"] == "insufficient_scope":
                request.oauth2_error["scope"] = " ".join(scopes)
            return False
        request.client = access_token.application
        request.user = access_token.user
        request.scopes = list(access_token.scopes)
        request.access_token = access_token
        return True
