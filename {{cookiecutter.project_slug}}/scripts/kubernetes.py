"""``make kubernetes``: write the manifests of the resource servers, and render the platform.

`deploy/kubernetes/resource-server.yaml` is the template; the written files are tracked by git, so
that a tool which applies the repository sees them. Another run replaces them: change the template,
or patch a service in an overlay.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

from _project import ROOT, read_text, read_toml, resource_servers, variables
from _secret_files import ADMINISTRATORS, wanted
from add_resource_server import fill_in

FOLDER = ROOT / "deploy" / "kubernetes"
WRITTEN = FOLDER / "base" / "resource-servers"
OVERLAY = "deploy/kubernetes/overlays/production"
NOTE = "# Written by `make kubernetes`: do not edit.\n"


def main() -> None:
    """Write the files, then render the overlay for production to the standard output."""
    write()
    print(f"{WRITTEN.relative_to(ROOT)}: written", file=sys.stderr)
    if shutil.which("kubectl") is None:
        sys.exit(f"kubectl is not installed; with it: kubectl kustomize {OVERLAY}")
    sys.exit(subprocess.run(["kubectl", "kustomize", OVERLAY], cwd=ROOT).returncode)


def write() -> None:
    """Replace the manifests of the resource servers and the variables of all services."""
    domain = read_toml(ROOT / "project.toml").get("domain", "example.com")
    servers = resource_servers()
    shutil.rmtree(WRITTEN, ignore_errors=True)
    WRITTEN.mkdir()
    for server in servers:
        folder = WRITTEN / server.name
        folder.mkdir()
        shutil.copyfile(FOLDER / "resource-server.yaml", folder / "manifests.yaml")
        listing = "resources: [manifests.yaml]\n"
        (folder / "kustomization.yaml").write_text(NOTE + listing, encoding="utf-8")
        fill_in(folder, server.name, domain)
    listing = "".join(f"  - {server.name}\n" for server in servers)
    (WRITTEN / "kustomization.yaml").write_text(f"{NOTE}resources:\n{listing}", encoding="utf-8")
    text = "".join(f"{name}={value}\n" for name, value in environment(domain))
    (FOLDER / "base" / "platform.env").write_text(NOTE + text, encoding="utf-8")


def environment(domain: str) -> list[tuple[str, str]]:
    """Return the variables of all services that are no secrets, as compose.yml sets them."""
    text = read_text(ROOT / ".env.example")
    example = variables(text)
    values = {
        "ENVIRONMENT": "production",
        "TRUST_PROXY_HEADERS": "true",
        "WEB_CONCURRENCY": "2",
        # Where worker processes share the values of /metrics.
        "PROMETHEUS_MULTIPROC_DIR": "/tmp",  # noqa: S108
        "AUTHORIZATION_SERVER_URL": f"https://auth.{domain}",
        "AUTHORIZATION_SERVER_INTERNAL_URL": "http://authorization-server:8000",
        "OIDC_RSA_PRIVATE_KEY_FILE": "/run/secrets/OIDC_RSA_PRIVATE_KEY",
    }
    for server in resource_servers():
        client_id = f"{server.prefix}_INTROSPECTION_CLIENT_ID"
        values[f"{server.prefix}_URL"] = f"https://{server.name}.{domain}"
        values[client_id] = example.get(client_id, f"{server.name}-introspection")
    for name, _ in wanted(text):
        # METRICS_TOKEN is for Prometheus: services have it in their `.env` file.
        if name not in {*ADMINISTRATORS, "METRICS_TOKEN"} and not name.endswith(".env"):
            values[f"{name}_FILE"] = f"/run/secrets/{name}"
    return sorted(values.items())


if __name__ == "__main__":
    main()
