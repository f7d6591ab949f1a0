"""Complete the project that was just written: resource servers, ``.env``, and a git repository.

The first two are the project's own scripts, so a clone or a project made with ``--accept-hooks no``
gets the same from them later. Standard library only; no network, no Docker.
"""

from __future__ import annotations

import json
import os
import shutil
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


def git(*arguments: str) -> bool:
    """Run git in silence; return whether it succeeded."""
    done = subprocess.run(
        [shutil.which("git"), *arguments], stdin=subprocess.DEVNULL, capture_output=True
    )
    return done.returncode == 0


def make_repository(email: str) -> str:
    """Make a git repository with a first commit, if there is none; return a sentence about it."""
    if os.environ.get("GATEHOUSE_GIT") == "false" or not shutil.which("git"):
        return ""
    if git("rev-parse", "--git-dir"):
        return "The folder lies in a git repository: commit it there.\n"
    # A hook of the user, or a key that asks for a passphrase, would stop the generation.
    commit = ["-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false"]
    identity = ["-c", "user.name=Gatehouse", "-c", f"user.email={email}"]  # if the user has none
    message = ["commit", "--message", "Generate the project"]
    is_ready = git("init") and git("add", "--all")
    if is_ready and (git(*commit, *message) or git(*commit, *identity, *message)):
        return "It is a git repository with a first commit, without `.env` and `.secrets/`.\n"
    shutil.rmtree(".git", ignore_errors=True)
    return "No git repository was made: `git commit` failed.\n"


def main() -> None:
    """Run the scripts in the generated folder, where cookiecutter starts this hook."""
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    names = [name.strip() for name in answers["resource_servers"].split(",")]
    run_script("scripts/add_resource_server.py", *names)
    run_script("scripts/init_env.py")
    print(NEXT_COMMANDS.format(slug=answers["project_slug"]))
    # cruft compares generated folders, which must have no repository. It sets no `_output_dir`.
    if "_output_dir" in answers:
        print(make_repository(answers["contact_email"]))


if __name__ == "__main__":
    main()
