"""HAProxy with the configuration of docs/swarm.md as the balancer of the suite."""

import re
import subprocess
import time
from pathlib import Path

import urllib3
from stack import free_port
from traffic import pool_for


class HAProxy:
    """HAProxy in front of the proxies of the nodes; used as `traffic.Balancer`.

    Args:
        deployment: The project whose docs/swarm.md is read.
        nodes: The address of each node by its name.
        threads: How many requests there may be at a time.
    """

    def __init__(self, deployment, nodes, threads):
        self._folder, self._certificate = (
            deployment.project,
            deployment.variables["TLS_CERTIFICATE"],
        )
        self._key = deployment.variables["TLS_PRIVATE_KEY"]
        self._port, self._nodes, self._threads = free_port(), nodes, threads
        self._pools = {}

    def __enter__(self):
        bundle, path = self._folder / "bundle.pem", self._folder / "haproxy.cfg"
        parts = [Path(name).read_text() for name in (self._certificate, self._key)]
        bundle.write_text("".join(parts))
        path.write_text(self._configuration(bundle))
        with (self._folder / "haproxy.log").open("w") as log:
            self._process = subprocess.Popen(["haproxy", "-db", "-f", path], stderr=log)
        # Each node has been asked once.
        time.sleep(2)
        return self

    def __exit__(self, *exception):
        for pool in self._pools.values():
            pool.close()
        self._process.terminate()
        self._process.wait()

    def request(self, method, host, path, options):
        """Return the name of the node that has answered, and the response or an error."""
        headers = {"Host": host} | options.get("headers", {})
        try:
            response = self._pool(host).request(method, path, **options | {"headers": headers})
        except urllib3.exceptions.HTTPError as error:
            return "HAProxy", error
        return response.headers.get("X-Node", "HAProxy"), response

    def _configuration(self, bundle):
        """Return the configuration of docs/swarm.md with the nodes, a port and files of here."""
        page = (self._folder / "docs" / "swarm.md").read_text(encoding="utf-8")
        [text] = re.findall(r"```haproxy\n(.*?)```", page, re.DOTALL)
        servers = "".join(f"    server {n} {at}:443\n" for n, at in self._nodes.items())
        changes = [
            (r"    bind :80\n", ""),
            (r"bind :443", f"bind 127.0.0.1:{self._port}"),
            (r"/etc/haproxy/platform\.pem", str(bundle)),
            (r"/etc/ssl/certs/ca-certificates\.crt", self._certificate),
            (r"(    server .*\n)+", servers),
            (r"    default_backend", "    http-response set-header X-Node %s\n    default_backend"),
        ]
        for pattern, replacement in changes:
            text, count = re.subn(pattern, replacement, text)
            assert count == 1, pattern
        return text

    def _pool(self, host):
        if host not in self._pools:
            arguments = "127.0.0.1", self._port, self._certificate, self._threads
            self._pools[host] = pool_for(host, *arguments)
        return self._pools[host]
