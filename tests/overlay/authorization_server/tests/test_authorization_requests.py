"""Authorization requests: scopes, parameters that are refused, and when people sign in again."""

import time
from urllib.parse import parse_qs, urlsplit

import pytest
from client_registry.models import RegisteredClient
from django.test import Client
from oauth2_provider.models import AccessToken, Grant, RefreshToken
from tests.flows import REDIRECT_URI, exchange, is_active, parameters_of, refresh

pytestmark = pytest.mark.usefixtures("registered")


@pytest.fixture
def old_session(browser):
    """Return the browser of Alice, who signed in an hour ago."""
    session = browser.session
    session["auth_time"] = time.time() - 3600
    session.save()
    return browser


def sign_in_again(browser, response, user):
    """Sign in at the login page to which `response` leads, and return where it leads back to."""
    browser.force_login(user)
    return browser.get(next_of(response))


def next_of(response):
    """Return the address to which the login page goes back."""
    assert response["Location"].startswith("/accounts/login/")
    return parse_qs(urlsplit(response["Location"]).query)["next"][0]


# ---- Scopes ----


@pytest.mark.parametrize("extra", ["offline_access", "address phone", "orders:unknown"])
def test_unknown_scopes_of_an_openid_request_are_ignored(browser, extra):
    assert browser.tokens(scope=f"openid {extra} orders:read").json()["scope"] == (
        "openid orders:read"
    )


def test_a_known_scope_that_the_client_may_not_have_is_refused(browser):
    RegisteredClient.objects.filter(name="demo-browser").update(scopes=["openid", "orders:read"])
    response = parameters_of(browser.authorize(scope="openid orders:write"))
    assert response["error"] == "invalid_scope"


def test_unknown_scopes_without_openid_are_refused(browser):
    response = parameters_of(browser.authorize(scope="orders:read offline_access"))
    assert response["error"] == "invalid_scope"


# ---- Parameters that are not supported ----


@pytest.mark.parametrize(
    ("parameters", "error", "name"),
    [
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported", "request"),
        ({"request_uri": "https://a.example/r"}, "request_uri_not_supported", "request_uri"),
        ({"response_mode": "fragment"}, "invalid_request", "response_mode"),
        ({"response_mode": "form_post"}, "invalid_request", "response_mode"),
        ({"max_age": "-1"}, "invalid_request", "max_age"),
        ({"max_age": "soon"}, "invalid_request", "max_age"),
        *(
            ({"code_challenge": value}, "invalid_request", "code_challenge")
            for value in ("", " ", "a" * 42, "a" * 129, "a" * 42 + "=", "a" * 42 + "\n")
        ),
        ({"code_challenge_method": "plain"}, "invalid_request", "S256"),
        ({"code_challenge_method": ""}, "invalid_request", "S256"),
        ({"code_challenge_method": None}, "invalid_request", "S256"),
        *(
            ({"resource": value}, "invalid_target", "resource")
            for value in ("https://other.example.com", "orders", "urn:orders")
        ),
    ],
)
def test_a_parameter_is_refused_by_name(browser, parameters, error, name):
    response = parameters_of(browser.authorize(**parameters))
    assert response["error"] == error
    assert name in response["error_description"]
    assert response["state"] == "a-state"


@pytest.mark.parametrize("path", ["oauth-authorization-server", "openid-configuration"])
def test_the_metadata_say_what_is_not_supported(client, path):
    document = client.get(f"/.well-known/{path}").json()
    assert document["response_modes_supported"] == ["query"]
    assert document["request_parameter_supported"] is False
    assert document["request_uri_parameter_supported"] is False
    assert document["claims_parameter_supported"] is False


def test_the_response_mode_query_is_accepted(browser):
    assert browser.tokens(response_mode="query").status_code == 200


@pytest.mark.parametrize("scope", ["openid", "orders:read"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("claims", value) for value in ("notjson", "[", "[" * 3000, "\0", ["{}", "[]"])),
        *((name, "a" * 20_000) for name in ("claims", "nonce", "scope", "resource", "prompt")),
        *((name, "a\0") for name in ("nonce", "code_challenge", "resource", "unknown", "\0")),
        *((name, ["a", "b"]) for name in ("nonce", "prompt", "max_age", "code_challenge")),
    ],
)
def test_a_malformed_parameter_is_an_error_response(browser, name, value, scope, caplog):
    response = parameters_of(browser.authorize(**{"scope": scope, name: value}))
    assert (response["error"], response["state"]) == ("invalid_request", "a-state")
    assert response["iss"] == "http://localhost:8000"
    assert "Traceback" not in caplog.text


def test_a_malformed_parameter_without_a_session_is_an_error_response_in_the_end(browser, alice):
    browser.logout()
    response = browser.authorize(claims="notjson")
    assert parameters_of(sign_in_again(browser, response, alice))["error"] == "invalid_request"


def test_a_malformed_parameter_with_prompt_none_is_an_error_response(browser):
    browser.logout()
    response = parameters_of(browser.authorize(claims="notjson", prompt="none"))
    assert response["error"] == "invalid_request"


@pytest.mark.parametrize(
    "parameters",
    [
        {"redirect_uri": "https://attacker.example/"},
        {"redirect_uri": ["http://127.0.0.1:8765/callback", "https://attacker.example/"]},
        {"client_id": "unknown"},
        {"client_id": ["demo-browser", "demo-device"]},
        {"state": "a" * 5000},
    ],
)
@pytest.mark.parametrize("prompt", [None, "none"])
def test_a_malformed_parameter_is_a_page_if_it_is_not_known_where_to_send_it(
    browser, parameters, prompt
):
    response = browser.authorize(claims="notjson", prompt=prompt, **parameters)
    assert response.status_code == 400


@pytest.mark.parametrize("production", [False, True])
def test_a_wrong_redirect_uri_is_named_in_development(browser, settings, production):
    settings.PRODUCTION = production
    page = browser.authorize(redirect_uri="http://127.0.0.1:1/<b>").content.decode()
    assert ("http://127.0.0.1:1/&lt;b&gt;" in page) is not production
    assert "<b>" not in page


@pytest.mark.parametrize("claims", ["[]", "5", '"text"', "null", '{"userinfo": 5}'])
@pytest.mark.parametrize("scope", ["openid", "orders:read"])
def test_claims_that_mean_nothing_are_ignored(browser, claims, scope):
    assert browser.tokens(claims=claims, scope=scope).status_code == 200


# ---- POST ----


def test_a_client_may_send_the_request_by_post(browser):
    browser.authorize()
    query = dict(parse_qs(urlsplit(browser.address).query))
    outside = Client(enforce_csrf_checks=True)  # a POST from another site has no cookies
    response = outside.post("/o/authorize/", {name: value[0] for name, value in query.items()})
    assert response.status_code == 303
    assert "Allow" in browser.get(response["Location"]).text


def test_a_malformed_parameter_by_post_is_an_error_response(browser):
    browser.authorize(claims="notjson")
    query = parse_qs(urlsplit(browser.address).query)
    response = browser.post("/o/authorize/", {name: value[0] for name, value in query.items()})
    error = parameters_of(browser.get(response["Location"]))["error"]
    assert (response.status_code, error) == (303, "invalid_request")


def test_consent_by_post_needs_a_csrf_token(browser):
    page = browser.authorize()
    browser.handler.enforce_csrf_checks = True
    assert browser.send_form(page, allow="true", csrfmiddlewaretoken="").status_code == 403
    assert not Grant.objects.exists()


# ---- max_age and prompt ----


def test_a_session_that_is_older_than_max_age_signs_in_again(old_session, alice):
    response = old_session.authorize(max_age="60")
    assert "Allow" in sign_in_again(old_session, response, alice).text


def test_a_session_that_is_younger_than_max_age_is_enough(old_session):
    assert old_session.authorize(max_age="7200").status_code == 200


@pytest.mark.parametrize("parameters", [{"max_age": "0"}, {"prompt": "login"}])
def test_the_password_is_asked_for_once(browser, alice, parameters):
    response = browser.authorize(**parameters)
    assert "Allow" in sign_in_again(browser, response, alice).text


@pytest.mark.parametrize("parameters", [{"max_age": "0"}, {"prompt": "login"}])
def test_somebody_without_a_session_signs_in_once(browser, alice, parameters):
    browser.logout()
    response = browser.authorize(**parameters)
    assert "Allow" in sign_in_again(browser, response, alice).text


@pytest.mark.parametrize(
    "parameters", [{"max_age": "60"}, {"prompt": "login"}, {"prompt": "select_account"}]
)
def test_opening_the_next_address_does_not_do_instead_of_signing_in(old_session, parameters):
    address = next_of(old_session.authorize(**parameters))
    assert next_of(old_session.get(address))


def test_an_address_is_good_for_one_sign_in(browser, alice, monkeypatch):
    address = next_of(browser.authorize(prompt="login"))
    browser.force_login(alice)
    now = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: now)
    assert next_of(browser.get(address))


def test_another_person_may_sign_in(browser, bob):
    response = browser.authorize(prompt="login")
    assert "bob@example.com" in sign_in_again(browser, response, bob).text


def test_prompt_none_without_a_session_is_login_required(browser):
    browser.logout()
    response = parameters_of(browser.authorize(prompt="none"))
    assert response["error"] == "login_required"
    assert response["state"] == "a-state"
    assert response["iss"] == "http://localhost:8000"


def test_prompt_none_with_a_session_that_is_too_old_is_login_required(old_session):
    response = parameters_of(old_session.authorize(prompt="none", max_age="60"))
    assert response["error"] == "login_required"


def test_prompt_none_with_a_session_is_consent_required(browser):
    assert parameters_of(browser.authorize(prompt="none"))["error"] == "consent_required"


def test_prompt_none_with_another_value_is_refused(browser):
    response = parameters_of(browser.authorize(prompt="none login"))
    assert response["error"] == "invalid_request"


@pytest.fixture
def trusted(browser):
    """Make the demo browser a client that needs no consent."""
    application = RegisteredClient.objects.get(name="demo-browser").application
    application.skip_authorization = True
    application.save()


@pytest.mark.usefixtures("trusted")
def test_prompt_none_gives_a_trusted_client_its_code(browser):
    assert "code" in parameters_of(browser.authorize(prompt="none"))


@pytest.mark.usefixtures("trusted")
def test_prompt_none_sends_a_trusted_client_login_required(old_session):
    response = parameters_of(old_session.authorize(prompt="none", max_age="60"))
    assert response["error"] == "login_required"


# ---- id_token_hint ----


@pytest.fixture
def hint(browser):
    """Return an ID token of Alice."""
    return browser.tokens().json()["id_token"]


def test_a_hint_at_the_person_of_the_session_is_a_consent_page(browser, hint):
    assert "Allow" in browser.authorize(id_token_hint=hint).text


def test_a_hint_at_the_person_of_the_session_asks_for_consent(browser, hint):
    response = parameters_of(browser.authorize(id_token_hint=hint, prompt="none"))
    assert response["error"] == "consent_required"


def test_a_hint_at_the_person_of_the_session_gives_a_trusted_client_its_code(
    browser, hint, trusted
):
    assert "code" in parameters_of(browser.authorize(id_token_hint=hint, prompt="none"))


def test_a_hint_may_have_expired(browser, hint, monkeypatch):
    now = time.time() + 7200
    monkeypatch.setattr(time, "time", lambda: now)
    assert "Allow" in browser.authorize(id_token_hint=hint).text


@pytest.mark.parametrize("prompt", [None, "none"])
def test_a_hint_at_another_person_is_login_required(browser, hint, bob, prompt):
    browser.force_login(bob)
    response = parameters_of(browser.authorize(id_token_hint=hint, prompt=prompt))
    assert (response["error"], response["state"]) == ("login_required", "a-state")


@pytest.mark.parametrize("prompt", [None, "none"])
def test_a_hint_at_another_person_gives_a_trusted_client_no_code(
    browser, hint, trusted, bob, prompt
):
    browser.force_login(bob)
    response = parameters_of(browser.authorize(id_token_hint=hint, prompt=prompt))
    assert response["error"] == "login_required"


@pytest.mark.parametrize("user", ["alice", "bob"])
def test_only_the_person_of_a_hint_may_sign_in(browser, hint, user, request):
    response = browser.authorize(id_token_hint=hint, prompt="login")
    response = sign_in_again(browser, response, request.getfixturevalue(user))
    assert ("error=login_required" in response.get("Location", "")) is (user == "bob")


@pytest.mark.parametrize("prompt", [None, "none"])
@pytest.mark.parametrize(
    "change", [lambda hint: hint[:-3] + "abc", lambda _: "a.b.c", lambda _: "\x7f"]
)
def test_a_forged_hint_is_login_required(browser, hint, change, prompt):
    response = parameters_of(browser.authorize(id_token_hint=change(hint), prompt=prompt))
    assert response["error"] == "login_required"


def test_a_hint_without_openid_is_ignored(browser, hint, bob):
    browser.force_login(bob)
    assert browser.authorize(id_token_hint=hint, scope="orders:read").status_code == 200


def test_nobody_is_sent_to_an_unknown_address_by_prompt_none(browser):
    browser.logout()
    response = browser.authorize(prompt="none", redirect_uri="https://attacker.example/")
    assert response.status_code == 400


# ---- Redirect URIs are compared as strings (RFC 9700 section 2.1) ----

OTHER_SPELLINGS = [
    "HTTP://localhost:8765/callback",
    "http://lOcalhost:8765/callback",
    "http://localhost:08765/callback",
    "http://localhost:8765/callback\n",
    "http://local\thost:8765/callback",
    " http://localhost:8765/callback",
    "http://localhost:8766/callback",
]


@pytest.mark.parametrize("uri", OTHER_SPELLINGS)
def test_another_spelling_of_a_redirect_uri_is_another_address(browser, uri):
    assert browser.authorize(redirect_uri=uri).status_code == 400


@pytest.mark.parametrize("uri", OTHER_SPELLINGS)
def test_another_spelling_of_an_address_after_the_sign_out_is_refused(browser, uri):
    parameters = {"client_id": "demo-browser"}
    other = {"post_logout_redirect_uri": uri.replace("callback", "")}
    declared = {"post_logout_redirect_uri": "http://localhost:8765/"}
    assert browser.get("/o/logout/", parameters | other).status_code == 400
    assert browser.get("/o/logout/", parameters | declared).status_code == 200


# ---- Native applications (RFC 8252) ----


@pytest.fixture
def native(browser, settings):
    """Make the demo browser a native application in production."""
    schemes = {"ALLOWED_REDIRECT_URI_SCHEMES": ["https"]}
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | schemes
    application = RegisteredClient.objects.get(name="demo-browser").application
    application.redirect_uris = application.post_logout_redirect_uris = (
        "http://127.0.0.1/callback http://[::1]/callback com.example.app:/oauth2redirect"
    )
    application.save()


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/callback",
        "http://127.0.0.1:50123/callback",
        "http://[::1]:50123/callback",
        "com.example.app:/oauth2redirect",
    ],
)
def test_a_native_application_gets_codes_errors_and_sign_outs(browser, uri):
    page = browser.authorize(redirect_uri=uri)
    location = browser.send_form(page, allow="true")["Location"]
    assert location.startswith(f"{uri}?code=")
    code = parse_qs(urlsplit(location).query)["code"][0]
    hint = exchange(code, redirect_uri=uri).json()["id_token"]
    error = browser.authorize(redirect_uri=uri, scope="orders:unknown")["Location"]
    assert error.startswith(f"{uri}?error=invalid_scope")
    parameters = {"id_token_hint": hint, "post_logout_redirect_uri": uri, "allow": "true"}
    assert browser.post("/o/logout/", parameters)["Location"] == uri


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:50123/other",
        "http://localhost:50123/callback",
        "http://127.0.0.2:50123/callback",
        "com.example.app:/other",
        "com.example.app://oauth2redirect",
        "com.example.other:/oauth2redirect",
        "HTTP://127.0.0.1:50123/callback",
        "http://127.0.0.1:50123/callback\n",
        "http://127.0.0.1:/callback",
        "http://[0:0:0:0:0:0:0:1]:50123/callback",
    ],
)
def test_a_native_application_gets_nothing_at_another_address(browser, uri):
    assert browser.authorize(redirect_uri=uri).status_code == 400


@pytest.mark.usefixtures("native")
def test_a_native_application_has_to_use_pkce(browser):
    uri = "com.example.app:/oauth2redirect"
    changes = {"code_challenge": None, "code_challenge_method": None}
    location = browser.authorize(redirect_uri=uri, **changes)["Location"]
    assert "error=invalid_request" in location


# ---- Codes ----


@pytest.mark.parametrize(
    ("asked", "sent", "error"),
    [
        (REDIRECT_URI, REDIRECT_URI, None),
        (REDIRECT_URI, None, "invalid_grant"),
        (REDIRECT_URI, "http://127.0.0.1:1/callback", "invalid_grant"),
        (None, None, None),
        (None, REDIRECT_URI, None),
        (None, "http://127.0.0.1:1/callback", "invalid_grant"),
    ],
)
def test_the_exchange_repeats_the_redirect_uri_of_the_request(browser, asked, sent, error):
    application = RegisteredClient.objects.get(name="demo-browser").application
    application.redirect_uris = REDIRECT_URI
    application.save()
    code = browser.consent(redirect_uri=asked)["code"]
    response = exchange(code, redirect_uri=sent).json()
    assert (response.get("error"), "access_token" in response) == (error, error is None)
    assert error is None or "redirect_uri" in response["error_description"]


def test_a_code_that_is_used_again_ends_its_tokens(browser):
    code = browser.consent()["code"]
    tokens = exchange(code).json()
    assert exchange(code).json()["error"] == "invalid_grant"
    assert not is_active(tokens["access_token"])
    assert refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_code_that_is_used_again_ends_tokens_that_were_refreshed(browser):
    code = browser.consent()["code"]
    new = refresh(exchange(code).json()["refresh_token"]).json()
    exchange(code)
    assert not is_active(new["access_token"])


def test_a_code_that_is_used_again_ends_no_tokens_of_another_code(browser):
    other = browser.tokens().json()
    code = browser.consent()["code"]
    exchange(code)
    exchange(code)
    assert is_active(other["access_token"])


def test_of_two_exchanges_at_the_same_time_one_stores_tokens(browser, monkeypatch):
    code = browser.consent()["code"]
    grant = Grant.objects.get()
    exchange(code)
    # The other one has found the code, and another one deletes it before the tokens are stored.
    grant.save(force_insert=True)
    create = RefreshToken.save

    def delete_code(self, **kwargs):
        create(self, **kwargs)
        Grant.objects.all().delete()

    monkeypatch.setattr(RefreshToken, "save", delete_code)
    assert exchange(code).json()["error"] == "invalid_grant"
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("verifier", ["a", "a" * 42, "a" * 42 + "!", "a" * 42 + "é"])
def test_a_verifier_has_43_to_128_unreserved_characters(browser, verifier):
    response = exchange(browser.consent()["code"], code_verifier=verifier)
    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"
    assert "code_verifier" in response.json()["error_description"]
