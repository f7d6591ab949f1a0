"""The hooks need the standard library only, and fail with the message of the failed script."""

import ast
import json
import re
import shutil
import sys
from types import SimpleNamespace

import pytest
from cookiecutter.exceptions import FailedHookException

HOOKS = ["pre_gen_project.py", "post_gen_project.py"]
SCRIPTS = "{{cookiecutter.project_slug}}/scripts"


@pytest.fixture(scope="module")
def settings(template):
    """Return the contents of ``cookiecutter.json``."""
    return json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))


@pytest.fixture
def template_with_scripts(template, tmp_path):
    """Return a function that creates a template whose project has only the given `scripts`."""

    def template_with_scripts(**scripts):
        source = tmp_path / "gatehouse"
        shutil.copytree(template / "hooks", source / "hooks")
        shutil.copy(template / "cookiecutter.json", source)
        (source / SCRIPTS).mkdir(parents=True)
        for name, code in scripts.items():
            (source / SCRIPTS / f"{name}.py").write_text(code, encoding="utf-8")
        return source

    return template_with_scripts


def imported_packages(tree):
    """Return the top-level packages that the module `tree` imports."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    sources = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    sources += [alias.name for node in imports for alias in node.names]
    return {source.partition(".")[0] for source in sources}


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_parses_on_unsupported_versions_of_python(template, name):
    source = (template / "hooks" / name).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 8))


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_imports_the_standard_library_only(template, name):
    tree = ast.parse((template / "hooks" / name).read_text(encoding="utf-8"))
    assert imported_packages(tree) <= sys.stdlib_module_names


def test_each_prompt_has_one_rule(settings, hook):
    assert list(hook.RULES) == [name for name in settings if not name.startswith("_")]


def test_each_prompt_has_a_sentence(settings, hook):
    assert list(settings["__prompts__"]) == list(hook.RULES)


@pytest.mark.parametrize("version", ["5.2", "6.1"])
def test_each_choice_of_the_django_version_matches_the_rule(settings, hook, version):
    assert (
        version in settings["django_version"],
        re.fullmatch(hook.RULES["django_version"][0], version) is None,
    ) == (True, False)


def test_the_examples_of_valid_answers_are_valid(hook):
    examples = {prompt: example for prompt, (_, _, example) in hook.RULES.items()}
    assert {
        prompt for prompt, value in examples.items() if [*hook.problems_with(prompt, value)]
    } == set()


@pytest.mark.parametrize(
    ("version", "accepted"), [((3, 11), False), ((3, 12), True), ((3, 13), True)]
)
def test_django_6_1_needs_python_3_12(hook, monkeypatch, version, accepted):
    monkeypatch.setattr(hook, "sys", SimpleNamespace(version_info=version))
    assert (list(hook.problems_with("django_version", "6.1")) == []) is accepted


def test_django_5_2_runs_on_python_3_11(hook, monkeypatch):
    monkeypatch.setattr(hook, "sys", SimpleNamespace(version_info=(3, 11)))
    assert list(hook.problems_with("django_version", "5.2")) == []


def test_a_python_before_3_11_is_refused_in_one_sentence(hook, monkeypatch, capsys):
    monkeypatch.setattr(hook, "sys", SimpleNamespace(version_info=(3, 10), stderr=sys.stderr))
    assert hook.main() == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_resource_servers_are_added_in_the_order_of_the_answer(
    template_with_scripts, bake, tmp_path, capfd
):
    source = template_with_scripts(
        add_resource_server="import sys; print(*sys.argv[1:])", init_env=""
    )
    bake({"resource_servers": "b, a,c"}, source=source, output_dir=tmp_path)
    assert capfd.readouterr().out.startswith("b a c\n")


def test_secrets_are_created_after_the_resource_servers(
    template_with_scripts, bake, tmp_path, capfd
):
    source = template_with_scripts(
        add_resource_server="print('servers')", init_env="print('secrets')"
    )
    bake(source=source, output_dir=tmp_path)
    assert capfd.readouterr().out.startswith("servers\nsecrets\n")


@pytest.mark.parametrize("failing", ["add_resource_server", "init_env"])
def test_a_failing_script_is_reported_by_its_own_message_only(
    template_with_scripts, bake, tmp_path, capfd, failing
):
    scripts = {"add_resource_server": "", "init_env": ""}
    scripts[failing] = "import sys; sys.exit('the disk is full')"
    with pytest.raises(FailedHookException, match="exit status: 1"):
        bake(source=template_with_scripts(**scripts), output_dir=tmp_path / "output")
    assert capfd.readouterr().err.strip() == "the disk is full"


@pytest.mark.parametrize(
    "command", ["cd my_platform", "make run", "make smoke", "docker compose up", "make"]
)
def test_the_next_commands_are_printed(template_with_scripts, bake, tmp_path, capfd, command):
    bake(source=template_with_scripts(add_resource_server="", init_env=""), output_dir=tmp_path)
    lines = capfd.readouterr().out.splitlines()
    assert any(line.strip().split("   ")[0] == command for line in lines)
