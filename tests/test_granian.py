"""Granian, an option instead of gunicorn, serves the same application."""

import os
import subprocess
import urllib.request
from contextlib import suppress
from time import monotonic, sleep

import pytest
from stack import free_port, make, read_env

pytestmark = pytest.mark.slow
START_SECONDS = 300


@pytest.fixture(scope="module")
def url(bake):
    """Start the authorization server of a project as docs/operations.md says; return its URL."""
    project = bake()
    make(project, "install", check=True)
    environment = os.environ | read_env(project) | {"ENV_FILE": "", "DATA_DIR": f"{project}/var"}
    python = project / ".venv" / "bin" / "python"
    folder = project / "authorization_server"
    for step in ("ensure_signing_key",), ("migrate", "--no-input"), ("ensure_clients",):
        subprocess.run([python, "manage.py", *step], cwd=folder, env=environment, check=True)
    subprocess.run(["uv", "sync", "--quiet", "--group", "granian"], cwd=project, check=True)
    port = free_port()
    command = [python.with_name("granian"), "--interface", "asginl", "--port", str(port)]
    process = subprocess.Popen([*command, "config.asgi:application"], cwd=folder, env=environment)
    try:
        yield wait(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        process.wait(timeout=60)


def wait(url, process):
    """Return the URL when its server is ready."""
    deadline = monotonic() + START_SECONDS
    while process.poll() is None and monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(f"{url}/health/ready", timeout=10):
            return url
        sleep(0.2)
    raise AssertionError("Granian is not ready.")


def test_a_cookie_of_another_site_does_not_hide_the_others(url):
    """Granian hands an empty string to WSGI for a header with a byte above 0x7f."""
    request = urllib.request.Request(f"{url}/accounts/login/")
    with urllib.request.urlopen(request, timeout=30) as page:
        cookie = page.headers["Set-Cookie"].partition(";")[0]
        token = page.read().decode().partition('csrfmiddlewaretoken" value="')[2].partition('"')[0]
    form = f"csrfmiddlewaretoken={token}&login=a%40example.com&password=wrong".encode()
    request = urllib.request.Request(f"{url}/accounts/login/", form)
    request.add_header("Cookie", f"city=Zürich; {cookie}")
    with urllib.request.urlopen(request, timeout=30) as page:
        assert (page.status, "alert" in page.read().decode()) == (200, True)
