"""The measurements: one function for each row, which yields one value for each round."""

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
    """The resources that all rows share: the project, its databases and their tokens."""

    def __init__(self, project, database):
        self.project, self.database = project, database
        self._databases = {}
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
            AUTHORIZATION_SERVER_INTERNAL_URL=authorization_server,
            **variables,
        )

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
    """Yield the throughput of whoami ÷ the throughput of ping for each round."""
    with turns.Client(api) as client:
        ping, whoami = client.get("/api/ping/"), client.get("/api/whoami/", headers)
        client.seconds(whoami, 2000)
        for _ in range(ROUNDS):
            spent = {ping: 0.0, whoami: 0.0}
            for request in [ping, whoami, whoami, ping] * 15:
                spent[request] += client.seconds(request, 200)
            yield spent[ping] / spent[whoami]


def b2(bench, small):
    """Introspections a second of one worker ÷ the same of `oidc-provider` with its memory store."""
    body = '"token=bench-" .. math.random(1, 100000)'
    script = load.post_script(bench.basic(), body)
    with (
        bench.authorization_server(small) as (issuer, _),
        processes.oidc_provider() as provider,
    ):
        reference = reference_script(bench, provider)
        for _ in range(ROUNDS):
            base = load.throughput(f"{provider}/token/introspection", script=reference)
            yield load.throughput(issuer + INTROSPECT, script=script) / base


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

        def use_new_token():
            headers = bearer(bench.seeded(next(numbers)))
            assert resource_server.send(path="/api/whoami/", headers=headers)[0] == 200

        def ping():
            assert resource_server.send(path="/api/ping/")[0] == 200

        for warm_up in (introspect, use_new_token, ping):
            load.median_seconds(warm_up, 100)
        for _ in range(ROUNDS):
            base = load.median_seconds(introspect, 500)
            yield load.median_seconds(use_new_token, 500) / base
        print_time_breakdown(resource_server, introspect, ping, use_new_token)
        print(validation_profile(bench, issuer))


def validation_profile(bench, issuer):
    """Return the profile of a resource server that validates new tokens."""
    environment = bench.project.environment | {"AUTHORIZATION_SERVER_INTERNAL_URL": issuer}
    return subprocess.run(
        [bench.project.bin / "python", "-c", load.read("profile_validation.py")],
        cwd=bench.project.root / "resource_servers" / "orders",
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def print_time_breakdown(resource_server, introspect, ping, use_new_token):
    """Print the parts of B3 in microseconds, and the least possible ratio."""
    direct, plain = (load.median_seconds(send, 500) * 1e6 for send in (introspect, ping))
    before = introspection_seconds(resource_server)
    whole = load.median_seconds(use_new_token, 500) * 1e6
    after = introspection_seconds(resource_server)
    waited = (after["sum"] - before["sum"]) / (after["count"] - before["count"]) * 1e6
    least = 1 + plain / direct
    print(
        f"B3: introspection {direct:.0f} µs, ping {plain:.0f} µs, least ratio {least:.2f}; "
        f"new token {whole:.0f} µs, {waited:.0f} µs of it in the introspection request"
    )


def introspection_seconds(resource_server):
    """Return the `sum` (seconds) and `count` of the resource server's introspection histogram."""
    text = resource_server.send(path="/metrics")[1].decode()
    name = "oauth_resource_server_seconds"
    return {
        part: float(re.search(rf"{name}_{part}\S* (\S+)", text)[1]) for part in ("sum", "count")
    }


def b4(bench, small):
    """Introspections that one process sends for 200 concurrent first uses of one token."""
    with (
        bench.authorization_server(small) as (issuer, _),
        counting.counting_proxy(issuer) as (proxy, counter),
        bench.resource_server(proxy, WEB_THREADS="64") as (api, _),
    ):
        for number in range(ROUNDS):
            before = counter.requests
            use_concurrently(f"{api}/api/whoami/", bearer(bench.seeded(number + 1)))
            yield counter.requests - before


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


def b5(bench, small, large):
    """Median time of an introspection with 2,000,000 tokens in the database ÷ with 10,000."""
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
    with counting.stalled() as issuer, bench.resource_server(issuer) as (api, _):
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
    """Introspections a second that 200 random tokens a second cause."""
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
                yield (counter.requests - before) / seconds * max(1, 200 / rate)


def b8(bench, small):
    """Growth of a worker's memory, in MiB, after 1,000,000 distinct tokens."""
    # No time is measured, so the rounds run concurrently.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(lambda _: memory_growth(bench), range(ROUNDS))


def memory_growth(bench):
    """Return the growth of the memory of one process in MiB."""
    run = subprocess.run(
        [bench.project.bin / "python", "-c", load.read("memory.py"), str(DISTINCT_TOKENS)],
        cwd=bench.project.root / "resource_servers" / "orders",
        env=bench.project.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout)


def b10(bench):
    """Throughput of whoami with a warm JWT of another issuer ÷ ping, in the same worker."""
    issuer = "https://issuer.example.com"
    signer = [bench.project.bin / "python", "-c", load.read("signer.py")]
    signed = json.loads(processes.run_for_output(*signer, issuer, "https://orders.example.com"))
    body = json.dumps(signed["keys"]).encode()
    with counting.answering(body) as keys:
        variables = {
            "ISSUERS": "rfc9068",
            "RFC9068_ISSUER": issuer,
            "RFC9068_JWKS_URL": f"{keys}/jwks",
        }
        with bench.resource_server(keys, **variables) as (api, _):
            yield from whoami_to_ping(api, bearer(signed["token"]))


def median(values):
    """Return the median and the spread, the difference between the largest and smallest value."""
    return statistics.median(values), max(values) - min(values)
