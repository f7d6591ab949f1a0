"""Request validation that is stricter than that of django-oauth-toolkit (3.4).

Tokens of all grant types pass `_save_bearer_token`.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from allauth.core import context
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import QueryDict
from django.utils import timezone
from jwcrypto import jwk
from jwcrypto.common import JWException
from oauth2_provider.models import AccessToken, Application, DeviceGrant, Grant, RefreshToken
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.scopes import get_scopes_backend
from oauth2_provider.settings import oauth2_settings
from oauth2_provider.utils import jwk_from_pem
from oauthlib.common import Request
from oauthlib.oauth2 import DeviceCodeGrant
from oauthlib.oauth2.rfc6749 import errors
from oauthlib.oauth2.rfc6749.utils import scope_to_list

from accounts.models import User
from accounts.rate_limits import Bucket, RateLimited
from audit.recording import record
from client_registry.credentials import CLIENT_ID
from client_registry.declarations import is_declared
from client_registry.hashers import verify_secret
from client_registry.manifests import resource_servers
from client_registry.models import active_registration
from oauth.models import Authentication, Consent
from oauth.requests import basic_credentials, problem_with_values

# By device code. One poll more than the interval allows, for jitter on the way.
DEVICE_POLLS = Bucket("device polls", burst=2, seconds=5)
# Two requests with one refresh token this close together are a race, such as of two tabs.
RACE = timedelta(seconds=3)
# Of a code_verifier and of a code_challenge (RFC 7636 sections 4.1 and 4.2).
VERIFIER = r"[A-Za-z0-9._~-]{43,128}"
DEVICE_STATUS = {
    DeviceGrant.AUTHORIZED: DeviceCodeGrant.DEVICE_CODE_AUTHORIZED,
    DeviceGrant.AUTHORIZATION_PENDING: DeviceCodeGrant.DEVICE_CODE_PENDING,
    DeviceGrant.DENIED: DeviceCodeGrant.DEVICE_CODE_DENIED,
}


def invalid_request(description: str, request: Request) -> errors.InvalidRequestError:
    """Return the error of a parameter that is malformed or not supported."""
    return errors.InvalidRequestError(description=description, request=request)


def is_active_user(user: Any) -> bool:
    """Return whether `user` is an active user. Tokens of machines have no user."""
    return isinstance(user, User) and user.is_active


def unique(scopes: Collection[str]) -> list[str]:
    """Return `scopes` without repetitions, in the order of their first appearance."""
    return list(dict.fromkeys(scopes))


def with_path(url: str) -> str:
    """Return `url` with the path `/` if it has none: both are equal (RFC 3986 section 6.2.3)."""
    return f"{url}/" if re.fullmatch(r"[^:/?#]+://[^/?#]+", url) else url


def without_unknown(scopes: Collection[str]) -> list[str]:
    """Return `scopes` without unknown ones, such as ``offline_access``.

    OpenID Connect Core sections 3.1.2.1 and 11 have them ignored.
    """
    known_scopes = get_scopes_backend().get_all_scopes()
    return [scope for scope in unique(scopes) if scope in known_scopes]


def family_of(code: str) -> UUID:
    """Return the family of the refresh tokens from an authorization code.

    It needs no column to find the tokens of a code that is used again.
    """
    return UUID(bytes=hashlib.sha256(code.encode()).digest()[:16])


def note_reuse(**fields: Any) -> None:
    """Note whose code or refresh token is used again: the event of the refusal says so."""
    used = RefreshToken.objects.filter(**fields).exclude(revoked=None).first()
    if used and context.request:
        context.request.owner_of_reused = used.user_id


class RegisteredClientValidator(OAuth2Validator):
    """django-oauth-toolkit's OAUTH2_VALIDATOR_CLASS."""

    # ---- Client authentication ----

    def _load_application(self, client_id: str | None, request: Request) -> Application | None:
        """Load registered, active clients only."""
        known = CLIENT_ID.fullmatch(client_id or "") is not None
        application = super()._load_application(client_id, request) if known else None
        request.client = application if active_registration(application) else None
        return request.client

    def _extract_basic_auth(self, request: Request) -> str | None:
        """Accept the name of the scheme in any case (RFC 9110 section 11.1)."""
        scheme, _, value = (request.headers.get("HTTP_AUTHORIZATION") or "").partition(" ")
        return value.strip() or None if scheme.lower() == "basic" else None

    def client_authentication_required(self, request: Request, *args: Any, **kwargs: Any) -> bool:
        """Take a public client with an empty secret as one that sends its client_id only."""
        client_id, secret = basic_credentials(request.headers.get("HTTP_AUTHORIZATION") or "")
        if client_id and not secret and request.client_id in (None, client_id):
            client = self._load_application(client_id, request)
            if client and client.client_type == Application.CLIENT_PUBLIC:
                request.client_id = client_id
                return False
        return super().client_authentication_required(request, *args, **kwargs)

    def _check_secret(self, provided_secret: str, stored_secret: str) -> bool:
        return verify_secret(provided_secret, stored_secret)

    def validate_user(self, *args: Any, **kwargs: Any) -> bool:
        """Refuse every password: only the login pages take one (RFC 9700 section 2.4)."""
        return False

    # ---- Requests ----

    def validate_redirect_uri(self, client_id: str, uri: str, request: Request) -> bool:
        """Compare the strings; the toolkit compares what `urlsplit` makes of them."""
        return is_declared(uri, request.client.redirect_uris)

    def is_origin_allowed(self, client_id: str, origin: str, request: Request) -> bool:
        return origin in request.client.allowed_origins.split()

    def validate_scopes(
        self, client_id: str, scopes: Collection[str], client: Any, request: Request, *args: Any
    ) -> bool:
        """Refuse a request without a scope, and set `request.scopes` to those that are granted."""
        request.scopes = without_unknown(scopes) if "openid" in scopes else unique(scopes)
        return bool(scopes) and super().validate_scopes(
            client_id, request.scopes, client, request, *args
        )

    def validate_response_type(
        self, client_id: str, response_type: str, client: Any, request: Request, *args: Any
    ) -> bool:
        """Refuse what is not supported by name: a client relies on what it has asked for.

        By now the redirect URI is known to be that of the client, which gets the error.
        """
        if problem := problem_with_values(QueryDict(request.uri_query).lists()):
            raise invalid_request(problem, request)
        for name in ("request", "request_uri"):  # OpenID Connect Core section 3.1.2.6
            value = getattr(request, name, None)
            # oauthlib stores an object of its own under the name `request` as well.
            if value and isinstance(value, str):
                raise errors.CustomOAuth2Error(
                    error=f"{name}_not_supported",
                    description=f"The parameter {name} is not supported.",
                    request=request,
                )
        if request.response_mode not in (None, "query"):
            raise invalid_request("The only response_mode is query.", request)
        if not re.fullmatch(r"[0-9]{0,9}", request.max_age or ""):
            raise invalid_request("max_age is not a number of seconds.", request)
        challenge = request.code_challenge  # PKCE_REQUIRED refuses None.
        is_s256 = request.code_challenge_method == "S256"
        if challenge is not None and not (is_s256 and re.fullmatch(VERIFIER, challenge)):
            raise invalid_request("PKCE needs S256, and a code_challenge that it gives.", request)
        self._validate_resource_uris(request, QueryDict(request.uri_query).getlist("resource"))
        return super().validate_response_type(client_id, response_type, client, request, *args)

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
        """Validate the resource in the authorization request, not only when the code is used.

        A redirect URI that the request has left out is "" in the row: the client may leave it out.
        """
        self._validate_resource_uris(request, request.resource or [])
        grant = super()._create_authorization_code(request, code, expires)
        if not QueryDict(request.uri_query).get("redirect_uri"):
            grant.redirect_uri = ""
            grant.save()
        return grant

    def confirm_redirect_uri(self, client_id: str, code: str, uri: str, *args: Any) -> bool:
        """Demand the redirect URI of the authorization request (RFC 6749 section 4.1.3)."""
        client, request = args
        asked = Grant.objects.get(code=code, application=client).redirect_uri
        is_left_out = asked and request.using_default_redirect_uri
        if is_left_out or uri != (asked or client.default_redirect_uri):
            raise errors.InvalidGrantError(
                "redirect_uri differs from the request.", request=request
            )
        return True

    def validate_device_code(self, client_id: str, code: str, request: Request) -> str | None:
        """Return the state of a device code (RFC 8628 section 3.5), None for unknown codes."""
        grants = DeviceGrant.objects.select_related("user")
        grant = grants.filter(device_code=code, client_id=request.client.client_id).first()
        if grant is None:
            return None
        if grant.is_expired():
            return DeviceCodeGrant.DEVICE_CODE_EXPIRED
        request.user, request.scopes = grant.user, grant.scope.split()
        if grant.status == DeviceGrant.AUTHORIZATION_PENDING:
            try:
                DEVICE_POLLS.take(code)
            except RateLimited:
                return DeviceCodeGrant.DEVICE_CODE_SLOW_DOWN
        return DEVICE_STATUS.get(grant.status)

    def validate_code(self, client_id: str, code: str, *args: Any) -> bool:
        """End the tokens of a code that is used again (RFC 6749 section 4.1.2)."""
        is_valid: bool = super().validate_code(client_id, code, *args)
        if not is_valid:
            RefreshToken.revoke_family(family_of(code))
            note_reuse(token_family=family_of(code))
        return is_valid

    def get_code_challenge(self, code: str, request: Request) -> str | None:
        """Refuse a malformed verifier (RFC 7636 section 4.1), which oauthlib would only hash."""
        if request.code_verifier and not re.fullmatch(VERIFIER, request.code_verifier):
            raise invalid_request("code_verifier is not 43 to 128 unreserved characters.", request)
        challenge: str | None = super().get_code_challenge(code, request)
        return challenge

    def validate_refresh_token(self, refresh_token: str, *args: Any) -> bool:
        """Refuse a token that another request has just rotated, but leave that one its tokens.

        Later reuse ends the family (RFC 9700 section 4.14.2), which is what the toolkit does.
        """
        digest = hashlib.sha256(refresh_token.encode()).hexdigest()
        rotated = AccessToken.objects.filter(
            source_refresh_token__token_checksum=digest,
            source_refresh_token__revoked__gt=timezone.now() - RACE,
        )
        if rotated.exists():
            return False
        is_valid: bool = super().validate_refresh_token(refresh_token, *args)
        if not is_valid:
            note_reuse(token_checksum=digest)
        return is_valid

    def get_original_scopes(self, refresh_token: str, request: Request, *args: Any) -> list[str]:
        """Return the scopes of the grant: of the refresh token, else of its access token.

        The toolkit knows the latter only, which a client can narrow (RFC 6749 section 6).
        """
        _, _, encoded = refresh_token.partition(".")
        if encoded:
            return urlsafe_b64decode(encoded + "==").decode().split()
        return scope_to_list(super().get_original_scopes(refresh_token, request, *args)) or []

    def is_within_original_scope(
        self, scopes: Collection[str], refresh_token: str, request: Request, *args: Any
    ) -> bool:
        """Ignore unknown scopes of an OpenID request when it is refreshed as well."""
        original = self.get_original_scopes(refresh_token, request)
        if "openid" in original:
            request.scopes = without_unknown(scopes)
        return set(request.scopes).issubset(original)

    # ---- Tokens ----

    def save_bearer_token(self, token: dict[str, Any], request: Request, *args: Any) -> None:
        """End the tokens of a code that is used twice at the same time."""
        try:
            super().save_bearer_token(token, request, *args)
        except errors.InvalidGrantError:
            if request.grant_type == "authorization_code":
                RefreshToken.revoke_family(family_of(request.code))
            raise

    def _save_bearer_token(
        self, token: dict[str, Any], request: Request, *args: Any, **kwargs: Any
    ) -> None:
        """Repeat the checks of user, consent and scopes, which may have changed since the grant."""
        if request.grant_type != "client_credentials" and not is_active_user(request.user):
            raise errors.InvalidGrantError("The user is not active.", request=request)
        if request.grant_type != "client_credentials":
            consent = Consent.objects.filter(user=request.user, application=request.client)
            if not consent.update(last_used=timezone.now()):
                raise errors.InvalidGrantError("The consent was withdrawn.", request=request)
        # A refresh may repeat scopes, which oauthlib does not hand to `validate_scopes`.
        scopes = unique(token.get("scope", "").split())
        token["scope"] = " ".join(scopes)
        available = get_scopes_backend().get_available_scopes(request.client, request)
        if not scopes or not set(scopes).issubset(available):
            raise errors.InvalidScopeError(request=request)
        if request.grant_type == Application.GRANT_DEVICE_CODE:
            self._use_up_device_code(request)
        if request.grant_type == "refresh_token":
            self._use_up_refresh_token(token, request)
        super()._save_bearer_token(token, request, *args, **kwargs)
        if request.grant_type == "authorization_code":
            super().invalidate_authorization_code(request.client_id, request.code, request)

    def invalidate_authorization_code(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the transaction that stored the tokens has deleted the code."""

    def _use_up_refresh_token(self, token: dict[str, Any], request: Request) -> None:
        """Refuse all but one of concurrent refreshes; the toolkit gives them empty tokens (#1687).

        Where the access token has fewer scopes than the grant, the new refresh token carries the
        scopes of the grant. They cannot be forged: the digest of the whole token is looked up.
        """
        used, tokens = request.refresh_token_instance, RefreshToken.objects.select_for_update()
        if tokens.filter(pk=used.pk, revoked=None).first() is None:
            raise errors.InvalidGrantError(request=request)
        original = self.get_original_scopes(request.refresh_token, request)
        if set(original) != set(token["scope"].split()):
            encoded = urlsafe_b64encode(" ".join(original).encode()).decode().rstrip("=")
            token["refresh_token"] += f".{encoded}"

    def _create_refresh_token(
        self,
        request: Request,
        refresh_token_code: str,
        access_token: AccessToken,
        previous_refresh_token: RefreshToken | None,
    ) -> RefreshToken:
        """Keep family and resources of the grant; an access token may have fewer of the latter."""
        family, resource = uuid4(), request.resource
        if previous_refresh_token:
            family, resource = previous_refresh_token.token_family, previous_refresh_token.resource
        elif request.grant_type == "authorization_code":
            family = family_of(request.code)
            resource = Grant.objects.get(code=request.code).resource or resource
        refresh_token = RefreshToken(
            user=request.user,
            application=request.client,
            access_token=access_token,
            token_family=family,
            resource=resource,
        )
        self._set_token_value(refresh_token, refresh_token_code)
        refresh_token.save()
        return refresh_token

    def _use_up_device_code(self, request: Request) -> None:
        """Expire the code in the transaction that stores its token: a concurrent request fails.

        The row stays for the page that shows the status of the device.
        """
        now = timezone.now()
        unused = DeviceGrant.objects.filter(device_code=request.device_code, expires__gt=now)
        if not unused.update(expires=now):
            raise errors.InvalidGrantError(request=request)

    def revoke_token(self, token: str, hint: str, request: Request, *args: Any) -> None:
        """Record the revocation, if the client has such a token."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        mine = {"token_checksum": digest, "application": request.client}
        found = [model.objects.filter(**mine).first() for model in (AccessToken, RefreshToken)]
        super().revoke_token(token, hint, request, *args)
        for one in filter(None, found):
            record("token-revoked", sub=one.user_id, client_id=request.client.client_id)

    # ---- OpenID Connect ----

    def get_id_token_dictionary(
        self, token: dict[str, Any], token_handler: Any, request: Request
    ) -> tuple[dict[str, Any], datetime]:
        """Say how and when the user had signed in who allowed the code.

        The toolkit takes the latest sign-in of the user (OpenID Connect Core sections 2 and 12.2).
        """
        claims, expires = super().get_id_token_dictionary(token, token_handler, request)
        del claims["auth_time"]
        is_refresh = request.grant_type == "refresh_token"
        used = request.refresh_token_instance if is_refresh else None
        family = used.token_family if used else family_of(request.code)
        authentication = Authentication.objects.filter(pk=family).first()
        return claims | (authentication.claims() if authentication else {}), expires

    def validate_silent_login(self, request: Request) -> bool:
        """Accept ``prompt=none``: the view checks session and consent, which oauthlib lacks."""
        return True

    validate_silent_authorization = validate_silent_login

    def _get_key_for_token(self, token: str) -> jwk.JWKSet | None:
        """Return the keys to verify an ID token, None if it is malformed.

        The toolkit publishes the previous keys, but verifies with the current one only.
        """
        try:
            if super()._get_key_for_token(token) is None:
                return None
        except (JWException, ValueError, TypeError, ImproperlyConfigured):
            return None
        keys = jwk.JWKSet()
        for pem in (
            oauth2_settings.OIDC_RSA_PRIVATE_KEY,
            *oauth2_settings.OIDC_RSA_PRIVATE_KEYS_INACTIVE,
        ):
            keys.add(jwk_from_pem(pem))
        return keys

    def validate_bearer_token(self, token: str, scopes: Any, request: Request) -> bool:
        """Accept only access tokens of active users, at the UserInfo endpoint."""
        is_valid = super().validate_bearer_token(token, scopes, request)
        # oauthlib turns every False into invalid_token.
        if getattr(request, "oauth2_error", {}).get("error") == "insufficient_scope":
            raise errors.InsufficientScopeError(request=request)
        return (
            is_valid
            and is_active_user(request.user)
            and active_registration(request.client) is not None
        )

    @property
    def oidc_claim_scope(self) -> dict[str, str]:
        """The scope of each claim."""
        return {"sub": "openid"} | {name: claim.scope for name, claim in settings.CLAIMS.items()}

    def get_additional_claims(self) -> dict[str, Callable[[Request], Any]]:
        """Return the claims next to ``sub``."""
        return {name: claim.value for name, claim in settings.CLAIMS.items()}

    def get_oidc_claims(self, *args: Any) -> dict[str, Any]:
        """Leave out claims without a value (OpenID Connect Core section 5.3.2)."""
        claims = super().get_oidc_claims(*args)
        return {name: value for name, value in claims.items() if value not in (None, "")}
