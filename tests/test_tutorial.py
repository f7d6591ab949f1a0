"""The tutorial of a project works: its commands, its files, and the page in Chromium."""

import os
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest
from playwright.sync_api import expect
from stack import free_port, make, read_env, running, use_free_ports
from test_readme import run

pytestmark = pytest.mark.slow
TIMEOUT = 60_000  # milliseconds
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.M | re.S)


def steps_of(page):
    """Yield the language, the file and the text of each block, and the text before it."""
    before = 0
    for match in BLOCK.finditer(page):
        yield (*match.groups(), page[before : match.start()])
        before = match.end()


def write(path, content, is_appended):
    """Do what the tutorial says about a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = path.read_text(encoding="utf-8") if is_appended else ""
    path.write_text(text + content, encoding="utf-8")


@contextmanager
def served(project, port):
    """Serve the page as the tutorial does."""
    server = [sys.executable, "-u", "-m", "http.server", str(port), "--bind", "localhost"]
    command = [*server, "--directory", project / "web_shop"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        try:
            process.stdout.readline()  # "Serving HTTP on ..."
            yield
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def followed(bake):
    """Follow the tutorial up to `make run`; return the project, its later commands and the port."""
    project = bake({"resource_servers": "orders"})
    port = free_port()
    tutorial = (project / "docs" / "tutorial.md").read_text(encoding="utf-8")
    make(project, "install", check=True)
    commands = []
    for language, file, text, before in steps_of(tutorial):
        text = text.replace("5173", str(port))
        if file:
            write(project / file, text, "at the end of" in before)
        elif not commands and text != "make run\n":
            run([text.replace("type=spa", f"type=spa url=http://localhost:{port}")], project)
        else:
            assert language == "sh"
            commands.append(text)
    use_free_ports(project)
    env = read_env(project)
    script = project / "web_shop" / "callback" / "shop.js"
    text = script.read_text(encoding="utf-8")
    text = text.replace("http://localhost:8000", env["AUTHORIZATION_SERVER_URL"])
    script.write_text(text.replace("http://localhost:8002", env["BILLING_URL"]), encoding="utf-8")
    return project, commands, port


@pytest.fixture(scope="module")
def started(followed):
    """Run the project; yield its folder."""
    project = followed[0]
    with running(project, env=os.environ | {"WEB_RELOAD": "false"}):
        yield project


def test_a_program_is_answered_and_refused(started, followed):
    _, (start, serve, requests), _ = followed
    assert (start, serve.split()[:3]) == ("make run\n", ["python3", "-m", "http.server"])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", requests],
        cwd=started,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert re.findall(r"HTTP/1.1 (\d+)", done.stdout) == ["200", "403"], done.stdout
    assert '{"refunded_for":"demo-machine"}' in done.stdout
    assert 'scope="billing:refund"' in done.stdout


def test_a_person_is_answered_on_the_page(started, followed, chromium):
    env, port = read_env(started), followed[2]
    with served(started, port), chromium.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(TIMEOUT)
        page.goto(f"http://localhost:{port}/callback/")
        page.get_by_role("button").click()
        page.get_by_label("E-mail").fill(env["DEMO_USERNAME"])
        page.locator("input[type=password]").fill(env["DEMO_PASSWORD"])
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("Refund your payments")).to_be_visible(timeout=TIMEOUT)
        page.get_by_role("button", name="Allow").click()
        expect(page.locator("pre")).to_contain_text('200 {"refunded_for":', timeout=TIMEOUT)


def test_lint_and_tests_pass_afterwards(started):
    assert [
        make(started, *arguments).returncode for arguments in (["lint"], ["test", "only=billing"])
    ] == [0, 0]
