"""Client secrets have a fast hasher of their own, which passwords never get."""

import hashlib

import pytest
from accounts.models import User
from client_registry.hashers import MachineSecretHasher, encode_secrets, verify_secret
from django.contrib.auth.hashers import check_password, identify_hasher, make_password
from django.core.checks import run_checks
from oauth2_provider.models import Application

MACHINE = "client_registry.hashers.MachineSecretHasher"
PBKDF2 = "django.contrib.auth.hashers.PBKDF2PasswordHasher"


def encode(secret):
    return make_password(secret, hasher="machine_sha256")


def checks():
    return [message.id for message in run_checks()]


def test_right_secret_is_verified():
    assert verify_secret("secret", encode("secret"))


def test_wrong_secret_is_refused():
    assert not verify_secret("other", encode("secret"))


def test_django_verifies_a_client_secret():
    assert check_password("secret", encode("secret"))


def test_salt_differs_each_time():
    assert encode("secret") != encode("secret")


def test_summary_shows_the_algorithm_only():
    assert MachineSecretHasher().safe_summary(encode("s")) == {"algorithm": "machine_sha256"}


@pytest.mark.parametrize(
    "stored", ["", "in-clear", "gone$salt$hash", "a" * 32, "machine_sha256$salt", PBKDF2]
)
def test_value_of_another_hasher_is_refused(stored):
    assert not verify_secret(stored, stored)


def test_slow_hash_of_the_right_secret_is_refused():
    assert not verify_secret("secret", make_password("secret", hasher="pbkdf2_sha256"))


def test_verification_costs_one_hash(monkeypatch):
    stored, hashed, sha256 = encode("secret"), [], hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda text: hashed.append(text) or sha256(text))
    assert verify_secret("secret", stored)
    assert len(hashed) == 1


@pytest.mark.parametrize("secret", ["new", "old"])
def test_each_of_two_secrets_is_verified_by_one_hash(monkeypatch, secret):
    stored, hashed, sha256 = encode_secrets(["new", "old"]), [], hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda text: hashed.append(text) or sha256(text))
    assert check_password(secret, stored)
    assert len(hashed) == 1


@pytest.mark.parametrize("secret", ["", "other", "new,old", "new$old"])
def test_none_but_the_two_secrets_is_verified(secret):
    assert not verify_secret(secret, encode_secrets(["new", "old"]))


@pytest.mark.parametrize("stored", ["machine_sha256$salt$", "machine_sha256$salt$,"])
def test_without_a_hash_no_secret_is_verified(stored):
    assert not verify_secret("", stored)


def test_client_secrets_are_stored_by_the_fast_hasher(registered):
    for application in Application.objects.all():
        assert identify_hasher(application.client_secret).algorithm == "machine_sha256"


def test_passwords_are_stored_by_a_slow_hasher(db):
    user = User.objects.create_user("carol@example.com", "password of carol")
    assert identify_hasher(user.password).algorithm == "pbkdf2_sha256"


def test_checks_pass():
    assert checks() == []


def test_check_finds_that_the_hasher_is_missing(settings):
    settings.PASSWORD_HASHERS = [PBKDF2]
    assert checks() == ["client_registry.E001"]


def test_check_finds_that_the_hasher_is_first(settings):
    settings.PASSWORD_HASHERS = [MACHINE, PBKDF2]
    assert checks() == ["client_registry.E002"]


def test_check_finds_another_hasher_for_client_secrets(settings):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"CLIENT_SECRET_HASHER": "pbkdf2_sha256"}
    assert checks() == ["client_registry.E001"]
