"""The same rows of the stock assembly: the same project with our classes switched off."""

import subprocess
from contextlib import contextmanager

import load
import processes

ROUNDS = 2
# gunicorn as django-oauth-toolkit's and Django's documentation start it, with the 4 threads that
# the figures of the table were made with.
GUNICORN = ["gunicorn", "--worker-class", "gthread", "--threads", "4"]


def hashed_secret(project):
    """Return the secret of `orders`, stored as django-oauth-toolkit does unless told otherwise."""
    code = (
        "import sys, django; from django.conf import settings; settings.configure(); "
        "from django.contrib.auth.hashers import make_password; print(make_password(sys.argv[1]))"
    )
    secret = project.variables["ORDERS_INTROSPECTION_CLIENT_SECRET"]
    command = [project.bin / "python", "-c", code, secret]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def serve(bench, service, module, **variables):
    """Serve a service with the settings in ``stock/`` in the place of its own."""
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    environment = bench.project.environment | variables
    environment |= {"PYTHONPATH": str(processes.HERE / "stock"), "DJANGO_SETTINGS_MODULE": module}
    uv = ["uv", "run", "--project", str(bench.project.root), "--no-sync", "--with", "gunicorn"]
    with processes.process(
        [*uv, *GUNICORN, "--bind", f"127.0.0.1:{port}", "stock_wsgi:application"],
        cwd=bench.project.root / service,
        env=environment,
        url=f"{url}/health/live",
    ):
        yield url


def b1(bench, small):
    """Throughput of whoami with a warm token ÷ ping."""
    # Imported here, because `rows` imports this module.
    from rows import bearer

    with (
        bench.authorization_server(small) as (issuer, _),
        serve(
            bench,
            "resource_servers/orders",
            "stock_resource_server",
            AUTHORIZATION_SERVER_INTERNAL_URL=issuer,
        ) as api,
    ):
        headers = bearer(bench.seeded(1))
        load.throughput(f"{api}/api/whoami/", headers=headers, seconds=1)
        for _ in range(ROUNDS):
            ping = load.throughput(f"{api}/api/ping/")
            yield load.throughput(f"{api}/api/whoami/", headers=headers) / ping


def b2(bench, small):
    """Introspections a second, with the hasher and the view as delivered, ÷ the same."""
    from rows import INTROSPECT, reference_script

    script = load.post_script(bench.basic("stock"), '"token=bench-" .. math.random(1, 100000)')
    with (
        serve(bench, "authorization_server", "stock_authorization_server", **small) as ours,
        processes.oidc_provider() as theirs,
    ):
        reference = reference_script(bench, theirs)
        for _ in range(ROUNDS):
            base = load.throughput(f"{theirs}/token/introspection", script=reference)
            # Half a second each: fewer connections, or most of them would time out.
            own = load.throughput(ours + INTROSPECT, script=script, connections=2, seconds=6)
            yield own / base
