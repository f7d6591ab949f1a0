"""`make token` signs a person in, by a browser of this machine or of another one."""

import subprocess
import sys

import pytest
import requests
from browser import parameters
from conftest import ROOT
from infrastructure import log_in

# The standard library takes it for a browser with windows.
BROWSER = "true %s &"


@pytest.fixture
def get_token(stack):
    """Return a function that starts the script, and returns it with the address it shows."""
    processes = []

    def get_token(*scopes, browser=BROWSER):
        environment = {"BROWSER": browser, "DISPLAY": "", "WAYLAND_DISPLAY": ""}
        process = subprocess.Popen(
            [sys.executable, ROOT / "scripts" / "get_token.py", *scopes],
            env=stack.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        processes.append(process)
        lines = map(str.strip, process.stderr)
        return process, next((line for line in lines if line.startswith("http")), None)

    yield get_token
    for process in processes:
        process.kill()
        process.communicate()


def finish(process):
    """Return the exit code and the output of the script."""
    output, errors = process.communicate(timeout=60)
    return process.returncode, output.strip(), errors.strip()


def test_a_browser_brings_the_token(stack, browser, get_token, get, first):
    process, url = get_token(f"{first['name']}:read")
    browser.open(url)
    log_in(stack, browser)
    assert requests.get(browser.submit(allow="true"), timeout=10).text.startswith("Close")
    code, token, errors = finish(process)
    assert (code, get(stack.api(first["name"]), token).status_code) == (0, 200)
    assert f'"Authorization: Bearer $TOKEN" {stack.api(first["name"])}' in errors


def test_without_a_browser_any_other_one_will_do(stack, browser, get_token, get, first):
    process, url = get_token(f"{first['name']}:read", browser="")
    browser.open(url)
    log_in(stack, browser)
    browser.submit()  # the code, which is in the address
    browser.submit(action="accept")
    code, token, _ = finish(process)
    assert (code, get(stack.api(first["name"]), token).status_code) == (0, 200)


def test_without_a_scope_it_asks_for_all(get_token, first):
    _, url = get_token()
    assert set(first["scopes"]) <= {*parameters(url)["scope"].split()}


def test_a_person_who_cancels_gets_no_token(stack, browser, get_token, first):
    process, url = get_token(f"{first['name']}:read")
    browser.open(url)
    log_in(stack, browser)
    requests.get(browser.submit(), timeout=10)
    code, output, errors = finish(process)
    assert (code, output, errors.splitlines()[-1]) == (1, "", "No token: access_denied")


@pytest.mark.parametrize("wrong", [{"state": "another"}, {"iss": "https://attacker.example"}])
def test_a_response_to_another_request_is_refused(stack, get_token, wrong):
    process, url = get_token()
    sent = parameters(url)
    response = {"code": "a-code", "state": sent["state"], "iss": stack.url} | wrong
    requests.get(sent["redirect_uri"], response, timeout=10)
    code, output, errors = finish(process)
    assert (code, output, errors.splitlines()[-1]) == (1, "", "No token: try again")


def test_an_unknown_scope_is_refused(get_token):
    process, _ = get_token("nonsense", browser="")
    code, output, _ = finish(process)
    assert (code, output) == (1, "")
