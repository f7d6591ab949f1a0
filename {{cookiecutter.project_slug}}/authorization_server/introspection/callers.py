"""Who is known already, so that neither a right nor a wrong secret costs a query of its own.

The clients of all resource servers are few: each process keeps them as they were, and with them
digests of the credentials that it has verified, never a secret. No process has to tell another of a
change: `lookup` reads the row of the caller with each token, and `endpoint` comes back here when it
is not the one that is kept.
"""

import hashlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from django.conf import settings
from oauth2_provider.models import Application

from introspection.credentials import (
    INVALID_CLIENT,
    INVALID_TOKEN,
    Caller,
    InvalidCredentials,
    caller_of,
    caller_of_basic,
    caller_of_token,
    parse_basic,
)
from introspection.failures import Failures, client_address

LIFETIME = 30  # seconds after which the clients are read again in any case
# Seconds between two readings because of credentials that are wrong. However many come in, and for
# whichever client, they cost one query a second, and a hash each while `failures` allows it.
PAUSE = 1
# Of one secret there are many spellings, and whoever has it could send them all.
MAX_VERIFIED = 1000


@dataclass(frozen=True)
class Snapshot:
    """The callers by client_id, and by digest those whose credentials were right."""

    taken: float
    callers: dict[str, Caller]
    verified: dict[bytes, Caller] = field(default_factory=dict)

    def is_older_than(self, seconds: float) -> bool:
        """Return whether this was read more than `seconds` ago."""
        return monotonic() - self.taken > seconds


_NOBODY = Snapshot(float("-inf"), {})
_KEY = secrets.token_bytes(32)
_lock = threading.Lock()
_latest = _NOBODY
# By client_id, the digest of what was right last, which nobody at the same address can keep out.
_right: dict[str, bytes] = {}
_failures = Failures()


def identify(environ: Mapping[str, Any]) -> Caller:
    """Return whose credentials are in the Authorization header. Makes one query or none.

    A bearer token is looked up each time, because it can be revoked. The secret of a client is not
    looked at when too many wrong ones came from the address, unless it was right before.

    Raises:
        InvalidCredentials: the status is 401.
    """
    header = environ.get("HTTP_AUTHORIZATION", "")
    snapshot = _latest
    digest = hashlib.blake2b(header.encode(), key=_KEY).digest()
    known = snapshot.verified.get(digest)
    if known and not snapshot.is_older_than(LIFETIME):
        return known
    scheme, _, value = header.strip().partition(" ")
    if scheme.lower() == "bearer":
        if caller := caller_of_token(value.strip()):
            return caller
        raise InvalidCredentials(*INVALID_TOKEN)
    if scheme.lower() == "basic":
        address = client_address(environ, is_proxied=settings.TRUST_PROXY_HEADERS)
        if caller := verify(value.strip(), digest, address):
            return caller
    raise InvalidCredentials(*INVALID_CLIENT)


def verify(value: str, digest: bytes, address: str) -> Caller | None:
    """Return whose client_id and secret `value` holds, and remember its `digest`."""
    client_id, secret = parse_basic(value) or ("", "")
    was_right = _right.get(client_id) == digest
    if not was_right and _failures.are_too_many(client_id, address):
        raise InvalidCredentials(*INVALID_CLIENT, reason=f"too many wrong secrets from {address}")
    snapshot = read(LIFETIME)
    caller = caller_of_basic(client_id, secret, snapshot.callers)
    if caller is None and (newer := read(PAUSE)) is not snapshot:
        # A client may be new, or have a new secret.
        snapshot = newer
        caller = caller_of_basic(client_id, secret, snapshot.callers)
    if caller:
        _right[client_id] = digest
        if len(snapshot.verified) < MAX_VERIFIED:
            snapshot.verified[digest] = caller
    elif client_id in snapshot.callers:
        if was_right:
            _right.pop(client_id, None)
        _failures.add(client_id, address)
    return caller


def read(age: float) -> Snapshot:
    """Return the callers as they were `age` seconds ago or later."""
    global _latest
    with _lock:
        if _latest.is_older_than(age):
            taken = monotonic()
            applications = Application.objects.select_related("registration")
            found = {
                application.client_id: caller
                for application in applications.exclude(registration__resource_server="")
                if (caller := caller_of(application))
            }
            _latest = Snapshot(taken, found)
        return _latest


def forget() -> None:
    """Have the clients read again, because one of them has changed."""
    global _latest
    _latest = _NOBODY
