"""A resolver that never answers: a request costs its deadline, and not what the resolver takes.

The name is resolved in a namespace of its own, where the server of names is a silent socket.
"""

import os
import subprocess
import sys

import pytest

UNSHARE = ["unshare", "--user", "--map-root-user", "--mount", "--net"]
# A minute and a half for a name; the test waits for a minute.
RESOLV_CONF = "nameserver 127.0.0.1\noptions timeout:30 attempts:3\n"
CODE = """
import fcntl, os, socket, struct, subprocess, sys
import django
from django.test import override_settings

subprocess.run(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"], check=True)
silent = socket.socket(type=socket.SOCK_DGRAM)
fcntl.ioctl(silent, 0x8914, struct.pack("16sH14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
silent.bind(("127.0.0.1", 53))
silent.setblocking(False)
django.setup()

from django.conf import settings
from oauth_resource_server.errors import AuthorizationServerUnavailable
from oauth_resource_server.validation import validate

changes = {
    "RESOURCE_SERVER_INTROSPECTION_URL": "http://authorization-server/o/introspect/",
    "RESOURCE_SERVER_INTROSPECTION_TIMEOUT_SECONDS": 1,
}
dot = settings.OAUTH2_PROVIDER | changes
own = settings.OAUTH_RESOURCE_SERVER | {"TOTAL_TIMEOUT_SECONDS": 1}
with override_settings(OAUTH2_PROVIDER=dot, OAUTH_RESOURCE_SERVER=own):
    for token in ("one", "two"):
        try:
            validate(token, meta={})
        except AuthorizationServerUnavailable as error:
            print(f"unavailable: {error}", flush=True)
print("asked" if b"authorization-server" in silent.recv(512) else "", flush=True)
os._exit(0)  # libcurl would wait for the resolver to give up.
"""


def is_allowed():
    """Return whether this machine has user, mount and network namespaces for this user."""
    try:
        return subprocess.run([*UNSHARE, "mount", "--bind", "/etc", "/etc"]).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not is_allowed(), reason="namespaces are not allowed here")
def test_a_name_that_is_never_resolved_costs_no_more_than_the_deadline(tmp_path):
    path = tmp_path / "resolv.conf"
    path.write_text(RESOLV_CONF, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    output = subprocess.run(
        [*UNSHARE, sys.executable, "-c", CODE, path],
        env=environment,
        stdout=subprocess.PIPE,
        encoding="utf-8",
        timeout=60,
        check=True,
    ).stdout
    assert output.count("unavailable: No answer: Resolving timed out") == 2
    assert output.endswith("asked\n")
