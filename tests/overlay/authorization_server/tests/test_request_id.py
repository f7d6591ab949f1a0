"""An introspection is logged with the request id of the resource server, and without secrets."""

import base64
import logging
import os

import pytest
from service_kit.request_id import HEADER, RequestIdFilter
from tests.flows import ask

RIGHT = os.environ["ORDERS_INTROSPECTION_CLIENT_SECRET"]
TOKEN = "a-token-that-must-not-be-logged"


@pytest.fixture
def log(caplog):
    """Return the records of the log, of every level, with their request ids."""
    caplog.handler.addFilter(RequestIdFilter())
    with caplog.at_level(logging.DEBUG):
        yield caplog


@pytest.fixture
def introspect(registered):
    """Return a function that introspects with the secret of a resource server, right or wrong."""

    def introspect(secret):
        pair = f"{os.environ['ORDERS_INTROSPECTION_CLIENT_ID']}:{secret}"
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
            HEADER: "from-orders",
        }
        return ask({"token": TOKEN}, headers)

    return introspect


@pytest.fixture(params=["right", "wrong"])
def secret(request):
    return "wrong-" * 8 if request.param == "wrong" else RIGHT


def test_the_answer_has_the_request_id(introspect):
    assert introspect(RIGHT).headers[HEADER] == "from-orders"


def test_a_refusal_is_logged_with_the_request_id(introspect, log):
    introspect("wrong-" * 8)
    assert "from-orders" in {record.request_id for record in log.records}


def test_neither_token_nor_secret_is_logged(introspect, log, secret):
    introspect(secret)
    assert [part for part in (TOKEN, secret) if part in log.text] == []
