"""Valid answers generate a project that parses; invalid answers are refused with their prompts."""

import json
import shlex
import sys

import pytest
from cookiecutter.exceptions import FailedHookException
from jinja2 import TemplateSyntaxError

HOSTILE_NAMES = {
    "apostrophe": "O'Connor",
    "quotes": '"Q"',
    "backslash": "back\\slash",
    "backslash at the end": "slash\\",
    "emoji": "Rocket \N{ROCKET}",
    "percent": "100% %s %(name)s",
    "colon and hash": "Shop: #1",
    "dollar": "Cash $HOME ${X}",
    "markup": "<b>R&D</b>",
    "accents": "Ünï Cödé Shop!",
    "no letter at all": "2024",
    "single braces": "{a} }} %}",
}
TWENTY = [f"server-{number}" for number in range(1, 21)]
BAD_ANSWERS = {
    "an empty project name": {"project_name": ""},
    "a project name of 81 characters": {"project_name": "x" * 81},
    "a project name with a blank in front": {"project_name": " Shop"},
    "a project name with a newline": {"project_name": "My\nPlatform"},
    "a project name with a tab": {"project_name": "My\tPlatform"},
    "a project name with a line separator": {"project_name": "My\u2028Platform"},
    "a slug with a capital": {"project_slug": "My_platform"},
    "a slug with a dash": {"project_slug": "my-platform"},
    "a slug with a digit in front": {"project_slug": "3d_shop"},
    "a slug with an underscore at the end": {"project_slug": "shop_"},
    "a slug of 41 characters": {"project_slug": "x" * 41},
    "a slug with a newline": {"project_slug": "shop\n"},
    "a slug that is a path": {"project_slug": "shop/../other"},
    "a slug that is a keyword": {"project_slug": "class"},
    "a slug that is a standard module": {"project_slug": "json"},
    "a slug that is a library of the project": {"project_slug": "django"},
    "no resource server": {"resource_servers": ""},
    "a comma at the end": {"resource_servers": "orders,"},
    "two commas in a row": {"resource_servers": "orders,,inventory"},
    "the same resource server twice": {"resource_servers": "orders, orders"},
    "21 resource servers": {"resource_servers": ",".join([*TWENTY, "one-more"])},
    "a resource server with an underscore": {"resource_servers": "order_history"},
    "a resource server with a capital": {"resource_servers": "Orders"},
    "a resource server with a dash at the end": {"resource_servers": "orders-"},
    "a resource server with two dashes": {"resource_servers": "order--history"},
    "a resource server of 33 characters": {"resource_servers": "x" * 33},
    "a reserved resource server": {"resource_servers": "orders, openid"},
    "a resource server that is a keyword": {"resource_servers": "import"},
    "a resource server that Windows cannot store": {"resource_servers": "orders, aux"},
    "a slug that Windows cannot store": {"project_slug": "lpt1"},
    "a domain with a scheme": {"domain": "https://example.com"},
    "a domain with a port": {"domain": "example.com:8000"},
    "a domain with a path": {"domain": "example.com/shop"},
    "a domain of one label": {"domain": "example"},
    "localhost as the domain": {"domain": "localhost"},
    "a domain in capitals": {"domain": "Example.com"},
    "a domain that is an address": {"domain": "192.0.2.1"},
    "a domain of 254 characters": {"domain": "abcde." * 42 + "ab"},
    "an e-mail address without @": {"contact_email": "admin.example.com"},
    "an e-mail address with two @": {"contact_email": "a@b@example.com"},
    "an e-mail address with a blank": {"contact_email": "the admin@example.com"},
    "an e-mail address with a quote": {"contact_email": "o'connor@example.com"},
    "an e-mail address with a name": {"contact_email": "Admin <admin@example.com>"},
    "an e-mail address with a newline": {"contact_email": "admin@example.com\nBcc: x@y.org"},
}


@pytest.fixture
def refused(bake, tmp_path, capfd):
    """Return a function that generates with bad `answers` and returns the message of the hook."""

    def refused(answers):
        with pytest.raises(FailedHookException, match="exit status: 1"):
            bake(answers, output_dir=tmp_path)
        return capfd.readouterr().err

    return refused


def prompts_named_in(message):
    """Return the prompts that have a line in the hook's `message`."""
    return {line.split(":")[0].strip() for line in message.splitlines() if "Valid: " in line}


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_a_project_name_with_special_characters_breaks_no_file(bake, files_that_do_not_parse, name):
    assert files_that_do_not_parse(bake({"project_name": name})) == []


@pytest.mark.parametrize("name", HOSTILE_NAMES.values(), ids=HOSTILE_NAMES)
def test_a_project_name_with_special_characters_has_a_valid_default_slug(hook, bake, name):
    project = bake({"project_name": name}, accept_hooks=False)
    assert list(hook.problems_with("project_slug", project.name)) == []


@pytest.mark.parametrize("names", [["orders"], TWENTY, ["order-history", "a"]], ids=len)
def test_each_resource_server_gets_a_folder(bake, names):
    manifests = bake({"resource_servers": ", ".join(names)}).glob("resource_servers/*/*.toml")
    assert sorted(path.parent.name for path in manifests) == sorted(names)


def test_blanks_around_the_names_of_resource_servers_are_ignored(bake):
    assert (bake({"resource_servers": " a ,b "}) / "resource_servers" / "b").is_dir()


@pytest.mark.parametrize("answers", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_answer_is_refused_and_its_prompt_named(refused, answers):
    assert set(answers) <= prompts_named_in(refused(answers))


def test_all_bad_answers_are_listed_in_one_message(refused):
    bad = {
        "project_name": "My\nPlatform",
        "project_slug": "django",
        "resource_servers": "Orders",
        "domain": "localhost",
        "contact_email": "admin",
    }
    assert prompts_named_in(refused(bad)) == set(bad)


def test_all_bad_resource_servers_are_listed_in_one_message(refused):
    message = refused({"resource_servers": "Orders, django, a, a, ok"})
    assert [name for name in ("'Orders'", "'django'", "'a'", "'ok'") if name in message] == [
        "'Orders'",
        "'django'",
        "'a'",
    ]


def test_a_refusal_leaves_no_folder_behind(refused, tmp_path):
    refused({"domain": "localhost"})
    assert list(tmp_path.iterdir()) == []


def test_the_command_that_a_refusal_prints_works_with_a_corrected_answer(
    template, run_cookiecutter, tmp_path
):
    if sys.platform == "win32":
        pytest.skip("the command is quoted for cmd.exe, which shlex does not read")
    refusal = run_cookiecutter(template, "--no-input", "project_name=O'Connor", "domain=localhost")
    [line] = [line for line in refusal.stderr.splitlines() if line.startswith("  cookiecutter ")]
    run_cookiecutter(*shlex.split(line)[1:], "domain=example.org", "--no-input")
    assert "O'Connor" in (tmp_path / "o_connor" / "README.md").read_text(encoding="utf-8")


def test_a_bad_answer_on_the_command_line_exits_with_1(template, run_cookiecutter):
    assert run_cookiecutter(template, "--no-input", "domain=localhost").returncode == 1


def test_the_hook_prints_no_traceback(template, run_cookiecutter):
    # Cookiecutter itself prints a traceback on stdout when a hook fails.
    refusal = run_cookiecutter(template, "--no-input", "domain=localhost")
    assert "Traceback" not in refusal.stderr


def test_template_code_typed_at_the_prompt_is_refused(template, run_cookiecutter):
    refusal = run_cookiecutter(template, typed="Shop {{ 7 * 7 }}\n" + "\n" * 5)
    assert prompts_named_in(refusal.stderr) == {"project_name"}


def test_braces_on_the_command_line_that_are_no_template_code_stop_cookiecutter(bake, tmp_path):
    # Cookiecutter renders these answers before it runs a hook, so the error is its own.
    with pytest.raises(TemplateSyntaxError):
        bake({"project_name": "Shop {{"}, output_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_template_code_that_renders_to_template_code_is_refused(refused):
    message = refused({"project_name": "{{ '{' ~ '{ 7 * 7 }}' }}"})
    assert prompts_named_in(message) == {"project_name"}


def test_cookiecutter_refuses_a_django_version_that_is_no_choice(bake, tmp_path):
    with pytest.raises(ValueError, match="django_version"):
        bake({"django_version": "4.2"}, output_dir=tmp_path)


def test_a_django_version_from_an_older_replay_file_is_refused(
    template, run_cookiecutter, tmp_path
):
    answers = {
        "project_name": "Shop",
        "project_slug": "shop",
        "resource_servers": "orders",
        "domain": "example.com",
        "django_version": "4.2",
        "contact_email": "admin@example.com",
    }
    replay = tmp_path / "replay.json"
    replay.write_text(json.dumps({"cookiecutter": answers}), encoding="utf-8")
    refusal = run_cookiecutter(template, "--replay-file", replay)
    assert prompts_named_in(refusal.stderr) == {"django_version"}
