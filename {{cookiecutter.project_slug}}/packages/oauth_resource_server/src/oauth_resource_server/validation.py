"""Validate access tokens. Authentication, decorators and DOT's validator all call `validate`."""

import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

from oauth_resource_server import metrics
from oauth_resource_server.cache.local import LocalCache
from oauth_resource_server.cache.shared import SharedCache
from oauth_resource_server.conf import Conf, PerProcess, conf
from oauth_resource_server.errors import AuthorizationServerUnavailable, TokenValidationError
from oauth_resource_server.issuers.presets import BUNDLED
from oauth_resource_server.issuers.route import Issuers, Route, configured_issuers
from oauth_resource_server.resilience.bulkhead import PATIENCE_SECONDS, Bulkhead
from oauth_resource_server.resilience.rate_limit import InvalidTokenRateLimit, Sender
from oauth_resource_server.resilience.single_flight import SingleFlight
from oauth_resource_server.revocation.matcher import RevocationMatcher
from oauth_resource_server.revocation.receiver import Receiver
from oauth_resource_server.tokens import AccessToken
from oauth_resource_server.users import is_refused

# An Entra ID token names up to 200 groups in 11,000 characters. A token of this length fits into a
# request header of 16 KiB (nginx, see `deploy/`). Form-encoded, it fits into the 64 KiB that the
# authorization server of this project accepts at its introspection endpoint.
MAX_TOKEN_LENGTH = 16_000  # characters
B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The objects that the threads of a process share to validate tokens."""

    local_cache: LocalCache
    shared_cache: SharedCache | None
    issuers: Issuers
    rate_limit: InvalidTokenRateLimit
    bulkhead: Bulkhead
    flights: SingleFlight[AccessToken | None]
    revocations: RevocationMatcher
    receiver: Receiver | None


@PerProcess
def process_state() -> ProcessState:
    current, issuers = conf(), configured_issuers()
    shared_cache = None
    if current.shared_cache:
        identities = tuple(issuer.identity for issuer in issuers.all)
        shared_cache = SharedCache(current.shared_cache, identities)
        # Django imports the client of a cache server at its first use, which takes half a second
        # of CPU. That must not count towards the deadline of a request.
        shared_cache.get(b"")
    local_cache = LocalCache(
        max_entries=current.cache_max_entries,
        inactive_max_entries=current.inactive_cache_max_entries,
        stale_seconds=current.stale_if_error,
    )
    revocations = RevocationMatcher(
        local_cache, shared_cache, current.issuer, current.caching_seconds_while_live
    )
    return ProcessState(
        local_cache=local_cache,
        shared_cache=shared_cache,
        issuers=issuers,
        rate_limit=InvalidTokenRateLimit(current.inactive_rate, current.inactive_burst),
        bulkhead=Bulkhead(
            current.max_waiting_threads, current.total_timeout, reserved=int(len(issuers.all) > 1)
        ),
        flights=SingleFlight(),
        revocations=revocations,
        receiver=_receiver(current, revocations),
    )


def _receiver(current: Conf, revocations: RevocationMatcher) -> Receiver | None:
    """Start the receiver of revocations, if the authorization server reports them."""
    bundled = [one.settings for one in configured_issuers().all if one.settings.preset == BUNDLED]
    if not bundled or not current.revocation_events_url:
        return None
    receiver = Receiver(current.revocation_events_url, bundled[0], current, revocations)
    receiver.start()
    return receiver


def is_well_formed(token: str) -> bool:
    """Return whether `token` has the syntax of RFC 6750 section 2.1 and an acceptable length."""
    return len(token) <= MAX_TOKEN_LENGTH and B64TOKEN.fullmatch(token) is not None


def is_held_up(meta: Mapping[str, Any]) -> bool:
    """Return whether a request with this ``META`` needs an issuer while one does not answer.

    It waits for nothing, and may be called in an event loop.
    """
    state = process_state.made
    if state is None or not state.bulkhead.stalls:
        return False
    scheme, _, token = meta.get("HTTP_AUTHORIZATION", "").partition(" ")
    if not token or scheme.lower() != "bearer":
        return False
    key, cache = sha256(token.strip().encode()).digest(), state.local_cache
    return not (cache.get(key) or cache.get_stale(key) or cache.is_inactive(key))


def validate(
    token: str, *, meta: Mapping[str, Any] | None = None, may_be_stale: bool = False
) -> AccessToken | None:
    """Return the access token; None if it is malformed, unknown, expired, revoked or not for us.

    Args:
        token: The string from the Authorization header.
        meta: ``META`` of the request. Invalid tokens are rate-limited by its client address.
        may_be_stale: Whether ``STALE_IF_ERROR_SECONDS`` applies.

    Raises:
        TokenValidationError: The token could not be validated, so it may be valid.
    """
    # Most requests end here: one digest, one dict look-up, one counter.
    state, key = process_state(), sha256(token.encode()).digest()
    access_token = state.local_cache.get(key)
    if access_token is not None:
        metrics.active_hits.inc()
        return access_token
    if not is_well_formed(token):
        return None
    try:
        access_token = _validate_uncached(state, key, token, meta or {}, may_be_stale)
    except TokenValidationError as error:
        metrics.outcomes.labels(type(error).__name__).inc()
        raise
    metrics.outcomes.labels("inactive" if access_token is None else "active").inc()
    return access_token


def _validate_uncached(
    state: ProcessState, key: bytes, token: str, meta: Mapping[str, Any], may_be_stale: bool
) -> AccessToken | None:
    if state.local_cache.is_inactive(key):
        metrics.inactive_hits.inc()
        return None
    sender = state.rate_limit.sender(meta, token)
    # Waiting for the question of another request is free.
    if key not in state.flights:
        state.rate_limit.check(sender.bucket)
    route = state.issuers.route(token, key)
    if not route.issuers:
        iss = route.jwt.iss if route.jwt else "it is opaque or malformed"
        log.debug("Refused a token that no issuer of the settings can have issued: %s.", iss)
        return None
    # Many threads with one token cost the authorization server one request.
    patience = 2 * PATIENCE_SECONDS if key in state.flights else PATIENCE_SECONDS
    try:
        with state.bulkhead.slot(route.issuer_name, patience):
            return state.flights(key, partial(_find, state, key, token, route, sender))
    except AuthorizationServerUnavailable:
        stale = state.local_cache.get_stale(key) if may_be_stale else None
        if stale is None:
            raise
        metrics.stale_hits.inc()
        return stale


def _find(
    state: ProcessState, key: bytes, token: str, route: Route, sender: Sender
) -> AccessToken | None:
    """Look the token up again, then in the shared cache, then ask its issuer."""
    # Another flight may have ended between the first look-up and the start of this one.
    if (access_token := state.local_cache.get(key)) is not None:
        metrics.active_hits.inc()
        return access_token
    if state.local_cache.is_inactive(key):
        metrics.inactive_hits.inc()
        return None
    version = state.revocations.version
    if state.shared_cache is not None and (found := state.shared_cache.get(key)) is not None:
        asked, access_token = found
        if not state.revocations.is_outdated(access_token, asked):
            _remember(state, key, access_token, asked, version)
            if state.local_cache.get(key) is not None:
                metrics.shared_hits.inc()
                return access_token
    metrics.misses.inc()
    # A token that is revoked while the response is on its way lives no longer for that.
    asked = time.time()
    access_token = _ask(state, key, token, route, sender)
    if access_token is None:
        state.local_cache.put_inactive(key, asked + conf().inactive_caching_seconds)
        return None
    _remember(state, key, access_token, asked, version, share=True)
    return None if state.local_cache.is_dead(key) else access_token


def _remember(
    state: ProcessState,
    key: bytes,
    access_token: AccessToken,
    asked: float,
    version: int,
    *,
    share: bool = False,
) -> None:
    """Cache an answer. First cached and then compared, so that no revocation slips in between."""
    until, vouched = _lifetimes(state, access_token, asked)
    state.local_cache.put(key, access_token, until, vouched)
    if share and state.shared_cache is not None:
        state.shared_cache.set(key, access_token, asked, max(until, vouched))
    if state.revocations.has_changed(key, version):
        state.local_cache.drop(key)
        if state.shared_cache is not None:
            state.shared_cache.delete([key])


def _ask(
    state: ProcessState, key: bytes, token: str, route: Route, sender: Sender
) -> AccessToken | None:
    """Ask the issuer. Only a valid token or an outage gives `sender` its charge back."""
    # Charged first, so that concurrent requests cannot exceed the limit.
    state.rate_limit.charge(sender.bucket)
    try:
        access_token = state.issuers.validate(route, token, key)
    except AuthorizationServerUnavailable:
        state.rate_limit.refund(sender.bucket)
        raise
    # Checked here, also views that never read the user refuse a deactivated one, and a cached
    # token costs no query. A deactivation takes effect as fast as a revocation.
    if access_token is not None:
        if is_refused(access_token):
            log.debug("Refused a token whose owner is deactivated, or linked to no user here.")
            return None
        state.rate_limit.accept(sender)
    return access_token


def _lifetimes(state: ProcessState, access_token: AccessToken, asked: float) -> tuple[float, float]:
    """Return until when an answer is remembered without and with reports of revocations."""
    seconds = state.issuers.caching_seconds(access_token)
    until = asked + seconds if access_token.exp is None else min(asked + seconds, access_token.exp)
    return until, state.revocations.vouched(access_token, asked) if seconds else 0
