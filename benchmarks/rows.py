"""What is measured: one function for each row. Each yields one value for each round."""

import base64
import itertools
import json
import os
import re
import secrets
import statistics
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import counting
import load
import processes
import stock
import turns

INTROSPECT = "/o/introspect/"
ROUNDS = 5
CLIENT = "orders-introspection"
FIRST_USES = 200
DISTINCT_TOKENS = 1_000_000


class Bench:
    """What the rows share: the project, its database, and tokens."""

    def __init__(self, project, database):
        self.project, self.database = project, database
        self._made = {}
        self.issuer = project.variables["AUTHORIZATION_SERVER_URL"]
        self.secret = project.variables["ORDERS_INTROSPECTION_CLIENT_SECRET"]

    def basic(self, client_id=CLIENT, secret=None):
        """Return the header with which a client authenticates."""
        pair = f"{client_id}:{secret or self.secret}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def database_with(self, tokens):
        """Return the variables of an authorization server with a number of tokens, made once."""
        if tokens not in self._made:
            self._made[tokens] = self._make(f"tokens_{tokens}", tokens)
        return self._made[tokens]

    def _make(self, name, tokens):
        url = f"{self.database}/{name}"
        self.sql("postgres", f"CREATE DATABASE {name}")
        variables = {"AUTHORIZATION_SERVER_DATABASE_URL": url}
        for command in ("ensure_signing_key", "migrate", "ensure_clients"):
            self.project.manage("authorization_server", command, **variables)
        self.sql(name, TOKENS.format(count=tokens))
        self.sql(name, STOCK_CLIENT.format(stock.hashed_secret(self.project)))
        self.sql(name, "VACUUM ANALYZE oauth2_provider_accesstoken")
        return variables

    def sql(self, name, statement):
        """Run one statement, with the client library that the project has."""
        code = (
            "import psycopg, sys\n"
            "psycopg.connect(sys.argv[1], autocommit=True).execute(sys.stdin.read())"
        )
        url = f"{self.database}/{name}".replace("postgres://", "postgresql://")
        subprocess.run(
            [self.project.bin / "python", "-c", code, url], input=statement, text=True, check=True
        )

    def authorization_server(self, variables, **more):
        """Serve the authorization server."""
        return self.project.serve("authorization_server", **variables, **more)

    def resource_server(self, authorization_server, **variables):
        """Serve the resource server `orders`, which asks `authorization_server`."""
        self.project.manage("resource_servers/orders", "migrate")
        return self.project.serve(
            "resource_servers/orders",
            AUTHORIZATION_SERVER_INTERNAL_URL=authorization_server,
            **variables,
        )

    def seeded(self, number):
        """Return one of the tokens that `prepare` has made."""
        return f"bench-{number}"


# Tokens of the demo machine, which end in a day. Only digests are stored, as for any token.
TOKENS = """
INSERT INTO oauth2_provider_accesstoken
    (token, token_checksum, expires, scope, created, updated, resource, application_id)
SELECT '', encode(sha256(('bench-' || number)::bytea), 'hex'), now() + interval '1 day',
    'orders:read orders:write inventory:read', now(), now(), '[]',
    (SELECT id FROM oauth2_provider_application WHERE client_id = 'demo-machine')
FROM generate_series(1, {count}) AS number
"""

# The resource server's own client, with the secret as the stock assembly stores it.
STOCK_CLIENT = """
INSERT INTO oauth2_provider_application
    (client_id, client_type, authorization_grant_type, client_secret, hash_client_secret, name,
     skip_authorization, created, updated, algorithm, redirect_uris, post_logout_redirect_uris,
     allowed_origins, registration_source)
VALUES ('stock', 'confidential', 'client-credentials', '{}', true, 'stock', false, now(), now(),
    '', '', '', '', 'manual')
"""


def bearer(token):
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def b1(bench, small, **variables):
    """Throughput of whoami with a warm token ÷ ping without one, in the same worker."""
    with (
        bench.authorization_server(small) as (issuer, _),
        bench.resource_server(issuer, RESOURCE_SERVER_TOKEN_CACHING_SECONDS="60", **variables) as (
            api,
            _,
        ),
    ):
        yield from whoami_to_ping(api, bearer(bench.seeded(1)))


def whoami_to_ping(api, headers):
    """Yield the throughput of whoami ÷ that of ping, once for each round."""
    with turns.Client(api) as client:
        ping, whoami = client.get("/api/ping/"), client.get("/api/whoami/", headers)
        client.seconds(whoami, 2000)
        for _ in range(ROUNDS):
            spent = {ping: 0.0, whoami: 0.0}
            for request in [ping, whoami, whoami, ping] * 15:
                spent[request] += client.seconds(request, 200)
            yield spent[ping] / spent[whoami]


def b2(bench, small):
    """Introspections a second of one worker ÷ those of `oidc-provider` with its memory store."""
    body = '"token=bench-" .. math.random(1, 100000)'
    script = load.post_script(bench.basic(), body)
    with (
        bench.authorization_server(small) as (ours, _),
        processes.oidc_provider() as theirs,
    ):
        reference = reference_script(bench, theirs)
        for _ in range(ROUNDS):
            base = load.throughput(f"{theirs}/token/introspection", script=reference)
            yield load.throughput(ours + INTROSPECT, script=script) / base


def reference_script(bench, url):
    """Return Lua for wrk that introspects a token of `oidc-provider` at `url`."""
    basic = bench.basic("bench", "a-secret-for-the-benchmark-only-0123456789")
    form = {"grant_type": "client_credentials", "scope": "orders:read"}
    _, answer = load.Connection(f"{url}/token").send("POST", form=form, headers=basic)
    return load.post_script(basic, f'"token={json.loads(answer)["access_token"]}"')


def b3(bench, small):
    """Median of an API request with a new token ÷ median of a direct introspection."""
    numbers = itertools.count(1)
    with (
        bench.authorization_server(small) as (issuer, _),
        bench.resource_server(issuer) as (api, _),
    ):
        direct, resource_server = load.Connection(issuer + INTROSPECT), load.Connection(api)

        def introspect():
            form = {"token": bench.seeded(next(numbers))}
            assert direct.send("POST", form=form, headers=bench.basic())[0] == 200

        def ask():
            headers = bearer(bench.seeded(next(numbers)))
            assert resource_server.send(path="/api/whoami/", headers=headers)[0] == 200

        def ping():
            assert resource_server.send(path="/api/ping/")[0] == 200

        for warm_up in (introspect, ask, ping):
            load.median_seconds(warm_up, 100)
        for _ in range(ROUNDS):
            base = load.median_seconds(introspect, 500)
            yield load.median_seconds(ask, 500) / base
        print_where_the_time_goes(resource_server, introspect, ping, ask)
        print(profile_of_questions(bench, issuer))


def profile_of_questions(bench, issuer):
    """Return which functions of a resource server take the time of its questions."""
    environment = bench.project.environment | {"AUTHORIZATION_SERVER_INTERNAL_URL": issuer}
    return subprocess.run(
        [bench.project.bin / "python", "-c", load.read("question.py")],
        cwd=bench.project.root / "resource_servers" / "orders",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def print_where_the_time_goes(resource_server, introspect, ping, ask):
    """Print the parts of B3 in microseconds, and what no introspection can get below."""
    direct, plain = (load.median_seconds(send, 500) * 1e6 for send in (introspect, ping))
    before = asked_seconds(resource_server)
    whole = load.median_seconds(ask, 500) * 1e6
    after = asked_seconds(resource_server)
    question = (after["sum"] - before["sum"]) / (after["count"] - before["count"]) * 1e6
    least = 1 + plain / direct
    print(
        f"B3: introspection {direct:.0f} µs, ping {plain:.0f} µs, so {least:.2f} is the least; "
        f"new token {whole:.0f} µs, of which {question:.0f} µs from question to answer"
    )


def asked_seconds(resource_server):
    """Return how often the resource server has asked, and how many seconds that took in all."""
    text = resource_server.send(path="/metrics")[1].decode()
    name = "oauth_resource_server_seconds"
    return {
        part: float(re.search(rf"{name}_{part}\S* (\S+)", text)[1]) for part in ("sum", "count")
    }


def b4(bench, small):
    """Introspections of 200 first uses of one token at the same time, in one process."""
    with (
        bench.authorization_server(small) as (issuer, _),
        counting.counting_proxy(issuer) as (proxy, counter),
        bench.resource_server(proxy, WEB_THREADS="64") as (api, _),
    ):
        for number in range(ROUNDS):
            before = counter.requests
            use_at_once(f"{api}/api/whoami/", bearer(bench.seeded(number + 1)))
            yield counter.requests - before


def use_at_once(url, headers):
    """Send FIRST_USES requests at the same moment, each over a connection of its own."""
    barrier, answers = threading.Barrier(FIRST_USES), []

    def use():
        connection = load.Connection(url)
        connection.connection.connect()
        barrier.wait()
        answers.append(connection.send(headers=headers)[0])

    users = [threading.Thread(target=use) for _ in range(FIRST_USES)]
    for user in users:
        user.start()
    for user in users:
        user.join()
    assert answers == [200] * FIRST_USES


def b5(bench, small, large):
    """Median of an introspection with 2,000,000 tokens in the database ÷ with 10,000."""
    with (
        bench.authorization_server(small) as (few, _),
        bench.authorization_server(large) as (many, _),
    ):
        connections = [load.Connection(url + INTROSPECT) for url in (few, many)]
        counts = [10_000, 2_000_000]

        def median(index):
            def introspect():
                form = {"token": bench.seeded(1 + secrets.randbelow(counts[index]))}
                assert connections[index].send("POST", form=form, headers=bench.basic())[0] == 200

            return load.median_seconds(introspect, 1000)

        for index in (0, 1):
            median(index)
        for _ in range(ROUNDS):
            base = median(0)
            yield median(1) / base


def b6(bench, small):
    """Throughput of ping while the authorization server never answers ÷ before."""
    with counting.stalled() as nowhere, bench.resource_server(nowhere) as (api, _):
        for _ in range(ROUNDS):
            before = load.throughput(f"{api}/api/ping/")
            unknown = load.background(
                f"{api}/api/whoami/",
                lambda number: bearer(f"unknown-{number}-{secrets.token_hex(4)}"),
                threads=50,
                pause=0.1,
            )
            with unknown:
                time.sleep(1)
                yield load.throughput(f"{api}/api/ping/") / before


def b7(bench, small):
    """Introspections a second that 200 garbage tokens a second cause."""
    with (
        bench.authorization_server(small) as (issuer, _),
        counting.counting_proxy(issuer) as (proxy, counter),
        bench.resource_server(proxy) as (api, _),
    ):
        garbage = load.background(
            f"{api}/api/whoami/",
            lambda number: bearer(f"garbage-{number}-{secrets.token_hex(4)}"),
            threads=20,
            pause=0.1,
            obeys=False,
        )
        with garbage as sent:
            time.sleep(3)
            for _ in range(ROUNDS):
                before, asked, start = counter.requests, next(sent), time.monotonic()
                time.sleep(5)
                seconds = time.monotonic() - start
                # To the promised 200 a second, should this machine have sent fewer.
                rate = (next(sent) - asked) / seconds
                yield (counter.requests - before) / seconds * max(1, 200 / rate)


def b8(bench, small):
    """MiB that a worker's memory grows by with 1,000,000 distinct tokens."""
    # No time is measured here, so there is a round on every core.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda _: grown(bench), range(ROUNDS))


def grown(bench):
    """Return by how many MiB the memory of one process grows with the tokens."""
    done = subprocess.run(
        [bench.project.bin / "python", "-c", load.read("memory.py"), str(DISTINCT_TOKENS)],
        cwd=bench.project.root / "resource_servers" / "orders",
        env=bench.project.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def b10(bench):
    """Throughput of whoami with a warm JWT of another issuer ÷ ping, in the same worker."""
    issuer = "https://issuer.example.com"
    signer = [bench.project.bin / "python", "-c", load.read("signer.py")]
    made = json.loads(processes.run_for_output(*signer, issuer, "https://orders.example.com"))
    body = json.dumps(made["keys"]).encode()
    with counting.answering(body) as keys:
        variables = {
            "ISSUERS": "rfc9068",
            "RFC9068_ISSUER": issuer,
            "RFC9068_JWKS_URL": f"{keys}/jwks",
        }
        with bench.resource_server(keys, **variables) as (api, _):
            yield from whoami_to_ping(api, bearer(made["token"]))


def median(values):
    """Return the median, and the spread: the difference between the largest and the smallest."""
    return statistics.median(values), max(values) - min(values)
