"""`Bulkhead` bounds how many threads wait."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Event, Thread

import pytest
from oauth_resource_server import AuthorizationServerSkipped, AuthorizationServerUnavailable
from oauth_resource_server.resilience.bulkhead import Bulkhead, remaining


@pytest.fixture
def room():
    return Bulkhead(slots=2, seconds=60)


@pytest.fixture
def full(room):
    """Both slots are taken, and no request has got an answer for a while."""
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(room.slot())
        nothing_moved_for_a_while(room)
        yield stack


def nothing_moved_for_a_while(room):
    for queue in room._queues.values():
        queue.moved_at -= 1


def is_turned_away(room, issuer=""):
    try:
        with room.slot(issuer):
            return False
    except AuthorizationServerSkipped:
        return True


def test_there_is_a_place(room):
    assert not is_turned_away(room)


def test_a_place_has_a_deadline(room):
    with room.slot():
        assert 0 < remaining() <= 60


def test_the_deadline_ends_with_the_place(room):
    with room.slot():
        pass
    assert remaining() > 1_000_000


def test_whoever_comes_when_nothing_moves_is_turned_away(room, full):
    assert is_turned_away(room)


def test_after_an_outage_a_place_is_one_but_nobody_waits_for_it(room):
    with pytest.raises(AuthorizationServerUnavailable), room.slot():
        raise AuthorizationServerUnavailable("down")
    nothing_moved_for_a_while(room)
    with room.slot(), room.slot():
        assert is_turned_away(room)


def test_it_stalls_while_nothing_moves(room, full):
    assert room.stalls


def test_it_does_not_stall_without_a_wait(room):
    with room.slot():
        assert not room.stalls


def test_it_stalls_after_an_outage_until_the_next_answer(room):
    with pytest.raises(AuthorizationServerUnavailable), room.slot():
        raise AuthorizationServerUnavailable("down")
    stalled = room.stalls
    with room.slot():
        pass
    assert (stalled, room.stalls) == (True, False)


def test_places_are_free_again(room, full):
    full.close()
    assert not is_turned_away(room)


def test_a_place_is_free_again_after_an_error(room):
    for _ in range(9):
        with pytest.raises(ValueError, match="no"), room.slot():
            raise ValueError("no")
    assert room._inside == 0


def test_whoever_comes_while_it_moves_waits_for_a_place(room):
    inside, go = Event(), Event()

    def stay():
        with room.slot(patience=60):
            inside.set()
            go.wait(30)

    with ThreadPoolExecutor(50) as threads:
        stays = [threads.submit(stay) for _ in range(50)]
        inside.wait(30)
        go.set()
        for one in stays:
            one.result()
    assert room._inside == 0


def test_there_are_never_more_inside_than_places(room):
    numbers = []

    def stay():
        with room.slot(patience=60):
            numbers.append(room._inside)

    threads = [Thread(target=stay) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (max(numbers) <= 2, len(numbers)) == (True, 50)


def test_threads_stay_free_while_the_authorization_server_stalls():
    room, go, inside, turned_away = Bulkhead(slots=4), Event(), [], []

    def ask(_):
        try:
            with room.slot(patience=0.05):
                inside.append(1)
                go.wait(30)
        except AuthorizationServerSkipped:
            turned_away.append(1)
            if len(turned_away) == 46:
                go.set()

    with ThreadPoolExecutor(50) as threads:
        list(threads.map(ask, range(50)))
    assert (len(inside), len(turned_away)) == (4, 46)


# Several issuers.


@pytest.fixture
def shared():
    """A room in which "slow" has just met an outage, and one more waits for it."""
    room = Bulkhead(slots=2, seconds=3, reserved=1)
    meet_an_outage(room)
    with room.slot("slow"):
        nothing_moved_for_a_while(room)
        yield room


def meet_an_outage(room):
    with pytest.raises(AuthorizationServerUnavailable), room.slot("slow"):
        raise AuthorizationServerUnavailable("down")


def test_an_issuer_that_stalls_leaves_a_place_to_the_others(shared):
    assert (is_turned_away(shared, "slow"), is_turned_away(shared, "other")) == (True, False)


def test_answers_of_another_issuer_are_no_reason_to_wait_for_it(shared):
    with shared.slot("other"):
        pass
    assert is_turned_away(shared, "slow")


def test_there_are_never_more_places_than_before(shared):
    with shared.slot("other"):
        nothing_moved_for_a_while(shared)
        assert is_turned_away(shared, "other")


def test_while_an_issuer_answers_it_may_have_every_place():
    room = Bulkhead(slots=2, reserved=1)
    with room.slot("slow"), room.slot("slow"):
        pass


def test_when_it_answers_again_it_may_have_every_place():
    room = Bulkhead(slots=2, reserved=1)
    meet_an_outage(room)
    with room.slot("slow"):
        pass
    with room.slot("slow"), room.slot("slow"):
        pass


def test_a_single_place_is_for_all():
    room = Bulkhead(slots=1, reserved=1)
    meet_an_outage(room)
    assert not is_turned_away(room, "slow")
