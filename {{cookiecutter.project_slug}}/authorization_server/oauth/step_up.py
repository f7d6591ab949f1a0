"""How a user has signed in, and whether that is enough for a client (RFC 9470).

django-allauth notes each step of a sign-in in the session, with its time.
"""

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest
from oauthlib.oauth2 import OAuth2Error

from accounts.models import AUTH_TIME

# Values of `acr`, the strongest first: a passkey (OpenID Connect EAP ACR Values 1.0), two factors.
PASSKEY = "phr"
TWO_FACTORS = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
ACR_VALUES = [PASSKEY, TWO_FACTORS]
# The pages of django-allauth by which a session gets there.
PAGES = {
    PASSKEY: ("mfa_reauthenticate:webauthn",),
    TWO_FACTORS: ("mfa_reauthenticate", "mfa_reauthenticate:webauthn"),
}
# Values of `amr` (RFC 8176). It is not known whether hardware or software has the key of a passkey.
AMR = {"password": "pwd", "totp": "otp", "recovery_codes": "otp", "webauthn": "pop"}


class UnmetAuthenticationRequirements(OAuth2Error):
    """The user cannot sign in as the client asks (OpenID Connect extension of that name)."""

    error = "unmet_authentication_requirements"


def auth_time(request: HttpRequest) -> float:
    """Return when the user of a session has last proved who it is, 0 if it is not known."""
    records = get_authentication_records(request, request.user)
    return max([request.session.get(AUTH_TIME, 0), *(record["at"] for record in records)])


def amr(request: HttpRequest) -> list[str]:
    """Return the methods by which the user of a session has signed in."""
    records = get_authentication_records(request, request.user)
    kinds = [record.get("type", record["method"]) for record in records]
    methods = sorted({AMR[kind] for kind in kinds if kind in AMR})
    # django-allauth asks for a code after the first factor only. A passkey is such a second factor,
    # or it has verified its user.
    return methods if {"otp", "pop"}.isdisjoint(methods) else ["mfa", *methods]


def acr(request: HttpRequest) -> str:
    """Return the first of ``acr_values`` that the session has, else the strongest that it has."""
    methods = amr(request)
    reached = [PASSKEY] * ("pop" in methods) + [TWO_FACTORS] * ("mfa" in methods)
    return next((value for value in [*asked(request), *reached] if value in reached), "")


def asked(request: HttpRequest) -> list[str]:
    """Return the ``acr_values`` of an authorization request, in its order of preference."""
    return request.GET.get("acr_values", "").split()


def is_enough(request: HttpRequest) -> bool:
    """Return whether the session is as the client asks."""
    return not asked(request) or acr(request) in asked(request)


def page_for(request: HttpRequest) -> str | None:
    """Return the page on which the user can do what is missing, None if there is none."""
    pages = get_adapter().get_reauthentication_methods(request.user)
    urls = {page["id"]: page["url"] for page in pages}
    wanted = (page for value in asked(request) for page in PAGES.get(value, ()))
    return next((urls[page] for page in wanted if page in urls), None)
