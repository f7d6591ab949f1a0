"""``manage.py ensure_signing_key`` makes the key once and never overwrites it."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from accounts.signing_key import ensure_signing_key, problem_with
from django.core.management import CommandError
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
