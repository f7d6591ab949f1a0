"""Tokens of Amazon Cognito, as moto issues them: user pools, groups and keys.

moto has no client credentials grant: its tokens are signed here with the key that moto publishes.
"""

import time

import pytest
from joserfc import jwk, jwt
from moto.utilities.utils import load_resource
from servers import cognito, create_item, items, manage, resource_server, whoami

pytestmark = pytest.mark.slow
RULES = """
[[issuers]]
preset = "cognito"
user_pool_id = "{pool}"
client_ids = ["{client_id}", "1example23456789"]
jwks_url = "{jwks_url}"

[issuers.scopes]
"scope:orders/read" = ["orders:read"]

[issuers.scopes."cognito:groups"]
"orders-admins" = ["orders:read", "orders:write"]
"""


@pytest.fixture(scope="module")
def pool(folder):
    with cognito(folder) as pool:
        yield pool


@pytest.fixture(scope="module")
def cognito_variables(pool, folder):
    """Return the settings of `orders` to trust the user pool."""
    config = folder / "cognito.toml"
    values = {"pool": pool.pool, "client_id": pool.client_id, "jwks_url": pool.jwks_url}
    config.write_text(RULES.format(**values), encoding="utf-8")
    return {"ISSUERS_CONFIG": str(config)}


@pytest.fixture(scope="module")
def orders_of_cognito(project, folder, cognito_variables):
    with resource_server(project, "orders", folder, **cognito_variables) as url:
        yield url


def machine_token(pool, **claims):
    """Return a token of Cognito's client credentials grant, signed with the key of moto."""
    now = int(time.time())
    claims = {
        "sub": "1example23456789",
        "token_use": "access",
        "scope": "orders/read",
        "auth_time": now,
        "iss": f"https://cognito-idp.us-east-1.amazonaws.com/{pool.pool}",
        "exp": now + 3600,
        "iat": now,
        "version": 2,
        "jti": "f87c1c05-9db5-4a1e-a2d3-5b1a2ad1b3b8",
        "client_id": "1example23456789",
        **claims,
    }
    key = jwk.RSAKey.import_key(load_resource("cognitoidp/resources/jwks-private.json"))
    return jwt.encode({"alg": "RS256", "kid": "dummy"}, claims, key)


def test_a_token_of_a_person_of_a_user_pool_is_accepted(pool, orders_of_cognito):
    answer = whoami(orders_of_cognito, pool.log_in()["AccessToken"])
    assert (answer.status_code, answer.json()["client_id"]) == (200, pool.client_id)


def test_the_issuer_is_the_user_pool(pool, orders_of_cognito):
    iss = whoami(orders_of_cognito, pool.log_in()["AccessToken"]).json()["iss"]
    assert iss == f"https://cognito-idp.us-east-1.amazonaws.com/{pool.pool}"


def test_a_group_of_a_user_pool_grants_scopes(pool, orders_of_cognito):
    answer = create_item(orders_of_cognito, pool.log_in()["AccessToken"], "Lamp")
    assert answer.status_code == 201


def test_rules_map_the_scopes_of_a_client_of_a_user_pool(pool, orders_of_cognito):
    token = machine_token(pool)
    assert (
        items(orders_of_cognito, token),
        create_item(orders_of_cognito, token, "x").status_code,
    ) == (0, 403)


def test_an_id_token_of_a_user_pool_is_refused(pool, orders_of_cognito):
    assert whoami(orders_of_cognito, pool.log_in()["IdToken"]).status_code == 401


def test_a_token_of_a_client_that_is_not_listed_is_refused(pool, orders_of_cognito):
    token = pool.log_in(pool.other_client_id)["AccessToken"]
    assert whoami(orders_of_cognito, token).status_code == 401


def test_a_token_of_another_user_pool_is_refused(pool, orders_of_cognito):
    # moto signs the tokens of all user pools with one key.
    token = machine_token(pool, iss="https://cognito-idp.us-east-1.amazonaws.com/us-east-1_other")
    assert whoami(orders_of_cognito, token).status_code == 401


def test_the_doctor_finds_nothing_wrong_with_a_user_pool(project, cognito_variables):
    run = manage(project, "orders", "resource_server_doctor", **cognito_variables)
    assert run.returncode == 0, run.stdout + run.stderr
