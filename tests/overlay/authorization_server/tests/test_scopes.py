"""Which client may have which scope."""

import pytest
from client_registry.models import RegisteredClient
from client_registry.scopes import ManifestScopes
from oauth2_provider.models import Application

SCOPES = ManifestScopes()
OF_SERVERS = {"orders:read", "orders:write", "inventory:read", "inventory:write"}
pytestmark = pytest.mark.usefixtures("registered")


def client(name, **changes):
    RegisteredClient.objects.filter(name=name).update(**changes)
    return Application.objects.get(registration__name=name)


def available(name, **changes):
    return set(SCOPES.get_available_scopes(client(name, **changes)))


def test_every_scope_has_a_description():
    scopes = SCOPES.get_all_scopes()
    assert set(scopes) == {"openid", "profile", "email"} | OF_SERVERS
    assert scopes["orders:read"] == "See your orders"
    assert all(scopes.values())


def test_the_scope_introspection_is_offered_to_nobody():
    assert "introspection" not in SCOPES.get_all_scopes()
    assert "introspection" not in SCOPES.get_available_scopes()


def test_a_client_gets_what_its_patterns_match():
    assert available("demo-browser", scopes=["orders:*", "inventory:read"]) == {
        *("orders:read", "orders:write", "inventory:read")
    }


def test_a_star_matches_everything_but_introspection():
    assert available("demo-browser") == {"openid", "profile", "email"} | OF_SERVERS


@pytest.mark.parametrize("name", ["demo-machine", "demo-device"])
def test_a_client_without_id_tokens_gets_no_scope_of_openid_connect(name):
    assert available(name) == OF_SERVERS


def test_a_pattern_cannot_name_introspection():
    assert available("demo-machine", scopes=["introspection", "intro*"]) == set()


def test_a_resource_server_gets_introspection_and_nothing_else():
    assert available("orders-introspection", scopes=["*"]) == {"introspection"}


def test_a_resource_server_without_a_manifest_gets_nothing():
    assert available("orders-introspection", resource_server="gone") == set()


def test_a_client_that_is_switched_off_gets_nothing():
    assert available("demo-machine", is_active=False) == set()


def test_an_application_that_is_not_registered_gets_nothing():
    assert SCOPES.get_available_scopes(Application.objects.create(client_id="other")) == []


def test_the_default_is_what_its_patterns_match_of_that():
    application = client("demo-machine", scopes=["orders:*"], default_scopes=["*:read"])
    assert SCOPES.get_default_scopes(application) == ["orders:read"]


def test_there_is_no_default_unless_one_is_declared():
    assert SCOPES.get_default_scopes(client("demo-machine", default_scopes=[])) == []
