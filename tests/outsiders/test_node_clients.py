"""openid-client and oauth4webapi (npm), which check each answer against its specification."""

import pytest

pytestmark = pytest.mark.slow
FOLLOWS = {
    "openid_client.mjs": (
        "signs in with offline_access",
        "reads the claims of the person",
        "calls the API",
        "narrows a refresh without shrinking the grant",
        "signs in again after max_age",
        "is told login_required without a session",
        "names the person who is to be signed in",
        "revokes a token",
        "signs out twice",
        "gets a token of its own by client_secret_basic",
        "gets a token of its own by client_secret_post",
        "connects a device whose code is typed in lower case",
    ),
    "oauth4webapi.mjs": (
        "reads both metadata documents",
        "reads the metadata of the API",
        "exchanges a code, and verifies the signature of the ID token",
        "reads the claims of the person",
        "calls the API",
        "reads the challenge of the API",
        "reads the challenge of the UserInfo endpoint",
        "ends the tokens of a code that it uses twice",
        "lets one of six concurrent refreshes succeed",
        "may send Basic credentials without a secret",
        "is refused a request object by name",
        "is told that a parameter is malformed",
        "is asked for Basic credentials by the revocation endpoint",
        "revokes a token",
    ),
}


@pytest.fixture(scope="module")
def outcomes(node, env):
    """Return what each step of both scripts has led to: True or the text of an error."""
    argument = {
        "issuer": env["AUTHORIZATION_SERVER_URL"],
        "api": env["ORDERS_URL"],
        "username": env["DEMO_USERNAME"],
        "password": env["DEMO_PASSWORD"],
        "redirectUri": "http://127.0.0.1:8765/callback",
        "logoutUri": "http://127.0.0.1:8765/",
        "browser": env["DEMO_BROWSER_CLIENT_ID"],
        "device": env["DEMO_DEVICE_CLIENT_ID"],
        "machine": {
            "id": env["DEMO_MACHINE_CLIENT_ID"],
            "secret": env["DEMO_MACHINE_CLIENT_SECRET"],
        },
    }
    return {script: node(script, **argument) for script in FOLLOWS}


@pytest.mark.parametrize(
    ("script", "step"), [(script, step) for script, steps in FOLLOWS.items() for step in steps]
)
def test_a_client_follows_its_specification(outcomes, script, step):
    assert outcomes[script][step] is True, outcomes[script][step]


@pytest.mark.parametrize("script", FOLLOWS)
def test_every_step_of_a_script_is_a_test(outcomes, script):
    assert tuple(outcomes[script]) == FOLLOWS[script]
