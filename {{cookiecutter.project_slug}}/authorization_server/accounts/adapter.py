"""What django-allauth does differently here. Each override has a test."""

import base64
import logging
import os
import time
from contextlib import suppress
from ipaddress import ip_address
from smtplib import SMTPException
from typing import Any
from urllib.parse import urlsplit

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import (
    AUTHENTICATION_METHODS_SESSION_KEY as RECORDS,
)
from allauth.account.authentication import get_authentication_records
from allauth.account.forms import SignupForm as DefaultSignupForm
from allauth.account.internal.flows.login import record_authentication
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.models import User
from accounts.rate_limits import RateLimited
from service_kit.request_id import sender

MAX_SESSIONS = 20  # of a person: allauth reads all of them at each sign-in
INVITED = "account_verified_email"  # in a session, by `stash_verified_email` of allauth

logger = logging.getLogger(__name__)


class Site:
    """The name and the address in mails; allauth would take the Host header."""

    name = settings.PROJECT_NAME
    url = settings.AUTHORIZATION_SERVER_URL
    domain = urlsplit(url).netloc


class AccountAdapter(DefaultAccountAdapter):
    def get_client_ip(self, request: HttpRequest) -> str:
        """Return the address as our own limits see it; 0.0.0.0 if it is unknown (Unix sockets)."""
        try:
            return str(ip_address(sender(request.META)))
        except ValueError:
            return "0.0.0.0"  # noqa: S104 (a value of a column, no address to listen at)

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        is_invited = settings.SIGN_UP == "invitation" and bool(request.session.get(INVITED))
        return settings.SIGN_UP == "open" or is_invited

    def clean_email(self, email: str) -> str:
        """Refuse any address but the invited one, whose link has verified it."""
        request = context.request
        signs_up = request.resolver_match.url_name == "account_signup"
        is_bound = signs_up and settings.SIGN_UP == "invitation"
        if is_bound and email.lower() != request.session.get(INVITED):
            raise ValidationError("The invitation is for another address.")
        return str(super().clean_email(email))

    def unstash_verified_email(self, request: HttpRequest) -> None:
        """Keep it until the sign-in: allauth would forget it before `is_email_verified` looks."""

    def new_user(self, request: HttpRequest) -> User:
        return User(unverified_since=timezone.now())

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Leave the limits of passwords to `accounts.backends`."""

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        """Sign the session out first: the second factor is asked of anonymous sessions only.

        The authentication records are kept, which Django would flush with the session of another
        person. The same person keeps the rest of the session as well.
        """
        if request.user.is_authenticated:
            prefix = "" if request.user.pk == user.pk else RECORDS
            kept = {key: value for key, value in request.session.items() if key.startswith(prefix)}
            request.session.flush()
            for key, value in kept.items():
                if not key.startswith("_auth_user_"):
                    request.session[key] = value
            request.user = AnonymousUser()
        return super().pre_login(request, user, **kwargs)

    def login(self, request: HttpRequest, user: User) -> None:
        """Record the password after a sign-up as well, where allauth records nothing.

        The oldest of too many sessions end.
        """
        if not get_authentication_records(request, user):
            record_authentication(request, user, "password", email=user.email)
        request.session.pop(INVITED, None)
        sessions = UserSession.objects.filter(user=user).order_by("-created_at")
        for session in sessions[MAX_SESSIONS - 1 :]:
            session.end()
        super().login(request, user)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Return False for a session that has just signed in, also for the first time."""
        records = get_authentication_records(context.request, context.request.user)
        age = time.time() - records[-1]["at"] if records else float("inf")
        if age < app_settings.REAUTHENTICATION_TIMEOUT:
            return False
        return bool(super().is_reauthentication_required(app=app, **kwargs))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Write the public name and address of this server, whatever the Host header says.

        Raises:
            RateLimited: the mail server did not take the mail (503).
        """
        links = {key: public(url) for key, url in context.items() if key.endswith("_url")}
        try:
            super().send_mail(template_prefix, email, {"current_site": Site} | context | links)
        except (OSError, SMTPException) as error:
            logger.error("A mail could not be sent: %s", type(error).__name__)
            message = "The mail could not be sent. Try again in a few minutes."
            raise RateLimited(message, 60, status=503) from error

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """Do not fail: what the mail tells of has been done."""
        with suppress(RateLimited):
            super().send_notification_mail(*args, **kwargs)


class SignupForm(DefaultSignupForm):
    def try_save(self, request: HttpRequest) -> Any:
        """Hash the password for a known address too, or the time would tell it from a new one."""
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])
        return super().try_save(request)


def public(url: str) -> str:
    """Return `url` at the public address of this server."""
    return settings.AUTHORIZATION_SERVER_URL + urlsplit(url)._replace(scheme="", netloc="").geturl()


class MFAAdapter(DefaultMFAAdapter):
    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Bind passkeys to the public address; allauth would take the Host header."""
        return {"id": Site.domain.partition(":")[0], "name": Site.name}

    def encrypt(self, text: str) -> str:
        """Encrypt secrets of authenticator apps and seeds of recovery codes, by the SECRET_KEY."""
        return cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return a random secret, which no code fits, if the key is no longer known."""
        try:
            return cipher().decrypt(encrypted_text).decode()
        except InvalidToken:
            logger.error("A second factor was encrypted by an unknown SECRET_KEY.")
            return base64.b32encode(os.urandom(20)).decode()


def cipher() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    keys = (salted_hmac("accounts.mfa", "", secret=s, algorithm="sha256") for s in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key.digest())) for key in keys])


class UserSessionsAdapter(DefaultUserSessionsAdapter):
    def end_sessions(self, sessions: Any) -> None:
        """End the tokens too, and sessions that allauth does not know."""
        super().end_sessions(sessions)
        request = context.request
        request.user.end_sessions()
        old_key = request.session.session_key
        update_session_auth_hash(request, request.user)
        current = UserSession.objects.filter(session_key=old_key)
        current.update(session_key=request.session.session_key)
