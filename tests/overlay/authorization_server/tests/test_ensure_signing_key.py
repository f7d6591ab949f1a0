"""``manage.py ensure_signing_key`` makes the key once and never overwrites it."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from accounts.signing_key import ensure_signing_key, problem_with, read_keys
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
def published(path, run):
    """Return the text of the key file before a next key was published."""
    run("ensure_signing_key")
    before = path.read_text()
    run("ensure_signing_key", "--next")
    return before


@pytest.fixture
def rotated(published, run):
    """Return the text of the key file before a rotation."""
    run("ensure_signing_key", "--rotate")
    return published


def test_before_a_rotation_the_next_key_comes_second(path, published):
    signing, following = read_keys(path)
    assert (signing.pem in published, following.pem in published) == (True, False)
    assert problem_with(following.pem) is None


def test_there_is_one_next_key(published, run):
    with pytest.raises(CommandError, match="a next key is published already"):
        run("ensure_signing_key", "--next")


def test_a_next_key_needs_one_that_signs(path, run):
    run("ensure_signing_key")
    path.write_text("no key")
    with pytest.raises(CommandError, match="there is no key that signs"):
        run("ensure_signing_key", "--next")


def test_a_rotation_needs_a_next_key(path, run):
    run("ensure_signing_key")
    with pytest.raises(CommandError, match="no next key"):
        run("ensure_signing_key", "--rotate")


def test_the_next_key_signs_after_a_rotation(path, published, run):
    following = read_keys(path)[1]
    run("ensure_signing_key", "--rotate")
    assert read_keys(path)[0] == following


def test_a_rotation_keeps_the_public_key_only(path, rotated):
    _, (_, pem) = read_keys(path)
    key = jwk.JWK.from_pem(pem.encode())
    assert not key.has_private
    assert key.thumbprint() == jwk.JWK.from_pem(rotated.partition("\n")[2].encode()).thumbprint()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_only_the_owner_can_read_what_a_rotation_writes(path, rotated):
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def rotate(run):
    run("ensure_signing_key", "--next")
    run("ensure_signing_key", "--rotate")


def test_a_second_rotation_keeps_both_public_keys(path, rotated, run):
    rotate(run)
    assert len(read_keys(path)) == 3


def test_a_rotation_deletes_a_public_key_whose_tokens_have_ended(path, rotated, run):
    signing, former = read_keys(path)
    path.write_text(f"{signing.date}\n{signing.pem}2026-01-01\n{former.pem}")
    rotate(run)
    assert former.pem not in path.read_text()
    assert len(read_keys(path)) == 2


@pytest.mark.parametrize("option", ["--next", "--rotate"])
def test_a_rotation_without_a_key_makes_one(path, run, option):
    assert "created" in run("ensure_signing_key", option)


@pytest.mark.parametrize("option", ["--next", "--rotate"])
def test_a_key_in_the_environment_cannot_be_rotated(path, run, settings, option):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"OIDC_RSA_PRIVATE_KEY": "a key"}
    with pytest.raises(CommandError, match="Unset OIDC_RSA_PRIVATE_KEY"):
        run("ensure_signing_key", option)


@pytest.mark.parametrize("option", ["--next", "--rotate"])
def test_a_file_without_a_key_is_not_rotated(path, run, option):
    path.parent.mkdir()
    path.write_text("somebody's")
    with pytest.raises(CommandError, match="cannot be rotated"):
        run("ensure_signing_key", option)
    assert path.read_text() == "somebody's"


@pytest.fixture
def token_of_before(browser, path, run):
    """Return an ID token of the key before the rotation; the service reads the new one itself."""
    run("ensure_signing_key")
    token = browser.tokens().json()["id_token"]
    rotate(run)
    return token


def test_the_next_key_is_published_by_a_running_service(published, browser):
    assert len(browser.get("/o/.well-known/jwks.json").json()["keys"]) == 2


def test_tokens_of_both_keys_are_verified_by_the_published_keys(token_of_before, browser):
    keys = KeySet.import_key_set(browser.get("/o/.well-known/jwks.json").json())
    new = browser.tokens().json()["id_token"]
    for token in (token_of_before, new):
        assert jwt.decode(token, keys).claims["aud"] == "demo-browser"
    assert len(keys.keys) == 2


def test_tokens_of_both_keys_are_hints(token_of_before, browser):
    for token in (token_of_before, browser.tokens().json()["id_token"]):
        assert browser.get("/o/logout/", {"id_token_hint": token}).status_code == 200


def test_a_token_of_a_key_that_is_no_longer_published_is_no_hint(token_of_before, browser, path):
    path.write_text(read_keys(path)[0].pem)
    page = browser.get("/o/logout/", {"id_token_hint": token_of_before})
    assert page.status_code == 400


@pytest.mark.parametrize("content", ["", "\xff"], ids=["empty", "binary"])
def test_a_damaged_file_leaves_the_keys_of_before(browser, path, run, caplog, content):
    run("ensure_signing_key")
    before = browser.get("/o/.well-known/jwks.json").json()
    path.write_text(content)
    assert browser.get("/o/.well-known/jwks.json").json() == before
    assert "The keys are used that were read before" in caplog.text
