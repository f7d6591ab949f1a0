"""A generated project for production on the swarm, deployed as its docs/swarm.md says."""

import json
import os
import shlex
import time

from nodes import SECONDS, docker, manager, run, tasks
from stack import read_env
from urllib3 import make_headers

DOMAIN = "platform.test"
AUTHORIZATION_SERVER = "authorization-server"
FILES = "compose.yml", "compose.production.yml", "compose.registry.yml"
# All from one registry: the nodes need not reach another.
IMAGES = {"postgres": "postgres:17", "valkey": "valkey/valkey:8", "proxy": "nginx:1"}
# What a stack leaves, and the label with its name.
LEFT = {"secret": "platform", "config": "platform", "volume": "com.docker.stack.namespace"}
VARIABLES = {
    "COMPOSE_FILE": ":".join(FILES),
    "COMPOSE_PATH_SEPARATOR": ":",
    "ENVIRONMENT": "production",
    "API_DOCS_CLIENT_ID": "",
    "AUTHORIZATION_SERVER_URL": f"https://auth.{DOMAIN}",
    "PROXY_DRAIN_SECONDS": "6",
    # One process for each task: the nodes may share the cores of one machine.
    "WEB_CONCURRENCY": "1",
}


class Deployment:
    """The project in a folder, and its stack, which has the name of the folder."""

    def __init__(self, project):
        self.project, self.name = project, project.name
        self.variables, self.version = VARIABLES, 0

    @property
    def servers(self):
        """Names of the resource servers."""
        manifests = self.project.glob("resource_servers/*/resource_server.toml")
        return sorted(path.parent.name for path in manifests)

    def prepare(self):
        """Make what docs/swarm.md and the README ask for, and push the images of others."""
        self.run("make", "install")
        key = self.project / ".secrets" / "OIDC_RSA_PRIVATE_KEY"
        run("openssl", "genrsa", "-out", str(key), "3072")
        clients = self.project / "authorization_server" / "clients.toml"
        text = clients.read_text(encoding="utf-8")
        enabled = text.replace('environments = ["development"]', "", 1)
        assert enabled != text
        clients.write_text(enabled, encoding="utf-8")
        images = {service: {"image": push(image)} for service, image in IMAGES.items()}
        (self.project / FILES[-1]).write_text(json.dumps({"services": images}))
        self.variables = self.variables | make_certificate(self.project)
        if not docker("node", "ls", "--quiet", "--filter", "node.label=data=true"):
            [first, *_] = docker("node", "ls", "--quiet", "--filter", "role=manager").split()
            docker("node", "update", "--label-add", "data=true", first)

    def run(self, *command, env=os.environ):
        """Run a command in the folder of the project, and return its output."""
        urls = {
            f"{name.upper().replace('-', '_')}_URL": f"https://{name}.{DOMAIN}"
            for name in self.servers
        }
        return run(*command, cwd=self.project, env={**env, **self.variables, **urls})

    def build(self):
        """Build the image, and push it with a tag of its own."""
        self.version += 1
        self.run("docker", "compose", "build")
        image = f"{self.name}:{self.version}"
        run("docker", "tag", f"localhost/{self.name}", image)
        self.variables = self.variables | {"STACK_IMAGE": push(image)}

    def deploy(self):
        """Deploy the stack."""
        self.run("python3", "scripts/swarm.py", "deploy", env=manager())

    def rotate(self, name, *options):
        """Rotate a credential, or end its rotation."""
        self.run("make", "rotate", f"name={name}", *options, env=manager())

    def remove(self):
        """Remove the stacks, and what they leave at the manager."""
        docker("stack", "rm", self.name, f"{self.name}-steps", check=False)
        stack = f"label=com.docker.stack.namespace={self.name}"
        while docker("ps", "--quiet", "--filter", stack):
            time.sleep(1)
        for kind, label in LEFT.items():
            found = docker(kind, "ls", "--quiet", "--filter", f"label={label}={self.name}").split()
            docker(kind, "rm", *found, check=False)
        docker("network", "rm", f"{self.name}_data", f"{self.name}_default", check=False)

    def update(self, service):
        """Replace each task of a service as a roll-out does."""
        docker("service", "update", "--force", "--detach=false", "--quiet", self._full(service))

    def scale(self, **replicas):
        """Change the number of tasks of some services, and return when it is reached."""
        docker("service", "scale", *(f"{self._full(k)}={n}" for k, n in replicas.items()))

    def spread(self):
        """Spread the tasks of the servers over all nodes: Swarm moves none back by itself."""
        for service in (AUTHORIZATION_SERVER, *self.servers):
            self.update(service)

    def set_availability(self, node, availability):
        """Set it to `drain` or `active`; return when each service has its number of tasks again."""
        docker("node", "update", "--availability", availability, node)
        deadline = time.monotonic() + SECONDS
        while (node in tasks(self.name)) != (availability == "active") or not self.is_complete():
            assert time.monotonic() < deadline
            time.sleep(0.5)

    def is_complete(self):
        """Return whether each service has as many tasks as it should have."""
        counts = docker("stack", "services", self.name, "--format", "{{.Replicas}}").split()
        return all(len(set(count.split("/"))) == 1 for count in counts)

    def busiest_node(self):
        """Return the node without databases that has the most tasks."""
        running = "--filter", "desired-state=running", "--format", "{{.Node}}"
        counts = tasks(self.name)
        del counts[docker("service", "ps", self._full("postgres"), *running)]
        return max(counts, key=counts.get)

    def token_request(self, servers):
        """Return the arguments of a request for a token with every scope of some servers."""
        env = read_env(self.project)
        credentials = ":".join(env[f"DEMO_MACHINE_CLIENT_{part}"] for part in ("ID", "SECRET"))
        scope = " ".join(f"{name}:{verb}" for name in servers for verb in ("read", "write"))
        options = {
            "headers": make_headers(basic_auth=credentials),
            "fields": {"grant_type": "client_credentials", "scope": scope},
            "encode_multipart": False,
        }
        return "POST", f"auth.{DOMAIN}", "/o/token/", options

    def _full(self, service):
        return f"{self.name}_{service}"


def push(image):
    """Copy an image of this machine to the registry; return its name there."""
    name = f"{os.environ['SWARM_REGISTRY']}/{image}"
    run("docker", "tag", image, name)
    run(*shlex.split(os.environ["SWARM_PUSH"]), name)
    return name


def make_certificate(folder):
    """Make a certificate for every host of the domain; return the variables with its files."""
    names = {"TLS_CERTIFICATE": "certificate.pem", "TLS_PRIVATE_KEY": "key.pem"}
    paths = {variable: str(folder / name) for variable, name in names.items()}
    command = "openssl req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
    hosts = f"subjectAltName=DNS:{DOMAIN},DNS:*.{DOMAIN}"
    files = ["-out", paths["TLS_CERTIFICATE"], "-keyout", paths["TLS_PRIVATE_KEY"]]
    run(*command.split(), *files, "-subj", f"/CN={DOMAIN}", "-addext", hosts)
    return paths
