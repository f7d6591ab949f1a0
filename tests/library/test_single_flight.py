"""`SingleFlight` asks once for all threads that need the same answer at the same time."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore
from types import SimpleNamespace

import pytest
from oauth_resource_server import AuthorizationServerUnavailable, metrics
from oauth_resource_server.resilience.bulkhead import within
from oauth_resource_server.resilience.single_flight import SingleFlight

FOLLOWERS = 200


class Question:
    """Asked by all threads; the first one to ask waits until all others wait for it.

    `outcomes` are what is returned or raised, one after the other; the last one stays.
    """

    def __init__(self, *outcomes):
        self.outcomes = list(outcomes)
        self.asked = 0
        self.asking, self.go_on = Event(), Event()
        self.flights = SingleFlight()

    def __call__(self):
        self.asked += 1
        self.asking.set()
        assert self.go_on.wait(10)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def ask(self, seconds=10):
        """Return what comes of it."""
        try:
            with within(seconds):
                return self.flights(b"key", self)
        except (Exception, SystemExit) as error:
            return error


@pytest.fixture
def ask_in_threads(monkeypatch):
    """Return a function that returns what the leader of a question gets, and what each follower."""
    followers = Semaphore(0)
    monkeypatch.setattr(metrics, "shared_flights", SimpleNamespace(inc=followers.release))

    def ask_in_threads(question):
        with ThreadPoolExecutor(FOLLOWERS + 1) as threads:
            leader = threads.submit(question.ask)
            assert question.asking.wait(10)
            results = [threads.submit(question.ask) for _ in range(FOLLOWERS)]
            for _ in results:
                assert followers.acquire(timeout=10)
            question.go_on.set()
        return leader.result(), [result.result() for result in results]

    return ask_in_threads


def test_one_thread_asks_for_all(ask_in_threads):
    question = Question("answer")
    leader, followers = ask_in_threads(question)
    assert (leader, set(followers), question.asked) == ("answer", {"answer"}, 1)


def test_200_followers_of_a_leader_that_fails_get_the_answer_of_one_more_question(
    ask_in_threads,
):
    question = Question(AuthorizationServerUnavailable("timed out"), "answer")
    leader, followers = ask_in_threads(question)
    assert (type(leader), set(followers)) == (AuthorizationServerUnavailable, {"answer"})
    assert question.asked == 2


def test_when_that_fails_too_its_error_is_everybodys(ask_in_threads):
    question = Question(AuthorizationServerUnavailable("down"))
    leader, followers = ask_in_threads(question)
    assert ({str(error) for error in [leader, *followers]}, question.asked) == ({"down"}, 2)


def test_each_follower_has_an_error_of_its_own(ask_in_threads):
    question = Question(AuthorizationServerUnavailable("down", retry_after=7, url="https://as/"))
    _, followers = ask_in_threads(question)
    assert len({id(error) for error in followers}) == FOLLOWERS
    assert {(error.retry_after, error.url) for error in followers} == {(7, "https://as/")}


def test_a_follower_waits_no_longer_than_its_own_deadline():
    question = Question("answer")
    with ThreadPoolExecutor(1) as threads:
        leader = threads.submit(question.ask)
        question.asking.wait(10)
        assert type(question.ask(seconds=0.01)) is AuthorizationServerUnavailable
        question.go_on.set()
        assert leader.result() == "answer"


def test_a_leader_that_is_stopped_stops_nobody_else(ask_in_threads):
    leader, followers = ask_in_threads(Question(SystemExit(), "answer"))
    assert (type(leader), set(followers)) == (SystemExit, {"answer"})


def test_another_key_is_another_question():
    flights, keys = SingleFlight(), []
    flights(b"a", lambda: flights(b"b", lambda: keys.append("b")))
    assert keys == ["b"]


@pytest.mark.parametrize("outcome", ["answer", ValueError("no"), SystemExit()])
def test_nothing_is_left_of_a_flight(ask_in_threads, outcome):
    question = Question(outcome)
    ask_in_threads(question)
    assert question.flights._flights == {}


def test_the_next_one_asks_again():
    question = Question("answer")
    question.go_on.set()
    question.ask()
    question.ask()
    assert question.asked == 2
