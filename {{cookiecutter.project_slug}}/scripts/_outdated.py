"""Containers that run with a file of `.secrets/` that is another one by now.

Compose does not look into the files that it mounts, and a container keeps those that were there
when it was started.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from _docker import compose, started_at


def remove_outdated(containers: list[dict[str, Any]], project: dict[str, Any]) -> list[str]:
    """Remove these containers, and return their services: `up` starts them in its order.

    Args:
        containers: Of the project, as ``docker compose ps`` describes them.
        project: What ``docker compose config`` says.
    """
    outdated = sorted({one["Service"] for one in containers if is_outdated(one, project)})
    if outdated:
        # What is worth keeping is in volumes.
        compose("rm", "--force", "--stop", *outdated)
    return outdated


def is_outdated(container: dict[str, Any], project: dict[str, Any]) -> bool:
    """Return whether it runs, and one of its files was written after it was started."""
    if container["State"] != "running":
        return False
    service = project["services"].get(container["Service"], {})
    paths = [Path(project["secrets"][one["source"]]["file"]) for one in service.get("secrets", ())]
    written = [path.stat().st_mtime for path in paths if path.exists()]
    return bool(written) and max(written) > unix_seconds(started_at(container["ID"]))


def unix_seconds(time: str) -> float:
    """Return an ISO 8601 time in Unix seconds."""
    return datetime.fromisoformat(time).timestamp()
