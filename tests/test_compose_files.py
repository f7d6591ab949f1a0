"""The Compose files of a generated project, as they are written; tests/containers runs them."""

import re

import pytest
import yaml

SKELETON = "scripts/resource_server_skeleton"
OWN_IMAGE = ("service", "one-shot", "server")


@pytest.fixture(scope="module")
def files(project):
    """Return what each Compose file holds, by its path, and `deploy/service.yml`."""
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
    """Return those that become containers, of the files for production."""
    return [
        (file, name, description)
        for file, name, description in services
        if not file.endswith("override.yml") and file != "deploy/service.yml"
    ]


def extended(description):
    """Return which service of `deploy/service.yml` a service extends."""
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


def test_each_container_is_contained(containers):
    assert [name for _, name, description in containers if extended(description) is None] == []


def test_a_contained_one_can_do_nothing(files):
    contained = files["deploy/service.yml"]["services"]["contained"]
    assert (contained["cap_drop"], contained["read_only"]) == (["ALL"], True)
    assert contained["security_opt"] == ["no-new-privileges:true"]


def test_only_the_proxy_has_a_right_of_the_system(services):
    assert [name for _, name, description in services if "cap_add" in description] == ["proxy"]


def test_only_the_proxy_publishes_a_port_in_production(containers):
    assert [name for _, name, description in containers if "ports" in description] == ["proxy"]


def test_in_development_ports_are_on_this_machine_only(services):
    ports = [
        port
        for file, _, description in services
        if file.endswith("override.yml")
        for port in description.get("ports", ())
    ]
    assert [port for port in ports if not port.startswith("127.0.0.1:$")] == []
    assert len(ports) == 3


def test_no_header_of_a_proxy_is_believed_where_a_port_is_published(services):
    believers = [
        name
        for file, name, description in services
        if file.endswith("override.yml")
        and description["environment"].get("TRUST_PROXY_HEADERS") != "false"
    ]
    assert believers == []


def test_code_is_mounted_in_development_only_and_cannot_be_changed(services):
    mounts = [
        (file, mount)
        for file, _, description in services
        for mount in description.get("volumes", ())
        if "/project/" in mount
    ]
    assert {file.endswith("override.yml") for file, _ in mounts} == {True}
    assert [mount for _, mount in mounts if not mount.endswith(":ro")] == []


def test_each_service_of_ours_is_overridden_in_development(containers, services):
    ours = {name for _, name, description in containers if extended(description) in OWN_IMAGE}
    overridden = {name for file, name, _ in services if file.endswith("override.yml")}
    assert ours == overridden


def test_one_service_builds_the_image_of_all(services):
    building = [name for _, name, description in services if "build" in description]
    assert building == ["authorization-server"]


def test_secrets_are_files_that_git_does_not_see(files):
    paths = [
        secret["file"].replace("../", "")
        for file, content in files.items()
        for secret in content.get("secrets", {}).values()
        if file != "compose.production.yml"
    ]
    assert [path for path in paths if not path.startswith(".secrets/")] == []


def test_no_secret_is_in_an_environment(services):
    # The image reads NAME_FILE; a NAME would be seen by `docker inspect`.
    secret = re.compile(r"\w*(SECRET|PASSWORD|_KEY|DATABASE_URL|CACHE_URL)$")
    named = [
        (name, variable)
        for _, name, description in services
        for variable in description.get("environment", {})
        if secret.fullmatch(variable)
    ]
    assert named == []


def test_only_the_registration_of_clients_sees_the_secrets_of_several(containers):
    prefix = {"inventory": "INVENTORY_", "orders": "ORDERS_"}
    foreign = [
        (name, secret)
        for _, name, description in containers
        for secret in description.get("secrets", ())
        for other, of_other in prefix.items()
        if secret.startswith(of_other) and not name.startswith(other)
    ]
    assert foreign == []
    readers = [name for _, name, each in containers if "clients.env" in each.get("secrets", ())]
    assert readers == ["ensure-clients"]


def test_passwords_of_administrators_are_for_provisioning_only(containers):
    readers = {
        name
        for _, name, description in containers
        if {"POSTGRES_PASSWORD", "VALKEY_PASSWORD"} & set(description.get("secrets", ()))
    }
    assert {name for name in readers if not name.endswith("-provision")} == {"postgres", "valkey"}


def test_databases_are_in_a_network_without_a_way_out(files):
    compose = files["compose.yml"]
    assert compose["networks"]["data"] == {"internal": True}
    assert [compose["services"][name]["networks"] for name in ("postgres", "valkey")] == [
        ["data"],
        ["data"],
    ]


def test_a_one_shot_is_waited_for_and_not_started_again(files, containers):
    one_shots = {name for _, name, each in containers if extended(each) == "one-shot"}
    one_shots.discard("clear-tokens")
    waited_for = {
        name
        for _, _, description in containers
        for name, how in description.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    # Otherwise `up --wait` takes its end for a failure.
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
    buffers, size = number("deploy/nginx/nginx.conf", r"large_client_header_buffers (\d+) (\d+)k;")
    [of_all] = number("deploy/serve.py", r"max_buffer_size=(\d+) \* 1024")
    [body] = number(
        "authorization_server/introspection/question.py", r"MAX_BODY_SIZE = (\d+) \* 1024"
    )
    header = len(f"Authorization: Bearer {'x' * longest}\r\n")
    form = len(f"token={'x' * longest}&token_type_hint=access_token")
    assert header <= size * 1024
    assert buffers * size <= of_all
    assert form <= body * 1024


def test_the_proxy_and_the_authorization_server_have_the_same_limit_of_a_body(project):
    proxy = (project / "deploy" / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    server = (project / "authorization_server" / "oauth" / "requests.py").read_text("utf-8")
    (kib,) = re.findall(r"MAX_BODY_SIZE = (\d+) \* 1024", server)
    assert f"client_max_body_size {kib}k;" in proxy


def test_the_proxy_knows_the_domain_of_the_project(bake):
    project = bake({"domain": "shop.example.org"})
    text = (project / "deploy" / "nginx" / "nginx.conf").read_text(encoding="utf-8")
    assert "auth.shop.example.org authorization-server;" in text
    assert r"\.shop\.example\.org$ $name;" in text
