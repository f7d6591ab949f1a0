"""The contents of the Compose files of a generated project; tests/containers runs them."""

import re

import pytest
import yaml

SKELETON = "scripts/resource_server_skeleton"
OWN_IMAGE = ("service", "one-shot", "server")


@pytest.fixture(scope="module")
def files(project):
    """Return the contents of each Compose file and of `deploy/service.yml` by path."""
    paths = [*project.rglob("compose*.yml"), project / "deploy" / "service.yml"]
    return {
        path.relative_to(project).as_posix(): yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in paths
        if SKELETON not in path.as_posix()
    }


@pytest.fixture(scope="module")
def services(files):
    """Return each service that a file defines or overrides: (file, name, description)."""
    return [
        (file, name, description)
        for file, content in files.items()
        for name, description in content.get("services", {}).items()
    ]


@pytest.fixture(scope="module")
def containers(services):
    """Return the services of the production files that become containers."""
    return [
        (file, name, description)
        for file, name, description in services
        if not file.endswith("override.yml") and file != "deploy/service.yml"
    ]


def extended(description):
    """Return the service of `deploy/service.yml` that a service extends."""
    return description.get("extends", {}).get("service")


def test_service_names_are_host_names(containers):
    names = [name for _, name, _ in containers]
    assert [name for name in names if not re.fullmatch(r"[a-z][a-z0-9-]{0,62}", name)] == []
    assert len(set(names)) == len(names) > 10


def test_each_resource_server_brings_its_files(files):
    for name in ("orders", "inventory"):
        assert f"resource_servers/{name}/compose.yml" in files["compose.yml"]["include"]
        override = f"resource_servers/{name}/compose.override.yml"
        assert override in files["compose.override.yml"]["include"]


def test_the_authorization_server_gets_the_address_of_each_resource_server(files):
    services = files["compose.yml"]["services"]
    names = ["authorization-server-migrate", "ensure-clients", "authorization-server"]
    given = [set(services[name]["environment"]) for name in names]
    assert [each & {"ORDERS_URL", "INVENTORY_URL"} for each in given] == [
        {"ORDERS_URL", "INVENTORY_URL"}
    ] * 3


def test_each_container_extends_a_service_with_restrictions(containers):
    assert [name for _, name, description in containers if extended(description) is None] == []


def test_the_restricted_service_has_no_capabilities_and_a_read_only_file_system(files):
    contained = files["deploy/service.yml"]["services"]["contained"]
    assert (contained["cap_drop"], contained["read_only"]) == (["ALL"], True)
    assert contained["security_opt"] == ["no-new-privileges:true"]


def test_only_the_proxy_has_a_capability(services):
    assert [name for _, name, description in services if "cap_add" in description] == ["proxy"]


def test_only_the_proxy_publishes_a_port_to_other_machines_in_production(containers):
    ports = {name: each["ports"] for _, name, each in containers if "ports" in each}
    local = {name for name, each in ports.items() if each[0].startswith("127.0.0.1:$")}
    assert (set(ports) - local, local) == ({"proxy"}, {"prometheus", "grafana", "jaeger"})


def test_only_prometheus_mounts_the_token_of_the_metrics(containers):
    names = [name for _, name, each in containers if "METRICS_TOKEN" in each.get("secrets", ())]
    assert names == ["prometheus"]


def test_development_publishes_ports_on_the_loopback_interface_only(services):
    ports = [
        port
        for file, _, description in services
        if file.endswith("override.yml")
        for port in description.get("ports", ())
    ]
    assert [port for port in ports if not port.startswith("127.0.0.1:$")] == []
    assert len(ports) == 3


def test_proxy_headers_are_not_trusted_where_ports_are_published(services):
    trusting = [
        name
        for file, name, description in services
        if file.endswith("override.yml")
        and description["environment"].get("TRUST_PROXY_HEADERS") != "false"
    ]
    assert trusting == []


def test_code_is_mounted_in_development_only_and_read_only(services):
    mounts = [
        (file, mount)
        for file, _, description in services
        for mount in description.get("volumes", ())
        if "/project/" in mount
    ]
    assert {file.endswith("override.yml") for file, _ in mounts} == {True}
    assert [mount for _, mount in mounts if not mount.endswith(":ro")] == []


def test_each_service_of_the_own_image_is_overridden_in_development(containers, services):
    own = {name for _, name, description in containers if extended(description) in OWN_IMAGE}
    overridden = {name for file, name, _ in services if file.endswith("override.yml")}
    assert own == overridden


def test_one_service_builds_the_image(services):
    building = [name for _, name, description in services if "build" in description]
    assert building == ["authorization-server"]


def test_secrets_are_files_in_the_ignored_folder(files):
    paths = [
        secret["file"].replace("../", "")
        for file, content in files.items()
        for secret in content.get("secrets", {}).values()
        if file != "compose.production.yml"
    ]
    assert [path for path in paths if not path.startswith(".secrets/")] == []


def test_no_secret_is_in_an_environment(services):
    # The image reads NAME_FILE; `docker inspect` would show the value of NAME.
    secret = re.compile(r"\w*(SECRET|PASSWORD|_KEY|DATABASE_URL|CACHE_URL)$")
    named = [
        (name, variable)
        for _, name, description in services
        for variable in description.get("environment", {})
        if secret.fullmatch(variable)
    ]
    assert named == []


def test_only_ensure_clients_mounts_the_secrets_of_several_services(containers):
    prefix = {"inventory": "INVENTORY_", "orders": "ORDERS_"}
    foreign = [
        (name, secret)
        for _, name, description in containers
        for secret in description.get("secrets", ())
        for other, other_prefix in prefix.items()
        if secret.startswith(other_prefix) and not name.startswith(other)
    ]
    assert foreign == []
    readers = [name for _, name, each in containers if "clients.env" in each.get("secrets", ())]
    assert readers == ["ensure-clients"]


def test_only_provisioning_mounts_the_passwords_of_administrators(containers):
    readers = {
        name
        for _, name, description in containers
        if {"POSTGRES_PASSWORD", "VALKEY_PASSWORD"} & set(description.get("secrets", ()))
    }
    assert {name for name in readers if not name.endswith("-provision")} == {"postgres", "valkey"}


def test_databases_are_in_an_internal_network(files):
    compose = files["compose.yml"]
    assert compose["networks"]["data"] == {"internal": True}
    assert [compose["services"][name]["networks"] for name in ("postgres", "valkey")] == [
        ["data"],
        ["data"],
    ]


def test_a_service_waits_for_each_one_shot_which_is_not_restarted(files, containers):
    one_shots = {name for _, name, each in containers if extended(each) == "one-shot"}
    one_shots.discard("clear-tokens")
    waited_for = {
        name
        for _, _, description in containers
        for name, how in description.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    # Otherwise `up --wait` reports its exit as a failure.
    assert waited_for == one_shots
    assert files["deploy/service.yml"]["services"]["one-shot"]["restart"] == "no"


def test_a_token_of_the_maximum_length_passes_the_proxy_and_the_servers(project):
    def number(path, pattern):
        found = re.search(pattern, (project / path).read_text(encoding="utf-8"))
        return [int(group.replace("_", "")) for group in found.groups()]

    [longest] = number(
        "packages/oauth_resource_server/src/oauth_resource_server/validation.py",
        r"MAX_TOKEN_LENGTH = ([\d_]+)",
    )
    [size] = number("deploy/nginx/nginx.conf", r"large_client_header_buffers \d+ (\d+)k;")
    [header_size] = number("deploy/serve.py", r"limit_request_field_size = 8190, 64, (\d+)")
    [body] = number(
        "authorization_server/introspection/protocol.py", r"MAX_BODY_SIZE = (\d+) \* 1024"
    )
    header = f"Authorization: Bearer {'x' * longest}\r\n"
    form = len(f"token={'x' * longest}&token_type_hint=access_token")
    assert len(header) <= size * 1024
    assert len(header) - len("\r\n") <= header_size
    assert form <= body * 1024


def test_the_proxy_and_the_authorization_server_have_the_same_body_limit(project):
    proxy = (project / "deploy" / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    server = (project / "authorization_server" / "oauth" / "requests.py").read_text("utf-8")
    (kib,) = re.findall(r"MAX_BODY_SIZE = (\d+) \* 1024", server)
    assert f"client_max_body_size {kib}k;" in proxy


def test_the_proxy_has_the_domain_of_the_project(bake):
    project = bake({"domain": "shop.example.org"})
    text = (project / "deploy" / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    assert "auth.shop.example.org authorization-server;" in text
    assert r"\.shop\.example\.org$ $name;" in text
