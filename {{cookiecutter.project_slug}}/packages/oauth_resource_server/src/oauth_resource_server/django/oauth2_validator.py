"""DOT's ``OAUTH2_VALIDATOR_CLASS``, for its mixins, views and decorators.

Import it when the apps are ready. The name in the settings does.
"""

from functools import partial
from typing import Any

from django.utils.functional import SimpleLazyObject
from oauth2_provider.oauth2_validators import OAuth2Validator

from oauth_resource_server import responses
from oauth_resource_server.users import local_user
from oauth_resource_server.validation import MAX_TOKEN_LENGTH, is_well_formed, validate


class ResourceServerValidator(OAuth2Validator):  # type: ignore[misc]
    """DOT's validator, with `validate` instead of its token table and its introspection."""

    def validate_bearer_token(self, token: str | None, scopes: list[str], request: Any) -> bool:
        """Return whether `token` is valid and carries all `scopes`.

        Sets ``client``, ``user``, ``scopes`` and ``access_token`` of the oauthlib request, or
        ``oauth2_error``, as DOT does. The middleware answers a `TokenValidationError`.
        """
        if not token:
            return False
        # oauthlib also reads tokens from the body, against RFC 9700 section 4.3.2.
        if "Authorization" not in request.headers or not is_well_formed(token):
            request.oauth2_error = {"error": responses.INVALID_REQUEST}
            if len(token) > MAX_TOKEN_LENGTH:
                request.oauth2_error["error_description"] = responses.TOKEN_TOO_LONG
            return False
        # Never stale: oauthlib does not know the view, so the view could not opt out.
        access_token = validate(token, meta=request.headers)
        if access_token is None or not access_token.is_valid(scopes):
            self._set_oauth2_error_on_request(request, access_token, scopes)
            if request.oauth2_error["error"] == "insufficient_scope":
                request.oauth2_error["scope"] = " ".join(scopes)
            return False
        request.client = access_token.application
        is_machine = access_token.is_machine
        request.user = None if is_machine else SimpleLazyObject(partial(local_user, access_token))
        request.scopes = list(access_token.scopes)
        request.access_token = access_token
        return True
