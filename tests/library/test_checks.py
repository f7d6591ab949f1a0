"""System checks of the settings."""

import pytest
from django.core.checks.registry import registry
from oauth_resource_server.checks import check_settings

PAIR = "RESOURCE_SERVER_INTROSPECTION_CREDENTIALS"
TOKEN = "RESOURCE_SERVER_AUTH_TOKEN"
URL = "RESOURCE_SERVER_INTROSPECTION_URL"


def found():
    """Return the ids of all messages without the prefix."""
    return [message.id.removeprefix("oauth_resource_server.") for message in check_settings([])]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("oauth_resource_server.django.oauth2_validator.ResourceServerValidator", []),
        ("library.test_dot.RefusesAll", []),
        ("oauth2_provider.oauth2_validators.OAuth2Validator", ["E018"]),
        ("oauth2_provider.oauth2_validators.Missing", ["E018"]),
    ],
)
def test_the_validator_of_dot_is_a_mistake(settings, name, expected):
    settings.OAUTH2_PROVIDER = settings.OAUTH2_PROVIDER | {"OAUTH2_VALIDATOR_CLASS": name}
    assert found() == expected


def test_django_runs_the_check():
    assert check_settings in registry.get_checks()


def test_correct_settings_have_no_message():
    assert found() == []


def test_a_bearer_token_replaces_credentials(configure):
    configure(**{PAIR: None, TOKEN: "abc"})
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({URL: None}, "E001"),
        ({URL: ""}, "E001"),
        ({URL: "/o/introspect/"}, "E002"),
        ({URL: "as.example.com/o/introspect/"}, "E002"),
        ({URL: "ftp://as.example.com/o/introspect/"}, "E002"),
        ({URL: "https:///o/introspect/"}, "E002"),
        ({URL: "https://[/o/introspect/"}, "E002"),
        ({URL: "https://as.example.com:99999/o/introspect/"}, "E002"),
        ({URL: "https://me:secret@as.example.com/o/introspect/"}, "E002"),
        ({URL: "https://as.example.com/o/introspect"}, "W003"),
        ({PAIR: None}, "E004"),
        ({TOKEN: "abc"}, "E004"),
        ({PAIR: "id:secret"}, "E005"),
        ({PAIR: ("id",)}, "E005"),
        ({PAIR: ("id", "")}, "E005"),
        ({PAIR: ("id", None)}, "E005"),
        ({"ISSUER": None}, "E006"),
        ({"ISSUER": "https://as.example.com/"}, "W007"),
        ({"AUDIENCE": None}, "W008"),
        ({"RESOURCE_SERVER_TOKEN_CACHING_SECONDS": -1}, "E009"),
        ({"RESOURCE_SERVER_TOKEN_CACHING_SECONDS": "60"}, "E009"),
        ({"RESOURCE_SERVER_TOKEN_CACHING_SECONDS": True}, "E009"),
        ({"RESOURCE_SERVER_TOKEN_CACHING_SECONDS": 36_000}, "E009"),
        ({"RESOURCE_SERVER_TOKEN_CACHING_SECONDS": float("nan")}, "E009"),
        ({"RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS": 0}, "E009"),
        ({"CONNECT_TIMEOUT_SECONDS": 0}, "E009"),
        ({"TOTAL_TIMEOUT_SECONDS": 0}, "E009"),
        ({"STALE_IF_ERROR_SECONDS": -1}, "E009"),
        ({"MAX_WAITING_THREADS": 0}, "E009"),
        ({"BREAKER_OUTAGES": 0}, "E009"),
        ({"BREAKER_MAX_DELAY_SECONDS": 0}, "E009"),
        ({"INVALID_TOKEN_RATE": 0}, "E009"),
        ({"INVALID_TOKEN_BURST": 0}, "E009"),
        ({"SHARED_CACHE": "missing"}, "E011"),
        ({"SHARED_CACHE": "default"}, "W012"),
        ({"METRICS_NETWORKS": ["10.0.0.0/8", "here"]}, "E013"),
        ({"INACTIVE_CACHING_SECONDS": 6}, "E009"),
        ({"CACHE_MAX_ENTRIES": 0}, "E009"),
        ({"INACTIVE_CACHE_MAX_ENTRIES": 0}, "E009"),
        ({"RETRY_AFTER_SECONDS": 0}, "E009"),
    ],
)
def test_a_mistake_has_its_number(configure, changes, number):
    configure(**changes)
    assert found() == [number]


def rules(configure, **scopes):
    """Configure a rule for each group."""
    entry = {"preset": "authorization_server"}
    configure(ISSUERS=[entry | {"scopes": {f"groups:{name}": one for name, one in scopes.items()}}])


def test_a_misspelt_scope_of_a_rule_is_named(configure):
    rules(configure, staff=["orders:read"], admins=["orders:read", "orders:wirte"])
    [message] = check_settings([])
    assert (message.id, message.msg) == (
        "oauth_resource_server.W015",
        "The issuer authorization_server: the rule 'groups:admins' grants orders:wirte, and the "
        "scopes here are orders:read, orders:write.",
    )


@pytest.mark.parametrize("scope", ["orders:raed", "orders:delete", "oders:read", "orders.read"])
def test_a_scope_that_resembles_one_of_these_is_misspelt(configure, scope):
    rules(configure, admins=[scope])
    assert found() == ["W015"]


@pytest.mark.parametrize("scope", ["orders:write", "inventory:read", "billing:write", "users:read"])
def test_a_rule_may_grant_a_scope_of_another_resource_server(configure, scope):
    rules(configure, admins=["orders:read", scope])
    assert found() == []


def test_the_cache_may_be_off(configure):
    configure(RESOURCE_SERVER_TOKEN_CACHING_SECONDS=0)
    assert found() == []


def test_a_shared_cache_is_correct(configure, settings):
    redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://cache"}
    settings.CACHES = settings.CACHES | {"shared": redis}
    configure(SHARED_CACHE="shared")
    assert found() == []


@pytest.mark.parametrize("value", ["Create", "all", None, True, []])
def test_other_values_of_users_are_found(settings, value):
    settings.OAUTH_RESOURCE_SERVER = settings.OAUTH_RESOURCE_SERVER | {"USERS": value}
    [message] = check_settings([])
    assert (message.id, message.msg) == (
        "oauth_resource_server.E010",
        f"USERS is {value!r}, expected 'create', 'linked' or 'none'.",
    )


@pytest.mark.parametrize("value", ["create", "linked", "none"])
def test_each_value_of_users_is_good(configure, value):
    configure(USERS=value)
    assert found() == []


def test_a_factory_that_cannot_be_imported_is_found(configure):
    configure(USER_FACTORY="api.users.make")
    assert found() == ["E010"]


def test_a_function_for_request_headers_must_exist(configure):
    configure(REQUEST_HEADERS="api.headers")
    assert found() == ["E016"]


@pytest.mark.parametrize("url", ["/o/events/", "ftp://a.example", "https://u:p@a.example/"])
def test_the_address_of_revocation_events_must_be_absolute(configure, url):
    configure(REVOCATION_EVENTS_URL=url)
    assert found() == ["E017"]


def test_no_message_holds_a_secret(configure):
    configure(**{PAIR: ("id", "very-secret", "very-secret"), TOKEN: "very-secret"})
    assert not [message for message in check_settings([]) if "very-secret" in str(message)]
