"""The commands of both READMEs work in their order."""

import os
import re
import subprocess

import pytest
from stack import ROOT, running, use_free_ports

pytestmark = pytest.mark.slow
# The answers to the prompts of a command.
ANSWERS = {
    "DJANGO_SUPERUSER_EMAIL": "admin@example.com",
    "DJANGO_SUPERUSER_PASSWORD": "a long passphrase for a test",
}


def commands_of(readme):
    """Return the shell blocks of a README in their order."""
    text = readme.read_text(encoding="utf-8")
    blocks = re.findall(r"^( *)```sh\n(.*?)^\1```$", text, flags=re.M | re.S)
    return [re.sub(rf"^{indent}", "", block, flags=re.M).strip() for indent, block in blocks]


def run(commands, folder):
    """Run `commands` in one shell; fail with their output if one fails."""
    process = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
        cwd=folder,
        env=os.environ | ANSWERS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert process.returncode == 0, process.stdout


def test_the_commands_of_a_generated_project_work(bake):
    project = bake()
    use_free_ports(project)
    first, *others = commands_of(project / "README.md")
    assert first == "make run"
    # Two commands change watched files, and the next one would meet a service that restarts.
    with running(project, env=os.environ | {"WEB_RELOAD": "false"}):
        # `make test` has its own test, and takes as long as all other commands.
        commands = "\n".join(others).replace("make test\n", "")
        commands = commands.replace("createsuperuser", "createsuperuser --no-input")
        run([commands], project)


def test_the_commands_of_the_template_work(tmp_path, template, cookiecutter_config):
    generate, smoke, *others = commands_of(ROOT / "README.md")
    generate = generate.replace("gh:org/gatehouse", f"--no-input {template}")
    generate, start = generate.rsplit("\n", 1)
    environment = f"export COOKIECUTTER_CONFIG={cookiecutter_config}"
    assert (start, others) == ("make run", ["make demo", "make test"])
    run([environment, generate], tmp_path)
    project = tmp_path / "my_platform"
    use_free_ports(project)
    with running(project):
        run([smoke], project)
