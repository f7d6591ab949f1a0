"""`scripts/init_env.py` creates and completes `.env`; it never changes or prints its values."""

import os
import re
import stat

import pytest

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")


@pytest.fixture
def init_env(bare_project, run_script):
    """Return a function that runs the script in a project without `.env`."""

    def init_env(**options):
        return run_script(bare_project, "init_env", **options)

    return init_env


@pytest.fixture
def env(bare_project):
    """Return the path of the project's `.env`."""
    return bare_project / ".env"


@pytest.fixture
def example(bare_project):
    """Return the variables of `.env.example`."""
    return variables_of(bare_project / ".env.example")


def variables_of(path):
    """Return the variables of an env file by name."""
    return dict(re.findall(r"^(\w+)=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE))


def secrets_of(path, example):
    """Return the values of an env file that are placeholders in the example."""
    names = [name for name, value in example.items() if value == "change-me"]
    return [variables_of(path)[name] for name in names]


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_every_variable_of_the_example_is_in_env(init_env, env, example):
    init_env()
    assert list(variables_of(env)) == list(example)


def test_the_example_has_the_variables_that_the_scripts_read(example):
    names = (
        *("AUTHORIZATION_SERVER_URL", "DEMO_USERNAME", "DEMO_PASSWORD", "DEMO_MACHINE_CLIENT_ID"),
        *("DEMO_MACHINE_CLIENT_SECRET", "DEMO_BROWSER_CLIENT_ID", "DEMO_DEVICE_CLIENT_ID"),
        "PLAYGROUND_CLIENT_ID",
    )
    assert [name for name in names if name not in example] == []


def test_each_secret_is_a_date_and_64_url_safe_characters(init_env, env, example):
    init_env()
    secrets = secrets_of(env, example)
    assert [
        secret for secret in secrets if not re.fullmatch(r"[0-9]{8}-[A-Za-z0-9_-]{64}", secret)
    ] == []


def test_no_two_secrets_are_the_same(init_env, env, example):
    init_env()
    secrets = secrets_of(env, example)
    assert len(set(secrets)) == len(secrets) > 1


def test_other_values_are_copied_from_the_example(init_env, env, example):
    init_env()
    created = variables_of(env)
    assert {name: created[name] for name, value in example.items() if value != "change-me"} == {
        name: value for name, value in example.items() if value != "change-me"
    }


def test_the_comments_of_the_example_are_copied(init_env, env, bare_project, example):
    init_env()
    text = env.read_text(encoding="utf-8")
    for secret in secrets_of(env, example):
        text = text.replace(f"={secret}", "=change-me")
    assert text == (bare_project / ".env.example").read_text(encoding="utf-8")


def test_each_variable_of_the_example_has_a_comment_above_it(bare_project):
    lines = (bare_project / ".env.example").read_text(encoding="utf-8").splitlines()
    without_comment = [
        line
        for above, line in zip(["", *lines], lines, strict=False)
        if "=" in line and not line.startswith("#") and not above.startswith("#")
    ]
    assert without_comment == []


@posix
def test_only_the_owner_can_read_env_with_any_umask(init_env, env):
    before = os.umask(0)
    try:
        init_env()
    finally:
        os.umask(before)
    assert mode_of(env) == 0o600


@posix
def test_completing_env_closes_it_to_others(init_env, env):
    env.write_text("DEMO_USERNAME=maria@example.com\n", encoding="utf-8")
    env.chmod(0o644)
    init_env()
    assert mode_of(env) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "DEMO_USERNAME=maria@example.com\n",
        "# mine\n\nDEMO_USERNAME='maria@example.com'\nEXTRA=1\n",
        "export DEMO_USERNAME=maria@example.com",
        "DEMO_USERNAME=\r\nDEBUG=true\r\n",
        "",
    ],
    ids=["plain", "quoted", "exported, without a last line break", "CRLF", "empty"],
)
def test_existing_content_is_kept_byte_for_byte(init_env, env, text):
    env.write_bytes(text.encode())
    init_env()
    assert env.read_bytes().startswith(text.encode())


def test_only_missing_names_are_added(init_env, env, example):
    env.write_text("DEMO_USERNAME=maria@example.com\n", encoding="utf-8")
    init_env()
    lines = env.read_text(encoding="utf-8").splitlines()
    names = [line.partition("=")[0] for line in lines if re.match(r"\w+=", line)]
    assert sorted(names) == sorted(example)


def test_added_names_have_their_comments(init_env, env):
    env.write_text("DEMO_USERNAME=maria@example.com\n", encoding="utf-8")
    init_env()
    assert "\n# The password of the demo person" in env.read_text(encoding="utf-8")


def test_a_name_that_is_given_as_a_file_is_not_missing(init_env, env):
    env.write_text("DEMO_PASSWORD_FILE=/run/secrets/demo\n", encoding="utf-8")
    init_env()
    assert "DEMO_PASSWORD" not in variables_of(env)


def test_a_second_run_changes_nothing(init_env, env):
    init_env()
    before = env.read_bytes()
    init_env()
    assert env.read_bytes() == before


def test_no_temporary_file_is_left(init_env, env, bare_project):
    env.write_text("DEBUG=true\n", encoding="utf-8")
    before = {path.name for path in bare_project.iterdir()}
    init_env()
    assert {path.name for path in bare_project.iterdir()} == before | {".secrets"}


@posix
def test_a_symbolic_link_stays_a_symbolic_link(init_env, env, tmp_path):
    (tmp_path / "elsewhere").write_text("DEBUG=true\n", encoding="utf-8")
    env.symlink_to(tmp_path / "elsewhere")
    init_env()
    assert env.is_symlink()
    assert "DEMO_PASSWORD" in variables_of(tmp_path / "elsewhere")


@pytest.mark.parametrize("before", [None, "DEBUG=true\n"], ids=["creating", "completing"])
def test_no_secret_is_printed(init_env, env, example, before):
    if before:
        env.write_text(before, encoding="utf-8")
    run = init_env()
    secrets = secrets_of(env, example)
    assert [secret for secret in secrets if secret in run.stdout + run.stderr] == []


def test_the_names_that_were_added_are_printed(init_env, env, example):
    env.write_text("\n".join(f"{name}=x" for name in example if name != "DEBUG"), encoding="utf-8")
    assert init_env().stdout.splitlines()[0] == ".env: added DEBUG"


def test_a_file_that_other_users_can_read_is_reported(init_env, env):
    init_env()
    env.chmod(0o644)
    assert "chmod 600 .env" in init_env().stderr


def test_an_example_value_in_env_is_refused_by_name(init_env, env):
    env.write_text("DEMO_PASSWORD=change-me\n", encoding="utf-8")
    run = init_env()
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert "for DEMO_PASSWORD: delete" in run.stderr


@pytest.mark.parametrize(
    "line", ["this is no assignment", "DEMO-USERNAME=value", "=value", "DEBUG = true", "'"]
)
def test_a_malformed_line_is_refused_by_its_number_without_its_value(init_env, env, line):
    text = f"# mine\n\nDEBUG=true\n{line}\n"
    env.write_text(text, encoding="utf-8")
    run = init_env()
    assert (run.returncode, run.stderr) == (1, ".env, line 4: expected NAME=value or a comment.\n")
    assert env.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("line", ["DEMO_PASSWORD=other", "export DEMO_PASSWORD="])
def test_a_variable_that_is_set_twice_is_refused_without_its_values(init_env, env, line):
    env.write_text(f"DEMO_PASSWORD=first\n\n  {line}\n", encoding="utf-8")
    run = init_env()
    assert (run.returncode, run.stderr) == (
        1,
        ".env, line 3: line 1 sets DEMO_PASSWORD already; delete one of the two lines.\n",
    )


def test_every_line_that_is_refused_is_reported(init_env, env):
    env.write_text("nonsense\nDEBUG=true\nDEBUG=true\n'\n", encoding="utf-8")
    assert init_env().stderr.count("\n") == 3


def test_the_variable_env_file_names_another_file(init_env, env, tmp_path, example):
    init_env(ENV_FILE=str(tmp_path / "other"))
    assert (list(variables_of(tmp_path / "other")), env.exists()) == (list(example), False)


def test_an_empty_env_file_creates_no_file(init_env, env):
    run = init_env(ENV_FILE="")
    assert (run.returncode, env.exists()) == (0, False)


def test_a_file_that_is_not_utf_8_is_refused_in_one_sentence(init_env, env):
    env.write_bytes("DEBUG=true\n".encode("utf-16"))
    run = init_env()
    assert (run.returncode, run.stderr) == (1, ".env cannot be read: it is not UTF-8.\n")


def test_a_missing_folder_is_reported_in_one_sentence(init_env, tmp_path):
    run = init_env(ENV_FILE=str(tmp_path / "missing" / ".env"))
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)


def test_a_python_before_3_11_is_refused_in_one_sentence(init_env, env, old_python):
    run = init_env(**old_python)
    assert (run.returncode, run.stderr.count("\n"), env.exists()) == (1, 1, False)
    assert "Python 3.11" in run.stderr
