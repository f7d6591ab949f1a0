"""CPU time of each operation: what docs/scaling.md of a project multiplies.

``python benchmarks/costs.py`` runs one worker of the authorization server on PostgreSQL with
100,000 tokens and one of ``orders``, and sends one request after the other.
"""

import itertools
import sys
from functools import partial
from urllib.parse import urlencode

import load
import processes
import rows

sys.path.insert(0, str(processes.HERE.parent / "tests" / "overlay" / "tests"))
from browser import Browser, parameters

CALLBACK = "http://localhost:8765/callback"
VERIFIER = "v" * 43
AUTHORIZE = {
    "response_type": "code",
    "client_id": "demo-browser",
    "redirect_uri": CALLBACK,
    "scope": "openid orders:read",
    "code_challenge": "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM",
    "code_challenge_method": "S256",
}


def main():
    processes.require_programs("uv")
    with processes.postgresql() as database, rows.Bench(processes.Project(), database) as bench:
        (url, authorizing), (api, serving) = bench.servers()
        variables = bench.database_with(rows.MANY_TOKENS)
        bench.project.manage("authorization_server", "ensure_demo_user", **variables)
        file = processes.BUILD / "postgresql" / "data" / "postmaster.pid"
        server = int(file.read_text().split()[0])
        watched = {"service": authorizing.pid, "PostgreSQL": server}
        for name, operation, count in operations(bench, url):
            print_cost(name, operation, count, watched)
        watched["service"] = serving.pid
        for name, operation, count in requests_to_api(bench, api):
            print_cost(name, operation, count, watched)


def print_cost(name, operation, count, watched):
    """Print the CPU time of one of `count` operations, in milliseconds."""
    operation()
    before = {each: processes.cpu_seconds(pid) for each, pid in watched.items()}
    for _ in range(count):
        operation()
    spent = {each: processes.cpu_seconds(pid) - before[each] for each, pid in watched.items()}
    costs = ", ".join(f"{each} {1000 * spent[each] / count:.3g} ms" for each in spent)
    print(f"{name}: {costs}", flush=True)


def operations(bench, url):
    """Yield name, function and number of calls of each operation of the authorization server."""
    connection, numbers = load.Connection(url), itertools.count(1)
    basic = bench.basic("demo-machine", bench.project.variables["DEMO_MACHINE_CLIENT_SECRET"])
    post = partial(connection.send, "POST")

    def introspect():
        form = {"token": bench.seeded(next(numbers))}
        assert post(path=rows.INTROSPECT, form=form, headers=bench.basic())[0] == 200

    def machine_token():
        form = {"grant_type": "client_credentials"}
        assert post(path="/o/token/", form=form, headers=basic)[0] == 200

    yield "introspection", introspect, 3000
    yield "token of a machine", machine_token, 300
    people = People(url, bench.project.variables)
    yield "sign-in", people.sign_in, 20
    yield "authorization code and its tokens", people.authorize, 100
    yield "refresh", people.refresh, 300


class People:
    """The demo user, at the client `demo-browser`."""

    def __init__(self, url, variables):
        self.url, self.variables = url, variables
        self.browser, self.tokens = None, None

    def sign_in(self):
        self.browser = Browser()
        self.browser.open(f"{self.url}/accounts/login/")
        variables = self.variables
        self.browser.log_in(variables["DEMO_USERNAME"], variables["DEMO_PASSWORD"])

    def authorize(self):
        url = f"{self.url}/o/authorize/?{urlencode(AUTHORIZE)}"
        target = self.browser.open(url) or self.browser.submit(allow="Authorize")
        form = {
            "grant_type": "authorization_code",
            "code": parameters(target)["code"],
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        self.ask(form)

    def refresh(self):
        self.ask({"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]})

    def ask(self, form):
        response = self.browser.session.post(
            f"{self.url}/o/token/", data=form | {"client_id": "demo-browser"}
        )
        assert response.status_code == 200, response.text
        self.tokens = response.json()


def requests_to_api(bench, api):
    """Yield name, function and number of calls of requests to the resource server."""
    connection = load.Connection(api)

    def get(path, token):
        assert connection.send(path=path, headers=rows.bearer(token))[0] == 200

    known = bench.new_token()
    yield "ping", partial(get, "/api/ping/", known), 3000
    yield "request with a remembered token", partial(get, "/api/whoami/", known), 3000
    yield "request with a new token", lambda: get("/api/whoami/", bench.new_token()), 1000


if __name__ == "__main__":
    main()
