"""Fetches revocations from the authorization server of this project, by a long poll."""

import json
import logging
import random
import re
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from oauth_resource_server import metrics
from oauth_resource_server.conf import Conf
from oauth_resource_server.errors import TokenValidationError
from oauth_resource_server.http.client import HTTPClient, json_object
from oauth_resource_server.issuers.introspection import authorization
from oauth_resource_server.issuers.settings import IssuerSettings
from oauth_resource_server.revocation.matcher import RevocationMatcher, Revocations

WAIT_SECONDS = 5  # of the authorization server, for the next revocation
MAX_LIVE_SECONDS = 60
MAX_BYTES = 256 * 1024
MAX_DELAY = 5.0  # seconds between two tries
MAX_REPORTED_DELAY = 1e9  # A metric holds no larger integer of JSON.
DIGEST = re.compile(r"[0-9a-f]{64}")

log = logging.getLogger(__name__)


class ResponseInvalid(Exception):
    """A response that is not one of the endpoint. It counts as no contact."""


class Receiver:
    """One thread with a connection of its own, outside of the bulkhead and the circuit breaker.

    It ends when the matcher is discarded. While it has contact the matcher vouches for what is
    remembered.
    """

    def __init__(
        self, url: str, issuer: IssuerSettings, conf: Conf, matcher: RevocationMatcher
    ) -> None:
        seconds = WAIT_SECONDS + 3
        # A poll over a kept connection may take half of the total time.
        patient = replace(conf, read_timeout=seconds, total_timeout=2 * seconds)
        self._http = HTTPClient(url, patient, max_bytes=MAX_BYTES)
        self._issuer = issuer
        self._caching_seconds = conf.caching_seconds
        self._matcher = weakref.ref(matcher)
        self._position = ""
        self._contact = float("-inf")

    def start(self) -> None:
        """Start the thread; it does not keep the process from ending."""
        threading.Thread(target=self._run, daemon=True, name="revocations").start()

    @property
    def is_live(self) -> bool:
        """Whether every revocation up to a few seconds ago is known."""
        return time.monotonic() - self._contact < WAIT_SECONDS + 3

    def _run(self) -> None:
        failures, more = 0, False
        while self._matcher() is not None:
            try:
                more = self._poll(more)
            except (TokenValidationError, ResponseInvalid) as error:
                failures += 1
                if failures == 2:  # The first retry follows without a pause.
                    log.warning("Revocations of %s do not arrive: %s", self._http.url, error)
                if failures > 1:
                    time.sleep(min(MAX_DELAY, 0.1 * 2**failures) * random.uniform(0.5, 1))  # noqa: S311
            else:
                if failures > 1:
                    log.warning("Revocations of %s arrive again.", self._http.url)
                failures = 0

    def _poll(self, more: bool) -> bool:
        """Ask once, and apply the answer; return whether there is more to fetch."""
        question: dict[str, Any] = {"returnImmediately": more}
        if self._position:
            question["position"] = self._position
        headers = {"Authorization": authorization(self._issuer), "Content-Type": "application/json"}
        response = self._http.send(headers, json.dumps(question))
        members = json_object(response.body)
        if response.status != 200 or members is None:
            raise ResponseInvalid(f"status {response.status}, expected 200 and a JSON object")
        revocations, position = _revocations(members), members.get("position")
        if not isinstance(position, str) or not 0 < len(position) <= 200:
            raise ResponseInvalid("no `position`")
        if (matcher := self._matcher()) is not None:
            if self._position:
                matcher.apply(revocations)
            else:
                matcher.begin()
            self._position, self._contact = position, time.monotonic()
            live = members.get("live")
            live = min(live, MAX_LIVE_SECONDS) if isinstance(live, int) else 0
            matcher.vouch(max(live, self._caching_seconds))
            metrics.revocation_contact.set_to_current_time()
            _count(revocations, members.get("delay"))
        return members.get("moreAvailable") is True


def _revocations(members: Mapping[str, Any]) -> Revocations:
    tokens, clients = members.get("tokens"), members.get("clients")
    if (
        not isinstance(tokens, list)
        or not isinstance(clients, list)
        or not all(isinstance(one, str) and DIGEST.fullmatch(one) for one in tokens)
        or not all(isinstance(one, str) for one in clients)
        or not isinstance(members.get("reset"), bool)
    ):
        raise ResponseInvalid("`tokens`, `clients` or `reset` are not as documented")
    return Revocations([bytes.fromhex(one) for one in tokens], clients, members["reset"])


def _count(revocations: Revocations, delay: Any) -> None:
    metrics.revocations.labels("token").inc(len(revocations.tokens))
    metrics.revocations.labels("client").inc(len(revocations.clients))
    metrics.revocations.labels("reset").inc(int(revocations.reset))
    if isinstance(delay, int | float) and 0 <= delay <= MAX_REPORTED_DELAY:
        metrics.revocation_seconds.observe(delay)
