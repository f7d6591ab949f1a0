"""Containers that run with a file of `.secrets/` that is another one by now.

Compose does not look into the files that it mounts, and a container keeps those that were there
when it was started.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from _docker import compose, containers, run


def remove_outdated(project: dict[str, Any]) -> list[str]:
    """Remove these containers, and return their services: `up` starts them in its order.

    Args:
        project: What ``docker compose config`` says.
    """
    outdated = sorted({one["Service"] for one in containers() if is_outdated(one, project)})
    if outdated:
        # What is worth keeping is in volumes.
        compose("rm", "--force", "--stop", *outdated)
    return outdated


def is_outdated(container: dict[str, Any], project: dict[str, Any]) -> bool:
    """Return whether one of its files was written after it was started."""
    service = project["services"].get(container["Service"], {})
    paths = [Path(project["secrets"][one["source"]]["file"]) for one in service.get("secrets", ())]
    if container["State"] != "running" or not any(path.exists() for path in paths):
        return False
    return max(path.stat().st_mtime for path in paths if path.exists()) > started_at(container)


def started_at(container: dict[str, Any]) -> float:
    """Return when it was started, in Unix seconds."""
    text = run("docker", "inspect", "--format", "{{.State.StartedAt}}", container["ID"]).stdout
    return datetime.fromisoformat(text.strip()).timestamp()
