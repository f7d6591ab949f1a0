"""The API: `ping`, `whoami` and `items`, their documentation and the metadata.

The smoke flow has the other refusals: scripts/smoke.py.
"""

import pytest
from django.conf import settings
from django.core.management import call_command

from api.models import Item
from oauth_resource_server.testing import access_token

pytestmark = pytest.mark.django_db
READ = settings.OAUTH2_PROVIDER["READ_SCOPE"]
WRITE = settings.OAUTH2_PROVIDER["WRITE_SCOPE"]
ITEMS = "/api/items/"
METADATA = "/.well-known/oauth-protected-resource"


def test_ping_needs_no_token(anonymous):
    assert anonymous.get("/api/ping/").json()["name"] == settings.MANIFEST["name"]


def test_whoami_returns_the_claims_of_the_token(api_client_for):
    token = access_token(sub="alice", client_id="shop", scope=READ, iss="https://as.example.com")
    answer = api_client_for(token).get("/api/whoami/").json()
    for claim in ("sub", "client_id", "scope", "exp", "iss"):
        assert answer[claim] == getattr(token, claim)


@pytest.mark.parametrize("path", ["/api/whoami/", ITEMS])
def test_a_request_without_a_token_is_challenged(anonymous, path):
    response = anonymous.get(path)
    challenge = response.headers["WWW-Authenticate"]
    assert (response.status_code, "error" in challenge) == (401, False)
    assert f'{METADATA}"' in challenge


@pytest.mark.parametrize("fault", ["unavailable", "refuses_credentials"])
def test_a_fault_of_the_authorization_server_is_answered_503(authorization_server, alice, fault):
    getattr(authorization_server, fault)()
    response = alice.get("/api/whoami/")
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("resource", settings.AUDIENCE),
        ("authorization_servers", [settings.AUTHORIZATION_SERVER_URL]),
        ("scopes_supported", sorted(settings.MANIFEST["scopes"])),
    ],
)
def test_the_metadata_describes_this_resource_server(anonymous, member, value):
    assert anonymous.get(METADATA).json()[member] == value


def test_the_schema_is_valid():
    call_command("spectacular", validate=True, file="/dev/null")


def test_the_schema_describes_the_api(anonymous):
    assert "/api/whoami/" in anonymous.get("/api/schema/?format=json").json()["paths"]


def test_no_migration_is_missing(db):
    call_command("makemigrations", check=True, dry_run=True)


# ---- /api/items/ ----


@pytest.fixture
def lamp(alice):
    """An item of Alice, as the API returns it."""
    return alice.post(ITEMS, {"name": "Lamp", "quantity": 2}, format="json").json()


def names(response):
    return [item["name"] for item in response.json()["results"]]


def test_an_item_can_be_created(alice):
    response = alice.post(ITEMS, {"name": "Lamp"}, format="json")
    assert (response.status_code, response.json()["quantity"]) == (201, 1)


def test_an_item_can_be_retrieved(alice, lamp):
    assert alice.get(f"{ITEMS}{lamp['id']}/").json() == lamp


def test_an_item_can_be_changed(alice, lamp):
    response = alice.patch(f"{ITEMS}{lamp['id']}/", {"quantity": 3}, format="json")
    assert response.json()["quantity"] == 3


def test_an_item_can_be_deleted(alice, lamp):
    assert alice.delete(f"{ITEMS}{lamp['id']}/").status_code == 204


def test_a_machine_owns_items_too(machine):
    machine.post(ITEMS, {"name": "Imported"}, format="json")
    assert names(machine.get(ITEMS)) == ["Imported"]


def test_the_list_has_only_the_items_of_the_owner(bob, lamp):
    assert names(bob.get(ITEMS)) == []


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_an_item_of_another_owner_is_not_found(bob, lamp, method):
    response = getattr(bob, method)(f"{ITEMS}{lamp['id']}/", {"name": "Mine"}, format="json")
    assert response.status_code == 404


def test_the_same_sub_at_another_issuer_is_another_owner(alice):
    Item.objects.create(issuer="https://other.example.com", sub="alice", name="Lamp")
    assert names(alice.get(ITEMS)) == []


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_changing_needs_the_write_scope(reader, lamp, method):
    address = ITEMS if method == "post" else f"{ITEMS}{lamp['id']}/"
    response = getattr(reader, method)(address, {"name": "Mine"}, format="json")
    assert response.status_code == 403


def test_reading_needs_the_read_scope(api_client_for):
    assert api_client_for(access_token(scope=WRITE)).get(ITEMS).status_code == 403


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", ""), ("name", " "), ("name", "x" * 101), ("name", 1), ("name", "\0")),
        *(("quantity", -1), ("quantity", 1_000_001), ("quantity", 1.5)),
    ],
)
def test_an_invalid_value_is_refused_with_its_field(alice, field, value):
    response = alice.post(ITEMS, {"name": "Lamp", field: value}, format="json")
    assert (response.status_code, list(response.json())) == (400, [field])


def test_a_second_item_of_the_same_name_is_refused(alice, lamp):
    response = alice.post(ITEMS, {"name": "Lamp"}, format="json")
    assert (response.status_code, list(response.json())) == (409, ["name"])


def test_two_owners_may_use_the_same_name(bob, lamp):
    assert bob.post(ITEMS, {"name": "Lamp"}, format="json").status_code == 201


def test_an_item_may_keep_its_name_when_it_changes(alice, lamp):
    response = alice.put(f"{ITEMS}{lamp['id']}/", {"name": "Lamp", "quantity": 9}, format="json")
    assert response.status_code == 200


def test_the_owner_cannot_be_set(alice, bob):
    alice.post(ITEMS, {"name": "Lamp", "sub": "bob"}, format="json")
    assert names(bob.get(ITEMS)) == []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=amp", ["Lamp"]),
        ("min_quantity=5", ["Table"]),
        ("max_quantity=5", ["Lamp"]),
        ("min_quantity=2&max_quantity=9", ["Table", "Lamp"]),
    ],
)
def test_the_list_can_be_filtered(alice, lamp, query, found):
    alice.post(ITEMS, {"name": "Table", "quantity": 9}, format="json")
    assert names(alice.get(f"{ITEMS}?{query}")) == found


def test_the_list_is_paginated(alice):
    for number in range(3):
        alice.post(ITEMS, {"name": f"Item {number}"}, format="json")
    assert names(alice.get(f"{ITEMS}?page=2&page_size=2")) == ["Item 0"]


def test_the_list_costs_two_queries_with_a_remembered_token(alice, lamp, django_assert_num_queries):
    with django_assert_num_queries(2):
        alice.get(ITEMS)
