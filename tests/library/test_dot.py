"""DOT's guards for plain Django views work with our validator, and fail as the contract says."""

import pytest
from django.contrib.auth.models import User
from oauth_resource_server.django.oauth2_validator import ResourceServerValidator
from oauth_resource_server.models import LinkedUser
from oauth_resource_server.users import username_of
from oauth_resource_server.validation import MAX_TOKEN_LENGTH
from rest_framework.test import APIClient

pytestmark = pytest.mark.django_db

PLAIN = ["dot", "dot-metadata", "protected-view", "metadata-view"]
SCOPED = ["dot-scope", "dot-scope-metadata", "scoped-metadata-view"]
READ_WRITE = ["dot-read-write", "dot-read-write-metadata"]
READ_WRITE += ["read-write-view"]
TOO_LONG = f"Bearer {'x' * (MAX_TOKEN_LENGTH + 1)}"


class RefusesAll(ResourceServerValidator):
    """A validator of a project."""

    def validate_bearer_token(self, token, scopes, request):
        return False


@pytest.fixture
def reader(authorization_server, client_with):
    """Alice with a token that may only read."""
    return client_with(authorization_server.issue("reader", scope="orders:read"))


@pytest.mark.parametrize("view", PLAIN + SCOPED + READ_WRITE)
def test_a_good_token_is_accepted(alice, view):
    owner = username_of("https://as.example.com", "alice-uuid")
    assert alice.get(f"/{view}/").json() == {"owner": owner}


@pytest.mark.parametrize("view", PLAIN + SCOPED + READ_WRITE)
def test_the_token_of_a_machine_has_no_owner(machine, view):
    assert machine.get(f"/{view}/").json() == {"owner": "None"}


@pytest.mark.parametrize("view", PLAIN + SCOPED + READ_WRITE)
def test_a_bad_token_is_refused(client_with, view):
    assert client_with("unknown").get(f"/{view}/").status_code in (401, 403)


@pytest.mark.parametrize("view", PLAIN + SCOPED + READ_WRITE)
def test_a_request_without_a_token_is_refused(anonymous, view):
    assert anonymous.get(f"/{view}/").status_code in (401, 403)


@pytest.mark.parametrize("view", SCOPED)
def test_lack_of_scope_is_refused(reader, view):
    assert reader.get(f"/{view}/").status_code == 403


@pytest.mark.parametrize("view", READ_WRITE)
@pytest.mark.parametrize(("method", "status"), [("get", 200), ("post", 403)])
def test_writing_needs_the_write_scope(reader, view, method, status):
    assert getattr(reader, method)(f"/{view}/").status_code == status


@pytest.mark.parametrize(
    ("client", "view", "error"),
    [
        ("reader", "scoped-metadata-view", 'error="insufficient_scope"'),
        ("reader", "scoped-metadata-view", 'scope="orders:write"'),
        ("stranger", "metadata-view", 'error="invalid_token"'),
    ],
)
def test_the_views_that_challenge_say_why(request, client_with, reader, client, view, error):
    client = reader if client == "reader" else client_with("unknown")
    assert error in client.get(f"/{view}/").headers["WWW-Authenticate"]


@pytest.mark.parametrize("view", PLAIN)
@pytest.mark.parametrize("value", ["Bearer ö", "Bearer a b", TOO_LONG])
def test_a_malformed_header_is_refused_and_asks_nobody(authorization_server, view, value):
    response = APIClient().get(f"/{view}/", headers={"Authorization": value})
    assert (response.status_code in (401, 403), authorization_server.requests) == (True, [])


def test_a_token_that_is_too_long_is_told_so():
    response = APIClient().get("/metadata-view/", headers={"Authorization": TOO_LONG})
    assert "has more than 16000 characters" in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("view", PLAIN)
def test_a_token_in_the_url_is_refused(authorization_server, anonymous, view):
    authorization_server.issue("alice-token")
    assert anonymous.get(f"/{view}/?access_token=alice-token").status_code in (401, 403)


@pytest.mark.parametrize("view", PLAIN)
def test_a_token_in_the_body_is_refused(authorization_server, anonymous, view):
    authorization_server.issue("alice-token")
    response = anonymous.post(
        f"/{view}/", "access_token=alice-token", content_type="application/x-www-form-urlencoded"
    )
    assert response.status_code in (401, 403)


@pytest.mark.parametrize("view", PLAIN)
def test_an_outage_is_not_the_fault_of_the_client(authorization_server, client_with, view):
    authorization_server.answer_with(500)
    response = client_with("some-token").get(f"/{view}/")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("view", PLAIN)
def test_refused_credentials_are_one_error_in_the_log(
    authorization_server, client_with, caplog, view
):
    authorization_server.answer_with(401)
    client_with("some-token").get(f"/{view}/")
    ours = [one.levelname for one in caplog.records if one.name.startswith("oauth_resource_server")]
    assert ours == ["ERROR"]


def test_a_view_that_touches_no_user_costs_no_query(alice, django_assert_num_queries):
    alice.get("/dot-no-user/")
    with django_assert_num_queries(0):
        alice.get("/dot-no-user/")


def test_the_table_of_tokens_stays_empty(alice):
    from oauth2_provider.models import AccessToken

    alice.get("/protected-view/")
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("view", PLAIN + SCOPED + READ_WRITE)
def test_an_account_of_the_same_name_is_not_matched(authorization_server, client_with, view):
    User.objects.create_superuser("admin", password="x")
    token = authorization_server.issue("hers", sub="mallory", username="admin")
    client_with(token).get(f"/{view}/")
    assert LinkedUser.objects.filter(sub="mallory", user__is_superuser=False).count() == 1


@pytest.mark.parametrize("view", PLAIN + SCOPED + READ_WRITE)
def test_a_person_without_a_subject_is_refused(authorization_server, client_with, view):
    User.objects.create_superuser("admin", password="x")
    token = authorization_server.issue("hers", sub=None, iss=None, aud=None, username="admin")
    assert client_with(token).get(f"/{view}/").status_code in (401, 403)
    assert User.objects.count() == 1


@pytest.mark.parametrize("view", ["dot", "dot-metadata"])
def test_a_subclass_that_the_settings_name_decides(alice, settings, view):
    name = f"{__name__}.RefusesAll"
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"OAUTH2_VALIDATOR_CLASS": name}
    assert alice.get(f"/{view}/").status_code in (401, 403)


def test_an_owner_who_is_deactivated_meanwhile_is_refused(alice):
    alice.get("/dot/")
    User.objects.update(is_active=False)
    response = alice.get("/dot/")
    assert (response.status_code, 'error="invalid_token"' in response["WWW-Authenticate"]) == (
        401,
        True,
    )
