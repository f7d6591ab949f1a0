"""Request validation that is stricter than that of django-oauth-toolkit (3.4).

Tokens of all grant types pass `_save_bearer_token`.
"""

import re
from collections.abc import Callable, Collection
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from oauth2_provider.models import Application, DeviceGrant, Grant
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.scopes import get_scopes_backend
from oauthlib.common import Request
from oauthlib.oauth2 import DeviceCodeGrant
from oauthlib.oauth2.rfc6749 import errors

from accounts.models import User
from client_registry.credentials import CLIENT_ID
from client_registry.hashers import verify_secret
from client_registry.manifests import resource_servers
from client_registry.models import active_registration

DEVICE_STATUS = {
    DeviceGrant.AUTHORIZED: DeviceCodeGrant.DEVICE_CODE_AUTHORIZED,
    DeviceGrant.AUTHORIZATION_PENDING: DeviceCodeGrant.DEVICE_CODE_PENDING,
    DeviceGrant.DENIED: DeviceCodeGrant.DEVICE_CODE_DENIED,
}


def is_active_user(user: Any) -> bool:
    """Return whether `user` is an active user. Tokens of machines have no user."""
    return isinstance(user, User) and user.is_active


def unique(scopes: Collection[str]) -> list[str]:
    """Return `scopes` without repetitions, in the order of their first appearance."""
    return list(dict.fromkeys(scopes))


def with_path(url: str) -> str:
    """Return `url` with the path `/` if it has none: both are equal (RFC 3986 section 6.2.3)."""
    return f"{url}/" if re.fullmatch(r"[^:/?#]+://[^/?#]+", url) else url


class RegisteredClientValidator(OAuth2Validator):
    """django-oauth-toolkit's OAUTH2_VALIDATOR_CLASS."""

    # ---- Client authentication ----

    def _load_application(self, client_id: str | None, request: Request) -> Application | None:
        """Load registered, active clients only."""
        known = re.fullmatch(CLIENT_ID, client_id or "") is not None
        application = super()._load_application(client_id, request) if known else None
        request.client = application if active_registration(application) else None
        return request.client

    def _check_secret(self, provided_secret: str, stored_secret: str) -> bool:
        return verify_secret(provided_secret, stored_secret)

    def validate_user(self, *args: Any, **kwargs: Any) -> bool:
        """Refuse every password: only the login pages take one (RFC 9700 section 2.4)."""
        return False

    # ---- Requests ----

    def validate_scopes(
        self, client_id: str, scopes: Collection[str], client: Any, request: Request, *args: Any
    ) -> bool:
        """Refuse a request without a scope, and remove repetitions from `request.scopes`."""
        request.scopes = unique(scopes)
        return bool(scopes) and super().validate_scopes(client_id, scopes, client, request, *args)

    def _validate_resource_uris(self, request: Request, resources: list[str]) -> None:
        """Refuse a resource that is not the audience of a resource server (RFC 8707 section 2).

        The list gets the audiences in their own spelling: clients that parse the address of an API
        send it with a slash at the end.
        """
        super()._validate_resource_uris(request, resources)
        known = [server.audience for server in resource_servers().values()]
        audiences = {with_path(audience): audience for audience in known}
        resources[:] = [audiences.get(with_path(resource), resource) for resource in resources]
        if not set(known).issuperset(resources):
            raise errors.CustomOAuth2Error(
                error="invalid_target",
                description="Unknown resource server.",
                request=request,
            )

    def _create_authorization_code(
        self, request: Request, code: dict[str, str], expires: Any = None
    ) -> Grant:
        """Validate the resource in the authorization request, not only when the code is used."""
        self._validate_resource_uris(request, request.resource or [])
        return super()._create_authorization_code(request, code, expires)

    def validate_device_code(self, client_id: str, code: str, request: Request) -> str | None:
        """Return the state of a device code (RFC 8628 section 3.5), None for unknown codes."""
        grants = DeviceGrant.objects.select_related("user")
        grant = grants.filter(device_code=code, client_id=request.client.client_id).first()
        if grant is None:
            return None
        if grant.is_expired():
            return DeviceCodeGrant.DEVICE_CODE_EXPIRED
        request.user, request.scopes = grant.user, grant.scope.split()
        return DEVICE_STATUS.get(grant.status)

    # ---- Tokens ----

    def _save_bearer_token(
        self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any
    ) -> None:
        """Repeat the checks of user and scopes, which may have changed since the grant."""
        if request.grant_type != "client_credentials" and not is_active_user(request.user):
            raise errors.InvalidGrantError("The user is not active.", request=request)
        # A refresh may repeat scopes, which oauthlib does not hand to `validate_scopes`.
        scopes = unique(token.get("scope", "").split())
        token["scope"] = " ".join(scopes)
        available = get_scopes_backend().get_available_scopes(request.client, request)
        if not scopes or not set(scopes).issubset(available):
            raise errors.InvalidScopeError(request=request)
        if request.grant_type == Application.GRANT_DEVICE_CODE:
            self._use_up_device_code(request)
        super()._save_bearer_token(token, request, *args, **kwargs)

    def _use_up_device_code(self, request: Request) -> None:
        """Expire the code in the transaction that stores its token: a concurrent request fails.

        The row stays for the page that shows the status of the device.
        """
        now = timezone.now()
        unused = DeviceGrant.objects.filter(device_code=request.device_code, expires__gt=now)
        if not unused.update(expires=now):
            raise errors.InvalidGrantError(request=request)

    # ---- OpenID Connect ----

    def validate_silent_login(self, request: Request) -> bool:
        """Accept ``prompt=none``: the view checks the session and answers login_required."""
        return True

    def validate_silent_authorization(self, request: Request) -> bool:
        """Return whether the client needs no consent; False results in consent_required."""
        return bool(request.client.skip_authorization)

    def _get_key_for_token(self, token: str) -> Any:
        """Return the key to verify an ID token hint, None if the hint is malformed."""
        try:
            return super()._get_key_for_token(token)
        except (ValueError, TypeError, ImproperlyConfigured):
            return None

    def validate_bearer_token(self, token: str, scopes: Any, request: Request) -> bool:
        """Accept only access tokens of active users, at the UserInfo endpoint."""
        return (
            super().validate_bearer_token(token, scopes, request)
            and is_active_user(request.user)
            and active_registration(request.client) is not None
        )

    def get_additional_claims(self) -> dict[str, Callable[[Request], str]]:
        """Return the claims next to ``sub``. E-mail addresses are not verified, so there is no
        ``email_verified``."""
        return {"email": lambda r: r.user.email, "name": lambda r: r.user.get_full_name()}
