"""Who is known already, so that neither a right nor a wrong secret costs a query of its own.

The clients of all resource servers are few: each process keeps them as they were, and with them
digests of the credentials that it has verified, never a secret. No process has to tell another of a
change: `lookup` reads the row of the caller with each token, and `endpoint` comes back here when it
is not the one that is kept.
"""

import hashlib
import secrets
import threading
from dataclasses import dataclass, field
from time import monotonic

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
from introspection.failures import Failures

LIFETIME = 30  # seconds after which the clients are read again in any case
# Seconds between two readings because of credentials that are wrong. However many come in, and for
# whichever client, they cost one query a second, and a hash each as long as `failures` allows it.
PAUSE = 1
# Of one secret there are many spellings, and whoever has it could send them all.
MAX_VERIFIED = 1000


@dataclass(frozen=True)
class Snapshot:
    """The callers by client_id, and by digest those whose credentials were right.

    `verified_before` are digests of an earlier snapshot: to be verified again, and whoever fails at
    the same address does not stand in the way.
    """

    taken: float
    callers: dict[str, Caller]
    verified: dict[bytes, Caller] = field(default_factory=dict)
    verified_before: frozenset[bytes] = frozenset()

    def is_older_than(self, seconds: float) -> bool:
        """Return whether this was read more than `seconds` ago."""
        return monotonic() - self.taken > seconds


_NOBODY = Snapshot(float("-inf"), {})
_KEY = secrets.token_bytes(32)
_lock = threading.Lock()
_latest = _NOBODY
failures = Failures()


def identify(header: str, address: str) -> Caller:
    """Return whose credentials are in the Authorization `header`. Makes one query or none.

    A bearer token is looked up each time, because it can be revoked. Of an `address` that has
    failed too often, only credentials that were right before are looked at.

    Raises:
        InvalidCredentials: the status is 401.
    """
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
    if scheme.lower() == "basic" and (caller := verify(value.strip(), digest, address)):
        return caller
    raise InvalidCredentials(*INVALID_CLIENT)


def verify(value: str, digest: bytes, address: str) -> Caller | None:
    """Return whose client_id and secret `value` holds, and remember its `digest`."""
    client_id, secret = parse_basic(value) or ("", "")
    snapshot = read(LIFETIME)
    is_new = digest not in snapshot.verified_before
    if is_new and failures.are_too_many(client_id, address):
        return None
    caller = caller_of_basic(client_id, secret, snapshot.callers)
    if caller is None:
        # A client may be new, or have a new secret.
        snapshot = read(PAUSE)
        caller = caller_of_basic(client_id, secret, snapshot.callers)
    if caller is None and client_id in snapshot.callers:
        failures.add(client_id, address)
    if caller and len(snapshot.verified) < MAX_VERIFIED:
        snapshot.verified[digest] = caller
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
            before = _latest.verified_before | frozenset(_latest.verified)
            if len(before) > MAX_VERIFIED:
                before = frozenset(_latest.verified)
            _latest = Snapshot(taken, found, verified_before=before)
        return _latest


def forget() -> None:
    """Have the clients read again, because one of them has changed."""
    global _latest
    _latest = _NOBODY
