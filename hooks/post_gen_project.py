"""Complete the project that was just written: add its resource servers, then make its ``.env``.

Both are the project's own scripts, so a clone or a project made with ``--accept-hooks no`` gets the
same from them later. Standard library only; no network, no Docker, no git.
"""

from __future__ import annotations

import json
import subprocess
import sys

NEXT_COMMANDS = """
The project is in {slug}. Next:

  cd {slug}
  make run             starts every service, no Docker needed
  make smoke           in another terminal: tries the whole flow against them

  docker compose up    the same platform in containers
  make                 lists every other command
"""


def run_script(*arguments: str) -> None:
    """Run one of the project's scripts, or exit 1 after the message it has printed itself."""
    # -B: a __pycache__ in the project would differ from one generation to the next.
    if subprocess.run([sys.executable, "-B", *arguments]).returncode:
        sys.exit(1)


def main() -> None:
    """Run the scripts in the generated folder, where cookiecutter starts this hook."""
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    names = [name.strip() for name in answers["resource_servers"].split(",")]
    run_script("scripts/add_resource_server.py", *names)
    run_script("scripts/init_env.py")
    print(NEXT_COMMANDS.format(slug=answers["project_slug"]))


if __name__ == "__main__":
    main()
