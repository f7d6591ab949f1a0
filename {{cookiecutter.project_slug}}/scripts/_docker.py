"""What the scripts for containers share: Docker as it is needed here, and what it says.

Standard library only, because these run without anything installed but Docker.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import Any

from _project import ROOT

COMPOSE = ("docker", "compose", "--ansi", "never")
# `start_interval` of health checks; `up --wait` that takes a step which ended with 0 for a success.
ENGINE_NEEDED, COMPOSE_NEEDED = (25, 0), (2, 26)
LOG_LINES = 20


def require_docker() -> None:
    """Exit with what to do unless there is Docker with Compose, new enough, and it answers."""
    if not shutil.which("docker"):
        sys.exit("Docker is not installed: https://docs.docker.com/get-docker/ says how.")
    found = run("docker", "compose", "version", "--short")
    if found.returncode:
        sys.exit("Docker has no Compose: https://docs.docker.com/compose/install/ says how.")
    require_version("Compose", found.stdout, COMPOSE_NEEDED)
    found = run("docker", "version", "--format", "{{.Server.Version}}")
    if found.returncode:
        sys.exit(f"{reason(found.stderr)} {repair(found.stderr)}")
    require_version("Docker Engine", found.stdout, ENGINE_NEEDED)


def require_version(what: str, version: str, needed: tuple[int, int]) -> None:
    """Exit when `what` is older than it has to be."""
    numbers = re.search(r"(\d+)\.(\d+)", version)
    if numbers and (int(numbers[1]), int(numbers[2])) < needed:
        sys.exit(
            f"{what} is {version.strip()}, and {needed[0]}.{needed[1]} is the least: "
            "https://docs.docker.com/engine/install/ says how to get a newer one."
        )


def repair(message: str) -> str:
    """Return what helps when the engine does not answer."""
    if "permission denied" in message:
        return (
            "Give yourself the right to use it: `sudo usermod --append --groups docker $USER`, "
            "then log in again."
        )
    return "Start it: `sudo systemctl start docker`, or Docker Desktop."


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the folder of the project, and return what it prints."""
    return subprocess.run(words, cwd=ROOT, capture_output=True, encoding="utf-8", errors="replace")


def compose(*words: str) -> str:
    """Run ``docker compose``, and return what it prints; exit with its last line when it fails."""
    done = run(*COMPOSE, *words)
    if done.returncode:
        sys.exit(f"`docker compose {words[0]}` has failed: {reason(done.stderr)}")
    return done.stdout


def containers() -> list[dict[str, Any]]:
    """Return the containers of this project, as ``docker compose ps`` describes them."""
    text = compose("ps", "--all", "--format", "json").strip()
    return json.loads(text) if text.startswith("[") else [*map(json.loads, text.splitlines())]


def logs(container: str) -> str:
    """Return the last lines that a container has written since it was started."""
    since = started_at(container)
    done = run("docker", "logs", "--since", since, "--tail", str(LOG_LINES), container)
    return (done.stdout + done.stderr).strip()


def started_at(container: str) -> str:
    """Return when a container was started, as ISO 8601 in UTC."""
    return run("docker", "inspect", "--format", "{{.State.StartedAt}}", container).stdout.strip()


def reason(output: str) -> str:
    """Return the last line of some output, as a sentence."""
    lines = output.strip().splitlines() or ["it does not say why"]
    line = lines[-1].strip().rstrip(".")
    return line if line.endswith("?") else f"{line}."
