"""The measurements: one function for each row, which yields one pair for each round.

The second value of the pair stands beside the first one in the table: CPU, a share of the responses
or another measure of memory; None if there is none.
"""

import base64
import itertools
import json
import secrets
import shutil
import statistics
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager

import counting
import glewlwyd
import load
import processes
import stock
import turns

INTROSPECT = "/o/introspect/"
ROUNDS = 3
CLIENT = "orders-introspection"
FIRST_USES = 200
MANY_TOKENS = 100_000
DISTINCT_TOKENS = 1_000_000
CACHING_SECONDS = 60  # the default of a resource server


class Bench(ExitStack):
    """The resources that the rows share: the project, its databases and their tokens, servers."""

    def __init__(self, project, database):
        super().__init__()
        self.project, self.database = project, database
        self._databases, self._servers, self.memory, self.growth = {}, None, {}, None
        self._numbers = itertools.count(1)
        self.issuer = project.variables["AUTHORIZATION_SERVER_URL"]
        self.secret = project.variables["ORDERS_INTROSPECTION_CLIENT_SECRET"]

    def basic(self, client_id=CLIENT, secret=None):
        """Return the `Authorization` header of a client."""
        pair = f"{client_id}:{secret or self.secret}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def database_with(self, tokens):
        """Return the variables of an authorization server whose database has `tokens` tokens."""
        if tokens not in self._databases:
            self._databases[tokens] = self._create_database(f"tokens_{tokens}", tokens)
        return self._databases[tokens]

    def _create_database(self, name, tokens):
        if not self._databases:
            self.sql("postgres", "CREATE DATABASE empty")
            variables = {"AUTHORIZATION_SERVER_DATABASE_URL": f"{self.database}/empty"}
            for command in ("ensure_signing_key", "migrate", "ensure_clients"):
                self.project.manage("authorization_server", command, **variables)
            self.sql("empty", STOCK_CLIENT.format(stock.hashed_secret(self.project)))
        self.sql("postgres", f"CREATE DATABASE {name} TEMPLATE empty")
        self.sql(name, TOKENS.format(count=tokens))
        self.sql(name, "VACUUM ANALYZE oauth2_provider_accesstoken")
        return {"AUTHORIZATION_SERVER_DATABASE_URL": f"{self.database}/{name}"}

    def sql(self, name, statement):
        """Run one statement, with the psycopg of the project."""
        code = (
            "import psycopg, sys\n"
            "psycopg.connect(sys.argv[1], autocommit=True).execute(sys.stdin.read())"
        )
        url = f"{self.database}/{name}".replace("postgres://", "postgresql://")
        subprocess.run(
            [self.project.bin / "python", "-c", code, url], input=statement, text=True, check=True
        )

    def authorization_server(self, variables, **more):
        """Run the authorization server."""
        return self.project.serve("authorization_server", **variables, **more)

    def resource_server(self, authorization_server, **variables):
        """Run the resource server `orders`, which introspects at `authorization_server`."""
        self.project.manage("resource_servers/orders", "migrate")
        return self.project.serve(
            "resource_servers/orders",
            **{
                "AUTHORIZATION_SERVER_INTERNAL_URL": authorization_server,
                "RESOURCE_SERVER_TOKEN_CACHING_SECONDS": str(CACHING_SECONDS),
            }
            | variables,
        )

    def servers(self):
        """Return the authorization server with 100,000 tokens, and `orders`: (URL, process) each.

        They are started at the first call and run until the end.
        """
        if self._servers is None:
            authorizing = self.enter_context(
                self.authorization_server(self.database_with(MANY_TOKENS))
            )
            serving = self.enter_context(self.resource_server(authorizing[0]))
            self._servers = authorizing, serving
        return self._servers

    def new_token(self):
        """Return a token of the databases that no row has used at :meth:`servers`."""
        return self.seeded(next(self._numbers))

    def seeded(self, number):
        """Return a token of the databases by its number, from 1."""
        return f"bench-{number}"


# Tokens of the demo machine, which expire in a day. As for every token, only digests are stored.
TOKENS = """
INSERT INTO oauth2_provider_accesstoken
    (token, token_checksum, expires, scope, created, updated, resource, application_id)
SELECT '', encode(sha256(('bench-' || number)::bytea), 'hex'), now() + interval '1 day',
    'orders:read orders:write inventory:read', now(), now(), '[]',
    (SELECT id FROM oauth2_provider_application WHERE client_id = 'demo-machine')
FROM generate_series(1, {count}) AS number
"""

# The introspection client of the stock assembly, with the secret as that assembly stores it.
STOCK_CLIENT = """
INSERT INTO oauth2_provider_application
    (client_id, client_type, authorization_grant_type, client_secret, hash_client_secret, name,
     skip_authorization, created, updated, algorithm, redirect_uris, post_logout_redirect_uris,
     allowed_origins, registration_source)
VALUES ('stock', 'confidential', 'client-credentials', '{}', true, 'stock', false, now(), now(),
    '', '', '', '', 'manual')
"""


def bearer(token):
    """Return the `Authorization` header with a bearer token."""
    return {"Authorization": f"Bearer {token}"}


def b1(bench):
    """Throughput of whoami with a warm token ÷ ping, in the same worker; CPU likewise."""
    _, (api, server) = bench.servers()
    yield from whoami_to_ping(api, server, bearer(bench.new_token()))


def whoami_to_ping(api, server, headers):
    """Yield the throughput of whoami ÷ ping for each round, and the CPU of `server` likewise."""
    with turns.Client(api) as client:
        ping, whoami = client.get("/api/ping/"), client.get("/api/whoami/", headers)
        client.seconds(whoami, 2000)
        for _ in range(2 * ROUNDS):
            # The medians of many turns: other work on the machine slows down some of them.
            spent, cpu = {ping: [], whoami: []}, {ping: [], whoami: []}
            for request in [ping, whoami, whoami, ping] * 16:
                before = processes.cpu_seconds(server.pid)
                spent[request].append(client.seconds(request, 100))
                cpu[request].append((processes.cpu_seconds(server.pid) - before) / 100)
            spent, cpu = (
                {request: statistics.median(values[request]) for request in values}
                for values in (spent, cpu)
            )
            print_cpu("B1/B10", ping=cpu[ping], whoami=cpu[whoami])
            yield spent[ping] / spent[whoami], cpu[whoami] / cpu[ping]


def print_cpu(row, **seconds):
    """Print the CPU for each request in microseconds."""
    shown = ", ".join(f"{name} {value * 1e6:.0f} µs" for name, value in seconds.items())
    print(f"{row} CPU: {shown}", flush=True)


def b2(bench):
    """Introspections a second of one worker ÷ the same of `oidc-provider`; CPU likewise."""
    with processes.oidc_provider() as (url, server):
        script = reference_script(bench, url)
        yield from introspections_to(
            bench, "oidc-provider", server, f"{url}/token/introspection", script
        )


def b2c(bench):
    """Introspections a second of one worker ÷ the same of glewlwyd; CPU likewise."""
    if not glewlwyd.is_installed():
        return
    body = '"token_type_hint=access_token&token=bench-" .. math.random(1, 100000)'
    script = load.post_script(bench.basic(glewlwyd.CLIENT_ID, glewlwyd.SECRET), body)
    with glewlwyd.serve(bench, MANY_TOKENS) as (url, server):
        url += glewlwyd.INTROSPECT
        yield from introspections_to(bench, "glewlwyd", server, url, script)


def introspections_to(bench, name, server, url, script):
    """Yield introspections a second of one worker ÷ those of another `server`; CPU likewise."""
    body = '"token=bench-" .. math.random(1, 100000)'
    own_script = load.post_script(bench.basic(), body)
    (own_url, own_server), _ = bench.servers()
    own_url += INTROSPECT
    load.throughput(own_url, script=own_script, seconds=1)
    load.throughput(url, script=script, seconds=4)  # until Node has compiled what is in use
    # Many short rounds, because the speed of a small machine changes within seconds.
    for _ in range(9):
        base, base_cpu = load.cost(server, url, script=script, seconds=1)
        rate, cpu = load.cost(own_server, own_url, script=own_script, seconds=1)
        print(f"introspections/s: {rate:.0f}, {name} {base:.0f}")
        print_cpu("introspection", own=cpu, **{name: base_cpu})
        yield rate / base, cpu / base_cpu


def reference_script(bench, url):
    """Return Lua for wrk that introspects a token of `oidc-provider` at `url`."""
    basic = bench.basic("bench", "a-secret-for-the-benchmark-only-0123456789")
    form = {"grant_type": "client_credentials", "scope": "orders:read"}
    _, answer = load.Connection(f"{url}/token").send("POST", form=form, headers=basic)
    return load.post_script(basic, f'"token={json.loads(answer)["access_token"]}"')


def b3(bench):
    """(New token - remembered token) ÷ a direct introspection, medians; CPU likewise."""
    yield from new_to_direct(bench, *bench.servers())


def b3_bare(bench):
    """As B3, with one request of libcurl in place of the validation."""
    authorizing, _ = bench.servers()
    variables = {
        "PYTHONPATH": str(processes.HERE / "stock"),
        "DJANGO_SETTINGS_MODULE": "bare_resource_server",
    }
    with bench.resource_server(authorizing[0], **variables) as serving:
        yield from new_to_direct(bench, authorizing, serving)


def new_to_direct(bench, authorization_server, resource_server):
    """Yield what B3 measures, for each round, of these servers: (URL, process) each."""
    (issuer, authorizing), (api, serving) = authorization_server, resource_server
    urls = issuer + INTROSPECT, f"{api}/api/whoami/", f"{api}/api/whoami/"
    introspection, new_token, old_token = map(load.Curl, urls)
    remembered = bearer(bench.new_token())

    def introspect():
        form = {"token": bench.new_token()}
        assert introspection.send(form=form, headers=bench.basic()) == 200

    def use_new():
        assert new_token.send(headers=bearer(bench.new_token())) == 200

    def use_old():
        assert old_token.send(headers=remembered) == 200

    servers = [authorizing.pid, serving.pid]
    for warm_up in (introspect, use_new, use_old):
        load.median_seconds(warm_up, 100)
    for _ in range(ROUNDS):
        spent, cpu = in_turns([introspect, use_new, use_old], servers, turns=20, count=20)
        direct, new, old = map(statistics.median, spent)
        shown = {"direct": direct, "new token": new, "remembered token": old}
        print("B3:", ", ".join(f"{name} {value * 1e6:.0f} µs" for name, value in shown.items()))
        print_cpu("B3", **dict(zip(shown, cpu, strict=True)))
        yield (new - old) / direct, (cpu[1] - cpu[2]) / cpu[0]


def in_turns(sends, servers, *, turns, count):
    """Call each of `sends` `count` times, in `turns` turns.

    Returns:
        For each of them the list of its times, and the median over the turns of the CPU of
        `servers` for one call.
    """
    spent, cpu = [[] for _ in sends], [[] for _ in sends]
    for _ in range(turns):
        for index, send in enumerate(sends):
            before = sum(map(processes.cpu_seconds, servers))
            spent[index] += load.seconds_each(send, count)
            cpu[index].append((sum(map(processes.cpu_seconds, servers)) - before) / count)
    return spent, [statistics.median(each) for each in cpu]


def b4(bench):
    """Introspections that one process sends for 200 concurrent first uses of one token."""
    (issuer, _), _ = bench.servers()
    with (
        counting.counting_proxy(issuer) as (proxy, counter),
        bench.resource_server(proxy, WEB_THREADS="64") as (api, _),
    ):
        for _ in range(ROUNDS):
            before = counter.requests
            use_concurrently(f"{api}/api/whoami/", bearer(bench.new_token()))
            yield counter.requests - before, None


def use_concurrently(url, headers):
    """Send FIRST_USES requests concurrently, each over its own connection."""
    barrier, answers = threading.Barrier(FIRST_USES), []

    def use():
        connection = load.Connection(url)
        connection.connection.connect()
        barrier.wait()
        answers.append(connection.send(headers=headers)[0])

    threads = [threading.Thread(target=use) for _ in range(FIRST_USES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * FIRST_USES


def b5(bench):
    """Median time of an introspection with 2,000,000 tokens in the database ÷ with 10,000."""
    counts = [10_000, 2_000_000]
    # B8 measures no time, and no time is measured while the databases are filled.
    with start_growing(bench) as growing:
        for count in counts:
            bench.database_with(count)
        bench.growth = float(growing.communicate()[0])
    with (
        bench.authorization_server(bench.database_with(counts[0])) as (few, _),
        bench.authorization_server(bench.database_with(counts[1])) as (many, _),
    ):
        connections = [load.Connection(url + INTROSPECT) for url in (few, many)]

        def median(index):
            def introspect():
                form = {"token": bench.seeded(1 + secrets.randbelow(counts[index]))}
                assert connections[index].send("POST", form=form, headers=bench.basic())[0] == 200

            return load.median_seconds(introspect, 500)

        for index in (0, 1):
            median(index)
        for _ in range(ROUNDS):
            base = median(0)
            yield median(1) / base, None


def b6(bench, *, at_once=False):
    """Throughput of ping while the authorization server never answers ÷ before.

    Args:
        at_once: Whether the clients with unknown tokens ask again as soon as they have an answer;
            otherwise they wait for the `Retry-After` of a 503.
    """
    with counting.stalled() as issuer, bench.resource_server(issuer) as (api, _):
        for _ in range(2 * ROUNDS):
            before = load.throughput(f"{api}/api/ping/", seconds=1)
            kind = "unknown-at-once" if at_once else "unknown"
            with strangers(kind, api, count=50):
                time.sleep(1)
                yield load.throughput(f"{api}/api/ping/", seconds=1) / before, None


def b7(bench):
    """Introspections a second that 200 random tokens a second cause."""
    (issuer, _), _ = bench.servers()
    with (
        counting.counting_proxy(issuer) as (proxy, counter),
        bench.resource_server(proxy) as (api, _),
    ):
        garbage = load.background(
            f"{api}/api/whoami/",
            lambda number: bearer(f"garbage-{number}-{secrets.token_hex(4)}"),
            threads=20,
            pause=0.1,
            heed_retry_after=False,
        )
        with garbage as sent:
            time.sleep(3)
            for _ in range(ROUNDS):
                before, first, start = counter.requests, next(sent), time.monotonic()
                time.sleep(5)
                seconds = time.monotonic() - start
                # A slow machine sends fewer than 200 a second: extrapolate.
                rate = (next(sent) - first) / seconds
                yield (counter.requests - before) / seconds * max(1, 200 / rate), None


def b8(bench):
    """Growth of a worker's memory, in MiB, after 1,000,000 distinct tokens; one round."""
    if bench.growth is None:
        with start_growing(bench) as growing:
            bench.growth = float(growing.communicate()[0])
    yield bench.growth, None


def start_growing(bench):
    """Start the process of B8, which takes minutes of CPU that nothing else needs."""
    script = processes.read("memory.py")
    return subprocess.Popen(
        [bench.project.bin / "python", "-c", script, str(DISTINCT_TOKENS)],
        cwd=bench.project.root / "resource_servers" / "orders",
        env=bench.project.environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def b10(bench):
    """Throughput of whoami with a warm JWT of another issuer ÷ ping, in the same worker."""
    issuer = "https://issuer.example.com"
    signer = [bench.project.bin / "python", "-c", processes.read("signer.py")]
    signed = json.loads(
        processes.run_for_output(*signer, issuer, bench.project.variables["ORDERS_URL"])
    )
    body = json.dumps(signed["keys"]).encode()
    with counting.answering(body) as keys:
        variables = {
            "ISSUERS": "rfc9068",
            "RFC9068_ISSUER": issuer,
            "RFC9068_JWKS_URL": f"{keys}/jwks",
        }
        with bench.resource_server(keys, **variables) as (api, server):
            yield from whoami_to_ping(api, server, bearer(signed["token"]))


def b11(bench, *, kind):
    """Median of a request with a new token while 16 strangers hammer ÷ while it is quiet.

    The second value is the share of these requests that are answered with 200.
    """
    (issuer, _), (api, _) = bench.servers()
    client = load.Curl(f"{api}/api/whoami/")

    def use_new_token():
        return client.send(headers=bearer(bench.new_token()))

    load.median_seconds(use_new_token, 50)
    for _ in range(ROUNDS):
        # A server may need a while to recover from the strangers of the last round.
        quiet, _ = paced(use_new_token, 1, until_first_200=20)
        with strangers(kind, api if kind == "garbage" else issuer, count=16):
            time.sleep(0.5)
            busy, share = paced(use_new_token, 3)
        yield busy / quiet, share


def paced(send, seconds, *, until_first_200=0):
    """Call `send` for `seconds`, with pauses: without them, the calls themselves would be the load.

    Args:
        until_first_200: Seconds to wait for the first status 200.

    Returns:
        The median time of a call in seconds, and the share of calls that returned 200.
    """
    deadline = time.monotonic() + until_first_200
    while time.monotonic() < deadline and send() != 200:
        time.sleep(0.1)
    deadline, times, statuses = time.monotonic() + seconds, [], []
    while time.monotonic() < deadline:
        times += load.seconds_each(lambda: statuses.append(send()), 1)
        time.sleep(0.02)
    return statistics.median(times), statuses.count(200) / len(statuses)


@contextmanager
def strangers(kind, url, *, count):
    """Let `count` strangers send requests to `url` until the block ends."""
    script = processes.HERE / "strangers.py"
    with processes.process([sys.executable, script, kind, url, str(count)]):
        yield


def b12(bench, *, loaded):
    """Resident memory of all processes of `make run` in MiB; the second value counts shared once.

    Args:
        loaded: Whether it is measured after requests like those of B1 to B4.
    """
    if not bench.memory:
        with bench.project.make_run() as (running, _):
            time.sleep(5)
            bench.memory[False] = processes.memory(running.pid)
            use_everything(bench)
            bench.memory[True] = processes.memory(running.pid)
    yield bench.memory[loaded]


def use_everything(bench):
    """Send requests like those of B1 to B4 to the services of `make run`."""
    issuer, api = (
        bench.project.variables[f"{name}_URL"] for name in ("AUTHORIZATION_SERVER", "ORDERS")
    )
    machine = bench.basic("demo-machine", bench.project.variables["DEMO_MACHINE_CLIENT_SECRET"])
    form = {"grant_type": "client_credentials", "scope": "orders:read"}
    connection = load.Connection(f"{issuer}/o/token/")
    tokens = []
    for _ in range(200):
        status, answer = connection.send("POST", form=form, headers=machine)
        assert status == 200, answer
        tokens.append(json.loads(answer)["access_token"])
    headers = bearer(tokens[0])
    load.throughput(f"{api}/api/ping/")
    load.throughput(f"{api}/api/whoami/", headers=headers)
    script = load.post_script(bench.basic(), f'"token={tokens[0]}"')
    load.throughput(issuer + INTROSPECT, script=script)
    whoami = load.Curl(f"{api}/api/whoami/")
    assert {whoami.send(headers=bearer(token)) for token in tokens} == {200}
    use_concurrently(f"{api}/api/whoami/", headers)


def b13(bench, *, first):
    """Seconds from `make run` to the first 200 of every `/health/ready`.

    Args:
        first: Whether the databases do not exist yet.
    """
    for _ in range(ROUNDS):
        if first:
            shutil.rmtree(bench.project.root / "var", ignore_errors=True)
        with bench.project.make_run() as (_, seconds):
            yield seconds, None


def median(values):
    """Return the median and the spread, the difference between the largest and smallest value."""
    return statistics.median(values), max(values) - min(values)
