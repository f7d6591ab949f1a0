"""`.ci/run` starts a Docker Engine if none runs, and stops only an engine that it has started.

Docker, the engine and make are replaced by scripts that log their arguments.
"""

import os
import shutil
import subprocess

import pytest
from stack import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the script is for a Unix")

# The engine runs where a file of that name is; `docker info` sees it only after `env`.
DOCKER = '#!/bin/sh\ntest -n "$SEES_ENGINE" && test -e "$STATE/running"\n'
ENGINE = """
echo "engine $1" >> "$STATE/log"
case $1 in
    env) echo "export SEES_ENGINE=yes" ;;
    up) test ! -e "$STATE/broken" && touch "$STATE/running" ;;
    images) test ! -e "$STATE/no-images" ;;
    down) rm "$STATE/running" ;;
esac
"""
MAKE = """#!/bin/sh
echo "make $1${DOCKER_HOST:+ at $DOCKER_HOST}" >> "$STATE/log"
test ! -e "$STATE/fails-$1"
"""


@pytest.fixture
def ci(tmp_path):
    """Return a function that runs the script and returns its exit code and the logged calls."""
    checkout, programs = tmp_path / "checkout", tmp_path / "programs"
    shutil.copytree(ROOT / ".ci", checkout / ".ci")
    programs.mkdir()
    for name, text in {"docker": DOCKER, "make": MAKE}.items():
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)

    def ci(*, engine=True, **variables):
        if engine:
            (tmp_path / "shared" / "tools").mkdir(parents=True)
            script = tmp_path / "shared" / "tools" / "docker-engine"
            script.write_text(ENGINE, encoding="utf-8")
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        environment = {"PATH": path, "STATE": str(tmp_path)} | variables
        process = subprocess.run(["bash", checkout / ".ci" / "run"], env=environment)
        log = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
        return process.returncode, log

    return ci


def test_without_an_engine_script_all_other_steps_run(ci):
    assert ci(engine=False) == (0, ["make test", "make demo"])


def test_an_engine_is_started_before_the_tests_and_stopped_after_them(ci):
    steps = ["engine env", "engine up", "engine images", "make test", "make demo", "engine down"]
    assert ci() == (0, steps)


def test_the_engine_is_stopped_when_a_test_has_failed(ci, tmp_path):
    (tmp_path / "fails-test").touch()
    code, log = ci()
    assert (code != 0, log[-2:]) == (True, ["make test", "engine down"])


def test_an_engine_of_the_system_is_used_and_not_stopped(ci, tmp_path):
    (tmp_path / "running").touch()
    assert ci(SEES_ENGINE="yes") == (0, ["make test", "make demo"])


def test_an_engine_that_runs_already_is_not_stopped(ci, tmp_path):
    (tmp_path / "running").touch()
    assert ci() == (0, ["engine env", "engine images", "make test", "make demo"])


def test_the_tests_run_when_the_engine_does_not_start(ci, tmp_path):
    (tmp_path / "broken").touch()
    code, log = ci()
    assert (code, [step for step in log if step.startswith("make")]) == (
        0,
        ["make test", "make demo"],
    )


def test_without_base_images_the_tests_run_without_an_engine(ci, tmp_path):
    (tmp_path / "no-images").touch()
    code, log = ci()
    no_engine = "at unix:///dev/null"
    assert (code, log[-3:]) == (
        0,
        [f"make test {no_engine}", f"make demo {no_engine}", "engine down"],
    )
