"""Run the platform of the Compose files as a stack of Docker Swarm: docs/swarm.md.

``python3 scripts/swarm.py`` writes deploy/stack.yml from what `docker compose config` prints, so
that no service is described twice. With ``deploy`` it also creates networks, secrets and configs on
the swarm of the current Docker context, runs the one-shot steps in order, and rolls out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from graphlib import TopologicalSorter
from hashlib import sha256
from pathlib import Path
from typing import Any

from _project import ROOT, environment, replace_text

STACK = ROOT / "deploy" / "stack.yml"
NOTE = "# Written by scripts/swarm.py from the Compose files, which say what to change.\n"
SIGNING_KEY = "OIDC_RSA_PRIVATE_KEY"
# `docker stack deploy` refuses these or ignores them. `deployed` translates some of them.
UNKNOWN = (
    *("build", "depends_on", "entrypoint", "mem_limit", "pull_policy", "restart"),
    *("security_opt", "shm_size", "tmpfs"),
)
DATA = {"postgres", "valkey"}
FIRST = "authorization-server"
# For a one-shot step, and for each half of a roll-out.
SECONDS = 600
# A new task is healthy before an old one stops; a failure puts the old version back.
ROLL_OUT = {"order": "start-first", "parallelism": 1, "monitor": "10s"}
UPDATE = ROLL_OUT | {"failure_action": "rollback"}
Document = dict[str, Any]


def main() -> None:
    """Write the stack file, and with `deploy` roll it out."""
    if sys.argv[1:] not in ([], ["deploy"]):
        sys.exit("usage: python3 scripts/swarm.py [deploy]")
    config = json.loads(docker("compose", "config", "--format", "json"))
    image = environment().get("STACK_IMAGE") or sys.exit(
        "Set STACK_IMAGE in .env to the image in your registry, with a tag or digest of its own."
    )
    stack, files = translated(config, image)
    is_step = {n: one.get("restart") == "no" for n, one in config["services"].items()}
    depends_on = {n: one.get("depends_on", {}) for n, one in config["services"].items()}
    order = [name for name in TopologicalSorter(depends_on).static_order() if is_step[name]]
    steps = [stack | {"services": {name: stack["services"].pop(name)}} for name in order]
    replace_text(STACK, NOTE + json.dumps(stack, indent=2) + "\n", 0o644)
    print(f"deploy/stack.yml: written, with {len(stack['services'])} services")
    if sys.argv[1:] == ["deploy"]:
        deploy(config["name"], stack, steps, files)


def docker(*arguments: str, text: str | None = None) -> str:
    """Run a Docker command and return its output; exit with its error, or after `SECONDS`."""
    command, shown = ["docker", *arguments], " ".join(arguments[:3])
    try:
        done = subprocess.run(
            command, cwd=ROOT, input=text, capture_output=True, text=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"docker {shown} has not ended in {SECONDS} s: see `docker stack ps --no-trunc`.")
    if done.returncode:
        sys.exit(f"docker {shown}: {done.stderr.strip()}")
    return done.stdout


def translated(config: Document, image: str) -> tuple[Document, dict[str, Document]]:
    """Return the stack, with the one-shot steps, and the files of its secrets and configs.

    Args:
        config: What Compose prints, with all files merged.
        image: The image of the services in a registry that every node reaches.
    """
    secrets = {name: Path(secret["file"]) for name, secret in config["secrets"].items()}
    secrets[SIGNING_KEY] = ROOT / ".secrets" / SIGNING_KEY
    if not secrets[SIGNING_KEY].is_file():
        sys.exit(f"There is no key: run `openssl genrsa -out .secrets/{SIGNING_KEY} 3072` first.")
    configs: dict[str, Path] = {}
    services = {}
    for name, service in config["services"].items():
        if service["image"].startswith("localhost/"):
            service["image"] = image
        service = without_mounts(deployed(name, service), configs)
        services[name] = {key: value for key, value in service.items() if key not in UNKNOWN}
    files = {"secrets": dict(named(secrets)), "configs": dict(named(configs))}
    networks = {n: {"external": True, "name": one["name"]} for n, one in config["networks"].items()}
    volumes: Document = {n: {} for n in config["volumes"] if n != "signing-key"}
    external = {
        kind: {name: {"external": True, "name": one["name"]} for name, one in found.items()}
        for kind, found in files.items()
    }
    return {"services": services, "networks": networks, "volumes": volumes} | external, files


def named(paths: dict[str, Path]) -> Iterator[tuple[str, Document]]:
    """Yield a name with a digest of the content for each file, because neither can be changed."""
    for name, path in paths.items():
        text = path.read_text(encoding="utf-8") or "\n"  # Swarm refuses an empty file
        digest = sha256(text.encode()).hexdigest()[:8]
        yield name, {"name": f"{name[:55]}_{digest}", "text": text}


def deployed(name: str, service: Document) -> Document:
    """Return a service with its `deploy`, and with mounts and ports as a stack writes them."""
    # Names resolve to every task, so that nginx and libcurl can try the next address.
    deploy: Document = {"endpoint_mode": "dnsrr"}
    if service.get("restart") == "no":
        deploy = {"mode": "replicated-job", "restart_policy": {"condition": "none"}}
    elif name in DATA:
        # The node that has its volume.
        deploy |= {"placement": {"constraints": ["node.labels.data == true"]}}
    elif "ports" in service:
        # A port of a node has one owner, so the old task stops first.
        deploy |= {"mode": "global", "update_config": UPDATE | {"order": "stop-first"}}
    else:
        deploy |= {"update_config": UPDATE, "rollback_config": ROLL_OUT}
        deploy["placement"] = {"preferences": [{"spread": "node.id"}]}
        deploy["replicas"] = 1 if name == "clear-tokens" else 2
    # What a Compose file says itself comes first.
    deploy |= service.get("deploy", {})
    if memory := service.get("mem_limit"):
        deploy.setdefault("resources", {"limits": {"memory": memory, "cpus": "1"}})
    mounts = [*service.get("volumes", [])]
    mounts += [{"type": "tmpfs", "target": path} for path in service.get("tmpfs", [])]
    if size := service.get("shm_size"):
        mounts.append({"type": "tmpfs", "target": "/dev/shm", "tmpfs": {"size": int(size)}})  # noqa: S108
    ports = [
        port | {"mode": "host", "published": int(port["published"])}
        for port in service.get("ports", [])
    ]
    return service | {"deploy": deploy, "volumes": mounts, "ports": ports}


def without_mounts(service: Document, configs: dict[str, Path]) -> Document:
    """Return a service without folders of one machine; their files become `configs`."""
    values = {
        name: value for name, value in service.get("environment", {}).items() if value is not None
    }
    added, mounts, secrets = [], [], [*service.get("secrets", [])]
    for mount in service["volumes"]:
        if mount["type"] == "bind":
            for path in sorted(Path(mount["source"]).iterdir()):
                configs[path.name] = path
                added.append({"source": path.name, "target": f"{mount['target']}/{path.name}"})
        elif mount.get("source") == "signing-key":
            # A volume is local to a node, and all tasks sign with one key.
            path_inside = f"/run/secrets/{SIGNING_KEY}"
            secrets.append({"source": SIGNING_KEY, "target": path_inside})
            values[f"{SIGNING_KEY}_FILE"] = path_inside
        else:
            mounts.append(mount)
    changed = {"environment": values, "configs": added, "secrets": secrets, "volumes": mounts}
    return service | changed


def deploy(name: str, stack: Document, steps: list[Document], files: dict[str, Document]) -> None:
    """Create what the stack `name` needs, run the steps, and roll out the services."""
    present = docker("network", "ls", "--format", "{{.Name}}").split()
    for network, one in stack["networks"].items():
        if one["name"] not in present:
            internal = ["--internal"] if network == "data" else []
            docker("network", "create", "--driver", "overlay", *internal, one["name"])
    for kind, found in files.items():
        command = kind.removesuffix("s")
        present = docker(command, "ls", "--format", "{{.Name}}").split()
        create = (command, "create", "--label", f"platform={name}")
        for one in found.values():
            if one["name"] not in present:
                docker(*create, one["name"], "-", text=one["text"])
    data = {key: one for key, one in stack["services"].items() if key in DATA}
    print("data: deploying", flush=True)
    deploy_stack(name, "--detach=false", "-", text=json.dumps(stack | {"services": data}))
    for step in steps:
        run_step(f"{name}-steps", step)
    # One after the other, as tasks that start take CPU from those that serve. The authorization
    # server is first: its new version knows a resource server that was added.
    for service in sorted(stack["services"].keys() - DATA, key=lambda one: (one != FIRST, one)):
        print(f"{service}: rolling out", flush=True)
        part = stack | {"services": {service: stack["services"][service]}}
        deploy_stack(name, "--detach=false", "-", text=json.dumps(part))
    deploy_stack(name, "--detach", str(STACK), "--prune")
    names = [f"{name}_{service}" for service in stack["services"]]
    form = "{{.Spec.Name}} {{if .UpdateStatus}}{{.UpdateStatus.State}}{{end}}"
    states = docker("service", "inspect", "--format", form, *names)
    if failed := [line for line in states.splitlines() if "rollback" in line or "paused" in line]:
        sys.exit("\n".join(["These services did not become healthy, and run as before:", *failed]))
    print("services: rolled out")


def deploy_stack(name: str, detach: str, file: str, *options: str, text: str | None = None) -> None:
    """Deploy a stack file; with ``--detach=false`` wait until its services have converged."""
    command = ["stack", "deploy", detach, "--with-registry-auth", *options, "--compose-file", file]
    docker(*command, name, text=text)


def run_step(name: str, step: Document) -> None:
    """Run a one-shot step as a job and wait for its end; exit with its log if it fails."""
    [service] = step["services"]
    print(f"{service}: running", flush=True)
    full = f"{name}_{service}"
    if full in docker("service", "ls", "--format", "{{.Name}}").split():
        docker("service", "rm", full)
    deploy_stack(name, "--detach", "-", text=json.dumps(step))
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        lines = docker("service", "ps", full, "--format", "{{.CurrentState}}").splitlines()
        # There are two tasks where the node of the first one has been silent.
        states = {line.split(" ")[0] for line in lines}
        if "Complete" in states:
            docker("service", "rm", full)
            return
        if states and states <= {"Failed", "Rejected"}:
            break
        time.sleep(0.5)
    log = subprocess.run(
        ["timeout", "10", "docker", "service", "logs", "--raw", "--tail", "20", full],
        capture_output=True,
        text=True,
    )
    sys.exit(f"{service} failed; the running services are unchanged.\n{log.stdout}{log.stderr}")


if __name__ == "__main__":
    try:
        main()
    except OSError as fault:
        sys.exit(f"{fault.filename or 'docker'}: {fault.strerror}.")
