"""Measurements of the stock assembly: the same project with django-oauth-toolkit's own classes."""

import subprocess
from contextlib import contextmanager

import load
import processes

ROUNDS = 1
# The server that the documentation of Django and django-oauth-toolkit starts. The figures of the
# README were measured with 4 threads.
GUNICORN = ["gunicorn", "--worker-class", "gthread", "--threads", "4"]


def hashed_secret(project):
    """Return the secret of `orders`, hashed by the default hasher of django-oauth-toolkit."""
    code = (
        "import sys, django; from django.conf import settings; settings.configure(); "
        "from django.contrib.auth.hashers import make_password; print(make_password(sys.argv[1]))"
    )
    secret = project.variables["ORDERS_INTROSPECTION_CLIENT_SECRET"]
    command = [project.bin / "python", "-c", code, secret]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def serve(bench, service, module, **variables):
    """Run a service with a settings module of ``stock/`` instead of its own."""
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


def b1(bench):
    """Throughput of whoami with a warm token ÷ ping."""
    # `rows` imports this module.
    from rows import bearer

    (issuer, _), _ = bench.servers()
    variables = {"AUTHORIZATION_SERVER_INTERNAL_URL": issuer}
    with serve(bench, "resource_servers/orders", "stock_resource_server", **variables) as api:
        headers = bearer(bench.new_token())
        load.throughput(f"{api}/api/whoami/", headers=headers, seconds=1)
        for _ in range(ROUNDS):
            ping = load.throughput(f"{api}/api/ping/", seconds=2)
            yield load.throughput(f"{api}/api/whoami/", headers=headers, seconds=2) / ping


def b2(bench):
    """Introspections a second with the default hasher and view ÷ the same of `oidc-provider`."""
    from rows import INTROSPECT, MANY_TOKENS, reference_script

    script = load.post_script(bench.basic("stock"), '"token=bench-" .. math.random(1, 100000)')
    variables = bench.database_with(MANY_TOKENS)
    with (
        serve(bench, "authorization_server", "stock_authorization_server", **variables) as stock,
        processes.oidc_provider() as (provider, _),
    ):
        reference = reference_script(bench, provider)
        for _ in range(ROUNDS):
            base = load.throughput(f"{provider}/token/introspection", script=reference, seconds=1)
            # A request takes half a second: with more connections, most would time out.
            value = load.throughput(stock + INTROSPECT, script=script, connections=2, seconds=6)
            yield value / base


def b9(bench):
    """Seconds for which the toolkit accepts a revoked token: its default caching time.

    It stores an answer until then, or until `exp`, and no revocation reaches it.
    """
    code = (
        "from django.conf import settings; settings.configure(); "
        "from oauth2_provider.settings import DEFAULTS; "
        "print(DEFAULTS['RESOURCE_SERVER_TOKEN_CACHING_SECONDS'])"
    )
    command = [bench.project.bin / "python", "-c", code]
    yield float(processes.run_for_output(*command))
