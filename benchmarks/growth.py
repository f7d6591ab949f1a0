"""Large tables of tokens: bytes of a row, `clear_tokens`, and introspections beside it.

``python benchmarks/growth.py 10000000`` fills both tables of tokens with that many rows each; half
of them are due to be deleted. It prints what docs/scaling.md of a project says. No row of ``make
bench`` depends on it: ten million rows take a quarter of an hour and 20 GB of disk.
"""

import secrets
import statistics
import sys
import threading
import time

import load
import processes
import rows

TABLES = "oauth2_provider_refreshtoken", "oauth2_provider_accesstoken"

# Refresh tokens of 28 days, of which a half is older than the 14 days for which they are kept: nine
# of ten were used, and the tenth is current, with its access token. The other access tokens are of
# machines. The time of a row grows with its number, as it does in use.
FILL = """
SET session_replication_role = replica;  -- foreign keys are not checked

INSERT INTO accounts_user
    (id, email, password, name, session_salt, is_superuser, is_staff, is_active, date_joined)
SELECT md5(number::text)::uuid, number || '@example.org', '!', '', '', false, false, true, now()
FROM generate_series(0, 999) AS number;

INSERT INTO oauth2_provider_accesstoken
    (token, token_checksum, expires, scope, created, updated, resource, application_id, user_id)
SELECT '', encode(sha256(('bench-' || number)::bytea), 'hex'),
    CASE WHEN number % 10 = 0 THEN now() - interval '28 days' * (1 - number / {count}.0)
         WHEN number < {count} / 2 THEN now() - interval '1 minute'
         ELSE now() + interval '1 day' END,
    'orders:read', now(), now(), '[]',
    (SELECT id FROM oauth2_provider_application WHERE client_id = 'demo-machine'),
    CASE WHEN number % 10 = 0 THEN md5((number % 1000)::text)::uuid END
FROM generate_series(1, {count}) AS number;

INSERT INTO oauth2_provider_refreshtoken
    (token, token_checksum, created, updated, revoked, token_family, resource, application_id,
     user_id, access_token_id)
SELECT '', encode(sha256(('refresh-' || number)::bytea), 'hex'), now(), now(),
    CASE WHEN number % 10 > 0 THEN now() - interval '28 days' * (1 - number / {count}.0) END,
    md5((number / 10)::text)::uuid, '[]',
    (SELECT id FROM oauth2_provider_application WHERE client_id = 'demo-machine'),
    md5((number % 1000)::text)::uuid, token.id
FROM generate_series(1, {count}) AS number
LEFT JOIN oauth2_provider_accesstoken AS token
    ON number % 10 = 0
    AND token.token_checksum = encode(sha256(('bench-' || number)::bytea), 'hex');
"""


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    processes.require_programs("uv")
    with processes.postgresql() as database, rows.Bench(processes.Project(), database) as bench:
        variables = bench.database_with(0)
        report("filling the tables", lambda: bench.sql("tokens_0", FILL.format(count=count)))
        for table in TABLES:
            bench.sql("tokens_0", f"VACUUM ANALYZE {table}")
            size = query(bench, f"SELECT pg_total_relation_size('{table}')")
            print(f"{table}: {int(size) / count:.0f} bytes a row with its indexes", flush=True)
        with bench.authorization_server(variables) as (url, _):
            connection = load.Connection(url + rows.INTROSPECT)
            introspections(bench, connection, count, "alone")
            for what in ("half of the rows", "nothing"):
                clear = threading.Thread(
                    target=report,
                    args=(f"clear_tokens deletes {what}", lambda: clear_tokens(bench, variables)),
                )
                clear.start()
                introspections(bench, connection, count, "beside it", until=clear.is_alive)
                clear.join()
        left = [query(bench, f"SELECT count(*) FROM {table}") for table in TABLES]
        print(f"rows left: {', '.join(left)}")


def clear_tokens(bench, variables):
    bench.project.manage("authorization_server", "clear_tokens", **variables)


def report(what, call):
    """Print how long a call takes."""
    start = time.monotonic()
    call()
    print(f"{what}: {time.monotonic() - start:.1f} s", flush=True)


def introspections(bench, connection, count, what, *, until=None):
    """Print the latency of introspections of living tokens, one every 5 ms."""
    seconds = []
    while len(seconds) < 500 or (until and until()):
        number = count // 2 + secrets.randbelow(count // 2)
        form = {"token": bench.seeded(number - number % 10 + 1)}
        start = time.monotonic()
        status, *_ = connection.send("POST", form=form, headers=bench.basic())
        seconds.append(time.monotonic() - start)
        assert status == 200
        time.sleep(0.005)
    p50, p99 = statistics.quantiles(seconds, n=100)[49::49]
    print(f"introspections {what}: p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms", flush=True)


def query(bench, statement):
    """Return the first value of a query."""
    program = processes.postgresql_folder() / "psql"
    return processes.run_for_output(program, f"{bench.database}/tokens_0", "-Atc", statement)


if __name__ == "__main__":
    main()
