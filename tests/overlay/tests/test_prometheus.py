"""A real Prometheus reads two processes of each role: the alerts and the dashboard find metrics."""

import json
import re
import shutil
import subprocess
from contextlib import ExitStack

import pytest
import requests
import yaml
from conftest import MANIFESTS, ROOT, answers, free_port, until
from infrastructure import Server, get_once

pytestmark = pytest.mark.skipif(not shutil.which("prometheus"), reason="no Prometheus is installed")

NAME = MANIFESTS[0]["name"]
FOLDER = ROOT / "deploy" / "observability"
RULES = FOLDER / "rules.yml"
TOKEN = "a-token-for-prometheus-0123456789-abcdef"
ALERTS = {
    rule["alert"]: rule["expr"]
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
PANELS = json.loads((FOLDER / "grafana/dashboards/platform.json").read_text("utf-8"))["panels"]
QUERIES = {
    f"{panel['title']} {target['refId']}": (target["expr"], target["legendFormat"])
    for panel in PANELS
    for target in panel.get("targets", ())
}


@pytest.fixture(scope="module")
def services(stack, tmp_path_factory):
    """Start both roles with METRICS_TOKEN and two processes each; return them by job."""
    folder, servers = tmp_path_factory.mktemp("services"), {}
    places = {"authorization-server": "authorization_server", NAME: f"resource_servers/{NAME}"}
    with ExitStack() as running:
        for job, place in places.items():
            (folder / job).mkdir()
            variables = {"METRICS_TOKEN": TOKEN, "PROMETHEUS_MULTIPROC_DIR": str(folder / job)}
            if servers:
                url = servers["authorization-server"].url
                variables["AUTHORIZATION_SERVER_INTERNAL_URL"] = url
            log = folder / f"{job}.log"
            servers[job] = Server(stack, place, log, WEB_CONCURRENCY="2", **variables)
            servers[job].metrics = folder / job
            running.enter_context(servers[job])
        yield servers


def metrics(server):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return requests.get(f"{server.url}/metrics", headers=headers, timeout=30).text


def has_contact(api):
    """Return whether each process has heard of revocations; a probe makes it ask."""
    requests.get(f"{api.url}/health/ready", headers={"Connection": "close"}, timeout=30)
    are_counted = len(list(api.metrics.glob("gauge_livemin_*.db"))) == 2
    return are_counted and re.search(r"contact_timestamp_seconds [1-9]", metrics(api))


@pytest.fixture(scope="module")
def used(stack, services):
    """Issue a token, use it, revoke it, and wait until the resource server has heard of it."""
    server, api = services["authorization-server"], services[NAME]
    names = [f"DEMO_MACHINE_CLIENT_{part}" for part in ("ID", "SECRET")]
    auth = tuple(stack.env[name] for name in names)
    form = {"grant_type": "client_credentials", "scope": f"{NAME}:read"}
    issued = requests.post(f"{server.url}/o/token/", form, auth=auth, timeout=30).json()
    until(lambda: get_once(f"{api.url}/api/whoami/", issued["access_token"]).ok)
    until(lambda: has_contact(api))
    form = {"token": issued["access_token"]}
    requests.post(f"{server.url}/o/revoke_token/", form, auth=auth, timeout=30)
    until(lambda: 'oauth_resource_server_revocations_total{kind="token"}' in metrics(api))


@pytest.fixture(scope="module")
def query(services, used, tmp_path_factory):
    """Start Prometheus with the files of the project; return a function that asks it.

    Names in DNS become addresses of this machine, and the version in Debian knows no
    `scrape_config_files`.
    """
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    own = ROOT / "resource_servers" / NAME / "prometheus.yml"
    assert config.pop("scrape_config_files") == ["/etc/resource_servers/*/prometheus.yml"]
    config["scrape_configs"] += yaml.safe_load(own.read_text(encoding="utf-8"))["scrape_configs"]
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(RULES)]
    (folder / "token").write_text(TOKEN)
    port = free_port()
    for job in config["scrape_configs"]:
        if job.pop("dns_sd_configs", None):
            target = services[job["job_name"]].url.removeprefix("http://")
            job["static_configs"] = [{"targets": [target]}]
            assert job["authorization"] == {"credentials_file": "/run/secrets/METRICS_TOKEN"}
            job["authorization"] = {"credentials_file": str(folder / "token")}
        else:
            job["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    (folder / "prometheus.yml").write_text(json.dumps(config))
    url = f"http://127.0.0.1:{port}"
    command = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]

    def query(expression):
        """Return the labels of each sample."""
        answer = requests.get(f"{url}/api/v1/query", {"query": expression}, timeout=30).json()
        assert answer["status"] == "success", answer
        return [each["metric"] for each in answer["data"]["result"]]

    query.url = url
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        until(lambda: answers(f"{url}/-/ready"))
        # A rate needs two samples.
        until(lambda: len(query("count_over_time(up[1m]) > 4")) == 3)
        yield query
    finally:
        process.terminate()
        process.wait(timeout=60)


def test_every_service_can_be_read(query):
    jobs = {each["job"] for each in query("up == 1")}
    assert jobs == {"authorization-server", NAME, "prometheus"}


@pytest.mark.parametrize("name", ALERTS)
def test_the_expression_of_an_alert_has_a_value(query, name):
    # `bool` gives 0 instead of nothing where the threshold is not passed.
    comparison = re.compile(r"(.*)(==|!=|>)", re.DOTALL)
    assert query(comparison.sub(r"\1\2 bool", ALERTS[name])) != []


def test_prometheus_evaluates_every_alert(query):
    groups = requests.get(f"{query.url}/api/v1/rules", timeout=30).json()["data"]["groups"]
    health = {rule["name"]: rule["health"] for group in groups for rule in group["rules"]}
    assert health == dict.fromkeys(ALERTS, "ok")


@pytest.mark.parametrize("name", QUERIES)
def test_a_panel_of_the_dashboard_has_values_with_the_labels_of_its_legend(query, name):
    expression, legend = QUERIES[name]
    found = query(expression.replace("$__rate_interval", "1m"))
    assert found != []
    # Prometheus leaves out a label that is empty.
    assert set(re.findall(r"{{(\w+)}}", legend)) <= {label for each in found for label in each}
