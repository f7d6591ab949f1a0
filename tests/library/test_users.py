"""The local user of a person is found by issuer and subject, and by nothing else."""

import dataclasses

import pytest
from django.contrib.auth.hashers import is_password_usable
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection
from oauth_resource_server import AccessToken, ResourceOwnerRefused
from oauth_resource_server.models import LinkedUser
from oauth_resource_server.users import (
    TokenUser,
    _flags_sql,
    is_refused,
    local_user,
    username_of,
)
from rest_framework.permissions import (
    DjangoModelPermissions,
    IsAdminUser,
    IsAuthenticated,
    IsAuthenticatedOrReadOnly,
)
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory
from rest_framework.throttling import UserRateThrottle

pytestmark = pytest.mark.django_db

ALICE = AccessToken(
    sub="alice-uuid", client_id="shop", iss="https://as.example.com", username="alice@example.com"
)
IMPORTER = AccessToken(sub="importer", client_id="importer", iss=ALICE.iss)
REFUSED = [{"is_active": False}, {"is_staff": True}, {"is_superuser": True}]


@pytest.fixture
def linked(configure):
    """Accept only people who were linked beforehand."""
    configure(USERS="linked")


@pytest.fixture
def none(configure):
    """Keep no users."""
    configure(USERS="none")


def link(user, access_token=ALICE):
    return LinkedUser.objects.create(issuer=access_token.iss, sub=access_token.sub, user=user)


# --- create --------------------------------------------------------------------------------------


def test_a_user_is_created_and_linked_by_issuer_and_sub():
    assert local_user(ALICE) == LinkedUser.objects.get(issuer=ALICE.iss, sub=ALICE.sub).user


def test_the_same_user_is_found_next_time():
    assert local_user(ALICE) == local_user(ALICE)


def test_a_known_user_costs_one_query(django_assert_num_queries):
    local_user(ALICE)
    with django_assert_num_queries(1):
        local_user(ALICE)


def test_creating_a_user_costs_three_queries_and_a_savepoint(django_assert_num_queries):
    with django_assert_num_queries(5):
        local_user(ALICE)


def test_the_same_sub_at_another_issuer_is_another_user():
    other = dataclasses.replace(ALICE, iss="https://other.example.com")
    assert local_user(ALICE) != local_user(other)


def test_another_sub_with_the_same_name_is_another_user():
    assert local_user(ALICE) != local_user(dataclasses.replace(ALICE, sub="bob-uuid"))


@pytest.mark.parametrize("name", ["admin", "admin@example.com"])
def test_a_user_with_the_same_name_or_address_is_not_matched(name):
    admin = User.objects.create_superuser("admin", "admin@example.com", "x")
    assert local_user(dataclasses.replace(ALICE, username=name)) != admin


def test_a_user_whose_username_was_guessed_is_not_matched():
    User.objects.create_user(username_of(ALICE.iss, ALICE.sub))
    with pytest.raises(IntegrityError):
        local_user(ALICE)


def test_the_username_is_a_uuid_made_from_issuer_and_sub():
    assert local_user(ALICE).username == username_of(ALICE.iss, ALICE.sub)


def test_the_password_is_unusable():
    assert not is_password_usable(local_user(ALICE).password)


def test_a_created_user_is_not_staff():
    assert not local_user(ALICE).is_staff


def test_a_link_is_unique():
    link(local_user(ALICE), dataclasses.replace(ALICE, sub="again"))
    with pytest.raises(IntegrityError):
        link(local_user(ALICE))


def test_two_concurrent_first_requests_create_one_user():
    rivals = []

    def rival_wins(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if not rivals:
            rivals.append("started")  # The queries of the rival have no rival.
            rivals[0] = local_user(ALICE)
        return result

    with connection.execute_wrapper(rival_wins):
        assert [local_user(ALICE)] == rivals
    assert User.objects.count() == 1


@pytest.mark.parametrize("change", REFUSED, ids=str)
def test_an_inactive_or_staff_user_is_refused(change):
    local_user(ALICE)
    User.objects.update(**change)
    with pytest.raises(ResourceOwnerRefused):
        local_user(ALICE)


def test_another_spelling_that_a_collation_finds_is_refused(monkeypatch):
    found = LinkedUser(issuer=ALICE.iss, sub="ALICE-UUID", user=User())
    monkeypatch.setattr("oauth_resource_server.users._find", lambda access_token: found)
    with pytest.raises(ResourceOwnerRefused):
        local_user(ALICE)


def test_a_user_hidden_by_the_default_manager_is_refused(monkeypatch):
    local_user(ALICE)
    shown = User.objects.filter(first_name="shown")
    monkeypatch.setattr(User._meta, "default_manager", shown)
    with pytest.raises(ResourceOwnerRefused):
        local_user(ALICE)


# --- The name ------------------------------------------------------------------------------------


def name():
    return LinkedUser.objects.get().name


def test_the_link_has_the_name_in_the_token():
    local_user(ALICE)
    assert name() == "alice@example.com"


def test_a_new_name_replaces_the_old_one():
    local_user(ALICE)
    local_user(dataclasses.replace(ALICE, username="alice@new.example.com"))
    assert name() == "alice@new.example.com"


def test_a_token_without_a_name_changes_nothing():
    local_user(ALICE)
    local_user(dataclasses.replace(ALICE, username=None))
    assert name() == "alice@example.com"


def test_a_name_that_is_too_long_is_cut():
    local_user(dataclasses.replace(ALICE, username="x" * 999))
    assert name() == "x" * 255


@pytest.mark.parametrize(
    ("name", "text"), [("Alice", "Alice"), ("", "alice-uuid of https://as.example.com")]
)
def test_a_link_is_displayed_by_its_name(name, text):
    assert str(LinkedUser(name=name, issuer=ALICE.iss, sub=ALICE.sub)) == text


# --- USER_FACTORY --------------------------------------------------------------------------------


def use(configure, monkeypatch, factory):
    monkeypatch.setattr(f"{__name__}.factory", factory, raising=False)
    configure(USER_FACTORY=f"{__name__}.factory")


def test_a_factory_returns_the_new_user(configure, monkeypatch):
    use(
        configure, monkeypatch, lambda token, username: User(username=username, last_name="Liddell")
    )
    local_user(ALICE)
    assert User.objects.get(username=username_of(ALICE.iss, ALICE.sub)).last_name == "Liddell"


def test_a_factory_may_use_the_claims_of_the_token(configure, monkeypatch):
    use(configure, monkeypatch, lambda token, _: User(username="x", email=token.username))
    assert local_user(ALICE).email == "alice@example.com"


def test_a_factory_cannot_return_an_existing_user(configure, monkeypatch):
    bob = User.objects.create_user("bob")
    use(configure, monkeypatch, lambda token, username: bob)
    with pytest.raises(IntegrityError):
        local_user(ALICE)


# --- linked --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("linked")
def test_a_person_without_a_link_is_refused():
    with pytest.raises(ResourceOwnerRefused):
        local_user(ALICE)


@pytest.mark.usefixtures("linked")
def test_a_person_without_a_link_gets_no_user(alice):
    assert (alice.get("/user/").status_code, User.objects.count()) == (401, 0)


@pytest.mark.usefixtures("linked")
def test_a_person_without_a_link_is_refused_where_no_user_is_accessed(alice):
    response = alice.get("/default/")
    assert (response.status_code, 'error="invalid_token"' in response["WWW-Authenticate"]) == (
        401,
        True,
    )


@pytest.mark.usefixtures("linked")
def test_a_person_is_the_user_that_was_linked():
    bob = User.objects.create_user("bob")
    link(bob)
    assert local_user(ALICE) == bob


@pytest.mark.usefixtures("linked")
def test_a_user_may_be_linked_to_several_issuers():
    bob, other = User.objects.create_user("bob"), dataclasses.replace(ALICE, iss="https://other")
    link(bob)
    link(bob, other)
    assert (local_user(ALICE), local_user(other)) == (bob, bob)


@pytest.mark.usefixtures("linked")
@pytest.mark.parametrize("change", REFUSED, ids=str)
def test_a_linked_user_who_is_inactive_or_staff_is_refused(change):
    link(User.objects.create_user("bob", **change))
    assert is_refused(ALICE)


@pytest.mark.usefixtures("linked")
def test_the_check_for_a_link_costs_one_query(django_assert_num_queries):
    link(User.objects.create_user("bob"))
    with django_assert_num_queries(1):
        assert not is_refused(ALICE)


@pytest.mark.usefixtures("linked")
def test_a_remembered_token_costs_no_query(alice, django_assert_num_queries):
    link(User.objects.create_user("bob"))
    alice.get("/default/")
    with django_assert_num_queries(0):
        alice.get("/default/")


@pytest.mark.usefixtures("linked")
@pytest.mark.parametrize("sub", ["importer", "id-of-a-service-principal"])
def test_a_machine_needs_no_link(sub):
    assert not is_refused(dataclasses.replace(IMPORTER, sub=sub, machine=True))


@pytest.mark.usefixtures("linked")
def test_two_people_cannot_have_one_link():
    link(User.objects.create_user("bob"))
    again = LinkedUser(issuer=ALICE.iss, sub=ALICE.sub, user=User.objects.create_user("carol"))
    with pytest.raises(ValidationError):
        again.full_clean()


# --- none ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("none")
def test_without_user_rows_there_is_no_query(alice, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert alice.get("/user/").json() == {
            "username": username_of(ALICE.iss, ALICE.sub),
            "staff": False,
        }


@pytest.mark.usefixtures("none")
def test_without_user_rows_the_user_of_the_token_costs_no_query(alice, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert alice.get("/token-user/").status_code == 200


@pytest.mark.usefixtures("none")
def test_the_user_has_issuer_sub_and_name():
    user = local_user(ALICE)
    assert (user.iss, user.sub, user.name) == (ALICE.iss, ALICE.sub, "alice@example.com")


@pytest.mark.parametrize(("name", "text"), [("Alice", "Alice"), ("", "alice-uuid")])
def test_the_user_is_displayed_by_name_or_sub(name, text):
    assert str(TokenUser(ALICE.iss, ALICE.sub, name)) == text


def request_of(user, method="get"):
    request = Request(getattr(APIRequestFactory(), method)("/"))
    request.user = user
    return request


@pytest.mark.parametrize(
    ("permission", "method", "is_granted"),
    [
        (IsAuthenticated, "get", True),
        (IsAuthenticatedOrReadOnly, "post", True),
        (IsAdminUser, "get", False),
        (DjangoModelPermissions, "get", True),
        (DjangoModelPermissions, "post", False),
    ],
)
def test_permissions_of_the_framework_accept_a_user_without_a_row(permission, method, is_granted):
    view = type("View", (), {"queryset": User.objects.none()})()
    request = request_of(TokenUser(ALICE.iss, ALICE.sub), method)
    assert permission().has_permission(request, view) is is_granted


def test_a_user_without_a_row_has_no_permissions_of_an_app():
    user = TokenUser(ALICE.iss, ALICE.sub)
    assert (user.has_perm("auth.add_user"), user.has_module_perms("auth")) == (False, False)


def test_throttles_count_users_without_a_row_apart():
    class Throttle(UserRateThrottle):
        rate = "1/day"

    users = TokenUser(ALICE.iss, "alice"), TokenUser(ALICE.iss, "bob")
    assert len({Throttle().get_cache_key(request_of(user), None) for user in users}) == 2


# --- is_refused ----------------------------------------------------------------------------------


# How the owner of a new token is checked: by SQL that is written once, or by the model.


@pytest.fixture
def without_sql(monkeypatch):
    """Return a function after which the model is asked, as if it computed one of the fields."""
    return lambda: monkeypatch.setattr("oauth_resource_server.users._flags_sql", lambda: None)


@pytest.mark.parametrize("change", [{}, *REFUSED], ids=str)
def test_both_checks_of_an_owner_agree(without_sql, change):
    local_user(ALICE)
    User.objects.update(**{"is_active": True} | change)
    by_sql = is_refused(ALICE)
    without_sql()
    assert (by_sql, is_refused(ALICE)) == (bool(change), bool(change))


def test_neither_check_refuses_a_person_without_a_link(without_sql):
    by_sql = is_refused(ALICE)
    without_sql()
    assert (by_sql, is_refused(ALICE)) == (False, False)


def test_the_sql_refuses_another_spelling_that_a_collation_finds(monkeypatch):
    local_user(dataclasses.replace(ALICE, sub="ALICE-UUID"))
    sql = _flags_sql().replace("= %s", "= %s COLLATE NOCASE")  # As MySQL compares.
    monkeypatch.setattr("oauth_resource_server.users._flags_sql", lambda: sql)
    assert is_refused(ALICE)


def test_the_sql_is_not_written_again(monkeypatch):
    is_refused(ALICE)
    monkeypatch.setattr(LinkedUser.objects, "filter", None)
    assert is_refused(ALICE) is False


def test_a_model_that_hides_users_is_asked(monkeypatch):
    monkeypatch.setattr(User._meta, "default_manager", User.objects.filter(first_name="shown"))
    assert _flags_sql() is None


def test_a_person_seen_for_the_first_time_is_not_refused():
    assert not is_refused(ALICE)


@pytest.mark.parametrize("change", REFUSED, ids=str)
def test_a_token_that_a_rule_calls_a_machines_is_refused_by_its_sub(change):
    local_user(ALICE)
    User.objects.update(**change)
    assert is_refused(dataclasses.replace(ALICE, machine=True))


def test_a_token_that_a_rule_calls_a_persons_is_refused_by_its_sub():
    person = dataclasses.replace(ALICE, client_id=ALICE.sub, machine=False)
    local_user(person)
    User.objects.update(is_active=False)
    assert is_refused(person)


def test_the_own_token_of_a_client_costs_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert not is_refused(IMPORTER)


# --- In a request --------------------------------------------------------------------------------


def test_the_user_of_a_request_is_the_local_one(alice):
    answer = alice.get("/user/").json()
    assert answer["username"] == LinkedUser.objects.get().user.username


def test_a_request_that_accesses_no_user_creates_none(alice):
    alice.get("/default/")
    assert not User.objects.exists()


def test_the_user_costs_one_query(alice, django_assert_num_queries):
    alice.get("/user/")
    with django_assert_num_queries(1):
        alice.get("/user/")


def test_a_superuser_with_the_same_name_is_not_the_user(authorization_server, client_with):
    User.objects.create_superuser("admin", password="x")
    client = client_with(authorization_server.issue("hers", sub="mallory", username="admin"))
    assert client.get("/user/").json()["staff"] is False


@pytest.mark.parametrize("change", REFUSED, ids=str)
def test_a_refused_owner_is_refused_where_the_user_is_accessed(alice, change):
    alice.get("/user/")
    User.objects.update(**change)
    response = alice.get("/user/")
    assert (response.status_code, 'error="invalid_token"' in response["WWW-Authenticate"]) == (
        401,
        True,
    )


@pytest.mark.parametrize("view", ["token-user", "authenticated"])
def test_a_refused_owner_is_refused_by_the_token_and_by_a_permission(alice, view):
    alice.get("/user/")
    User.objects.update(is_active=False)
    assert alice.get(f"/{view}/").status_code == 401


def test_a_refused_owner_is_refused_elsewhere_at_the_next_introspection(configure, alice):
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0)
    alice.get("/user/")
    User.objects.update(is_active=False)
    assert alice.get("/default/").status_code == 401


def test_an_owner_who_is_activated_again_is_accepted(configure, alice):
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0, INACTIVE_CACHING_SECONDS=0)
    alice.get("/user/")
    User.objects.update(is_active=False)
    alice.get("/default/")
    User.objects.update(is_active=True)
    assert alice.get("/default/").status_code == 200
