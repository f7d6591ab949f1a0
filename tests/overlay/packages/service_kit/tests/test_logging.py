"""Each record is one line with the identifier of its request, and without tokens."""

import json
import logging
import logging.config

import pytest
from service_kit.logging import logging_config
from service_kit.request_id import Identified


@pytest.fixture
def configure(capsys):
    """Return a function that configures logging and returns one that returns what was written."""
    root = logging.getLogger()
    before = root.level, root.handlers[:]

    def configure(level="INFO", *, json=True):
        logging.config.dictConfig(logging_config(level, json=json))
        return lambda: capsys.readouterr().err

    yield configure
    for name in ("django", "security", "oauth2_provider", "oauthlib", "oauth2_provider.models"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    root.setLevel(before[0])
    root.handlers[:] = before[1]


def test_production_writes_one_json_object_per_record(configure):
    log = configure()
    with Identified({"HTTP_X_REQUEST_ID": "abc"}):
        logging.getLogger("shop").warning('two\nlines, a "quote"')
    [line] = log().splitlines()
    record = json.loads(line)
    assert list(record) == ["time", "level", "logger", "request_id", "message"]
    assert list(record.values())[1:] == ["WARNING", "shop", "abc", 'two\nlines, a "quote"']


def test_the_fields_of_a_record_are_members_of_the_object(configure):
    log = configure()
    logging.getLogger("shop").warning("hello", extra={"user": "alice"})
    assert json.loads(log())["user"] == "alice"


def test_security_events_are_written_at_every_level(configure):
    log = configure("ERROR")
    logging.getLogger("security").info("sign-in")
    assert json.loads(log())["logger"] == "security"


def test_a_traceback_is_part_of_the_object(configure):
    log = configure()
    try:
        raise KeyError("gone")
    except KeyError:
        logging.getLogger("shop").exception("failed")
    assert "KeyError: 'gone'" in json.loads(log())["traceback"]


def test_development_writes_lines_for_people(configure):
    log = configure(json=False)
    logging.getLogger("shop").warning("hello")
    assert log() == "WARNING shop [-]: hello\n"


def test_development_leaves_refusals_to_the_access_log(configure, client):
    log = configure(json=False)
    client.get("/unknown", secure=True)
    assert log() == ""


def test_an_error_response_is_logged_with_its_identifier_and_without_its_query(configure, client):
    log = configure()
    client.get(
        "/unknown", {"access_token": "hidden"}, secure=True, headers={"X-Request-ID": "from-orders"}
    )
    written = log()
    assert ("from-orders" in written, "hidden" in written) == (True, False)


@pytest.mark.parametrize("json", [True, False])
def test_a_wrong_host_is_logged_without_a_traceback(configure, client, json):
    log = configure(json=json)
    client.get("/", secure=True, headers={"Host": "attacker.example"})
    written = log()
    assert ("attacker.example" in written, "Traceback" in written) == (True, False)


@pytest.mark.parametrize("name", ["shop", "django.request", "oauthlib.oauth2"])
def test_the_level_holds_for_every_logger(configure, name):
    configure("ERROR")
    assert logging.getLogger(name).getEffectiveLevel() == logging.ERROR


@pytest.mark.parametrize("name", ["django.db", "oauthlib.oauth2", "oauth2_provider"])
def test_loggers_that_write_tokens_stay_above_debug(configure, name):
    configure("DEBUG")
    assert logging.getLogger(name).getEffectiveLevel() == logging.INFO
