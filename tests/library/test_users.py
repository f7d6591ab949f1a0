"""People are known by issuer and subject, and by nothing else."""

import dataclasses

import pytest
from django.contrib.auth.hashers import is_password_usable
from django.db import IntegrityError, connection
from oauth_resource_server import AccessToken, ResourceOwnerRefused
from oauth_resource_server.users import is_refused, local_user, username_of
from rest_framework.serializers import ModelSerializer

from .models import ResourceOwner

pytestmark = pytest.mark.django_db

ALICE = AccessToken(
    sub="alice-uuid", client_id="shop", iss="https://as.example.com", username="alice@example.com"
)


def test_a_person_gets_a_row_when_touched():
    assert local_user(ALICE) == ResourceOwner.objects.get(issuer=ALICE.iss, sub=ALICE.sub)


def test_a_person_gets_the_same_row_next_time():
    assert local_user(ALICE) == local_user(ALICE)


def test_the_row_is_found_with_one_query(django_assert_num_queries):
    local_user(ALICE)
    with django_assert_num_queries(1):
        local_user(ALICE)


def test_the_same_sub_of_another_issuer_is_somebody_else():
    bob = dataclasses.replace(ALICE, iss="https://other.example.com")
    assert local_user(ALICE) != local_user(bob)


def test_another_sub_of_the_same_name_is_somebody_else():
    assert local_user(ALICE) != local_user(dataclasses.replace(ALICE, sub="bob-uuid"))


def test_the_name_is_what_the_authorization_server_says():
    assert local_user(ALICE).name == "alice@example.com"


def test_a_new_name_is_taken_over():
    before = local_user(ALICE)
    local_user(dataclasses.replace(ALICE, username="alice@new.example.com"))
    before.refresh_from_db()
    assert before.name == "alice@new.example.com"


def test_a_token_without_a_name_leaves_it_as_it_is():
    local_user(ALICE)
    assert local_user(dataclasses.replace(ALICE, username=None)).name == "alice@example.com"


def test_a_name_that_is_too_long_is_cut():
    assert local_user(dataclasses.replace(ALICE, username="x" * 999)).name == "x" * 255


def test_the_username_says_nothing_about_the_person():
    assert local_user(ALICE).username == username_of(ALICE.iss, ALICE.sub)


def test_the_password_is_unusable():
    assert not is_password_usable(local_user(ALICE).password)


def test_a_person_is_not_staff():
    assert not local_user(ALICE).is_staff


def test_an_account_of_the_same_name_is_never_matched():
    admin = ResourceOwner.objects.create_superuser("admin", password="x")
    assert local_user(dataclasses.replace(ALICE, username="admin")) != admin


def test_local_accounts_do_not_meet_in_the_constraint():
    ResourceOwner.objects.create_user("one")
    ResourceOwner.objects.create_user("two")
    assert ResourceOwner.objects.filter(sub=None).count() == 2


def test_a_person_has_one_row():
    local_user(ALICE)
    with pytest.raises(IntegrityError):
        ResourceOwner.objects.create(username="again", issuer=ALICE.iss, sub=ALICE.sub)


def test_two_first_requests_at_the_same_moment_make_one_row():
    rivals = []

    def rival_wins(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if not rivals:
            rivals.append("on its way")  # What the rival itself executes needs no rival.
            rivals[0] = local_user(ALICE)
        return result

    with connection.execute_wrapper(rival_wins):
        assert [local_user(ALICE)] == rivals


@pytest.mark.parametrize(
    "change", [{"is_active": False}, {"is_staff": True}, {"is_superuser": True}], ids=str
)
def test_a_row_that_is_deactivated_or_promoted_takes_no_token(change):
    local_user(ALICE)
    ResourceOwner.objects.update(**change)
    with pytest.raises(ResourceOwnerRefused):
        local_user(ALICE)


def test_it_is_shown_by_its_name():
    assert str(local_user(ALICE)) == "alice@example.com"


def test_a_local_account_is_shown_by_its_username():
    assert str(ResourceOwner(username="admin")) == "admin"


def test_it_can_be_serialized():
    class Serializer(ModelSerializer):
        class Meta:
            model = ResourceOwner
            fields = ("issuer", "sub", "name")

    assert Serializer(local_user(ALICE)).data == {
        "issuer": "https://as.example.com",
        "sub": "alice-uuid",
        "name": "alice@example.com",
    }


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": True}], ids=str)
def test_who_is_taken_for_a_machine_but_has_a_sub_is_looked_for(change):
    local_user(ALICE)
    ResourceOwner.objects.update(**change)
    assert is_refused(dataclasses.replace(ALICE, machine=True))


def test_who_is_called_a_person_is_looked_for_whatever_its_sub():
    client = dataclasses.replace(ALICE, client_id=ALICE.sub, machine=False)
    local_user(client)
    ResourceOwner.objects.update(is_active=False)
    assert is_refused(client)


def test_a_client_by_itself_costs_no_query(django_assert_num_queries):
    with django_assert_num_queries(0):
        assert not is_refused(AccessToken(sub="importer", client_id="importer", iss=ALICE.iss))


# In a request.


def test_the_user_of_a_request_is_the_local_one(alice):
    assert alice.get("/user/").json()["name"] == "alice@example.com"


def test_the_row_is_made_in_the_first_request_that_touches_it(alice):
    alice.get("/default/")
    assert not ResourceOwner.objects.exists()


def test_the_user_costs_one_query(alice, django_assert_num_queries):
    alice.get("/user/")
    with django_assert_num_queries(1):
        alice.get("/user/")


def test_a_superuser_of_the_same_name_is_not_the_user(authorization_server, client_with):
    ResourceOwner.objects.create_superuser("admin", password="x")
    client = client_with(authorization_server.issue("hers", sub="mallory", username="admin"))
    assert client.get("/user/").json()["staff"] is False


@pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": True}], ids=str)
def test_an_owner_who_is_refused_is_refused_where_the_user_is_touched(alice, change):
    alice.get("/user/")
    ResourceOwner.objects.update(**change)
    response = alice.get("/user/")
    assert (response.status_code, 'error="invalid_token"' in response["WWW-Authenticate"]) == (
        401,
        True,
    )


def test_it_is_refused_where_the_user_of_the_token_is_touched(alice):
    alice.get("/token-user/")
    ResourceOwner.objects.update(is_active=False)
    assert alice.get("/token-user/").status_code == 401


def test_it_is_refused_where_only_a_permission_touches_it(alice):
    alice.get("/user/")
    ResourceOwner.objects.update(is_active=False)
    assert alice.get("/authenticated/").status_code == 401


def test_it_is_refused_elsewhere_as_soon_as_the_token_is_introspected_again(configure, alice):
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0)
    alice.get("/user/")
    ResourceOwner.objects.update(is_active=False)
    assert alice.get("/default/").status_code == 401


def test_somebody_who_is_activated_again_is_accepted(configure, alice):
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0, INACTIVE_CACHING_SECONDS=0)
    alice.get("/user/")
    ResourceOwner.objects.update(is_active=False)
    alice.get("/default/")
    ResourceOwner.objects.update(is_active=True)
    assert alice.get("/default/").status_code == 200
