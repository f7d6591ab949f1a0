"""Revocations that an authorization server reports: what is remembered, and what is not."""

import json
import time
from hashlib import sha256
from queue import Queue

import pytest
from django.core.cache import caches
from oauth_resource_server import AccessToken
from oauth_resource_server.cache.local import LocalCache
from oauth_resource_server.cache.shared import SharedCache
from oauth_resource_server.conf import reset_process_state
from oauth_resource_server.django import health
from oauth_resource_server.revocation.matcher import RevocationMatcher, Revocations
from oauth_resource_server.validation import process_state, validate
from prometheus_client import REGISTRY

from .authorization_server import ISSUER
from .web_server import WebServer, basic_of

LONGEST = 600
KEY, OTHER = b"k" * 32, b"o" * 32
PATIENCE = 30  # seconds until a test fails that waits for the receiver


def token(**members):
    exp = int(time.time()) + 3600
    return AccessToken(**{"sub": "alice", "iss": ISSUER, "exp": exp, "client_id": "shop"} | members)


def digest(text):
    return sha256(text.encode()).hexdigest()


# ---- The matcher and the caches ----


@pytest.fixture
def local():
    return LocalCache(max_entries=100, inactive_max_entries=100)


@pytest.fixture
def shared():
    caches["default"].clear()
    return SharedCache("default", ("test",))


@pytest.fixture
def matcher(local, shared):
    matcher = RevocationMatcher(local, shared, ISSUER, LONGEST)
    matcher.begin()
    return matcher


def remember(local, matcher, key=KEY, *, asked=None, **members):
    """Cache an answer whose time without reports has passed."""
    asked = time.time() if asked is None else asked
    local.put(key, token(**members), asked, matcher.vouched(token(**members), asked))


def test_an_answer_lives_longer_while_it_is_vouched_for(local, matcher):
    remember(local, matcher)
    assert local.get(KEY) is None
    matcher.vouch(60)
    assert local.get(KEY).sub == "alice"


def test_an_answer_from_before_the_first_contact_does_not(local, matcher):
    remember(local, matcher, asked=time.time() - 10)
    matcher.vouch(60)
    assert local.get(KEY) is None


def test_an_answer_of_another_issuer_does_not(local, matcher):
    remember(local, matcher, iss="https://other.example.com")
    matcher.vouch(60)
    assert local.get(KEY) is None


def test_an_answer_never_outlives_its_token(matcher):
    access_token = token(exp=int(time.time()) + 5)
    assert matcher.vouched(access_token, time.time()) == access_token.exp


def test_an_answer_is_remembered_for_the_longest_time(matcher):
    asked = time.time()
    assert matcher.vouched(token(exp=None), asked) == asked + LONGEST


def test_a_revoked_token_is_dropped_and_stays_dead(local, matcher):
    matcher.vouch(60)
    remember(local, matcher)
    matcher.apply(Revocations(tokens=[KEY]))
    remember(local, matcher, OTHER)
    assert (local.get(KEY), local.is_inactive(KEY)) == (None, True)
    assert (local.get(OTHER) is None, local.is_inactive(OTHER)) == (False, False)


def test_a_revoked_token_is_no_longer_shared(shared, matcher):
    shared.set(KEY, token(), time.time(), time.time() + 60)
    matcher.apply(Revocations(tokens=[KEY]))
    assert shared.get(KEY) is None


def test_the_tokens_of_a_client_are_dropped(local, matcher):
    matcher.vouch(60)
    remember(local, matcher)
    remember(local, matcher, OTHER, client_id="importer")
    matcher.apply(Revocations(clients=["shop"]))
    assert (local.get(KEY) is None, local.get(OTHER) is None) == (True, False)


def test_shared_answers_about_a_client_are_outdated(matcher):
    matcher.apply(Revocations(clients=["shop"]))
    assert matcher.is_outdated(token(), time.time())
    assert not matcher.is_outdated(token(client_id="importer"), time.time())


def test_a_reset_forgets_everything(local, matcher):
    matcher.vouch(60)
    remember(local, matcher)
    matcher.apply(Revocations(reset=True))
    assert local.get(KEY) is None
    assert matcher.is_outdated(token(), time.time())


def test_an_answer_that_was_on_its_way_is_out_of_date_after_a_revocation(matcher):
    version = matcher.version
    assert not matcher.has_changed(KEY, version)
    matcher.apply(Revocations(tokens=[KEY]))
    assert matcher.has_changed(KEY, version)
    assert not matcher.has_changed(OTHER, version)


@pytest.mark.parametrize("batch", [Revocations(clients=["x"]), Revocations(reset=True)])
def test_every_answer_that_was_on_its_way_is_out_of_date_after_other_events(matcher, batch):
    version = matcher.version
    matcher.apply(batch)
    assert matcher.has_changed(KEY, version)


# ---- The receiver, over HTTP ----


class EventServer(WebServer):
    """Answers each poll with what the test puts into `script`."""

    def __init__(self):
        self.polls, self.script = Queue(), Queue()
        super().__init__()
        self.answers["/o/events/"] = self.answer

    def answer(self, handler):
        self.polls.put(self.seen[-1])
        status, members = self.script.get(timeout=PATIENCE)
        body = members if isinstance(members, bytes) else json.dumps(members).encode()
        return status, {"Content-Length": str(len(body))}, body

    def say(self, status=200, body=None, **members):
        """Answer the poll that waits, and return when the receiver has come back."""
        self.polls.get(timeout=PATIENCE)
        batch = {"position": "p", "live": 60, "tokens": [], "clients": [], "reset": False}
        self.script.put((status, batch | members if body is None else body))
        credentials = self.polls.get(timeout=PATIENCE)
        self.polls.put(credentials)
        return credentials


@pytest.fixture
def events(configure, authorization_server):
    """An event server, and a resource server whose answers have no time without reports."""
    server = EventServer()
    configure(
        REVOCATION_EVENTS_URL=f"{server.origin}/o/events/",
        RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0.000001,
    )
    process_state()
    yield server
    reset_process_state()
    for _ in range(2):
        server.script.put((503, {}))
    server.stop()


@pytest.fixture
def asked(db, authorization_server):
    """Return a function that validates a token and returns (is valid, number of questions)."""

    def asked(text="alice-token"):
        before = len(authorization_server.requests)
        is_valid = validate(text) is not None
        return is_valid, len(authorization_server.requests) - before

    return asked


def test_a_token_is_asked_about_once_while_revocations_are_reported(
    events, authorization_server, asked
):
    authorization_server.issue("alice-token")
    events.say(reset=True)
    assert [asked(), asked(), asked()] == [(True, 1), (True, 0), (True, 0)]


def test_without_contact_it_is_asked_about_again(events, authorization_server, asked):
    authorization_server.issue("alice-token")
    events.say(500)
    assert [asked(), asked()] == [(True, 1), (True, 1)]


def test_a_reported_token_is_refused_without_a_question(events, authorization_server, asked):
    authorization_server.issue("alice-token")
    events.say(reset=True)
    asked()
    events.say(tokens=[digest("alice-token")])
    assert asked() == (False, 0)


def test_a_client_is_asked_about_again(events, authorization_server, asked):
    authorization_server.issue("alice-token", client_id="shop")
    events.say(reset=True)
    asked()
    events.say(clients=["shop"])
    assert asked() == (True, 1)


def test_a_reset_asks_about_everything_again(events, authorization_server, asked):
    authorization_server.issue("alice-token")
    events.say(reset=True)
    asked()
    events.say(reset=True)
    assert asked() == (True, 1)


def test_an_answer_that_a_revocation_overtakes_is_refused(events, authorization_server, asked):
    authorization_server.issue("alice-token")
    events.say(reset=True)

    def overtaken(handler):
        events.say(tokens=[digest("alice-token")])
        authorization_server.introspect(handler)

    authorization_server.behaviour = overtaken
    assert asked() == (False, 1)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>504 Gateway Time-out</html>",
        b"[]",
        b'{"position": "p", "tokens": ["short"], "clients": [], "reset": false}',
        b'{"position": "p", "tokens": [1], "clients": [], "reset": false}',
        b'{"position": "p", "tokens": [], "clients": [1], "reset": false}',
        b'{"position": "p", "tokens": [], "clients": [], "reset": "no"}',
        b'{"position": "", "tokens": [], "clients": [], "reset": false}',
        b'{"tokens": [], "clients": [], "reset": false}',
        b'{"position": "p", "tokens": [], "clients": [], "reset": false, "x": "%s"}'
        % (b"x" * 300_000),
    ],
)
def test_an_answer_of_another_form_is_no_contact(events, body):
    events.say(body=body)
    assert not process_state().receiver.is_live


def test_the_receiver_authenticates_as_at_the_introspection_endpoint(events):
    assert basic_of(events.say()) == "orders-introspection:s3cret"


def test_the_receiver_goes_on_after_an_outage(events):
    events.say(503, {})
    events.say(reset=True)
    assert process_state().receiver.is_live


def test_revocations_are_counted_with_their_delay(events):
    def sample(name, **labels):
        return REGISTRY.get_sample_value(f"oauth_resource_server_{name}", labels)

    names = [("revocations_total", {"kind": "token"}), ("revocation_seconds_sum", {})]
    events.say(reset=True)
    before = [sample(name, **labels) for name, labels in names]
    events.say(tokens=[digest("a"), digest("b")], delay=0.5)
    after = [sample(name, **labels) for name, labels in names]
    assert [new - old for new, old in zip(after, before, strict=True)] == [2, 0.5]


@pytest.mark.parametrize("delay", [10**400, -1, "1", None])
def test_a_delay_that_no_metric_can_hold_is_ignored(events, delay):
    events.say(reset=True, delay=delay)
    events.say(tokens=[digest("a")], delay=delay)
    assert process_state().receiver.is_live


def test_the_state_of_the_reports_is_part_of_the_health(events):
    events.say(500)
    before = health.issuer_states()["revocations"]
    events.say(reset=True)
    assert (before, health.issuer_states()["revocations"]) == ("unreachable", "ok")


def test_without_an_address_there_is_no_receiver(authorization_server):
    assert process_state().receiver is None
