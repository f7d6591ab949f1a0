"""Views of django-oauth-toolkit (3.4) that are overridden to follow the RFCs.

Each override has a test, so that it can be deleted once the toolkit passes it.
"""

import json
import re
import time
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from django import forms
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from jwcrypto import jwt
from jwcrypto.common import JWException
from oauth2_provider import views
from oauth2_provider.exceptions import (
    ClientIdMissmatch,
    InvalidIDTokenError,
    InvalidOIDCClientError,
    InvalidOIDCRedirectURIError,
    OAuthToolkitError,
)
from oauth2_provider.models import (
    AccessToken,
    Application,
    DeviceCodeResponse,
    DeviceRequest,
    Grant,
    IDToken,
    RefreshToken,
    create_device_grant,
)
from oauth2_provider.settings import oauth2_settings
from oauth2_provider.views.device import DeviceGrantForm
from oauthlib.common import add_params_to_uri
from oauthlib.oauth2.rfc6749.errors import ConsentRequired, LoginRequired

from accounts import metrics
from accounts.models import User
from accounts.rate_limits import Bucket, RateLimited, client_address
from audit.recording import record
from client_registry.credentials import CLIENT_ID
from client_registry.declarations import is_claimed, is_declared
from client_registry.models import active_registration
from oauth import step_up
from oauth.models import Authentication, Consent
from oauth.requests import FORM, basic_credentials, refuse
from oauth.step_up import UnmetAuthenticationRequirements
from oauth.validator import family_of

FAMILIES = "token_families"  # in a session: the families of its refresh tokens
MAX_FAMILIES = 100
# What a device that polls gets until a person has answered (RFC 8628 section 3.5).
POLLED = ("authorization_pending", "slow_down")
LOGIN_TIME = 600  # seconds to sign in and come back to the authorization endpoint

# By client and address. Codes expire after 30 minutes, so that at most 80 are pending.
DEVICE_CODES = Bucket("device codes", burst=20, seconds=30)
# By signed-in user; only wrong codes count.
USER_CODES = Bucket("user codes", burst=10, seconds=30)


class AuthorizationView(views.AuthorizationView):
    """The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2)."""

    @property
    def prompt(self) -> set[str]:
        return {*self.request.GET.get("prompt", "").split()}

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Ask for the password where `prompt` or `max_age` demand it (section 3.1.2.1).

        ``approval_prompt``, by which a client could skip the consent page, is ignored.
        """
        if self.must_sign_in():
            return self.handle_no_permission()
        page = None if step_up.is_enough(request) else step_up.page_for(request)
        if page and "none" not in self.prompt:
            return redirect_to_login(request.get_full_path(), page)
        parameters = request.GET.copy()
        parameters.pop("approval_prompt", None)
        if self.prompt & {"login", "select_account"}:  # which has been done
            del parameters["prompt"]
        prompt, request.GET = self.prompt, parameters  # type: ignore[assignment]
        response = super().get(request, *args, **kwargs)
        if response.status_code != 200:
            return response
        if "consent" not in prompt and self.is_remembered():
            form = self.form_class(self.get_initial() | {"allow": True})
            return self.form_valid(form) if form.is_valid() else response
        return self.consent_required() if "none" in prompt else response

    def is_remembered(self) -> bool:
        """Return whether the user has allowed this client these scopes before (decision 55)."""
        request, application = self.oauth2_data, self.oauth2_data["application"]
        is_public = application.client_type == Application.CLIENT_PUBLIC
        if is_public and not is_claimed(request["redirect_uri"]):
            return False
        consent = Consent.objects.filter(user=self.request.user, application=application).first()
        return consent is not None and consent.covers(request["scopes"])

    def consent_required(self) -> HttpResponse:
        """Return the error of ``prompt=none`` where the page would be shown."""
        request = self.oauth2_data
        error = ConsentRequired(state=request["state"])
        error.redirect_uri = request["redirect_uri"]
        return self.error_response(OAuthToolkitError(error), request["application"])

    def must_sign_in(self) -> bool:
        """Return whether there is no session, or none that is young enough for the request."""
        if not self.request.user.is_authenticated:
            return True
        signed_in = step_up.auth_time(self.request)
        asked = self.request.GET.get("login_after", "")
        if is_number(asked) and signed_in * 1000 >= int(asked) > (time.time() - LOGIN_TIME) * 1000:
            return False
        max_age = self.request.GET.get("max_age", "")
        too_old = is_number(max_age) and signed_in < time.time() - int(max_age)
        return too_old or bool(self.prompt & {"login", "select_account"})

    def is_another_person(self) -> bool:
        """Return whether the session is of another person than ``id_token_hint`` names."""
        if not (hint := self.request.GET.get("id_token_hint")):
            return False
        try:
            return claims_of(hint).get("sub") != str(self.request.user.pk)
        except InvalidIDTokenError:
            return True

    def validate_authorization_request(self, request: HttpRequest) -> tuple[list[str], Any]:
        """Refuse the session of another person (section 3.1.2.1); oauthlib knows no session."""
        scopes, credentials = super().validate_authorization_request(request)
        if "openid" in scopes and self.is_another_person():
            raise OAuthToolkitError(LoginRequired(request=credentials["request"]))
        if request.user.is_authenticated and not step_up.is_enough(request):
            unmet = LoginRequired if step_up.page_for(request) else UnmetAuthenticationRequirements
            raise OAuthToolkitError(unmet(request=credentials["request"]))
        return scopes, credentials

    def handle_no_permission(self) -> HttpResponse:
        """Redirect to the login page; with ``prompt=none``, to the client with login_required.

        The address to come back to says when it was asked for. The toolkit drops `prompt` from it,
        so that opening this address would do instead of signing in.
        """
        if "none" in self.prompt:
            return super().handle_no_permission()
        parameters = self.request.GET.copy()
        parameters["login_after"] = str(int(time.time() * 1000))
        return redirect_to_login(f"{self.request.path}?{parameters.urlencode()}")

    def create_authorization_response(
        self, request: HttpRequest, scopes: str, credentials: dict[str, Any], allow: bool
    ) -> tuple[str, dict[str, str], str, int]:
        """Note the sign-in with the code, and the code's tokens with the session."""
        response = super().create_authorization_response(request, scopes, credentials, allow)
        query = parse_qs(urlsplit(response[0]).query)
        for error in query.get("error", []):  # oauthlib raises none here.
            self.record_refusal(error)
        for code in query.get("code", []):
            families = [*request.session.get(FAMILIES, []), str(family_of(code))]
            request.session[FAMILIES] = families[-MAX_FAMILIES:]
            if auth_time := int(step_up.auth_time(request)):
                Authentication.objects.create(
                    family=family_of(code),
                    auth_time=auth_time,
                    amr=step_up.amr(request),
                    acr=step_up.acr(request),
                )
        return response

    def form_valid(self, form: forms.Form) -> HttpResponse:
        """Refuse a tampered form: cancelled, the toolkit redirects to whatever it names."""
        sent = form.cleaned_data
        application = Application.objects.filter(client_id=sent["client_id"]).first()
        if not application or not is_declared(sent["redirect_uri"], application.redirect_uris):
            return self.form_invalid(form)
        if not sent["allow"]:
            of = {"client_id": sent["client_id"], "scope": sent["scope"]}
            record("consent-denied", outcome="access_denied", sub=self.request.user.pk, **of)
        return super().form_valid(form)

    def form_invalid(self, form: forms.Form) -> HttpResponse:
        """Refuse a form that is not that of the page; the toolkit would answer with 200."""
        self.record_refusal("invalid_request")
        raise BadRequest("The form lacks a field, or names an unknown client_id or redirect_uri.")

    def record_refusal(self, outcome: str) -> None:
        """Record that the request or the form of the page is refused."""
        client_id = self.request.POST.get("client_id") or self.request.GET.get("client_id")
        of = {"sub": self.request.user.pk, "endpoint": self.request.path}
        record("request-refused", outcome=outcome, client_id=client_id, **of)

    def error_response(self, error: Any, application: Any, **kwargs: Any) -> HttpResponse:
        """Record the refusal; that of a person has been recorded."""
        if error.oauthlib_error.error != "access_denied":
            self.record_refusal(error.oauthlib_error.error)
        response: HttpResponse = super().error_response(error, application, **kwargs)
        return response

    def redirect(self, redirect_to: str, application: Application | None) -> HttpResponse:
        """Add ``iss`` to error responses as well (RFC 9207 section 2)."""
        if application is None:  # Its schemes are needed (RFC 8252).
            client_id = self.request.GET.get("client_id")
            application = Application.objects.filter(client_id=client_id).first()
        issuer = oauth2_settings.OIDC_ISS_ENDPOINT
        if not re.search(r"[?&]iss=", redirect_to):
            redirect_to = add_params_to_uri(redirect_to, [("iss", issuer)])
        return super().redirect(redirect_to, application)


def is_number(text: str) -> bool:
    """Return whether `text` is a whole number of a reasonable length."""
    return re.fullmatch(r"[0-9]{1,15}", text) is not None


@method_decorator(csrf_exempt, name="dispatch")
class ClientEndpoint:
    """An endpoint to which clients POST a form. Responses are JSON, which no cache stores."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Refuse other content types, and ask for Basic credentials where the toolkit says Bearer.

        oauthlib has the challenge of RFC 6750 in every error with status 401.
        """
        if request.method == "POST" and request.content_type != FORM:
            return refuse(f"The content type is not {FORM}.")
        start = time.monotonic()
        client_id, _ = basic_credentials(request.headers.get("Authorization", ""))
        other = request.POST.get("client_id", "") not in ("", client_id)
        if client_id and (other or request.POST.get("client_secret")):  # RFC 6749 section 2.3
            response = refuse("The body has other credentials than the Authorization header.")
        else:
            response = super().dispatch(request, *args, **kwargs)  # type: ignore[misc]
        metrics.observe_client_request(request, response, time.monotonic() - start)
        self.record_refusal(request, metrics.outcome_of(response))
        response["Content-Type"] = "application/json"
        response["Cache-Control"] = "no-store"
        if response.status_code == 401:
            response["WWW-Authenticate"] = 'Basic realm="clients", charset="UTF-8"'
        return response

    def record_refusal(self, request: HttpRequest, outcome: str) -> None:
        """Record a refusal, with the client that the request names."""
        if outcome not in ("ok", *POLLED):
            basic, _ = basic_credentials(request.headers.get("Authorization", ""))
            of = {"client_id": basic or request.POST.get("client_id"), "endpoint": request.path}
            of |= {"sub": getattr(request, "owner_of_reused", None)}
            event = "client-refused" if outcome == "invalid_client" else "request-refused"
            event = "token-reused" if of["sub"] else event
            record(event, outcome=outcome, grant_type=request.POST.get("grant_type"), **of)


class TokenView(ClientEndpoint, views.TokenView):
    """The token endpoint (RFC 6749 section 3.2).

    Device codes take the same path as all other grants: the toolkit's view looks them up before the
    client is authenticated.
    """

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # oauthlib checks a password before it checks whether the client may use the grant.
        if request.POST.get("grant_type") in oauth2_settings.OAUTH2_GRANT_TYPES_SUPPORTED:
            try:
                return self.authorization_flow_token_response(request)
            except Grant.DoesNotExist:  # A concurrent request has used the code.
                return JsonResponse({"error": "invalid_grant"}, status=400)
            except AccessToken.DoesNotExist:  # It has been revoked since it was stored.
                _, headers, body, status = self.token_response
                return HttpResponse(body, status=status, headers=headers)
        error = "unsupported_grant_type" if "grant_type" in request.POST else "invalid_request"
        return JsonResponse({"error": error}, status=400)

    def create_token_response(self, request: HttpRequest) -> tuple[Any, dict[str, str], str, int]:
        """Keep the response: the toolkit's view looks up the token before it sends it."""
        self.token_response: tuple[Any, dict[str, str], str, int]
        self.token_response = super().create_token_response(request)
        return self.token_response


class RevocationView(ClientEndpoint, views.RevokeTokenView):
    """The revocation endpoint (RFC 7009)."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Send an empty object instead of nothing, which some clients cannot read as JSON."""
        response: HttpResponse = super().post(request, *args, **kwargs)
        response.content = response.content or b"{}"
        return response


@method_decorator(csrf_exempt, name="dispatch")
class UserInfoView(views.UserInfoView):
    """The UserInfo endpoint (OpenID Connect Core section 5.3)."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Add the challenge to 403 as well (RFC 6750 section 3)."""
        response: HttpResponse = super().dispatch(request, *args, **kwargs)
        response["Content-Type"] = "application/json"
        response["Cache-Control"] = "no-store"
        if response.status_code == 403:
            response["WWW-Authenticate"] = 'Bearer error="insufficient_scope", scope="openid"'
        return response


class DeviceAuthorizationView(ClientEndpoint, views.DeviceAuthorizationView):
    """The device authorization endpoint (RFC 8628 section 3.1)."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Store the scopes as validated; the toolkit stores the raw parameter.

        oauthlib needs the client_id in the body, even of a client that authenticates by Basic.
        """
        parameters = request.POST.copy()
        client_id, _ = basic_credentials(request.headers.get("Authorization", ""))
        if client_id:
            parameters.setdefault("client_id", client_id)
        if "client_id" not in parameters:
            return refuse("The parameter client_id is missing.")
        request.POST = parameters  # type: ignore[assignment]
        headers, content, status = self.create_device_authorization_response(request)
        headers = {**headers}
        if status != 200:
            return JsonResponse(json.loads(content), status=status, headers=headers)
        client = Application.objects.get(client_id=request.POST["client_id"])
        if not client.allows_grant_type(Application.GRANT_DEVICE_CODE):
            return JsonResponse({"error": "unauthorized_client"}, status=400, headers=headers)
        try:
            DEVICE_CODES.take(client.client_id, client_address(request))
        except RateLimited as limited:
            headers["Retry-After"] = str(limited.retry_after)
            return JsonResponse({"error": "slow_down"}, status=429, headers=headers)
        scope = content.pop("scope")
        create_device_grant(DeviceRequest(client.client_id, scope), DeviceCodeResponse(**content))
        return JsonResponse(content, headers=headers)


class UserCodeForm(DeviceGrantForm):
    def clean_user_code(self) -> str:
        """Accept lower case, hyphens and spaces (RFC 8628 section 6.1)."""
        typed = self.cleaned_data["user_code"]
        self.cleaned_data["user_code"] = re.sub(r"[\W_]", "", typed).upper()
        user_code: str = super().clean_user_code()
        return user_code


class DeviceUserCodeView(views.DeviceUserCodeView):
    """The page on which a user enters the code of a device (RFC 8628 section 3.3)."""

    form_class = UserCodeForm

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Limit wrong codes by user (RFC 8628 section 5.1); right ones are not counted."""
        USER_CODES.take(str(request.user.pk))
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: forms.Form) -> HttpResponse:
        USER_CODES.give_back(str(self.request.user.pk))
        return super().form_valid(form)


def claims_of(id_token_hint: str) -> dict[str, Any]:
    """Return the claims of an ID token of this server, which may have expired."""
    try:
        keys = oauth2_settings.OAUTH2_VALIDATOR_CLASS()._get_key_for_token(id_token_hint)
        if keys is None:  # JWT() would not verify the signature.
            raise InvalidIDTokenError()
        token = jwt.JWT(key=keys, jwt=id_token_hint, check_claims={})
        claims: dict[str, Any] = json.loads(token.claims)
    except (JWException, ValueError):
        raise InvalidIDTokenError() from None
    if claims.get("iss") != oauth2_settings.OIDC_ISS_ENDPOINT:
        raise InvalidIDTokenError()
    return claims


class RPInitiatedLogoutView(views.RPInitiatedLogoutView):
    """The end session endpoint (OpenID Connect RP-Initiated Logout 1.0)."""

    def validate_logout_request_user(
        self, id_token_hint: str | None, client_id: str | None
    ) -> IDToken | None:
        """Return the ID token by its signature (django-oauth-toolkit#1287).

        The toolkit looks it up, and finds none that has been deleted since, by an earlier sign-out
        or because it has expired.
        """
        if not id_token_hint:
            return None
        claims = claims_of(id_token_hint)
        validator = oauth2_settings.OAUTH2_VALIDATOR_CLASS()
        application = validator._get_client_by_audience(claims["aud"])
        if client_id and application.client_id != client_id:
            raise ClientIdMissmatch()
        user = User.objects.filter(pk=claims["sub"]).first()
        return IDToken(application=application, user=user)

    def get_request_application(self, id_token: Any, client_id: str | None) -> Application | None:
        """Refuse unknown and inactive clients."""
        application = None
        if not client_id or CLIENT_ID.fullmatch(client_id):
            with suppress(Application.DoesNotExist):
                application = super().get_request_application(id_token, client_id)
        if (client_id or id_token) and not active_registration(application):
            raise InvalidOIDCClientError()
        return application

    def validate_post_logout_redirect_uri(self, application: Application, uri: str) -> None:
        """Compare the strings, as those of redirect URIs."""
        super().validate_post_logout_redirect_uri(application, uri)
        if uri and not is_declared(uri, application.post_logout_redirect_uris):
            raise InvalidOIDCRedirectURIError()

    def do_logout(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """End the tokens of this session too. The toolkit would end those of all devices."""
        for family in self.request.session.get(FAMILIES, []):
            RefreshToken.revoke_family(UUID(family))
        return super().do_logout(*args, **kwargs)


class ServerMetadataView(views.OAuthServerMetadataView):
    """OAuth 2.0 Authorization Server Metadata (RFC 8414)."""

    def document(self, request: HttpRequest) -> dict[str, Any]:
        """Return the metadata."""
        document: dict[str, Any] = json.loads(super().get(request).content)
        return document | {
            "acr_values_supported": step_up.ACR_VALUES,  # RFC 9470 section 7
            # RFC 8628 section 4
            "device_authorization_endpoint": self._get_endpoint_url(
                request, "device-authorization", required=True
            ),
            # The introspection endpoint accepts no credentials in the body, but a bearer token.
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "Bearer"],
            # Their defaults are other values (OpenID Connect Discovery section 3).
            "response_modes_supported": ["query"],
            "claims_parameter_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
        }

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return public(self.document(request))


class OpenIDConfigurationView(views.ConnectDiscoveryInfoView):
    """OpenID Connect Discovery 1.0: the RFC 8414 metadata and the members of OpenID Connect.

    Without ``grant_types_supported`` a client has to assume the implicit grant (section 3).
    """

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        document = ServerMetadataView().document(request) | json.loads(super().get(request).content)
        of_sign_in = {"acr", "amr", "auth_time"}
        document["claims_supported"] = sorted(of_sign_in.union(document["claims_supported"]))
        document["prompt_values_supported"] = ["none", "login", "select_account"]
        # No client can be declared with HS256.
        document["id_token_signing_alg_values_supported"] = ["RS256"]
        return public(document)


def public(document: dict[str, Any]) -> JsonResponse:
    """Return a response that scripts of any origin may read (CORS)."""
    return JsonResponse(document, headers={"Access-Control-Allow-Origin": "*"})
