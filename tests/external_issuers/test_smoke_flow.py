"""The smoke flow passes with another issuer, instead of the authorization server or beside it."""

import os
import subprocess

import pytest
import requests
from servers import (
    INVENTORY,
    ORDERS,
    create_item,
    items,
    oidc_provider,
    resource_server,
    whoami,
)
from stack import read_env, running, use_free_ports

pytestmark = pytest.mark.slow
ALL = "orders:read orders:write inventory:read inventory:write"


def smoke(project, **variables):
    """Run the smoke flow of a project; return the process."""
    return subprocess.run(
        [project / ".venv" / "bin" / "python", "scripts/smoke.py"],
        cwd=project,
        env=os.environ | variables,
        capture_output=True,
        encoding="utf-8",
    )


def test_the_smoke_flow_passes_with_another_issuer_instead(
    project, folder, provider, jwt_variables
):
    variables = jwt_variables | {"INVENTORY_RFC9068_AUDIENCE": INVENTORY}
    with (
        resource_server(project, "orders", folder, **variables) as orders,
        resource_server(project, "inventory", folder, **variables) as inventory,
    ):
        run = smoke(
            project,
            ISSUERS="rfc9068",
            ORDERS_URL=orders,
            INVENTORY_URL=inventory,
            ORDERS_SMOKE_TOKEN=provider.token(ALL, resource=ORDERS),
            ORDERS_SMOKE_READ_TOKEN=provider.token("orders:read", resource=ORDERS),
            INVENTORY_SMOKE_TOKEN=provider.token(ALL, resource=INVENTORY),
            INVENTORY_SMOKE_READ_TOKEN=provider.token("inventory:read", resource=INVENTORY),
        )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def beside(bake, folder):
    """Run a project that trusts `oidc-provider` beside its own authorization server.

    Yields:
        The project and the provider. Both issuers have a client with the id of the demo machine.
    """
    project = bake()
    use_free_ports(project)
    name = read_env(project)["DEMO_MACHINE_CLIENT_ID"]
    with oidc_provider(folder, name) as provider:
        lines = [
            "ISSUERS=authorization_server,rfc9068",
            f"RFC9068_ISSUER={provider.url}",
            f"ORDERS_RFC9068_AUDIENCE={ORDERS}",
            f"INVENTORY_RFC9068_AUDIENCE={INVENTORY}",
            f"RFC9068_JWKS_URL={provider.url}/jwks",
        ]
        with (project / ".env").open("a", encoding="utf-8") as env:
            env.write("\n".join(["", *lines, ""]))
        with running(project):
            yield project, provider


class TestBeside:
    def test_the_smoke_flow_passes(self, beside):
        project, provider = beside
        tokens = {
            f"{prefix}_SMOKE_TOKEN": provider.token(ALL, resource=resource)
            for prefix, resource in (("ORDERS", ORDERS), ("INVENTORY", INVENTORY))
        }
        run = smoke(project, **tokens)
        assert (run.returncode, run.stdout.count("token of another issuer")) == (0, 2), (
            run.stdout + run.stderr
        )

    def test_one_subject_at_two_issuers_is_two_owners(self, beside):
        project, provider = beside
        env = read_env(project)
        own = requests.post(
            f"{env['AUTHORIZATION_SERVER_URL']}/o/token/",
            auth=(env["DEMO_MACHINE_CLIENT_ID"], env["DEMO_MACHINE_CLIENT_SECRET"]),
            data={"grant_type": "client_credentials", "scope": "orders:read orders:write"},
            timeout=10,
        ).json()["access_token"]
        foreign = provider.token(ALL, resource=ORDERS)
        url = env["ORDERS_URL"]
        same = whoami(url, own).json()["sub"] == whoami(url, foreign).json()["sub"]
        created = create_item(url, own, "Lamp").status_code
        assert (same, created, items(url, own), items(url, foreign)) == (True, 201, 1, 0)
