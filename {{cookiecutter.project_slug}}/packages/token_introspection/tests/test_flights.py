"""`SingleFlight` asks once for all threads that need the same answer at the same time."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from token_introspection import AuthorizationServerUnavailable
from token_introspection.deadlines import within
from token_introspection.flights import SingleFlight

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

    def ask_in_threads(self):
        """Return what the leader gets, and what each follower gets."""
        with ThreadPoolExecutor(FOLLOWERS + 1) as threads:
            leader = threads.submit(self.ask)
            assert self.asking.wait(10)
            followers = [threads.submit(self.ask) for _ in range(FOLLOWERS)]
            # Enough for most to wait. Whoever comes later must not make a difference.
            time.sleep(0.05)
            self.go_on.set()
        return leader.result(), [follower.result() for follower in followers]


def test_one_thread_asks_for_all():
    leader, followers = Question("answer").ask_in_threads()
    assert (leader, set(followers)) == ("answer", {"answer"})


def test_200_followers_of_a_leader_that_fails_get_the_answer_of_one_more_question():
    question = Question(AuthorizationServerUnavailable("timed out"), "answer")
    leader, followers = question.ask_in_threads()
    assert (type(leader), set(followers)) == (AuthorizationServerUnavailable, {"answer"})


def test_when_that_fails_too_its_error_is_everybodys():
    asked, asking, go_on = [], Event(), Event()
    flights = SingleFlight()

    def ask():
        asked.append(1)
        asking.set()
        go_on.wait(10)
        time.sleep(0.1 * (len(asked) - 1))  # Until all followers have come to the second one.
        raise AuthorizationServerUnavailable("down")

    def outcome():
        with within(10), pytest.raises(AuthorizationServerUnavailable) as raised:
            flights(b"key", ask)
        return str(raised.value)

    with ThreadPoolExecutor(FOLLOWERS + 1) as threads:
        outcomes = [threads.submit(outcome)]
        asking.wait(10)
        outcomes += [threads.submit(outcome) for _ in range(FOLLOWERS)]
        time.sleep(0.2)
        go_on.set()
    assert ({one.result() for one in outcomes}, len(asked)) == ({"down"}, 2)


def test_each_follower_has_an_error_of_its_own():
    question = Question(AuthorizationServerUnavailable("down", retry_after=7, url="https://as/"))
    _, followers = question.ask_in_threads()
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


def test_a_leader_that_is_stopped_stops_nobody_else():
    leader, followers = Question(SystemExit(), "answer").ask_in_threads()
    assert (type(leader), set(followers)) == (SystemExit, {"answer"})


def test_another_key_is_another_question():
    flights, keys = SingleFlight(), []
    flights(b"a", lambda: flights(b"b", lambda: keys.append("b")))
    assert keys == ["b"]


@pytest.mark.parametrize("outcome", ["answer", ValueError("no"), SystemExit()])
def test_nothing_is_left_of_a_flight(outcome):
    question = Question(outcome)
    question.go_on.set()
    question.ask_in_threads()
    assert question.flights._flights == {}


def test_the_next_one_asks_again():
    question = Question("answer")
    question.go_on.set()
    question.ask()
    question.ask()
    assert question.asked == 2
