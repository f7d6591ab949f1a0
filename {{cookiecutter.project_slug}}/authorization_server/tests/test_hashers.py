"""Machine secrets have a fast hasher of their own, and people never get it."""

import hashlib

from django.contrib.auth.hashers import check_password, identify_hasher, make_password
from django.core.checks import run_checks
from oauth2_provider.models import Application

from accounts.models import User
from client_registry.hashers import MachineSecretHasher, verify_secret

MACHINE = "client_registry.hashers.MachineSecretHasher"
PBKDF2 = "django.contrib.auth.hashers.PBKDF2PasswordHasher"


def encode(secret):
    return make_password(secret, hasher="machine_sha256")


def checks():
    return [message.id for message in run_checks()]


def test_a_secret_is_verified():
    assert verify_secret("secret", encode("secret"))


def test_another_secret_is_not_verified():
    assert not verify_secret("other", encode("secret"))


def test_django_verifies_it_too():
    assert check_password("secret", encode("secret"))


def test_the_same_secret_is_stored_differently_each_time():
    assert encode("secret") != encode("secret")


def test_the_secret_is_not_in_what_is_stored():
    assert "secret" not in encode("secret")


def test_the_summary_shows_nothing_but_the_algorithm():
    assert MachineSecretHasher().safe_summary(encode("s")) == {"algorithm": "machine_sha256"}


def test_what_no_installed_hasher_has_made_is_equal_to_nothing():
    for stored in ("", "in-clear", "gone$salt$hash", "a" * 32):
        assert not verify_secret(stored, stored)


def test_a_secret_is_verified_with_one_hash(monkeypatch):
    stored, hashed, sha256 = encode("secret"), [], hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda text: hashed.append(text) or sha256(text))
    assert verify_secret("secret", stored)
    assert len(hashed) == 1


def test_client_secrets_are_stored_with_it(registered):
    for application in Application.objects.all():
        assert identify_hasher(application.client_secret).algorithm == "machine_sha256"


def test_passwords_of_people_are_not(db):
    user = User.objects.create_user("carol@example.com", "password of carol")
    assert identify_hasher(user.password).algorithm == "pbkdf2_sha256"


def test_the_checks_find_nothing():
    assert checks() == []


def test_the_checks_find_that_it_is_missing(settings):
    settings.PASSWORD_HASHERS = [PBKDF2]
    assert checks() == ["client_registry.E001"]


def test_the_checks_find_that_it_is_first(settings):
    settings.PASSWORD_HASHERS = [MACHINE, PBKDF2]
    assert checks() == ["client_registry.E002"]


def test_the_checks_find_another_one_for_client_secrets(settings):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"CLIENT_SECRET_HASHER": "default"}
    assert checks() == ["client_registry.E001"]
