"""The smoke flow passes against the stack: the tests of every step stand in scripts/smoke.py."""

import subprocess
import sys

from conftest import ROOT


def test_the_smoke_flow_passes(stack):
    smoke = subprocess.run(
        [sys.executable, ROOT / "scripts" / "smoke.py"],
        env=stack.environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr


def test_no_secret_is_in_the_log_of_the_stack(stack):
    log = stack.log.read_text(encoding="utf-8")
    kinds = "SECRET", "SECRET_KEY", "PASSWORD"
    secrets = [value for name, value in stack.env.items() if name.endswith(kinds)]
    assert [secret for secret in secrets if secret in log] == []
