"""Each value of the environment is read by its kind, or refused in one sentence."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import ConnectionHandler
from service_kit import env

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")


@pytest.fixture(autouse=True)
def environment():
    """Restore the variables of the process, because `read_env_file` sets some."""
    before = dict(os.environ)
    for name in ("ENV_FILE", "DATA_DIR"):
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


def refusal(function, *arguments, **options):
    with pytest.raises(ImproperlyConfigured) as caught:
        function(*arguments, **options)
    return str(caught.value)


# The env file.


def test_variables_can_come_from_a_file(tmp_path):
    (tmp_path / "env").write_text("# a comment\n\nexport ONE=1\n TWO='a b' \nTHREE=\n")
    env.read_env_file(tmp_path / "env")
    assert [os.environ[name] for name in ("ONE", "TWO", "THREE")] == ["1", "a b", ""]


def test_variables_of_the_process_win_over_the_file(tmp_path):
    (tmp_path / "env").write_text("ONE=file\n")
    os.environ["ONE"] = "process"
    env.read_env_file(tmp_path / "env")
    assert env.text("ONE") == "process"


def test_env_file_names_another_file(tmp_path):
    (tmp_path / "other").write_text("ONE=1\n")
    os.environ["ENV_FILE"] = str(tmp_path / "other")
    env.read_env_file(tmp_path / "env")
    assert env.text("ONE") == "1"


def test_an_empty_env_file_variable_reads_no_file(tmp_path):
    (tmp_path / "env").write_text("ONE=1\n")
    os.environ["ENV_FILE"] = ""
    env.read_env_file(tmp_path / "env")
    assert "ONE" not in os.environ


def test_the_default_file_may_be_missing(tmp_path):
    env.read_env_file(tmp_path / "env")


def test_a_named_file_must_exist(tmp_path):
    os.environ["ENV_FILE"] = str(tmp_path / "missing")
    assert "cannot be read" in refusal(env.read_env_file, tmp_path / "env")


def test_a_line_that_is_no_assignment_is_refused_without_its_text(tmp_path):
    (tmp_path / "env").write_text("ONE=1\nMY-SECRET=hidden\n")
    message = refusal(env.read_env_file, tmp_path / "env")
    assert ("line 2" in message, "hidden" in message) == (True, False)


def test_the_scripts_read_the_same_values_from_a_file(tmp_path, monkeypatch):
    lines = [
        "ONE=plain",
        "export TWO=a b \r",
        "  THREE='single \\ quoted'",
        'FOUR="double \\" \\x \\n quoted"',
        """FIVE='"both"'""",
        'SIX="open',
        "SEVEN=a=b#c",
        "EIGHT=",
        'NINE= "blank"',
        "TEN='",
    ]
    (tmp_path / "env").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "scripts")
    import _project

    env.read_env_file(tmp_path / "env")
    values = _project.variables("\n".join(lines))
    assert len(values) == len(lines)
    assert values == {name: env.text(name, "") for name in values}


# Values of each kind.


def test_a_value_can_come_from_a_file(tmp_path):
    (tmp_path / "value").write_text("from a file\n")
    os.environ |= {"ONE": "direct", "ONE_FILE": str(tmp_path / "value")}
    assert env.text("ONE") == "from a file"


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_value_counts_as_unset(value):
    os.environ["ONE"] = value
    assert env.text("ONE", "default") == "default"
    assert refusal(env.text, "ONE") == "ONE is not set."


def test_lists_are_separated_by_commas_or_blanks():
    os.environ["ONE"] = "a, b  c,"
    assert env.words("ONE") == ["a", "b", "c"]


@pytest.mark.parametrize("value", ["debug", "Debug", "DEBUG"])
def test_a_choice_is_read_in_any_case(value):
    os.environ["ONE"] = value
    assert env.choice("ONE", "INFO", "DEBUG") == "DEBUG"


def test_a_choice_defaults_to_its_first_value():
    assert (env.choice("ONE", "INFO", "DEBUG"), env.flag("ONE")) == ("INFO", False)


@pytest.mark.parametrize(("value", "expected"), [("true", True), ("False", False)])
def test_a_flag_is_true_or_false(value, expected):
    os.environ["ONE"] = value
    assert env.flag("ONE") is expected


def test_a_number_defaults_to_its_default():
    assert env.number("ONE", 7) == 7


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://LocalHost:8000", "http://localhost:8000"),
        ("HTTPS://auth.example.com/", "https://auth.example.com"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_base_url_has_one_spelling(url, expected):
    os.environ["ONE"] = url
    assert env.base_url("ONE") == expected


def test_origins_are_listed():
    os.environ["ONE"] = "https://a.example http://localhost:5173, http://[::1]:8080"
    origins = ["https://a.example", "http://localhost:5173", "http://[::1]:8080"]
    assert env.origins("ONE", https_only=False) == origins


def test_there_is_no_origin_by_default():
    assert env.origins("ONE", https_only=True) == []


@pytest.mark.parametrize(
    "origin",
    [
        *("*", "null", "a.example", "https://a.example/", "https://A.example", "ftp://a.example"),
        *("https://a.example:443", "http://a.example:80", "https://a.example/path"),
    ],
)
def test_an_origin_that_no_browser_sends_is_refused(origin):
    os.environ["ONE"] = f"https://b.example {origin}"
    assert repr(origin) in refusal(env.origins, "ONE", https_only=False)


def test_an_origin_without_tls_is_refused_in_production():
    os.environ["ONE"] = "http://localhost:5173"
    assert "ONE: expected https://host" in refusal(env.origins, "ONE", https_only=True)


def test_hosts_are_those_of_the_urls_and_the_listed_ones():
    os.environ["ONE"] = "b.example, c.example"
    hosts = env.allowed_hosts("ONE", "http://a.example:8000", "http://[::1]", local=False)
    assert hosts == ["a.example", "[::1]", "b.example", "c.example"]


def test_development_allows_the_names_of_this_machine():
    assert env.allowed_hosts("ONE", local=True) == ["localhost", "127.0.0.1", "[::1]"]


def test_production_refuses_debug():
    os.environ["DEBUG"] = "true"
    assert env.debug(production=False)
    assert "DEBUG=true" in refusal(env.debug, production=True)


REFUSED = {
    "a choice": (env.choice, "verbose", ["INFO", "DEBUG"], "expected INFO or DEBUG, got 'verbose'"),
    "a flag": (env.flag, "yes", [], "expected false or true"),
    "a number with letters": (env.number, "a minute", [1], "expected a whole number"),
    "a negative number": (env.number, "-1", [1], "expected a whole number"),
    "a number in other digits": (env.number, "٣", [1], "expected a whole number"),
    "a url without a scheme": (env.base_url, "localhost:8000", [], "expected http(s)://"),
    "a url with a path": (env.base_url, "http://localhost/auth", [], "without a path"),
    "a url with two slashes": (env.base_url, "http://localhost//", [], "without a path"),
    "a url with an underscore": (env.base_url, "http://my_host", [], "expected http(s)://host"),
    "a url with a user": (env.base_url, "http://me@localhost", [], "expected http(s)://host"),
    "an example secret": (env.secret, "change-me-" * 5, [], "example value"),
    "a short secret": (env.secret, "0123456789abcdef", [], "too easy to guess"),
    "a secret of one letter": (env.secret, "a" * 50, [], "too easy to guess"),
    "no secret": (env.secret, "", [], "is not set"),
    "a database": (env.database, "nowhere", [None], "expected the URL of a database"),
    "an unknown database": (env.database, "odd://hidden@x/y", [None], "the URL of a database"),
    "a database port": (
        env.database,
        "postgres://me:hidden@host:port/name",
        [None],
        "expected the URL of a database",
    ),
}


@pytest.mark.parametrize(("function", "value", "arguments", "part"), REFUSED.values(), ids=REFUSED)
def test_a_bad_value_is_refused_with_its_name(function, value, arguments, part):
    os.environ["ONE"] = value
    message = refusal(function, "ONE", *arguments)
    assert (message.startswith("ONE"), part in message, "hidden" in message) == (True, True, False)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    os.environ["ONE_FILE"] = str(tmp_path)
    assert refusal(env.text, "ONE").startswith("ONE_FILE cannot be read")


@pytest.mark.parametrize("value", ["0123456789abcdef", "a" * 50, "change-me-" * 5])
def test_no_message_shows_a_secret(value):
    os.environ["ONE"] = value
    assert value not in refusal(env.secret, "ONE")


def test_a_random_secret_is_accepted():
    os.environ["ONE"] = "0123456789abcdefghijklmnopqrstuv"
    assert env.secret("ONE") == "0123456789abcdefghijklmnopqrstuv"


def test_https_can_be_required():
    os.environ["ONE"] = "http://auth.example.com"
    assert "https://" in refusal(env.base_url, "ONE", https_only=True)


# Databases.


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_folder(tmp_path):
    """Return a folder and the files of a database in it, which other users can read."""
    folder = tmp_path / "var"
    folder.mkdir()
    folder.chmod(0o755)
    for suffix in ("", "-wal", "-shm", "-journal"):
        (folder / f"service.sqlite3{suffix}").touch()
        (folder / f"service.sqlite3{suffix}").chmod(0o644)
    return folder


@posix
@pytest.mark.parametrize("form", ["", "sqlite:///{}"])
def test_a_new_sqlite_database_is_private(tmp_path, form):
    path = tmp_path / "var" / "service.sqlite3"
    os.environ["ONE"] = form.format(path)
    assert str(env.database("ONE", path)["NAME"]) == str(path)
    assert (mode(path.parent), mode(path)) == (0o700, 0o600)


@posix
def test_an_older_database_becomes_private_with_its_files_and_folder(open_folder):
    env.database("ONE", open_folder / "service.sqlite3")
    assert {mode(path) for path in open_folder.iterdir()} == {0o600}
    assert mode(open_folder) == 0o700


@posix
@pytest.mark.parametrize("name", ["DATA_DIR", "ONE"])
def test_the_mode_of_a_folder_that_a_variable_names_is_left_alone(open_folder, name):
    path = open_folder / "service.sqlite3"
    os.environ[name] = str(open_folder) if name == "DATA_DIR" else f"sqlite:///{path}"
    env.database("ONE", path)
    assert (mode(open_folder), mode(path)) == (0o755, 0o600)


@posix
def test_the_files_that_sqlite_makes_later_are_private(tmp_path):
    path = env.database("ONE", tmp_path / "var" / "service.sqlite3")["NAME"]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE one (two)")
        assert {file.name: mode(file) for file in path.parent.iterdir()} == {
            f"service.sqlite3{suffix}": 0o600 for suffix in ("", "-wal", "-shm")
        }


@pytest.mark.parametrize("url", ["", "sqlite://:memory:"])
def test_sqlite_uses_its_write_ahead_log(tmp_path, url):
    os.environ["ONE"] = url
    options = env.database("ONE", tmp_path / "service.sqlite3")["OPTIONS"]
    assert "journal_mode=WAL" in options["init_command"]


@pytest.mark.parametrize(("query", "threshold"), [("", 1), ("?prepare_threshold=none", None)])
def test_postgresql_keeps_statements_and_cursors_unless_the_url_says_otherwise(query, threshold):
    os.environ["ONE"] = f"postgres://user:password@host:5432/name{query}"
    config = env.database("ONE", None)
    assert (config["NAME"], config["CONN_HEALTH_CHECKS"]) == ("name", True)
    assert config["OPTIONS"]["prepare_threshold"] == threshold
    assert config.get("DISABLE_SERVER_SIDE_CURSORS", False) is (threshold is None)


def test_a_postgresql_host_that_has_vanished_does_not_hold_a_thread_for_minutes():
    os.environ["ONE"] = "postgres://user:password@host:5432/name?connect_timeout=7"
    options = env.database("ONE", None)["OPTIONS"]
    assert (options["connect_timeout"], options["tcp_user_timeout"]) == (7, 10_000)


def test_a_cache_is_optional():
    assert env.redis_cache("ONE", key_prefix="orders") is None


def test_a_cache_has_its_own_keys_and_serializer():
    os.environ["ONE"] = "rediss://valkey:6379/1"
    config = env.redis_cache("ONE", key_prefix="orders")
    assert (config["LOCATION"], config["KEY_PREFIX"]) == ("rediss://valkey:6379/1", "orders")
    assert config["OPTIONS"]["serializer"].endswith("JSONSerializer")


def test_the_password_of_a_cache_is_read_for_each_connection(tmp_path):
    (tmp_path / "url").write_text("redis://orders:first@valkey:6379/0")
    os.environ["ONE_FILE"] = str(tmp_path / "url")
    config = env.redis_cache("ONE", key_prefix="orders")
    (tmp_path / "url").write_text("redis://orders:a%2Fb@valkey:6379/0\nredis://orders:old@valkey/0")
    assert config["LOCATION"] == "redis://valkey:6379/0"
    assert config["OPTIONS"]["credential_provider"].get_credentials() == ("orders", "a/b")


def test_the_password_of_a_database_is_read_for_each_connection(tmp_path):
    (tmp_path / "url").write_text("postgres://orders:first@host:5432/orders")
    os.environ["ONE_FILE"] = str(tmp_path / "url")
    config = env.database("ONE", tmp_path / "unused")
    (tmp_path / "url").write_text(
        "postgres://orders_b:next@host:5432/orders\npostgres://orders:first@host:5432/orders"
    )
    parameters = ConnectionHandler({"default": config})["default"].get_connection_params()
    assert {name: parameters[name] for name in ("user", "password", "dbname")} == {
        "user": "orders_b",
        "password": "next",
        "dbname": "orders",
    }


def test_a_file_without_a_url_leaves_the_password_of_before(tmp_path):
    (tmp_path / "url").write_text("postgres://orders:first@host:5432/orders")
    os.environ["ONE_FILE"] = str(tmp_path / "url")
    config = env.database("ONE", tmp_path / "unused")
    (tmp_path / "url").write_text("")
    parameters = ConnectionHandler({"default": config})["default"].get_connection_params()
    assert parameters["password"] == "first"


def test_a_cache_of_another_kind_is_refused():
    os.environ["ONE"] = "memcached://me:hidden@host"
    message = refusal(env.redis_cache, "ONE", key_prefix="orders")
    assert ("begins with redis://" in message, "hidden" in message) == (True, False)


# ---- Mail ----


@pytest.mark.parametrize(
    ("url", "port", "tls", "ssl"),
    [
        ("smtp+tls://user%40a:p%2Fw@mail.example.com", 587, True, False),
        ("smtp+ssl://user%40a:p%2Fw@mail.example.com", 465, False, True),
        ("smtp://user%40a:p%2Fw@mail.example.com:2525", 2525, False, False),
    ],
)
def test_a_mail_server_is_named_by_its_url(monkeypatch, url, port, tls, ssl):
    monkeypatch.setenv("EMAIL_URL", url)
    monkeypatch.setattr(env.django, "VERSION", (5, 2))
    settings = env.mail("EMAIL_URL", "default")
    names = ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL")
    values = tuple(settings[f"EMAIL_{name}"] for name in names)
    assert values == ("mail.example.com", port, "user@a", "p/w", tls, ssl)
    monkeypatch.setattr(env.django, "VERSION", (6, 1))
    options = env.mail("EMAIL_URL", "default")["MAILERS"]["default"]["OPTIONS"]
    assert (options["host"], options["port"], options["use_tls"]) == ("mail.example.com", port, tls)


def test_without_a_url_mail_goes_to_the_default(monkeypatch):
    monkeypatch.setattr(env.django, "VERSION", (5, 2))
    assert env.mail("EMAIL_URL", "default") == {"EMAIL_BACKEND": "default"}


@pytest.mark.parametrize("url", ["mail.example.com", "http://user:hidden@a", "consolemail://"])
def test_a_malformed_mail_server_is_refused_without_its_password(monkeypatch, url):
    monkeypatch.setenv("EMAIL_URL", url)
    message = refusal(env.mail, "EMAIL_URL", "default")
    assert message.startswith("EMAIL_URL: expected")
    assert "hidden" not in message
