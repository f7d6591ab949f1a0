"""Fixtures: a generated project, and the authorization servers that its resource servers trust."""

import pytest
from servers import (
    CLIENTS,
    OPAQUE_INVENTORY,
    ORDERS,
    oidc_provider,
    resource_server,
    rfc9068,
)
from stack import make, use_free_ports


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Return a folder for logs and databases."""
    return tmp_path_factory.mktemp("issuers")


@pytest.fixture(scope="session")
def project(bake):
    """Return a generated project with its dependencies installed."""
    project = bake()
    use_free_ports(project)
    make(project, "install", check=True)
    return project


@pytest.fixture(scope="session")
def provider(folder):
    with oidc_provider(folder) as provider:
        yield provider


@pytest.fixture(scope="session")
def jwt_variables(provider):
    """Return the settings of `orders` to verify JWTs of the provider."""
    return rfc9068(provider, audience=ORDERS)


@pytest.fixture(scope="session")
def orders(project, folder, jwt_variables):
    # Half of the threads may wait for keys. A test sends four requests concurrently.
    with resource_server(project, "orders", folder, WEB_THREADS="8", **jwt_variables) as url:
        yield url


@pytest.fixture(scope="session")
def opaque_variables(provider):
    """Return the settings of `inventory` to introspect tokens at the provider."""
    return {
        "ISSUERS": "rfc7662",
        "RFC7662_ISSUER": provider.url,
        "RFC7662_URL": f"{provider.url}/token/introspection",
        "RFC7662_AUDIENCE": OPAQUE_INVENTORY,
        "RFC7662_CLIENT_ID": "orders-api",
        "RFC7662_CLIENT_SECRET": CLIENTS["orders-api"],
    }


@pytest.fixture(scope="session")
def inventory(project, folder, opaque_variables):
    with resource_server(project, "inventory", folder, **opaque_variables) as url:
        yield url
