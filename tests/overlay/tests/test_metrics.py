"""`/metrics` of a service with several processes."""

import os
import re
import signal

import pytest
import requests
from _project import env_prefix
from conftest import ROOT, until
from infrastructure import Server

REQUESTS = 20


@pytest.fixture
def shared(tmp_path):
    """Return the folder in which the processes of a service share their metrics."""
    folder = tmp_path / "metrics"
    folder.mkdir()
    return folder


@pytest.fixture
def several(shared):
    """Return the variables of a service with two processes."""
    return {"WEB_CONCURRENCY": "2", "PROMETHEUS_MULTIPROC_DIR": str(shared)}


def processes_in(folder, kind):
    """Return the ids of the processes that have written a kind of metrics."""
    return {int(path.stem.rpartition("_")[2]) for path in folder.glob(f"{kind}_*.db")}


def test_the_authorization_server_counts_in_all_processes(stack, first, tmp_path, shared, several):
    prefix = env_prefix(first["name"])
    caller = [stack.env[f"{prefix}_INTROSPECTION_CLIENT_{part}"] for part in ("ID", "SECRET")]
    with Server(stack, "authorization_server", tmp_path / "log", **several) as server:
        until(lambda: len(processes_in(shared, "histogram") - {server.process.pid}) == 2)
        for _ in range(REQUESTS):
            form = {"token": "unknown"}
            requests.post(f"{server.url}/o/introspect/", form, auth=tuple(caller), timeout=30)
        labels = f'outcome="inactive",resource_server="{first["name"]}"'
        sample = f"authorization_server_introspection_seconds_count{{{labels}}} {REQUESTS}.0\n"
        for _ in range(REQUESTS):
            assert sample in requests.get(f"{server.url}/metrics", timeout=30).text


@pytest.mark.parametrize("host", ["172.18.0.5:8000", "no-such-host", ""])
def test_prometheus_may_address_a_service_by_any_name(stack, first, host):
    for url in (stack.url, stack.api(first["name"], "")):
        response = requests.get(f"{url}/metrics", headers={"Host": host}, timeout=30)
        assert (response.status_code, "service_request_seconds" in response.text) == (200, True)


def test_every_metric_that_a_page_names_exists(stack, first):
    named = re.compile(r"\b((?:authorization_server|oauth_resource_server|service)_[a-z_]+)")
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "packages").glob("*/REFERENCE.md")]
    pages = [page.read_text(encoding="utf-8") for page in pages]
    rows = [line for page in pages for line in page.splitlines() if line.startswith("| ")]
    files = (ROOT / "deploy" / "observability").rglob("*")
    rows += [path.read_text(encoding="utf-8") for path in files if path.is_file()]
    names = {
        re.sub("_(bucket|count|sum)$", "", name) for row in rows for name in named.findall(row)
    }
    texts = [
        requests.get(f"{url}/metrics", timeout=30).text
        for url in (stack.url, stack.api(first["name"], ""))
    ]
    exported = {name for text in texts for name in re.findall("^# TYPE (\\w+)", text, re.M)}
    assert names - exported == {"authorization_server_id"}  # an option of an issuer
    assert len(names) > 20


def test_each_service_says_when_rotations_are_due(stack, first):
    found = {stack.url: "OIDC_RSA_PRIVATE_KEY"}
    found[stack.api(first["name"], "")] = f"{env_prefix(first['name'])}_INTROSPECTION_CLIENT_SECRET"
    for url, name in found.items():
        text = requests.get(f"{url}/metrics", timeout=30).text
        assert f'service_credential_due_timestamp_seconds{{credential="{name}"}}' in text


def test_requests_to_both_processes_are_counted(resource_server, shared, several):
    with resource_server(**several) as server:
        until(lambda: len(processes_in(shared, "counter") - {server.process.pid}) == 2)
        for _ in range(REQUESTS):
            requests.get(f"{server.url}/api/ping/", headers={"Connection": "close"}, timeout=30)
        text = requests.get(f"{server.url}/metrics", timeout=30).text
        assert f'service_request_seconds_count{{status="200"}} {REQUESTS}.0\n' in text


def test_the_last_contact_of_a_process_that_was_killed_is_forgotten(
    resource_server, shared, several
):
    with resource_server(**several) as server:
        until(lambda: requests.get(f"{server.url}/health/ready", timeout=30).ok)
        until(lambda: len(processes_in(shared, "gauge_livemin")) == 2)
        killed = min(processes_in(shared, "gauge_livemin"))
        os.kill(killed, signal.SIGKILL)
        until(lambda: killed not in processes_in(shared, "gauge_livemin"))
