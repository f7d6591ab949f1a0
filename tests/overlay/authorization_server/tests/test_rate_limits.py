"""Limits of sign-ins, device codes and user codes, and of concurrent password hashes."""

from threading import Event, Thread

import pytest
from accounts import backends, hashers, rate_limits
from accounts.models import RateLimit, User
from accounts.rate_limits import Bucket
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management import call_command
from django.test import Client
from oauth import endpoints
from oauth2_provider.models import DeviceGrant
from tests.devices import start_device

PASSWORD = "correct horse battery staple"
ACCOUNT_AND_ADDRESS = Bucket("account and address", burst=3, seconds=60)
ADDRESS = Bucket("address", burst=5, seconds=5)
ACCOUNT = Bucket("account", burst=5, seconds=60)
DEVICE_CODES = Bucket("device codes", burst=3, seconds=30)
USER_CODES = Bucket("user codes", burst=2, seconds=30)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch):
    """Have few attempts reach the limits."""
    monkeypatch.setattr(backends, "ACCOUNT_AND_ADDRESS", ACCOUNT_AND_ADDRESS)
    monkeypatch.setattr(backends, "ADDRESS", ADDRESS)
    monkeypatch.setattr(backends, "ACCOUNT", ACCOUNT)
    monkeypatch.setattr(endpoints, "DEVICE_CODES", DEVICE_CODES)
    monkeypatch.setattr(endpoints, "USER_CODES", USER_CODES)


@pytest.fixture
def hashed(monkeypatch):
    """Return the list of passwords that were hashed, by a hash that costs nothing."""
    passwords = []

    def encode(self, password, salt, iterations=None):
        passwords.append(password)
        return f"pbkdf2_sha256$1${salt}${password}"

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", encode)
    monkeypatch.setattr(PBKDF2PasswordHasher, "harden_runtime", lambda *args: None)
    return passwords


@pytest.fixture
def clock(monkeypatch):
    """Return a list whose one entry is the time at the rate limits, in Unix seconds."""
    now = [1_000_000_000.0]
    for module in (rate_limits, backends):
        monkeypatch.setattr(module.time, "time", lambda: now[0])
    return now


@pytest.fixture
def carol(db, hashed, clock):
    """Return a person who has a password."""
    user = User.objects.create_user("carol@example.com", PASSWORD, verified=True)
    hashed.clear()
    return user


def sign_in(password=PASSWORD, email="carol@example.com", address="192.0.2.1"):
    form = {"login": email, "password": password}
    return Client(REMOTE_ADDR=address).post("/accounts/login/", form)


def fail(times, **options):
    for _ in range(times):
        assert sign_in("wrong", **options).status_code == 200


def test_too_many_failures_are_refused_before_a_hash(carol, hashed):
    fail(ACCOUNT_AND_ADDRESS.burst)
    hashed.clear()
    response = sign_in()
    assert response.status_code == 429
    assert "Too many attempts. Wait a minute, then try again." in response.text
    assert response["Retry-After"] == str(ACCOUNT_AND_ADDRESS.seconds)
    assert hashed == []


def test_the_page_that_asks_again_shares_the_limit(carol):
    client = Client(REMOTE_ADDR="192.0.2.1")
    client.force_login(carol)
    fail(ACCOUNT_AND_ADDRESS.burst)
    response = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert response.status_code == 429


def test_the_administration_site_has_no_login_form_of_its_own(client):
    assert client.get("/admin/login/")["Location"].startswith("/accounts/login/")


def test_the_limit_holds_for_an_account_that_does_not_exist(carol):
    fail(ACCOUNT_AND_ADDRESS.burst, email="unknown@example.com")
    assert sign_in(email="unknown@example.com").status_code == 429


@pytest.mark.parametrize("email", ["CAROL@example.com", " carol@example.com"])
def test_another_spelling_of_the_address_has_no_limit_of_its_own(carol, email):
    fail(ACCOUNT_AND_ADDRESS.burst)
    assert sign_in(email=email).status_code == 429


def test_the_next_attempt_is_possible_after_a_minute(carol, clock):
    fail(ACCOUNT_AND_ADDRESS.burst)
    clock[0] += ACCOUNT_AND_ADDRESS.seconds
    assert sign_in().status_code == 302


def test_successful_sign_ins_are_not_counted(carol):
    for _ in range(ACCOUNT_AND_ADDRESS.burst + 5):
        assert sign_in().status_code == 302


def test_a_stranger_does_not_lock_the_owner_out(carol):
    fail(ACCOUNT_AND_ADDRESS.burst, address="198.51.100.1")
    assert sign_in("wrong", address="198.51.100.1").status_code == 429
    assert sign_in(address="192.0.2.1").status_code == 302


def exhaust_account():
    """Fail from many addresses until the limit of the account refuses the next one."""
    for number in range(ACCOUNT.burst):
        fail(1, address=f"198.51.100.{number}")


def test_guesses_from_many_addresses_are_limited(carol):
    exhaust_account()
    assert sign_in(address="203.0.113.1").status_code == 429


def test_an_address_that_has_signed_in_lately_has_no_part_in_that_limit(carol):
    assert sign_in(address="192.0.2.1").status_code == 302
    exhaust_account()
    assert sign_in(address="192.0.2.1").status_code == 302


def test_an_address_is_limited_whatever_the_account(carol):
    for number in range(ADDRESS.burst):
        fail(1, email=f"{number}@example.com")
    assert sign_in().status_code == 429
    assert sign_in(address="192.0.2.2").status_code == 302


def test_a_refused_attempt_takes_nothing_from_the_other_limits(carol):
    fail(ACCOUNT_AND_ADDRESS.burst, address="198.51.100.1")
    before = sorted(RateLimit.objects.values_list())
    assert sign_in(address="198.51.100.1").status_code == 429
    assert sorted(RateLimit.objects.values_list()) == before


@pytest.mark.parametrize(
    ("environ", "is_proxied", "address"),
    [
        ({"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "8.8.8.8"}, False, "192.0.2.1"),
        ({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "1.1.1.1, 8.8.8.8"}, True, "8.8.8.8"),
        ({"REMOTE_ADDR": "10.0.0.1"}, True, "10.0.0.1"),
        ({"REMOTE_ADDR": "2001:db8::1"}, False, "2001:0db8:0000:0000"),
        ({"REMOTE_ADDR": "::ffff:192.0.2.1"}, False, "192.0.2.1"),
        ({"REMOTE_ADDR": "a", "HTTP_X_FORWARDED_FOR": "192.0.2.1:4001"}, True, "192.0.2.1"),
        ({"HTTP_X_FORWARDED_FOR": "[2001:db8::1]:443"}, True, "2001:0db8:0000:0000"),
        ({"REMOTE_ADDR": "a", "HTTP_X_FORWARDED_FOR": "2001:db8::2"}, True, "2001:0db8:0000:0000"),
        ({"REMOTE_ADDR": "a", "HTTP_X_FORWARDED_FOR": "un:kno:wn"}, True, "un:kno:wn"),
        ({"REMOTE_ADDR": ""}, False, ""),
    ],
)
def test_the_address_is_that_of_the_sender(rf, settings, environ, is_proxied, address):
    settings.TRUST_PROXY_HEADERS = is_proxied
    assert rate_limits.client_address(rf.get("/", **environ)) == address


def test_the_table_holds_no_address(carol):
    sign_in()
    assert all(len(key) == 64 for key in RateLimit.objects.values_list("key", flat=True))


def test_full_buckets_are_deleted_by_clear_tokens(carol, clock):
    fail(1)
    clock[0] += 3600
    call_command("clear_tokens")
    assert RateLimit.objects.count() == 0


# ---- Concurrent hashes ----


@pytest.fixture
def busy():
    """Occupy the slots of all hashes that may run concurrently."""
    entered = [Event() for _ in range(hashers.CONCURRENT_HASHES)]
    finish = Event()

    def hold(event):
        with hashers.hashing_slot():
            event.set()
            finish.wait(60)

    threads = [Thread(target=hold, args=[event]) for event in entered]
    for thread in threads:
        thread.start()
    assert all(event.wait(60) for event in entered)
    yield
    finish.set()
    for thread in threads:
        thread.join()


def test_a_third_hash_is_refused_when_its_wait_is_over(carol, busy, monkeypatch):
    monkeypatch.setattr(hashers, "MAX_WAIT", 0.01)
    response = sign_in()
    assert response.status_code == 503
    assert "Many people are signing in at the moment." in response.text
    assert "Retry-After" in response


def test_a_fourth_hash_does_not_wait(carol, busy):
    assert hashers._places.acquire(blocking=False)
    try:
        assert sign_in().status_code == 503
    finally:
        hashers._places.release()


def test_an_attempt_that_finds_no_slot_is_not_counted(carol, busy, monkeypatch):
    monkeypatch.setattr(hashers, "MAX_WAIT", 0.01)
    for _ in range(ACCOUNT_AND_ADDRESS.burst + 1):
        assert sign_in().status_code == 503


def test_a_slot_is_free_again_after_an_error(carol, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError

    monkeypatch.setattr(ModelBackend, "authenticate", fail)
    for _ in range(hashers.CONCURRENT_HASHES + hashers.WAITING):
        with pytest.raises(RuntimeError):
            sign_in()
    monkeypatch.undo()
    with hashers.hashing_slot():
        pass


# ---- Devices ----


def test_pending_device_codes_are_limited_by_client_and_address(registered):
    for _ in range(DEVICE_CODES.burst):
        assert start_device().status_code == 200
    response = start_device()
    assert response.status_code == 429
    assert response.json() == {"error": "slow_down"}
    assert response["Retry-After"] == str(DEVICE_CODES.seconds)
    assert DeviceGrant.objects.count() == DEVICE_CODES.burst


def test_wrong_user_codes_are_limited(browser):
    code = start_device().json()["user_code"]
    for _ in range(USER_CODES.burst):
        assert browser.post("/o/device/", {"user_code": "WRONG"}).status_code == 200
    response = browser.post("/o/device/", {"user_code": code})
    assert response.status_code == 429
    assert "Too many attempts" in response.text


def test_right_user_codes_are_not_counted(browser):
    for _ in range(USER_CODES.burst + 1):
        code = start_device().json()["user_code"]
        assert browser.post("/o/device/", {"user_code": code}).status_code == 302


def test_a_stranger_is_sent_to_the_login_page_before_a_user_code_is_read(client, registered):
    response = client.post("/o/device/", {"user_code": "WRONG"})
    assert response["Location"].startswith("/accounts/login/")
    assert RateLimit.objects.count() == 0
