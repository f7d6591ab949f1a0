"""Prepare every service and start them all: ``make run``. Ctrl-C stops them.

The processes are those of Procfile. No library runs them: honcho forks a Python of 18 MB for each.
"""

from __future__ import annotations

import errno
import gc
import io
import os
import re
import runpy
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import add_resource_server
import init_env
from _project import (
    AUTHORIZATION_SERVER,
    NOT_INSTALLED,
    ROOT,
    Service,
    env_file,
    environment,
    read_text,
    resource_servers,
    shown,
)
from _secret_files import FOLDER, current, own_environment

# The commands of manage.py that prepare a service, in order.
# The second one fails if a model has changed without a migration.
CHECK = "makemigrations --check --dry-run --no-input"
RESOURCE_SERVER_STEPS = ["migrate --no-input", CHECK]
AUTHORIZATION_SERVER_STEPS = [
    "ensure_signing_key",
    "migrate --no-input",
    CHECK,
    "ensure_clients",
    "ensure_demo_user",
]
PROCESS = re.compile(r"^([A-Za-z0-9_-]+):\s*(.+)$", re.MULTILINE)
# Of the names of services, in a terminal: https://no-color.org/
COLORS = (36, 33, 35, 32, 34) if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else ()
START = time.monotonic()
# A server of another scheme or host is a proxy in front, which may have another port.
LOCAL_URL = re.compile(r"http://(?:localhost|127\.0\.0\.1|\[::1\])(?::([0-9]+))?/?")


def main() -> None:
    """Prepare and start the services, and wait until they have stopped."""
    if os.name == "nt":
        sys.exit("The services need a Unix: use WSL, or `docker compose up`.")
    if not resource_servers():
        add_resource_server.add_first()
    init_env.main()

    services = [AUTHORIZATION_SERVER, *resource_servers()]
    variables = environment_of_services()
    check_ports(services, variables)
    with foreground():
        print(f"Preparing {len(services)} services ...", flush=True)
        prepare(services, variables)
        # A second time, because preparing took a while, and a server may share a port in use.
        check_ports(services, variables)
        sys.exit(start(services, variables))


@contextmanager
def foreground() -> Iterator[None]:
    """Take the terminal, so that Ctrl-C interrupts this process and not make, which reports it."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
        before = os.tcgetpgrp(terminal)
    except OSError:
        before = 0
    if before != os.getpgrp() or before == os.getpid():
        yield
        return
    # Stopped by Ctrl-Z, nothing could continue this process: make would wait for it.
    for number in (signal.SIGTTOU, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    try:
        yield
    finally:
        os.tcsetpgrp(terminal, before)


def environment_of_services() -> dict[str, str]:
    """Return the variables of all processes, whatever folder they run in."""
    variables = environment()
    for name in ("ENV_FILE", "DATA_DIR"):
        if variables.get(name):
            variables[name] = str(Path(variables[name]).absolute())
    # `python` is this one, also without an activated environment.
    programs = str(Path(sys.executable).parent)
    variables["PATH"] = os.pathsep.join([programs, variables.get("PATH", os.defpath)])
    variables["PYTHONUNBUFFERED"] = "1"
    return variables


def environment_of(
    service: Service | None, variables: dict[str, str], *, registers: bool = False
) -> dict[str, str]:
    """Return the variables of one process: no service gets the secrets of another one."""
    own = own_environment(service, variables, registers=registers)
    if service is None:
        return own
    secret = f"{service.prefix}_INTROSPECTION_CLIENT_SECRET"
    if secret in own and own[secret] == current(secret):
        # `make rotate` changes the file, which the service reads again.
        del own[secret]
        own[f"{secret}_FILE"] = str(FOLDER / secret)
    # A service would read the other secrets in `.env` itself.
    return own | {"ENV_FILE": ""}


def check_ports(services: list[Service], variables: dict[str, str]) -> None:
    """Exit with one line for each service whose port is in use, shared or not that of its URL."""
    with ExitStack() as listeners:
        found = [
            problem_with_port(service, variables, listeners) or problem_with_url(service, variables)
            for service in services
        ]
    if problems := [problem for problem in found if problem]:
        sys.exit("\n".join(problems))


def problem_with_port(
    service: Service, variables: dict[str, str], listeners: ExitStack
) -> str | None:
    """Listen on the port of a service until `listeners` is closed; return why that fails."""
    name, port = f"{service.prefix}_PORT", variables.get(f"{service.prefix}_PORT", "")
    change = f"{name} and {service.prefix}_URL in {shown(env_file())}."
    if not (re.fullmatch("[0-9]{1,5}", port) and 0 < int(port) < 65536):
        return f"Port {port} of {service.name}: not a number from 1 to 65535. Change {change}"
    try:
        listener = listeners.enter_context(socket.socket())
        # Like servers: connections that were closed a moment ago do not occupy the port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(port)))
        listener.listen()
    except OSError as error:
        stop = "Stop what uses it, or change" if error.errno == errno.EADDRINUSE else "Change"
        return f"Port {port} of {service.name}: {error.strerror}. {stop} {change}"
    return None


def problem_with_url(service: Service, variables: dict[str, str]) -> str | None:
    """Return that the URL of a service has another port than it listens on, None if not."""
    name, port = f"{service.prefix}_URL", variables[f"{service.prefix}_PORT"]
    found = LOCAL_URL.fullmatch(variables.get(name, ""))
    if found is None or int(found[1] or 80) == int(port):
        return None
    return (
        f"{service.prefix}_PORT is {port}, but {name} has the port {found[1] or 80}: set both to "
        f"the same port in {shown(env_file())}."
    )


def prepare(services: list[Service], variables: dict[str, str]) -> None:
    """Run the steps of all services concurrently; exit with the output of those that failed.

    What several of them say, such as that a variable is wrong, is printed once.
    """
    with ThreadPoolExecutor() as pool:
        failures = list(filter(None, pool.map(partial(run_steps, variables=variables), services)))
    reports: dict[str, list[str]] = {}
    for output, sentence in failures:
        reports.setdefault(output, []).append(sentence)
    if reports:
        sys.exit("\n".join("\n".join([output, *names]) for output, names in reports.items()))


def run_steps(service: Service, variables: dict[str, str]) -> tuple[str, str] | None:
    """Run the steps of one service up to the first failure; return its output and a sentence."""
    authorizes = service == AUTHORIZATION_SERVER
    steps = AUTHORIZATION_SERVER_STEPS if authorizes else RESOURCE_SERVER_STEPS
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, __file__, *steps],
        cwd=service.folder,
        env=environment_of(service, variables, registers=authorizes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if not done.returncode:
        took = f"{time.monotonic() - start:5.1f} s"
        names = ", ".join(step.partition(" ")[0] for step in steps if step != CHECK)
        print(f"{took}  {service.name}: {names}", done.stdout, sep="\n", end="", flush=True)
        return None
    # See `manage`. It may also have ended without running a step.
    step = steps[done.returncode - 1] if 0 < done.returncode <= len(steps) else steps[0]
    return done.stdout.strip(), f"`manage.py {step}` failed for {service.name}: see above."


def manage(steps: list[str]) -> int:
    """Run steps of the service in this folder, in this process: Django starts once for all.

    Returns:
        0, or the number of the step that failed, from 1 on. Only its output is printed, or the
        command that makes a missing migration.
    """
    # An eighth less CPU: nearly everything lives as long as this short process.
    gc.set_threshold(100_000)
    if steps == RESOURCE_SERVER_STEPS:
        os.nice(10)  # On two cores, all wait for the authorization server, which has more steps.
    sys.path[0] = os.getcwd()
    output = io.StringIO()
    for number, step in enumerate(steps, start=1):
        output.seek(0)
        output.truncate()
        sys.argv = ["manage.py", *step.split()]
        with redirect_stdout(output), redirect_stderr(output):
            code = exit_code_of("manage.py")
        if code and step == CHECK:
            program = Path(sys.executable), Path.cwd() / "manage.py"
            command = " ".join([*map(shown, program), "makemigrations"])
            print(f"A model has changed, but has no migration: run `{command}`, then `make run`.")
        elif code:
            print(output.getvalue(), flush=True)
            return number
    return 0


def exit_code_of(program: str) -> int:
    """Run a Python program as the main one, in this process; return its exit code."""
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code)
        return int(end.code not in (None, 0))
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name in ("django", "service_kit"):
            print(NOT_INSTALLED)
        else:
            traceback.print_exc()
        return 1
    return 0


def start(services: list[Service], variables: dict[str, str]) -> int:
    """Run the processes of Procfile until one ends or a signal arrives; return the exit code."""
    # The process that has ended and its exit code, or "" and ours after a signal.
    events: SimpleQueue[tuple[str, int]] = SimpleQueue()
    signal.signal(signal.SIGINT, lambda *_: events.put(("", 0)))
    for end in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(end, lambda number, _: events.put(("", 128 + number)))
    commands = dict(PROCESS.findall(read_text(ROOT / "Procfile")))
    width = max(map(len, commands), default=0)
    processes = {
        name: launch(command, environment_of(service_of(command, services), variables))
        for name, command in commands.items()
    }
    relays = [
        Thread(target=relay, args=(name, label(name, n, width), process, events), daemon=True)
        for n, (name, process) in enumerate(processes.items())
    ]
    for thread in [*relays, Thread(target=announce, args=(services, variables), daemon=True)]:
        thread.start()
    name, code = events.get()
    if name:
        print(f"{name} has ended (exit code {code}): stopping.", flush=True)
        # A service that ends by itself is a fault, even with code 0.
        code = max(code, 0) or 1
    else:
        sys.stdout = io.StringIO()  # Services that miss each other while they stop are no news.
    stop([*processes.values()])
    for thread in relays:
        thread.join(timeout=1)
    return code


def launch(command: str, variables: dict[str, str]) -> subprocess.Popen[str]:
    """Start a command of Procfile in a process group of its own."""
    return subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


def label(name: str, number: int, width: int) -> str:
    """Return the name of a process as its lines have it."""
    text = f"{name:<{width}} |"
    return f"\x1b[{COLORS[number % len(COLORS)]}m{text}\x1b[0m" if COLORS else text


def relay(
    name: str, label: str, process: subprocess.Popen[str], events: SimpleQueue[tuple[str, int]]
) -> None:
    """Print the lines of a process with the time, which services do not write, until it ends."""
    for line in process.stdout or ():
        text = f"{time.strftime('%H:%M:%S')} {label} {line.rstrip()}\n"
        # In one piece, because other threads print too.
        print(text, end="", flush=True)
    events.put((name, process.wait()))


def stop(processes: list[subprocess.Popen[str]]) -> None:
    """Send SIGTERM to each process, a second later to its group, and SIGKILL four seconds later."""
    # The workers of a server receive it later: the server would report their exit as an error.
    for process in processes:
        process.terminate()
    wait(processes, 1)
    for number, seconds in ((signal.SIGTERM, 4), (signal.SIGKILL, 4)):
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        wait(processes, seconds)


def wait(processes: list[subprocess.Popen[str]], seconds: float) -> None:
    """Return when all processes have ended, or after a time."""
    deadline = time.monotonic() + seconds
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0, deadline - time.monotonic()))


def service_of(command: str, services: list[Service]) -> Service | None:
    """Return the service whose folder a command of Procfile names."""
    folders = {service.folder.relative_to(ROOT).as_posix(): service for service in services}
    return next(
        (one for path, one in folders.items() if re.search(rf"\b{path}(?![\w-])", command)), None
    )


def announce(services: list[Service], variables: dict[str, str]) -> None:
    """Print the addresses of the services once all of them answer."""
    while not all(answers(int(variables[f"{service.prefix}_PORT"])) for service in services):
        time.sleep(0.1)
    urls = {one: variables.get(f"{one.prefix}_URL", "") for one in services}
    issuer = urls.pop(AUTHORIZATION_SERVER)
    rows = [(AUTHORIZATION_SERVER.name, f"{issuer}/")]
    if (AUTHORIZATION_SERVER.folder / "playground").is_dir():
        rows.append(("playground", f"{issuer}/playground/"))
    rows += [(service.name, f"{url}/api/docs/") for service, url in urls.items()]
    if variables.get("ENVIRONMENT") == "development":
        account = variables.get("DEMO_USERNAME", "DEMO_USERNAME")
        rows.append(("demo account", f"{account}, with DEMO_PASSWORD from {shown(env_file())}"))
    rows += [
        ("next", '`make smoke` in another terminal; "Make it yours" in README.md'),
        ("Ctrl-C", "stops everything"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [f"  {name:<{width}}  {text}" for name, text in rows]
    print(f"\nReady in {time.monotonic() - START:.1f} s.\n", *lines, "", sep="\n", flush=True)


def answers(port: int) -> bool:
    """Return whether a service answers HTTP requests on `port`."""
    # Not http.client, which would double the memory of this process.
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n")
        return connection.recv(5) == b"HTTP/"
    return False


if __name__ == "__main__":
    try:
        if steps := sys.argv[1:]:
            sys.exit(manage(steps))
        main()
    except KeyboardInterrupt:
        sys.exit(130 if sys.argv[1:] else 0)
