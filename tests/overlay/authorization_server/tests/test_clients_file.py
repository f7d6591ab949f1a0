"""``clients.toml`` declares clients, and is refused with file, client and key."""

import pytest
from client_registry.declarations import read_declarations
from client_registry.manifests import read_manifests, resource_servers
from client_registry.schema import RegistryError
from django.conf import settings

CLIENT = """
[shop]
title = "Shop"
grant_type = "authorization-code"
client_type = "confidential"
scopes = ["openid", "orders:*"]
default_scopes = ["openid"]
redirect_uris = ["https://shop.example.com/callback"]
algorithm = "RS256"
"""


@pytest.fixture
def read(tmp_path):
    """Return a function that writes ``clients.toml`` and reads it."""

    def read(text):
        path = tmp_path / "clients.toml"
        path.write_text(text, encoding="utf-8")
        return read_declarations(path, resource_servers())

    return read


def test_a_table_is_a_client(read):
    client = read(CLIENT)["shop"]
    assert client.title == "Shop"
    assert client.is_confidential
    assert client.scopes == ("openid", "orders:*")
    assert client.environments == ("development", "production")
    assert client.variable("ID") == "SHOP_CLIENT_ID"


def test_a_hyphen_becomes_an_underscore_in_variables(read):
    client = read(CLIENT.replace("[shop]", "[web-shop]"))["web-shop"]
    assert client.variable("SECRET") == "WEB_SHOP_CLIENT_SECRET"


PAGE = """
[docs]
title = "Documentation"
grant_type = "authorization-code"
client_type = "public"
scopes = ["*"]
redirect_uris = ["{resource_server}/docs", "https://shop.example.com/callback"]
allowed_origins = ["{resource_server}"]
"""


def test_a_placeholder_stands_for_the_address_of_each_resource_server(read, monkeypatch):
    monkeypatch.setenv("ORDERS_URL", "http://localhost:8001")
    monkeypatch.setenv("INVENTORY_URL", "http://localhost:8002/")
    client = read(PAGE)["docs"]
    assert client.allowed_origins == ("http://localhost:8002", "http://localhost:8001")
    assert client.redirect_uris == (
        "http://localhost:8002/docs",
        "http://localhost:8001/docs",
        "https://shop.example.com/callback",
    )


def test_a_resource_server_without_an_address_has_no_part_in_it(read, monkeypatch):
    monkeypatch.setenv("ORDERS_URL", "http://localhost:8001")
    monkeypatch.delenv("INVENTORY_URL", raising=False)
    assert read(PAGE)["docs"].allowed_origins == ("http://localhost:8001",)


def test_each_resource_server_has_a_client(read):
    client = read("")["orders-introspection"]
    assert client.is_confidential
    assert client.grant_type == "client-credentials"
    assert client.scopes == client.default_scopes == ("introspection",)
    assert client.resource_server == "orders"


def test_file_of_the_project_is_valid(monkeypatch):
    project = settings.BASE_DIR.parent / "resource_servers"
    for number, folder in enumerate(project.glob("*/")):
        url = f"http://localhost:{8001 + number}"
        monkeypatch.setenv(f"{folder.name.upper().replace('-', '_')}_URL", url)
    servers = read_manifests(project) if project.is_dir() else {}
    read_declarations(settings.BASE_DIR / "clients.toml", servers)


MACHINE = ('grant_type = "authorization-code"', 'grant_type = "client-credentials"')
NO_URI = ('redirect_uris = ["https://shop.example.com/callback"]', "")
PUBLIC = ('"confidential"', '"public"')
BAD = {
    "no TOML": ([("[shop]", "[shop")], "clients.toml cannot be read"),
    "a value outside of a table": (
        [("[shop]", "x = 1\n[shop]")],
        "x: Expected `object`, got `int`",
    ),
    "a name with capitals": ([("[shop]", "[Shop]")], "Shop: name: expected lower-case"),
    "a name with an underscore": (
        [("[shop]", "[web_shop]")],
        "web_shop: name: expected lower-case",
    ),
    "the name of a resource server's client": (
        [("[shop]", "[orders-introspection]")],
        "orders-introspection: name: expected no client of a manifest",
    ),
    "an unknown key": (
        [("title", "colour = 1\ntitle")],
        "unknown field `colour`; known are title, ",
    ),
    "a resource server": (
        [("title", 'resource_server = "orders"\ntitle')],
        "unknown field `resource_server`",
    ),
    "no title": ([('title = "Shop"', "")], "shop: Object missing required field `title`"),
    "no grant type": ([('grant_type = "authorization-code"', "")], "required field `grant_type`"),
    "the implicit grant": (
        [("authorization-code", "implicit")],
        "grant_type: expected 'authorization-code' or",
    ),
    "the password grant": (
        [("authorization-code", "password")],
        "grant-type:device_code', got 'password'",
    ),
    "an unknown client type": (
        [('"confidential"', '"secret"')],
        "client_type: expected 'confidential' or 'public'",
    ),
    "scopes that are a text": (
        [('["openid", "orders:*"]', '"openid"')],
        "scopes: Expected `array`, got `str`",
    ),
    "a scope that is a number": ([('"orders:*"', "1")], "scopes[1]: Expected `str`, got `int`"),
    "a scope twice": ([('"orders:*"', '"openid"')], "scopes: expected different values"),
    "a scope that is unknown": (
        [("orders:*", "orders:raed")],
        "expected the scope of a resource server, or a pattern, got 'orders:raed'",
    ),
    "the scope introspection": ([("orders:*", "introspection")], "pattern, got 'introspection'"),
    "openid without an algorithm": (
        [('algorithm = "RS256"', "")],
        "expected algorithm = 'RS256' with",
    ),
    "an unknown environment": (
        [("title", 'environments = ["x"]\ntitle')],
        "environments: expected development or production, got 'x'",
    ),
    "no redirect_uri": ([NO_URI], "redirect_uris: expected one or more for authorization-code"),
    "a redirect_uri with a blank": (
        [("/callback", "/ callback")],
        "redirect_uris: expected no blanks",
    ),
    "a machine with a redirect_uri": ([MACHINE], "redirect_uris:"),
    "a public machine": (
        [MACHINE, NO_URI, PUBLIC],
        "client_type: expected 'confidential' for client-credentials",
    ),
    "a machine with an algorithm": (
        [MACHINE, NO_URI],
        "algorithm: expected none unless authorization-code",
    ),
    "HS256": ([("RS256", "HS256")], "algorithm: expected '' or 'RS256', got 'HS256'"),
    **{
        f"a public client without consent at {uri}": (
            [PUBLIC, ("title", "skip_authorization = true\ntitle"), ('"https://shop', f'"{uri}')],
            "skip_authorization: expected false unless authorization-code, and for a public",
        )
        for uri in (
            *("https://localhost/?", "http://127.0.0.1/?", "https://[::1]/?", "com.example.app:/"),
            'https://shop.example.com/", "http://localhost:8000/?',
        )
    },
    "a machine without consent": (
        [
            *(MACHINE, NO_URI, ('["openid", "orders:*"]', '["orders:*"]')),
            *(('algorithm = "RS256"', ""), ("title", "skip_authorization = true\ntitle")),
        ],
        "skip_authorization: expected false unless authorization-code",
    ),
    **{
        f"the origin {origin}": (
            [("title", f'allowed_origins = ["{origin}"]\ntitle')],
            "allowed_origins: expected http(s)://host[:port] as browsers send it",
        )
        for origin in (
            *("https://shop.example.com/", "https://Shop.example.com", "shop.example.com", "*"),
            *("https://shop.example.com:443", "http://localhost:80", "https://a.com/path"),
        )
    },
    "a flag that is a text": (
        [("title", 'skip_authorization = "no"\ntitle')],
        "skip_authorization: Expected `bool`, got `str`",
    ),
}


@pytest.mark.parametrize(("changes", "problem"), BAD.values(), ids=BAD)
def test_a_declaration_is_refused(read, changes, problem):
    text = CLIENT
    for change in changes:
        assert change[0] in text
        text = text.replace(*change, 1)
    with pytest.raises(RegistryError) as raised:
        read(text)
    message = str(raised.value)
    assert message.startswith("clients.toml")
    assert problem in message
    assert "\n" not in message


@pytest.mark.parametrize("change", [("x", "x"), PUBLIC])
def test_a_client_with_addresses_of_its_own_may_need_no_consent(read, change):
    text = CLIENT.replace(*change).replace("title", "skip_authorization = true\ntitle", 1)
    assert read(text)["shop"].skip_authorization


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RegistryError, match="cannot be read"):
        read_declarations(tmp_path / "clients.toml", {})
