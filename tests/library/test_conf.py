"""Settings are read late; singletons belong to one process."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.core.exceptions import ImproperlyConfigured
from oauth_resource_server.conf import PerProcess, conf
from oauth_resource_server.issuers.route import configured_issuers
from oauth_resource_server.validation import validate

FORK = """
import os
from oauth_resource_server.conf import PerProcess

thing = PerProcess(os.getpid)
assert thing() == os.getpid()
if child := os.fork():
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os._exit(0 if thing() == os.getpid() else 1)
"""


def test_a_changed_setting_takes_effect(configure):
    conf()
    configure(REALM="inventory")
    assert conf().realm == "inventory"


def test_the_default_caching_time_is_a_minute(configure):
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=None)
    assert conf().caching_seconds == 60


def test_the_representation_of_the_settings_has_no_secret():
    assert "s3cret" not in repr(conf())


@pytest.mark.parametrize("missing", ["RESOURCE_SERVER_INTROSPECTION_URL", "ISSUER"])
def test_validation_fails_without_a_url_or_an_issuer(configure, missing):
    configure(**{missing: None})
    with pytest.raises(ImproperlyConfigured):
        validate("some-token")


def test_a_bearer_token_takes_precedence_over_credentials_as_in_dot(
    authorization_server, configure
):
    configure(RESOURCE_SERVER_AUTH_TOKEN="mine")
    validate("some-token")
    assert authorization_server.requests[0].headers["Authorization"] == "Bearer mine"


def test_a_process_makes_its_issuers_once():
    assert configured_issuers() is configured_issuers()


def test_concurrent_first_calls_make_one_object():
    barrier, made = Barrier(4), []

    def make():
        made.append(object())
        return made[-1]

    thing = PerProcess(make)

    def use(_):
        barrier.wait()
        return thing()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(use, range(4)))) == len(made) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_makes_its_own():
    subprocess.run([sys.executable, "-c", FORK], check=True, env=os.environ | path())


def path():
    return {"PYTHONPATH": os.pathsep.join(sys.path)}
