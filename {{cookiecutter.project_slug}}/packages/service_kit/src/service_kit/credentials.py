"""The age of credentials: a check, which the doctor repeats, and a value of /metrics.

What the project generates has its date in it: ``20261127-`` begins a secret, and ``2026-11-27`` the
file of a key. The age of anything else is not known. Settings import this module, so it imports no
models.
"""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import request_started

from service_kit import env, metrics

# At the beginning, or as the password of a URL.
DATE = re.compile(r"(?:^|:)(\d{4})-?(\d\d)-?(\d\d)[-\n]")
DAY = 24 * 3600


def reading(*names: str) -> dict[str, Callable[[], str]]:
    """Return what reads each of these variables, for CREDENTIALS."""
    return {name: partial(env.text, name, "") for name in names}


def made_at(value: str) -> float | None:
    """Return when a credential was made (Unix seconds), None if it does not say."""
    if found := DATE.search(value):
        year, month, day = map(int, found.groups())
        return datetime(year, month, day, tzinfo=UTC).timestamp()
    return None


def due_times() -> dict[str, float]:
    """Return when each credential is due (Unix seconds), as it is now; {} without a maximum age."""
    found = {}
    for name, read in settings.CREDENTIALS.items() if settings.CREDENTIAL_MAX_AGE_DAYS else ():
        # A fault is reported where it is used. ValueError: it has no date after all.
        with suppress(OSError, ValueError, ImproperlyConfigured):
            if made := made_at(read()):
                found[name] = made + settings.CREDENTIAL_MAX_AGE_DAYS * DAY
    return found


@register("credentials")
def check_credentials(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """W001: a rotation is overdue."""
    text = "{} is older than CREDENTIAL_MAX_AGE_DAYS: see `make rotate` in docs/operations.md."
    overdue = sorted(name for name, due in due_times().items() if due < time.time())
    return [Warning(text.format(name), id="service_kit.W001") for name in overdue]


def measure(environ: dict[str, Any] | None = None, **kwargs: Any) -> None:
    """Set the value of each credential before the metrics are exposed."""
    if environ and environ.get("PATH_INFO") == "/metrics":
        for name, due in due_times().items():
            metrics.credential_due.labels(name).set(due)


request_started.connect(measure)
