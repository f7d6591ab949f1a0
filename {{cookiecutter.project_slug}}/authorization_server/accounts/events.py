"""Security events: one line each, in the logger `security`. docs/operations.md lists them.

Most are signals of Django, of django-allauth and of the models of django-oauth-toolkit, so that no
way to sign in or to get a token goes without its line. No event has a password, token, code or
e-mail address.
"""

import logging
import re
from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as mfa
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal, receiver
from oauth2_provider.models import AccessToken, DeviceGrant, Grant

from accounts import metrics
from accounts.models import User, consent_withdrawn
from accounts.rate_limits import sender
from service_kit.request_id import current_meta

logger = logging.getLogger("security")


def note(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Write the line of an event, with the address of the sender of the current request.

    In production the fields are members of the JSON object as well.
    """
    metrics.security_events.labels(event).inc()
    values = {"address": sender(current_meta()), **fields}
    shown = {name: one_word(value) for name, value in values.items()}
    text = " ".join(f"{name}={value}" for name, value in shown.items())
    logger.log(level, "%s %s", event, text, extra={"event": event, **shown})


def one_word(value: Any) -> str:
    """Return `value` without blanks and `=`: a client_id of a stranger is no other field."""
    return re.sub(r"[^!-~]|=", "?", str(value or "-").replace(" ", ","))[:255]


def id_of(email: str | None) -> Any:
    """Return the id of the account with an e-mail address, None if there is none."""
    account = User.objects.filter(email=(email or "").strip().lower())
    return account.values_list("pk", flat=True).first()


@receiver(user_logged_in)
def note_sign_in(user: User, **kwargs: Any) -> None:
    note("sign-in", user=user.pk)


@receiver(user_login_failed)
def note_failure(credentials: dict[str, Any], **kwargs: Any) -> None:
    email = credentials.get("username") or credentials.get(User.USERNAME_FIELD)
    note("sign-in-failed", level=logging.WARNING, user=id_of(email))


@receiver(user_logged_out)
def note_sign_out(user: User | None, **kwargs: Any) -> None:
    if user:
        note("sign-out", user=user.pk)


def note_each(signal: Signal, event: str, level: int = logging.INFO) -> None:
    """Note `event` for a signal with `user`, and with `authenticator` where there is one."""

    def listener(user: User, authenticator: Any = None, **kwargs: Any) -> None:
        factor = {"factor": authenticator.type} if authenticator else {}
        note(event, level=level, user=user.pk, **factor)

    signal.connect(listener, weak=False)


note_each(account.user_signed_up, "sign-up")
note_each(account.password_set, "password-changed")
note_each(account.password_changed, "password-changed")
note_each(account.password_reset, "password-reset")
note_each(account.email_changed, "email-changed")
note_each(mfa.authenticator_added, "factor-added")
note_each(mfa.authenticator_removed, "factor-removed")
note_each(mfa.authenticator_reset, "factor-changed")
note_each(mfa.authentication_failed, "factor-refused", logging.WARNING)


@receiver(post_delete, sender=User)
def note_deletion(instance: User, **kwargs: Any) -> None:
    note("account-deleted", user=instance.pk)


@receiver(post_save, sender=Grant)
def note_consent(instance: Grant, created: bool, **kwargs: Any) -> None:
    if created:
        client = instance.application.client_id
        note("consent-given", user=instance.user_id, client=client, scope=instance.scope)


@receiver(post_save, sender=DeviceGrant)
def note_device(instance: DeviceGrant, update_fields: Any, **kwargs: Any) -> None:
    events = {DeviceGrant.AUTHORIZED: "consent-given", DeviceGrant.DENIED: "consent-denied"}
    if update_fields == {"status"} and instance.status in events:
        fields = {"client": instance.client_id, "scope": instance.scope}
        note(events[instance.status], user=instance.user_id, **fields)


@receiver(post_save, sender=AccessToken)
def note_token(instance: AccessToken, created: bool, **kwargs: Any) -> None:
    if created and instance.application:
        event = "token-refreshed" if instance.source_refresh_token_id else "token-issued"
        client = instance.application.client_id
        note(event, user=instance.user_id, client=client, scope=instance.scope)


@receiver(consent_withdrawn)
def note_withdrawal(user: User, **kwargs: Any) -> None:
    note("consent-withdrawn", user=user.pk)
