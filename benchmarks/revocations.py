"""The rows about revoked tokens: B9, B14 and B15."""

import concurrent.futures
import itertools
import statistics
import sys
import time
from contextlib import ExitStack

import counting
import load
import processes
from rows import bearer

PROCESSES = 3  # more of orders, beside the one of the other rows
REVOCATIONS = 500
AT_ONCE = 4
LIFETIMES = 20  # caching times for which one token is used
CACHING_SECONDS = 1
IDLE_POLLERS, IDLE_SECONDS = 100, 15


def b9(bench):
    """Seconds from the 200 of a revocation to the last first 401 of four processes: p99, p50.

    Each of 500 tokens was accepted by every process before. Four revocations at a time, and what
    asks for their end, are the load.
    """
    issuer, _ = bench.servers()[0]
    secret = bench.project.variables["DEMO_MACHINE_CLIENT_SECRET"]
    machine = bench.basic("demo-machine", secret)
    with ExitStack() as stack:
        started = [stack.enter_context(bench.resource_server(issuer)) for _ in range(PROCESSES)]
        apis = [bench.servers()[1][0], *(url for url, _ in started)]
        clients = [[load.Curl(f"{api}/api/whoami/") for api in apis] for _ in range(AT_ONCE)]
        time.sleep(2)  # for the first contact of each process

        def revoke(number):
            own, headers = clients[number % AT_ONCE], bearer(bench.new_token())
            for client in own:
                use_until(client, headers, 200)
            load.Curl(f"{issuer}/o/revoke_token/").send(
                headers=machine, form={"token": headers["Authorization"].removeprefix("Bearer ")}
            )
            start = time.perf_counter()
            for client in own:
                use_until(client, headers, 401)
            return time.perf_counter() - start

        def revoke_some(first):
            """Revoke every fourth token, over connections that no other thread uses."""
            return [revoke(number) for number in range(first, REVOCATIONS, AT_ONCE)]

        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            times = list(itertools.chain(*pool.map(revoke_some, range(AT_ONCE))))
    yield statistics.quantiles(times, n=100)[98], statistics.median(times)


def use_until(client, headers, status):
    """Use a token until the answer has a status."""
    deadline = time.monotonic() + 60
    while client.send(headers=headers) != status:
        if time.monotonic() > deadline:
            raise SystemExit(f"A token was not answered {status} within 60 s.")
        time.sleep(0.005)


def b14(bench):
    """Introspections for one token that one process uses for 20 caching lifetimes."""
    (issuer, _), _ = bench.servers()
    with (
        counting.counting_proxy(issuer) as (proxy, counter),
        bench.resource_server(
            proxy, RESOURCE_SERVER_TOKEN_CACHING_SECONDS=str(CACHING_SECONDS)
        ) as (api, _),
    ):
        client, headers = load.Curl(f"{api}/api/whoami/"), bearer(bench.new_token())
        use_until(client, bearer(bench.new_token()), 200)
        time.sleep(2)  # for the first contact
        before, end = counter.requests, time.monotonic() + LIFETIMES * CACHING_SECONDS
        while time.monotonic() < end:
            use_until(client, headers, 200)
            time.sleep(CACHING_SECONDS / 10)
        yield counter.requests - before, None


def b15(bench):
    """Percent of a core that 100 idle polls cost the authorization server."""
    (issuer, server), _ = bench.servers()
    before = share_of_a_core(server)
    script = processes.HERE / "strangers.py"
    secret = bench.basic()["Authorization"].removeprefix("Basic ")
    arguments = [script, "polls", issuer, str(IDLE_POLLERS), secret]
    with processes.process([sys.executable, *arguments]):
        time.sleep(2)
        yield 100 * max(0, share_of_a_core(server) - before), None


def share_of_a_core(server):
    """Return the CPU time of a process and its descendants in each second."""
    before = processes.cpu_seconds(server.pid)
    time.sleep(IDLE_SECONDS)
    return (processes.cpu_seconds(server.pid) - before) / IDLE_SECONDS
