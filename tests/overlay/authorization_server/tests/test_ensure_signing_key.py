"""``manage.py ensure_signing_key`` makes the key once and never overwrites it."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from accounts.signing_key import (
    ensure_signing_key,
    problem_with,
    public_key_files,
    read_previous_keys,
)
from django.core.management import CommandError
from joserfc import jwt
from joserfc.jwk import KeySet
from jwcrypto import jwk


@pytest.fixture
def path(tmp_path, settings):
    """Return where the key belongs, in a folder that is not there yet."""
    settings.OIDC_RSA_PRIVATE_KEY_FILE = tmp_path / "var" / "key.pem"
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"OIDC_RSA_PRIVATE_KEY": ""}
    return settings.OIDC_RSA_PRIVATE_KEY_FILE


def test_the_key_can_sign(path, run):
    assert "created" in run("ensure_signing_key")
    assert problem_with(path.read_text()) is None


def test_the_key_has_3072_bits(path, run):
    run("ensure_signing_key")
    assert jwk.JWK.from_pem(path.read_bytes()).get_op_key("sign").key_size == 3072


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_only_the_owner_can_read_it(path, run):
    run("ensure_signing_key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_second_run_changes_nothing(path, run):
    run("ensure_signing_key")
    before = path.read_bytes()
    assert "unchanged" in run("ensure_signing_key")
    assert path.read_bytes() == before


def test_whatever_is_there_is_never_overwritten(path, run):
    path.parent.mkdir()
    path.write_text("somebody's")
    run("ensure_signing_key")
    assert path.read_text() == "somebody's"


def test_nothing_else_is_left_in_the_folder(path, run):
    run("ensure_signing_key")
    assert list(path.parent.iterdir()) == [path]


def test_of_several_at_the_same_time_one_makes_it(path):
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(ensure_signing_key, [path] * 4))
    assert made.count(True) == 1
    assert problem_with(path.read_text()) is None
    assert list(path.parent.iterdir()) == [path]


def test_a_key_in_the_environment_is_enough(path, run, settings):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"OIDC_RSA_PRIVATE_KEY": "a key"}
    assert "OIDC_RSA_PRIVATE_KEY" in run("ensure_signing_key")
    assert not path.exists()


def test_a_folder_that_cannot_be_made_is_one_line(path, run):
    path.parent.write_text("a file")
    with pytest.raises(CommandError, match="cannot be written") as raised:
        run("ensure_signing_key")
    assert "\n" not in str(raised.value)


def pem(**key):
    return jwk.JWK.generate(**key).export_to_pem(private_key=True, password=None).decode()


PUBLIC = jwk.JWK.generate(kty="RSA", size=2048).export_to_pem().decode()
LOCKED = jwk.JWK.generate(kty="RSA", size=2048).export_to_pem(True, b"phrase").decode()
UNUSABLE = {
    "nothing": "",
    "nonsense": "nonsense",
    "a public key": PUBLIC,
    "a key with a passphrase": LOCKED,
    "a key of another kind": pem(kty="EC", crv="P-256"),
    "a short key": pem(kty="RSA", size=1024),
}


@pytest.mark.parametrize("value", UNUSABLE.values(), ids=UNUSABLE)
def test_a_key_that_cannot_sign_is_found_by_the_check(value):
    assert problem_with(value)


@pytest.fixture
def rotated(path, run):
    """Return the contents of the key file before and after a rotation."""
    run("ensure_signing_key")
    before = path.read_bytes()
    run("ensure_signing_key", "--rotate")
    return before, path.read_bytes()


def test_a_rotation_replaces_the_key(path, rotated):
    before, after = rotated
    assert before != after
    assert problem_with(after.decode()) is None


def test_a_rotation_keeps_the_public_key_only(path, rotated):
    (pem,) = read_previous_keys(path)
    key = jwk.JWK.from_pem(pem.encode())
    assert not key.has_private
    assert key.thumbprint() == jwk.JWK.from_pem(rotated[0]).thumbprint()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_only_the_owner_can_read_what_a_rotation_writes(path, rotated):
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_a_second_rotation_keeps_both_public_keys(path, rotated, run):
    run("ensure_signing_key", "--rotate")
    assert len(read_previous_keys(path)) == 2


def test_a_rotation_deletes_a_public_key_whose_tokens_have_ended(path, rotated, run):
    (file,) = public_key_files(path)
    os.utime(file, (0, 0))
    run("ensure_signing_key", "--rotate")
    assert not file.exists()
    assert len(read_previous_keys(path)) == 1


def test_a_rotation_without_a_key_makes_one(path, run):
    assert "created" in run("ensure_signing_key", "--rotate")


def test_a_key_in_the_environment_cannot_be_rotated(path, run, settings):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"OIDC_RSA_PRIVATE_KEY": "a key"}
    with pytest.raises(CommandError, match="Unset OIDC_RSA_PRIVATE_KEY"):
        run("ensure_signing_key", "--rotate")


def test_a_file_without_a_key_is_not_rotated(path, run):
    path.parent.mkdir()
    path.write_text("somebody's")
    with pytest.raises(CommandError, match="cannot be rotated"):
        run("ensure_signing_key", "--rotate")
    assert path.read_text() == "somebody's"


@pytest.fixture
def service_after_rotation(browser, path, run, settings):
    """Return an ID token of the key before the rotation; the service has the key after it."""
    run("ensure_signing_key")
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"OIDC_RSA_PRIVATE_KEY": path.read_text()}
    token = browser.tokens().json()["id_token"]
    run("ensure_signing_key", "--rotate")
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {
        "OIDC_RSA_PRIVATE_KEY": path.read_text(),
        "OIDC_RSA_PRIVATE_KEYS_INACTIVE": read_previous_keys(path),
    }
    return token


def test_tokens_of_both_keys_are_verified_by_the_published_keys(service_after_rotation, browser):
    keys = KeySet.import_key_set(browser.get("/o/.well-known/jwks.json").json())
    new = browser.tokens().json()["id_token"]
    for token in (service_after_rotation, new):
        assert jwt.decode(token, keys).claims["aud"] == "demo-browser"
    assert len(keys.keys) == 2


def test_tokens_of_both_keys_are_hints(service_after_rotation, browser):
    for token in (service_after_rotation, browser.tokens().json()["id_token"]):
        assert browser.get("/o/logout/", {"id_token_hint": token}).status_code == 200


def test_a_token_of_a_key_that_is_no_longer_published_is_no_hint(
    service_after_rotation, browser, settings
):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"OIDC_RSA_PRIVATE_KEYS_INACTIVE": []}
    page = browser.get("/o/logout/", {"id_token_hint": service_after_rotation})
    assert page.status_code == 400
