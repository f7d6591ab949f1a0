"""`scripts/init_env.py` keeps the secret files of containers in `.secrets/` in line with `.env`."""

import os
import re
import stat

import pytest

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
URLS = {
    "AUTHORIZATION_SERVER_DATABASE_URL": (
        r"postgres://authorization-server:([\w-]{73})@postgres:5432/authorization-server"
    ),
    "ORDER_HISTORY_DATABASE_URL": (
        r"postgres://order-history:([\w-]{73})@postgres:5432/order-history"
    ),
    "ORDER_HISTORY_CACHE_URL": r"redis://order-history:([\w-]{73})@valkey:6379/0",
}


@pytest.fixture(scope="module")
def generated(bake):
    """Return a project with the resource server order-history, `.env` and `.secrets/`."""
    return bake({"resource_servers": "order-history"})


@pytest.fixture
def complete(platform, run_script):
    """Return a function that runs the script again."""

    def complete(**options):
        return run_script(platform, "init_env", **options)

    return complete


@pytest.fixture
def change(platform):
    """Return a function that replaces the only match of a pattern in `.env`."""

    def change(pattern, replacement):
        path = platform / ".env"
        text, count = re.subn(pattern, replacement, path.read_text("utf-8"), flags=re.M)
        assert count == 1
        path.write_text(text, encoding="utf-8")

    return change


def secret(project, name):
    """Return the contents of a file in `.secrets/`."""
    return (project / ".secrets" / name).read_text(encoding="utf-8")


def value(project, name):
    """Return the value of a variable in `.env`."""
    [found] = re.findall(rf"^{name}=(.*)$", (project / ".env").read_text("utf-8"), re.MULTILINE)
    return found


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_there_is_a_file_for_each_secret_that_compose_mounts(platform):
    compose = "".join(path.read_text("utf-8") for path in platform.rglob("compose*.yml"))
    skeleton = platform / "scripts/resource_server_skeleton/compose.yml"
    compose = compose.replace(skeleton.read_text("utf-8"), "")
    mounted = set(re.findall(r"file: (?:\.\./)*\.secrets/([\w.]+)", compose))
    assert mounted == {path.name for path in (platform / ".secrets").iterdir()}


@pytest.mark.parametrize(
    "name",
    [
        *("AUTHORIZATION_SERVER_SECRET_KEY", "ORDER_HISTORY_SECRET_KEY"),
        "ORDER_HISTORY_INTROSPECTION_CLIENT_SECRET",
    ],
)
def test_a_secret_of_env_is_in_its_file(platform, name):
    assert secret(platform, name) == value(platform, name)


@pytest.mark.parametrize("name", URLS)
def test_a_url_has_the_user_of_the_service(platform, name):
    assert re.fullmatch(URLS[name], secret(platform, name))


def test_no_two_passwords_are_the_same(platform):
    passwords = [re.fullmatch(URLS[name], secret(platform, name))[1] for name in URLS]
    passwords += [secret(platform, "POSTGRES_PASSWORD"), secret(platform, "VALKEY_PASSWORD")]
    assert len(set(passwords)) == len(passwords) == 5


def test_clients_env_has_the_variables_of_ensure_clients(platform):
    names = re.findall(r"^(\w+)=", secret(platform, "clients.env"), re.MULTILINE)
    assert names == [
        *("DEMO_USERNAME", "DEMO_PASSWORD"),
        *("DEMO_MACHINE_CLIENT_ID", "DEMO_MACHINE_CLIENT_SECRET"),
        *("DEMO_BROWSER_CLIENT_ID", "API_DOCS_CLIENT_ID", "PLAYGROUND_CLIENT_ID"),
        "DEMO_DEVICE_CLIENT_ID",
        "ORDER_HISTORY_INTROSPECTION_CLIENT_ID",
        "ORDER_HISTORY_INTROSPECTION_CLIENT_SECRET",
    ]


ISSUERS = """\
ISSUERS=authorization_server,okta
OKTA_DOMAIN=acme.okta.com
ORDER_HISTORY_OKTA_CLIENT_ID=0oa1
OKTA_CLIENT_SECRET=secret-of-okta
METRICS_TOKEN=secret-of-prometheus
AUTH0_DOMAIN=acme.auth0.com
BILLING_OKTA_CLIENT_SECRET=of-another-resource-server
"""


def test_a_resource_server_gets_the_variables_of_its_issuers_and_metrics(
    platform, complete, change
):
    change(r"\Z", ISSUERS)
    complete()
    assert secret(platform, "ORDER_HISTORY_ISSUERS.env") == "".join(
        ISSUERS.splitlines(keepends=True)[:5]
    )


def test_a_resource_server_gets_the_secrets_that_its_file_of_issuers_names(
    platform, complete, change
):
    table = '[[issuers]]\npreset = "okta"\nclient_secret_variable = "ACME_SECRET"\n'
    (platform / "deploy").mkdir(exist_ok=True)
    (platform / "deploy" / "issuers.toml").write_text(table, encoding="utf-8")
    lines = "ISSUERS_CONFIG=deploy/issuers.toml\nACME_SECRET=secret-of-acme\n"
    change(r"\Z", lines)
    complete()
    assert secret(platform, "ORDER_HISTORY_ISSUERS.env") == lines


def test_the_file_of_issuers_is_empty_without_issuers(platform):
    assert secret(platform, "ORDER_HISTORY_ISSUERS.env") == ""


def test_clients_env_has_no_secret_of_another_issuer(platform, complete, change):
    before = secret(platform, "clients.env")
    change(r"\Z", ISSUERS)
    complete()
    assert secret(platform, "clients.env") == before


@posix
def test_the_folder_is_private_and_the_files_are_readable_in_containers(platform, complete, change):
    before = os.umask(0o077)
    try:
        change("^ORDER_HISTORY_SECRET_KEY=.*$", "ORDER_HISTORY_SECRET_KEY=another")
        complete()
    finally:
        os.umask(before)
    modes = {mode_of(path) for path in (platform / ".secrets").iterdir()}
    assert (mode_of(platform / ".secrets"), modes) == (0o700, {0o644})


@posix
def test_an_open_folder_is_closed_to_others(platform, complete):
    (platform / ".secrets").chmod(0o755)
    complete()
    assert mode_of(platform / ".secrets") == 0o700


def test_a_second_run_changes_nothing(platform, complete):
    before = {path: path.read_bytes() for path in (platform / ".secrets").iterdir()}
    assert complete().stdout == ""
    assert {path: path.read_bytes() for path in (platform / ".secrets").iterdir()} == before


def test_a_changed_variable_changes_its_file(platform, complete, change):
    change("^ORDER_HISTORY_SECRET_KEY=.*$", "ORDER_HISTORY_SECRET_KEY=another")
    complete()
    assert secret(platform, "ORDER_HISTORY_SECRET_KEY") == "another"


def test_a_missing_file_is_created_again(platform, complete):
    kept = secret(platform, "VALKEY_PASSWORD")
    (platform / ".secrets" / "POSTGRES_PASSWORD").unlink()
    complete()
    assert len(secret(platform, "POSTGRES_PASSWORD")) == 73
    assert secret(platform, "VALKEY_PASSWORD") == kept


def test_a_url_in_env_replaces_the_generated_url(platform, complete, change):
    change(r"\Z", "ORDER_HISTORY_DATABASE_URL=postgres://me:pw@db.example.net/history\n")
    complete()
    assert secret(platform, "ORDER_HISTORY_DATABASE_URL") == (
        "postgres://me:pw@db.example.net/history"
    )


def test_a_url_is_generated_again_when_it_is_deleted_from_env(platform, complete, change):
    change(r"\Z", "ORDER_HISTORY_DATABASE_URL=postgres://me:pw@db.example.net/history\n")
    complete()
    change("^ORDER_HISTORY_DATABASE_URL=.*\n", "")
    complete()
    name = "ORDER_HISTORY_DATABASE_URL"
    assert re.fullmatch(URLS[name], secret(platform, name))


def test_a_secret_is_read_from_the_file_that_env_names(platform, complete, change, tmp_path):
    (tmp_path / "key").write_text("from a file\n", encoding="utf-8")
    change("^ORDER_HISTORY_SECRET_KEY=.*$", f"ORDER_HISTORY_SECRET_KEY_FILE={tmp_path / 'key'}")
    complete()
    assert secret(platform, "ORDER_HISTORY_SECRET_KEY") == "from a file"


def test_clients_env_has_the_password_from_the_file_that_env_names(
    platform, complete, change, tmp_path
):
    (tmp_path / "password").write_text("from a file\n", encoding="utf-8")
    change("^DEMO_PASSWORD=.*$", f"DEMO_PASSWORD_FILE={tmp_path / 'password'}")
    complete()
    assert "\nDEMO_PASSWORD=from a file\n" in secret(platform, "clients.env")


def test_an_empty_value_creates_an_empty_file(platform, complete, change):
    change("^ORDER_HISTORY_SECRET_KEY=.*$", "ORDER_HISTORY_SECRET_KEY=")
    (platform / ".secrets" / "ORDER_HISTORY_SECRET_KEY").unlink()
    assert complete().returncode == 0
    assert secret(platform, "ORDER_HISTORY_SECRET_KEY") == ""


def test_another_env_file_does_not_change_the_secrets(platform, complete, tmp_path):
    before = secret(platform, "clients.env")
    complete(ENV_FILE=str(tmp_path / "other"))
    assert secret(platform, "clients.env") == before


def test_no_value_is_printed(bare_project, run_script):
    run_script(bare_project, "add_resource_server", "orders")
    run = run_script(bare_project, "init_env")
    values = [path.read_text("utf-8") for path in (bare_project / ".secrets").iterdir()]
    assert [value for value in values if value and value in run.stdout + run.stderr] == []


@posix
def test_a_file_named_secrets_is_reported_in_one_sentence(platform, complete):
    (platform / ".secrets").rename(platform / "elsewhere")
    (platform / ".secrets").touch()
    run = complete()
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert run.stderr.startswith(".secrets cannot be written")
