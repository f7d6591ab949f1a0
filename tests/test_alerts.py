"""The alerts of a project fire when they should, and not before, as promtool sees it."""

import json
import shutil
import subprocess

import pytest
import yaml

pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")

OUTCOMES = 'oauth_resource_server_outcomes_total{job="orders", outcome="%s"}'
ERRORS = 'authorization_server_resource_server_errors_total{job="as", status="%s"}'
EVENTS = 'authorization_server_security_events_total{job="as", event="%s"}'
CONTACT = "oauth_resource_server_revocation_contact_timestamp_seconds"
REQUESTS = 'service_request_seconds_count{job="orders", status="%s"}'


def histogram(name, job, le):
    """Return the series of a histogram in which every value is just below `le`."""
    labels = f'job="{job}", le='
    return {
        f'{name}_bucket{{{labels}"0.001"}}': "0x120",
        f'{name}_bucket{{{labels}"{le}"}}': "0+60x120",
        f'{name}_bucket{{{labels}"+Inf"}}': "0+60x120",
    }


# For each alert: series with a sample a minute that fire it, and such that do not, by a little.
CASES = {
    "ServiceDown": ({'up{job="orders"}': "0x120"}, {'up{job="orders"}': "1x120"}),
    "ServerErrors": (
        {REQUESTS % "200": "0+98x120", REQUESTS % "503": "0+2x120"},
        {REQUESTS % "200": "0+995x120", REQUESTS % "503": "0+5x120"},
    ),
    "SlowRequests": (
        histogram("service_request_seconds", "orders", 5),
        histogram("service_request_seconds", "orders", 2),
    ),
    "RotationOverdue": (
        {'service_credential_due_timestamp_seconds{job="orders", credential="x"}': "1x120"},
        {'service_credential_due_timestamp_seconds{job="orders", credential="x"}': "9999x120"},
    ),
    "NoThreadFree": (
        {'service_overloads_total{job="orders"}': "0+1x120"},
        {'service_overloads_total{job="orders"}': "7x120"},
    ),
    "AuthorizationServerUnavailable": (
        {OUTCOMES % "AuthorizationServerSkipped": "0+1x120", OUTCOMES % "active": "0+9x120"},
        {OUTCOMES % "AuthorizationServerSkipped": "0+1x120", OUTCOMES % "active": "0+99x120"},
    ),
    "CircuitOpen": (
        {'oauth_resource_server_breaker_state{job="orders", issuer="as"}': "2x120"},
        {'oauth_resource_server_breaker_state{job="orders", issuer="as"}': "1x120"},
    ),
    "IntrospectionCredentialsRefused": (
        {OUTCOMES % "IntrospectionCredentialsRefused": "0x55 1x60"},
        {OUTCOMES % "IntrospectionCredentialsRefused": "5x120"},
    ),
    "SigningKeyUnknown": (
        {OUTCOMES % "SigningKeyUnknown": "0+2x120"},
        {OUTCOMES % "SigningKeyUnknown": "0+0.9x120"},
    ),
    "ManyInvalidTokens": (
        {OUTCOMES % "TooManyInvalidTokens": "0+30x120"},
        {OUTCOMES % "TooManyInvalidTokens": "0+15x120"},
    ),
    "RevocationsNotReported": (
        {f'{CONTACT}{{job="orders", instance="a"}}': "1x120"},
        # A process that has not begun to ask, and one that has heard a minute ago.
        {
            f'{CONTACT}{{job="orders", instance="a"}}': "0x120",
            f'{CONTACT}{{job="orders", instance="b"}}': "1+60x120",
        },
    ),
    "RevocationsLate": (
        histogram("oauth_resource_server_revocation_seconds", "orders", 10),
        histogram("oauth_resource_server_revocation_seconds", "orders", 5),
    ),
    "IntrospectionsFail": ({ERRORS % "503": "0+2x120"}, {ERRORS % "503": "0+0.9x120"}),
    "CallersRefused": ({ERRORS % "401": "0+2x120"}, {ERRORS % "401": "0+0.9x120"}),
    "SlowIntrospections": (
        histogram("authorization_server_introspection_seconds", "as", 1),
        histogram("authorization_server_introspection_seconds", "as", 0.5),
    ),
    "SignInsFail": (
        {EVENTS % "sign-in-failed": "0+6x120", EVENTS % "sign-in-limited": "0+6x120"},
        {EVENTS % "sign-in-failed": "0+6x120", EVENTS % "sign-in": "0+99x120"},
    ),
    "AuditNotSealed": (
        {'authorization_server_unsealed_seconds{job="as"}': "7201x120"},
        {'authorization_server_unsealed_seconds{job="as"}': "7200x120"},
    ),
    "TokenReused": ({EVENTS % "token-reused": "0x55 1x60"}, {EVENTS % "token-reused": "1x120"}),
}


@pytest.fixture(scope="module")
def rules(project):
    return project / "deploy" / "observability" / "rules.yml"


@pytest.fixture(scope="module")
def alerts(rules):
    """Return the alerts by name."""
    groups = yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"]
    return {alert["alert"]: alert for group in groups for alert in group["rules"]}


@pytest.fixture
def firing(rules, tmp_path):
    """Return a function: how many alerts of a name fire after an hour of some series."""

    def firing(name, series):
        fires = f'ALERTS{{alertname="{name}", alertstate="firing"}}'
        for number in (0, 1):
            sample = {"labels": "{}", "value": number}
            test = {
                "interval": "1m",
                "input_series": [{"series": key, "values": each} for key, each in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f"count({fires}) or vector(0)",
                        "eval_time": "1h",
                        "exp_samples": [sample],
                    }
                ],
            }
            file = tmp_path / "test.yml"
            content = {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}
            file.write_text(json.dumps(content), encoding="utf-8")
            command = ["promtool", "test", "rules", file]
            run = subprocess.run(command, capture_output=True, encoding="utf-8")
            if run.returncode == 0:
                return number
        pytest.fail(run.stdout + run.stderr)

    return firing


def test_promtool_accepts_the_rules(rules):
    assert subprocess.run(["promtool", "check", "rules", rules]).returncode == 0


def test_each_alert_has_a_case(alerts):
    # Series of promtool cannot be NaN.
    assert sorted([*CASES, "TokensNotCounted"]) == sorted(alerts)


@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_beyond_its_threshold_only(firing, name):
    beyond, before = CASES[name]
    assert (firing(name, beyond), firing(name, before)) == (1, 0)


def test_each_alert_says_what_happens_and_why_its_threshold_is_where_it_is(alerts):
    wanted = {"summary", "threshold"}
    assert [name for name, each in alerts.items() if set(each["annotations"]) != wanted] == []
    assert {each["labels"]["severity"] for each in alerts.values()} == {"page", "ticket"}
