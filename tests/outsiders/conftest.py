"""A generated project that is running, for clients and browsers that were written elsewhere."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from stack import ROOT, free_port, make, read_env, running, use_free_ports
from upstream import CLIENT_ID, SECRET, SETTINGS, Upstream

# Browser, which sends forms and keeps cookies, is written for the end-to-end tests.
sys.path.append(str(ROOT / "tests" / "overlay" / "tests"))

NODE = ROOT / "build" / "outsiders"
LOCK = "package-lock.json"
LIBRARY = re.compile(r"https://cdn\.jsdelivr\.net/npm/(.+)@([\d.]+)/(.+)")
TIMEOUT = 60_000  # milliseconds


class Handler(SimpleHTTPRequestHandler):
    """Serves files without a line in the log for each."""

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def page_port():
    """Return the port of the example page, which stands for 5173."""
    return free_port()


@pytest.fixture(scope="session")
def baked(bake):
    """Return a generated project with ports of its own."""
    project = bake()
    use_free_ports(project)
    return project


@pytest.fixture(scope="session")
def upstream(baked):
    """Run a server that stands for Google and GitHub; the project has it in its settings."""
    url = read_env(baked)["AUTHORIZATION_SERVER_URL"]
    names = "google", "github"
    callbacks = [f"{url}/accounts/{name}/login/callback/" for name in names]
    server = Upstream(free_port(), callbacks)
    folder = baked / "authorization_server"
    tables = [f'[{name}]\nclient_id = "{CLIENT_ID}"\n' for name in names]
    (folder / "upstreams.toml").write_text("\n".join(tables), encoding="utf-8")
    with (folder / "config" / "settings.py").open("a", encoding="utf-8") as file:
        file.write(SETTINGS.format(server.url))
    with (baked / ".env").open("a", encoding="utf-8") as file:
        file.writelines(f"UPSTREAM_{name.upper()}_CLIENT_SECRET={SECRET}\n" for name in names)
    with server.running():
        yield server


@pytest.fixture(scope="session")
def started(baked, page_port, upstream):
    """Run a generated project in which the example page may call `orders`; yield its folder.

    It has a page with a fault, /fault/.
    """
    project = baked
    env = read_env(project)
    with (project / ".env").open("a", encoding="utf-8") as file:
        file.write(f"ORDERS_ALLOWED_ORIGINS=http://localhost:{page_port}\n")
    with (project / "authorization_server" / "config" / "urls.py").open("a") as file:
        file.write('urlpatterns.append(path("fault/", lambda request: 1 / 0))\n')
    for path in [
        project / "authorization_server" / "clients.toml",
        *(project / "docs" / "examples").rglob("*.js"),
    ]:
        text = path.read_text(encoding="utf-8")
        for old, new in {
            "8000": env["AUTHORIZATION_SERVER_PORT"],
            "8001": env["ORDERS_PORT"],
            "5173": str(page_port),
        }.items():
            text = text.replace(f"http://localhost:{old}", f"http://localhost:{new}")
        path.write_text(text, encoding="utf-8")
    make(project, "install", check=True)
    log = project / "outsiders.log"
    with log.open("w") as output, running(project, stdout=output, stderr=subprocess.STDOUT):
        yield project


@pytest.fixture(scope="session")
def env(started):
    """Return the variables of the project."""
    return read_env(started)


@pytest.fixture(scope="session")
def node_modules():
    """Install the packages of `tests/outsiders/node`, and return a folder with its files.

    Skips the test if Node.js is not installed.
    """
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("Node.js and npm are not installed")
    source = Path(__file__).parent / "node"
    NODE.mkdir(parents=True, exist_ok=True)
    installed = NODE / "installed.json"
    wanted = (source / LOCK).read_text(encoding="utf-8")
    if not installed.is_file() or installed.read_text(encoding="utf-8") != wanted:
        for name in ("package.json", LOCK):
            shutil.copy(source / name, NODE)
        subprocess.run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=NODE, check=True)
        installed.write_text(wanted, encoding="utf-8")
    for path in source.glob("*.mjs"):
        shutil.copy(path, NODE)
    return NODE


@pytest.fixture(scope="session")
def node(node_modules):
    """Return a function that runs a script of `tests/outsiders/node` with a JSON argument.

    It returns the JSON that the script prints.
    """

    def node(script, **argument):
        process = subprocess.run(
            ["node", script, json.dumps(argument)],
            cwd=node_modules,
            env=os.environ | {"NODE_NO_WARNINGS": "1"},
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        return json.loads(process.stdout)

    return node


@pytest.fixture(scope="session")
def example(started, page_port):
    """Serve the example page of the documentation; yield its address."""
    folder = started / "docs" / "examples" / "web_client"
    server = ThreadingHTTPServer(("localhost", page_port), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{page_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def new_context(chromium, node_modules):
    """Return a function that opens a person's browser, without cookies, until the block ends.

    The library of the example comes from npm, not from its CDN. The page names its hash, which
    Chromium compares.
    """

    def fulfill(route):
        name, _, path = LIBRARY.fullmatch(route.request.url).groups()
        file = node_modules / "node_modules" / name / path
        route.fulfill(path=file, headers={"Access-Control-Allow-Origin": "*"})

    @contextmanager
    def new_context(**options):
        context = chromium.new_context(**options)
        context.set_default_timeout(TIMEOUT)
        context.route(LIBRARY, fulfill)
        yield context
        context.close()

    return new_context
