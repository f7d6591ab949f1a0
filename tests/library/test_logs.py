"""No token and no secret gets into a log line."""

import logging

import pytest

TOKEN = "a-token-that-must-not-be-logged"
SECRETS = TOKEN, "s3cret"


@pytest.fixture
def log(caplog):
    """Return the log of every level. At DEBUG oauthlib writes tokens, so it stays above."""
    with caplog.at_level(logging.WARNING, "oauthlib"), caplog.at_level(logging.DEBUG):
        yield caplog


@pytest.mark.parametrize(
    "address", ["/default/", "/scope/", "/user/", "/dot/", "/metadata-view/", "/never/"]
)
@pytest.mark.parametrize("answer", ["issued", "unknown", 401, 500, 302, "garbage", "stall"])
@pytest.mark.django_db
def test_no_token_and_no_secret_is_in_any_line(
    log, authorization_server, client_with, configure, address, answer
):
    if answer == "issued":
        authorization_server.issue(TOKEN, scope="")
    elif answer == "garbage":
        authorization_server.answer_with(200, TOKEN.encode())
    elif answer == "stall":
        configure(RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS=0.05)
        authorization_server.stall()
    elif answer != "unknown":
        authorization_server.answer_with(answer, Location=f"/{TOKEN}")
    client_with(TOKEN).get(address)
    assert log.records or answer == "issued"
    assert [secret for secret in SECRETS if secret in log.text] == []


@pytest.mark.parametrize("address", ["/default/", "/dot/"])
def test_a_token_in_the_url_is_in_no_line(log, authorization_server, anonymous, address):
    anonymous.get(address, {"access_token": TOKEN})
    assert TOKEN not in log.text
