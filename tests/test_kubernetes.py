"""The Kubernetes manifests of a generated project, rendered by kubectl; no cluster runs them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = "deploy/kubernetes"
OVERLAYS = ("production", "trial")
# The three newest that kubernetes-validate knows.
VERSIONS = ("1.35", "1.36", "1.37")
VALIDATE = ("--from", "kubernetes-validate==1.37.0", "kubernetes-validate")
CHECKOV = ("--from", "checkov==3.3.30", "checkov")
QUANTITY = re.compile(r"\d+(m|Mi)?")
UVX = Path(sys.executable).with_name("uvx")

pytestmark = pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")


@pytest.fixture(scope="module")
def project(bake):
    """Return a project that got one more resource server before `make kubernetes`."""
    folder = bake()
    run(folder, sys.executable, "scripts/add_resource_server.py", "order-history")
    run(folder, sys.executable, "scripts/kubernetes.py")
    return folder


@pytest.fixture(scope="module", params=OVERLAYS)
def file(request, project, tmp_path_factory):
    """Return the path of a rendered overlay."""
    path = tmp_path_factory.mktemp("rendered") / f"{request.param}.yaml"
    path.write_text(run(project, "kubectl", "kustomize", f"{ROOT}/overlays/{request.param}"))
    return path


@pytest.fixture(scope="module")
def objects(file):
    """Return the objects of the rendered overlay by (kind, name)."""
    documents = yaml.safe_load_all(file.read_text())
    return {(one["kind"], one["metadata"]["name"]): one for one in documents}


@pytest.fixture(scope="module")
def pods(objects):
    """Return the template of each pod by the (kind, name) of its owner."""
    found = {}
    for key, one in objects.items():
        spec = one.get("spec", {}).get("jobTemplate", one).get("spec", {})
        if "template" in spec:
            found[key] = spec["template"]
    return found


def run(folder, *command):
    """Run a command in `folder` and return its output."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def of(objects, kind):
    """Return the objects of a kind by name."""
    return {name: one for (found, name), one in objects.items() if found == kind}


def labels(pod):
    return pod["metadata"]["labels"].items()


def test_each_service_has_all_of_its_objects(objects):
    services = {"authorization-server", "orders", "inventory", "order-history"}
    for kind in ("Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"):
        assert of(objects, kind).keys() == services, kind
    assert of(objects, "Ingress").keys() == services
    assert of(objects, "Job").keys() == {f"{name}-migrate" for name in services}


def test_no_secret_is_rendered(objects, file):
    assert of(objects, "Secret") == {}
    assert "BEGIN" not in file.read_text()


def test_every_selector_finds_pods(objects, pods):
    selectors = [one["spec"]["selector"] for one in of(objects, "Service").values()]
    for kind in ("Deployment", "PodDisruptionBudget"):
        selectors += [one["spec"]["selector"]["matchLabels"] for one in of(objects, kind).values()]
    policies = [one["spec"]["podSelector"] for one in of(objects, "NetworkPolicy").values()]
    selectors += [one["matchLabels"] for one in policies if one]
    for selector in selectors:
        assert any(selector.items() <= labels(pod) for pod in pods.values()), selector


def test_every_name_in_a_pod_exists(objects, pods):
    maps = of(objects, "ConfigMap").keys()
    for key, pod in pods.items():
        spec, [container] = pod["spec"], pod["spec"]["containers"]
        volumes = {one["name"] for one in spec["volumes"]}
        assert {one["name"] for one in container["volumeMounts"]} <= volumes, key
        assert {one["configMapRef"]["name"] for one in container["envFrom"]} <= maps, key
        assert ("ServiceAccount", spec["serviceAccountName"]) in objects, key


def test_every_backend_and_probe_names_a_port(objects, pods):
    ports = {
        name: {port["name"] for port in one["spec"]["ports"]}
        for name, one in of(objects, "Service").items()
    }
    for ingress in of(objects, "Ingress").values():
        for path in ingress["spec"]["rules"][0]["http"]["paths"]:
            service = path["backend"]["service"]
            assert service["port"]["name"] in ports[service["name"]]
    for name in of(objects, "Deployment"):
        [container] = pods["Deployment", name]["spec"]["containers"]
        own = {port["name"] for port in container["ports"]}
        probes = [
            container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")
        ]
        assert {probe["port"] for probe in probes} <= own


def test_the_ingress_publishes_neither_probes_nor_metrics(objects):
    for ingress in of(objects, "Ingress").values():
        for path in ingress["spec"]["rules"][0]["http"]["paths"]:
            assert path["path"] != "/" or path["pathType"] == "Exact"
            assert not path["path"].startswith(("/health", "/metrics"))


def test_a_pod_mounts_no_secrets_of_another_service(objects, pods):
    for (kind, name), pod in pods.items():
        owner = {"clear-tokens": "authorization-server"}.get(name, name.removesuffix("-migrate"))
        [volume] = [one for one in pod["spec"]["volumes"] if one["name"] == "secrets"]
        sources = volume.get("projected", {}).get("sources", [volume])
        secrets = {one["secret"].get("secretName") or one["secret"]["name"] for one in sources}
        allowed = {owner, "clients"} if name == "authorization-server-migrate" else {owner}
        assert secrets == allowed, kind


def test_a_drain_can_always_take_a_pod(objects):
    for name, budget in of(objects, "PodDisruptionBudget").items():
        smallest = of(objects, "HorizontalPodAutoscaler")[name]["spec"]["minReplicas"]
        assert budget["spec"]["minAvailable"] < smallest
        assert of(objects, "Deployment")[name]["spec"]["replicas"] == smallest


def test_every_workload_has_the_common_parts(pods):
    for key, pod in pods.items():
        spec, [container] = pod["spec"], pod["spec"]["containers"]
        assert spec["securityContext"]["runAsNonRoot"], key
        assert container["securityContext"]["readOnlyRootFilesystem"], key
        assert "@sha256:" in container["image"], key
        sizes = [*container["resources"]["limits"].values()]
        assert all(QUANTITY.fullmatch(size) for size in sizes), key


def test_resource_servers_reach_the_authorization_server_only(objects):
    policies = of(objects, "NetworkPolicy")
    assert policies["default"]["spec"]["podSelector"] == {}
    assert policies["default"]["spec"].get("ingress") is None
    role = {"podSelector": {"matchLabels": {"role": "resource-server"}}}
    assert role in policies["authorization-server"]["spec"]["ingress"][0]["from"]
    assert role not in policies["resource-servers"]["spec"]["ingress"][0]["from"]
    [target] = policies["resource-servers"]["spec"]["egress"][0]["to"]
    assert target == {"podSelector": {"matchLabels": {"role": "authorization-server"}}}


def test_a_service_finds_its_variables(objects, project):
    [values] = [one["data"] for one in of(objects, "ConfigMap").values()]
    compose = yaml.safe_load((project / "resource_servers/order-history/compose.yml").read_text())
    own = compose["services"]["order-history-migrate"]["environment"]
    suffixes = ("_FILE", "_URL", "_CLIENT_ID")
    required = {name for name in own if name.startswith("ORDER_") and name.endswith(suffixes)}
    assert len(required) > 5
    assert required <= values.keys()
    assert values["ORDER_HISTORY_URL"] == "https://order-history.example.com"


# Stands for kubectl: lists the files of each secret that it is told to create.
KUBECTL = """\
import sys
words = [word for word in sys.argv[1:] if word not in ("-n", "my-platform", "create", "generic")]
if words[0] == "secret":
    print(words[1], *[word.rpartition("/")[2] for word in words[2:]])
"""


def test_the_documented_commands_make_each_secret_that_a_service_reads(project, tmp_path):
    script, program = tmp_path / "kubectl.py", tmp_path / "kubectl"
    script.write_text(KUBECTL)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {script} "$@"\n')
    program.chmod(0o755)
    page = (project / "docs/kubernetes.md").read_text().partition("## Secrets")[2]
    commands = page.partition("```sh\n")[2].partition("```")[0].replace("openssl", ": openssl")
    command = f"PATH={tmp_path}:$PATH\n{commands}"
    listed = [line.split() for line in run(project, "bash", "-ec", command).splitlines()]
    secrets = {name: set(files) for name, *files in listed}
    values = (project / ROOT / "base/platform.env").read_text()
    for service in ("authorization-server", "orders", "inventory"):
        prefix = service.upper().replace("-", "_")
        others = {"AUTHORIZATION_SERVER", "ORDERS", "INVENTORY", "ORDER_HISTORY"} - {prefix}
        names = re.findall(r"^(\w+)_FILE=", values, re.MULTILINE)
        own = {name for name in names if not name.startswith(tuple(f"{one}_" for one in others))}
        if service != "authorization-server":
            own.discard("OIDC_RSA_PRIVATE_KEY")  # the key of one service
        assert own, service
        assert own <= secrets[service], service


def test_a_second_run_changes_nothing(project):
    before = {path: path.read_bytes() for path in (project / ROOT).rglob("*") if path.is_file()}
    run(project, sys.executable, "scripts/kubernetes.py")
    after = {path: path.read_bytes() for path in (project / ROOT).rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.slow
def test_the_schemas_accept_it(file):
    for version in VERSIONS:
        output = run(file.parent, UVX, *VALIDATE, "--strict", "-k", version, str(file))
        assert "WARN" not in output


@pytest.mark.slow
def test_checkov_finds_nothing(file):
    options = ("--framework", "kubernetes", "--compact", "--skip-download", "--file")
    output = run(file.parent, UVX, *CHECKOV, *options, str(file))
    assert re.search(r"Passed checks: [1-9]\d+, Failed checks: 0, Skipped checks: 0", output)
