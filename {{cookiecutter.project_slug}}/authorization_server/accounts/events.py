"""The events of people and of tokens, by signals: `audit.recording` writes them.

The signals are those of Django, of django-allauth and of the models of django-oauth-toolkit, so
that no way to sign in or to get a token goes without its event.
"""

import json
from typing import Any

from allauth.account import signals as account
from allauth.core import context
from allauth.mfa import signals as mfa
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal, receiver
from oauth2_provider.models import AccessToken

from accounts.models import User, consent_withdrawn
from audit.recording import OK, record

ADMIN_EVENTS = {ADDITION: "admin-add", CHANGE: "admin-change", DELETION: "admin-delete"}


def id_of(email: str | None) -> Any:
    """Return the id of the account with an e-mail address, None if there is none."""
    account = User.objects.filter(email=(email or "").strip().lower())
    return account.values_list("pk", flat=True).first()


@receiver(user_login_failed)
def record_failure(credentials: dict[str, Any], **kwargs: Any) -> None:
    email = credentials.get("username") or credentials.get(User.USERNAME_FIELD)
    record("sign-in-failed", outcome="wrong_credentials", sub=id_of(email))


def record_each(signal: Signal, event: str, outcome: str = OK) -> None:
    """Record `event` for a signal with `user`, and with `authenticator` where there is one."""

    def listener(user: User | None, authenticator: Any = None, **kwargs: Any) -> None:
        factor = authenticator.type if authenticator else None
        if user:
            record(event, outcome=outcome, sub=user.pk, factor=factor)

    signal.connect(listener, weak=False)


record_each(user_logged_in, "sign-in")
record_each(user_logged_out, "sign-out")
record_each(consent_withdrawn, "consent-withdrawn")
record_each(account.user_signed_up, "sign-up")
record_each(account.password_set, "password-changed")
record_each(account.password_changed, "password-changed")
record_each(account.password_reset, "password-reset")
record_each(account.email_changed, "email-changed")
record_each(mfa.authenticator_added, "factor-added")
record_each(mfa.authenticator_removed, "factor-removed")
record_each(mfa.authenticator_reset, "factor-changed")
record_each(mfa.authentication_failed, "factor-refused", "wrong_factor")
record_each(account.email_verification_code_rejected, "code-refused", "wrong_code")
record_each(account.password_reset_code_rejected, "code-refused", "wrong_code")


@receiver(post_delete, sender=User)
def record_deletion(instance: User, **kwargs: Any) -> None:
    record("account-deleted", sub=instance.pk)


@receiver(post_save, sender=AccessToken)
def record_token(instance: AccessToken, created: bool, **kwargs: Any) -> None:
    if created and instance.application:
        event = "token-refreshed" if instance.source_refresh_token_id else "token-issued"
        client_id = instance.application.client_id
        record(event, sub=instance.user_id, client_id=client_id, scope=instance.scope)


@receiver(post_save, sender=LogEntry)
def record_edit(instance: LogEntry, **kwargs: Any) -> None:
    """Record the change of an object on the administration site, by the names of its fields.

    The action for a list of objects is an event of its own: `audit.admin`.
    """
    if context.request and "action" in context.request.POST:
        return
    changed = instance.get_edited_object()
    parts = [part for one in json.loads(instance.change_message or "[]") for part in one.values()]
    record(
        ADMIN_EVENTS[instance.action_flag],
        sub=changed.pk if isinstance(changed, User) else getattr(changed, "user_id", None),
        client_id=getattr(getattr(changed, "application", None), "client_id", None),
        target=f"{changed._meta.label_lower}:{changed.pk}",
        fields=[name for part in parts for name in part.get("fields", ())],
    )
