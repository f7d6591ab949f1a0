"""The Docker Engine of the suite, and the reason to skip without one."""

import json
import shutil
import subprocess

# The first version whose `up --wait` accepts a one-shot that has exited with 0.
OLDEST_COMPOSE = (2, 26)
ANSWER_SECONDS = 30


def docker(*arguments, check=True, **options):
    """Run the Docker client and return the process with its output as text."""
    options = {"capture_output": True, "encoding": "utf-8", "errors": "replace"} | options
    process = subprocess.run(["docker", *arguments], **options)
    assert not check or process.returncode == 0, f"docker {' '.join(arguments)}: {process.stderr}"
    return process


def reason_to_skip():
    """Return one sentence with the reason why no container can be run, or None."""
    if not shutil.which("docker"):
        return "No container was run: the Docker client is not installed."
    try:
        if docker("info", check=False, timeout=ANSWER_SECONDS).returncode:
            return "No container was run: no Docker Engine answers."
    except subprocess.TimeoutExpired:
        return f"No container was run: the Docker Engine gave no answer in {ANSWER_SECONDS} s."
    version = compose_version()
    if version < OLDEST_COMPOSE:
        found = ".".join(map(str, version)) or "none"
        oldest = ".".join(map(str, OLDEST_COMPOSE))
        return f"No container was run: Compose {oldest} or newer is needed, {found} is installed."
    return None


def compose_version():
    """Return the version of Compose as a tuple of numbers; empty if it is not installed."""
    process = docker("compose", "version", "--short", check=False)
    numbers = process.stdout.strip().removeprefix("v").split("+")[0].split("-")[0].split(".")
    return tuple(int(number) for number in numbers if number.isdecimal())


def inspect(*names):
    """Return the descriptions of some containers, images, networks or volumes."""
    return json.loads(docker("inspect", *names).stdout) if names else []
