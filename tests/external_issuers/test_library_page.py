"""Follow docs/library.md literally in a new project, with tokens of real servers.

Each code block of the page names its file. Only the example values are replaced.
"""

import os
import re
import subprocess
from contextlib import contextmanager

import pytest
import requests
from servers import INVENTORY, ORDERS
from servers import running as running_process
from stack import ROOT, free_port, read_env, running, use_free_ports

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
LIBRARY = "{{cookiecutter.project_slug}}/packages/oauth_resource_server"
AS, API = "https://as.example.com", "https://api.example.com"
SECRET = "a-secret-of-a-resource-server-in-a-test"
INSTALL, *COMMANDS = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
STOCK_DOT = """
INSTALLED_APPS += ["oauth2_provider"]
OAUTH2_PROVIDER = {"SCOPES": {"orders:read": "See your orders"}}
"""
ISSUE_A_TOKEN = """
import os
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils.timezone import now
from oauth2_provider.models import AccessToken, Application

kind = {"client_type": "confidential", "authorization_grant_type": "client-credentials"}
Application.objects.create(client_id="orders", client_secret=os.environ["SECRET"], **kind)
web = Application.objects.create(client_id="web", **kind)
alice = User.objects.create(username="alice", pk=4711)
AccessToken.objects.create(
    token="token-of-alice", user=alice, application=web, scope="orders:read",
    expires=now() + timedelta(hours=1), resource=["https://api.example.com"],
)
"""


def blocks(name):
    """Return the code blocks of the page for the file `name`."""
    return re.findall(rf"^```python\n# {re.escape(name)}\n(.*?)^```$", PAGE, re.M | re.S)


class Project:
    """A project of ``django-admin startproject`` with the library installed."""

    def __init__(self, folder, python, **variables):
        self.folder = folder
        self.environment = os.environ | variables
        self.environment["PATH"] = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
        folder.mkdir()
        self.run("django-admin startproject shop .")

    def run(self, commands):
        """Run shell commands; fail with their output if one of them fails."""
        run = subprocess.run(
            ["bash", "-euc", commands],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
        assert run.returncode == 0, run.stdout
        return run.stdout

    def append(self, file, name, values=()):
        """Append the blocks for `name` to `file`, with the example values replaced by `values`."""
        code = "\n".join(blocks(name))
        assert code, name
        for old, new in dict(values).items():
            assert old in code
            code = code.replace(old, new)
        with open(self.folder / "shop" / file, "a", encoding="utf-8") as target:
            target.write(f"\n{code}")

    @contextmanager
    def running(self):
        """Run the server of the project; yield its URL."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = ["python", "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
        log = self.folder / "server.log"
        options = {"cwd": self.folder, "env": self.environment}
        with running_process(command, f"{url}/admin/login/", log=log, **options):
            yield url


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """Return the Python of a new environment in which the page's `pip install` has run."""
    folder = tmp_path_factory.mktemp("venv")
    uv = ["uv", "build", "--quiet", "--wheel", "--out-dir", folder, ROOT / LIBRARY]
    subprocess.run(uv, check=True)
    subprocess.run(["uv", "venv", "--quiet", "--seed", folder / "venv"], check=True)
    # The constraint selects the local wheel, even if a version is published.
    wheel = next(folder.glob("*.whl"))
    constraint = folder / "constraints.txt"
    constraint.write_text(f"django-oauth-resource-server @ {wheel.as_uri()}\n", encoding="utf-8")
    python = folder / "venv" / "bin" / "python"
    environment = os.environ | {
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_CONSTRAINT": str(constraint),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    subprocess.run(["bash", "-euc", INSTALL], env=environment, check=True)
    return python


@pytest.fixture
def follow_the_page(python, tmp_path):
    """Return a function that creates a project, follows the page, and runs the server."""

    @contextmanager
    def follow_the_page(server, values, **variables):
        project = Project(tmp_path / "api", python, **variables)
        project.append("settings.py", "settings.py")
        project.append("settings.py", f"settings.py for {server}", values)
        project.append("views.py", "views.py")
        project.append("urls.py", "urls.py")
        for commands in COMMANDS:
            project.run(commands)
        with project.running() as url:
            yield url

    return follow_the_page


def answer(url, token=None, path="/orders/"):
    """Return the response of a view of the page."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.get(f"{url}{path}", headers=headers, timeout=30)


def test_a_token_of_oidc_provider(follow_the_page, provider):
    values = {f"{AS}/jwks": f"{provider.url}/jwks", AS: provider.url, API: ORDERS}
    token = provider.token("orders:read", resource=ORDERS)
    with follow_the_page("rfc9068", values) as url:
        assert answer(url, token).json() == {"sub": "importer", "user": "AnonymousUser"}
        assert answer(url, token, "/report/").text == "Orders of importer"
        header, payload, signature = token.split(".")
        forged = f"{header}.{payload}.{signature[::-1]}"
        foreign = provider.token("orders:read", resource=INVENTORY)
        refused = [answer(url, one).status_code for one in (None, forged, foreign)]
        weak = provider.token("orders:write", resource=ORDERS)
        lacking = [answer(url, weak, path) for path in ("/orders/", "/report/")]
    assert refused == [401, 401, 401]
    assert [one.status_code for one in lacking] == [403, 403]
    challenges = [one.headers["WWW-Authenticate"] for one in lacking]
    assert ['scope="orders:read"' in one for one in challenges] == [True, True]


@pytest.fixture
def platform(bake):
    """Return a generated project with running services."""
    platform = bake({"resource_servers": "orders"})
    use_free_ports(platform)
    with running(platform):
        yield platform


def test_a_token_of_a_generated_authorization_server(follow_the_page, platform):
    env = read_env(platform)
    issuer = env["AUTHORIZATION_SERVER_URL"]
    metadata = f"{env['ORDERS_URL']}/.well-known/oauth-protected-resource"
    audience = requests.get(metadata, timeout=30).json()["resource"]
    values = {AS: issuer, API: audience, '"orders"': f'"{env["ORDERS_INTROSPECTION_CLIENT_ID"]}"'}
    issued = requests.post(
        f"{issuer}/o/token/",
        auth=(env["DEMO_MACHINE_CLIENT_ID"], env["DEMO_MACHINE_CLIENT_SECRET"]),
        data={"grant_type": "client_credentials", "scope": "orders:read"},
        timeout=30,
    )
    variables = {"INTROSPECTION_SECRET": env["ORDERS_INTROSPECTION_CLIENT_SECRET"]}
    with follow_the_page("django-oauth-toolkit", values, **variables) as url:
        accepted = answer(url, issued.json()["access_token"])
        assert accepted.json() == {"sub": env["DEMO_MACHINE_CLIENT_ID"], "user": "AnonymousUser"}
        assert [answer(url, token).status_code for token in (None, "made-up")] == [401, 401]


def test_a_token_of_stock_dot_with_the_view_of_the_page(follow_the_page, python, tmp_path):
    server = Project(tmp_path / "server", python, SECRET=SECRET)
    with open(server.folder / "shop" / "settings.py", "a", encoding="utf-8") as settings:
        settings.write(STOCK_DOT)
    server.append("views.py", "views.py of the authorization server")
    server.append("urls.py", "urls.py of the authorization server")
    (server.folder / "issue.py").write_text(ISSUE_A_TOKEN, encoding="utf-8")
    server.run("python manage.py migrate; python manage.py shell < issue.py")
    with server.running() as url:
        values = {f"{AS}/o/introspect/": f"{url}/o/introspect/"}
        dot = "django-oauth-toolkit"
        with follow_the_page(dot, values, INTROSPECTION_SECRET=SECRET) as api:
            alice = answer(api, "token-of-alice").json()
            assert alice["sub"] == "4711"
            assert re.fullmatch(r"[0-9a-f-]{36}", alice["user"])
            assert answer(api, "made-up").status_code == 401
