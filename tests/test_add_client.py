"""`make client` declares a client of each type, and refuses a bad or taken name."""

import shutil
import tomllib

import pytest
from stack import make, read_env
from test_output import contents_of

PERSON = {"scopes": ["openid", "profile", "email", "*"], "default_scopes": ["openid"]}
MACHINE = {"scopes": ["*"], "default_scopes": ["*:read"]}
TYPES = {
    "web": ("authorization-code", "confidential", PERSON),
    "spa": ("authorization-code", "public", PERSON),
    "native": ("authorization-code", "public", PERSON),
    "device": ("urn:ietf:params:oauth:grant-type:device_code", "public", MACHINE),
    "job": ("client-credentials", "confidential", MACHINE),
}
READY = "import sys; print('web-shop: created')"
NO_DATABASE = "import sys; sys.exit('The database is not ready, run migrate first: no such table')"


@pytest.fixture
def add(platform, run_script):
    """Return a function that adds a client to the project `platform`."""
    manage = platform / "authorization_server" / "manage.py"
    manage.write_text(READY, encoding="utf-8")

    def add(*arguments):
        return run_script(platform, "add_client", *arguments)

    return add


@pytest.fixture
def refused(add, platform):
    """Return a function that expects the message of a refusal, and that nothing changes."""

    def refused(*arguments):
        before = contents_of(platform)
        run = add(*arguments)
        assert (run.returncode, run.stdout, contents_of(platform)) == (1, "", before)
        assert run.stderr.endswith(" Nothing was changed.\n")
        return run.stderr

    return refused


def table_of(project, name):
    """Return the declaration of a client."""
    text = (project / "authorization_server" / "clients.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)[name]


@pytest.mark.parametrize("kind", TYPES)
def test_a_client_of_each_type_is_declared(add, platform, kind):
    add("web-shop", "--type", kind)
    table = table_of(platform, "web-shop")
    grant_type, client_type, others = TYPES[kind]
    expected = {"title": "Web shop", "grant_type": grant_type, "client_type": client_type} | others
    assert {key: table[key] for key in expected} == expected


@pytest.mark.parametrize("kind", TYPES)
def test_confidential_clients_have_a_secret(add, platform, kind):
    add("web-shop", "--type", kind)
    env = read_env(platform)
    assert env["WEB_SHOP_CLIENT_ID"] == "web-shop"
    has_secret = TYPES[kind][1] == "confidential"
    assert (len(env.get("WEB_SHOP_CLIENT_SECRET", "")) == 73) is has_secret


def test_the_secret_is_for_the_containers_too_and_in_no_tracked_file(add, platform):
    add("web-shop")
    secret = read_env(platform)["WEB_SHOP_CLIENT_SECRET"].encode()
    files = [path for path, content in contents_of(platform).items() if secret in content]
    assert files == [".env", ".secrets/clients.env"]


def test_no_secret_is_printed(add, platform):
    run = add("web-shop")
    assert read_env(platform)["WEB_SHOP_CLIENT_SECRET"] not in run.stdout + run.stderr


def test_other_clients_and_lines_are_kept(add, platform):
    clients = platform / "authorization_server" / "clients.toml"
    before = clients.read_text("utf-8"), (platform / ".env").read_text("utf-8")
    add("web-shop")
    assert clients.read_text(encoding="utf-8").startswith(before[0])
    assert (platform / ".env").read_text(encoding="utf-8").startswith(before[1])


def test_a_page_is_an_origin_in_development_only(add, platform):
    add("app", "--type", "spa")
    table = table_of(platform, "app")
    assert table["allowed_origins"] == ["http://localhost:5173"]
    assert table["environments"] == ["development"]


def test_a_client_with_an_https_address_is_for_production_too(add, platform):
    add("app", "--type", "spa", "--url", "https://app.example.com")
    table = table_of(platform, "app")
    assert table["redirect_uris"] == ["https://app.example.com/callback"]
    assert "environments" not in table


def test_the_scheme_of_a_native_client_is_the_domain_in_reverse(add, platform):
    add("app", "--type", "native")
    assert table_of(platform, "app")["redirect_uris"][-1] == "com.example.app:/callback"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("web", "WEB_SHOP_CLIENT_SECRET in .env"),
        ("spa", "ORDERS_ALLOWED_ORIGINS=http://localhost:5173"),
        ("native", "com.example.web-shop:/callback"),
        ("device", "curl --data client_id=web-shop http://localhost:8000/o/device-authorization/"),
        ("job", "--data grant_type=client_credentials http://localhost:8000/o/token/"),
    ],
)
def test_the_next_step_is_printed(add, kind, words):
    output = add("web-shop", "--type", kind).stdout
    assert ("Next: " in output, words in output) == (True, True)


def test_a_client_is_registered_at_once(add):
    assert "It is registered." in add("web-shop").stdout


def test_without_a_database_the_next_start_registers_it(add, platform):
    manage = platform / "authorization_server" / "manage.py"
    manage.write_text(NO_DATABASE, encoding="utf-8")
    run = add("web-shop")
    assert (run.returncode, "there is no database yet" in run.stdout) == (0, True)


@pytest.mark.parametrize("name", ["Web", "web_shop", "-a", "a-", "a--b", "1a", "", "a" * 65, 'a"b'])
def test_a_bad_name_is_refused(refused, name):
    assert "web-shop, say" in refused("--", name)


@pytest.mark.parametrize("name", ["demo-machine", "orders-introspection"])
def test_a_taken_name_is_refused(refused, name):
    assert name in refused(name).lower().replace("_", "-")


def test_a_variable_of_another_client_is_not_taken_over(refused, platform):
    with (platform / ".env").open("a", encoding="utf-8") as file:
        file.write("WEB_SHOP_CLIENT_ID=other\n")
    assert "WEB_SHOP_CLIENT_ID in .env is taken" in refused("web-shop")


@pytest.mark.parametrize(
    "url", ["localhost:5173", "http://localhost:5173/", "ftp://a", 'http://a"']
)
def test_a_url_that_is_no_origin_is_refused(refused, url):
    assert "http://localhost:5173, say" in refused("app", "--type", "spa", "--url", url)


def test_a_type_that_does_not_exist_is_refused(refused):
    assert f"choose one of {', '.join(TYPES)}." in refused("app", "--type=foo")


@pytest.mark.parametrize("kind", ["native", "device", "job"])
def test_a_url_of_a_client_that_has_none_is_refused(refused, kind):
    assert "has no url" in refused("app", "--type", kind, "--url", "https://app.example.com")


@pytest.mark.parametrize("target", ["client", "rotate", "resource-server"])
def test_a_name_is_no_option_of_a_script(project, target):
    printed = make(project, "-n", target, "name=-x", capture_output=True, encoding="utf-8").stdout
    assert ' -- "-x"\n' in printed


def test_an_interrupted_run_is_completed(add, platform):
    before = shutil.copy(platform / "authorization_server" / "clients.toml", platform / "before")
    add("web-shop")
    secret = read_env(platform)["WEB_SHOP_CLIENT_SECRET"]
    shutil.copy(before, platform / "authorization_server" / "clients.toml")
    assert add("web-shop").returncode == 0
    assert read_env(platform)["WEB_SHOP_CLIENT_SECRET"] == secret
    text = (platform / ".env.example").read_text(encoding="utf-8")
    assert text.count("WEB_SHOP_CLIENT_ID=") == 1
