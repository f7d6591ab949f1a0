"""Faults of real processes: deaths, moved clocks, full disks, and no connection left."""

import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psycopg
from conftest import START_SECONDS, answers, free_port, until
from infrastructure import Server

PAUSE_SECONDS = 0.2  # before a process that has ended is started again
MEGABYTE = 2**20


@contextmanager
def after(action):
    """Do something before the block."""
    action()
    yield


# ---- Services ----


class Clock:
    """A clock of one service, which differs from that of the machine by some seconds."""

    def __init__(self, folder):
        self.file, library = folder / "clock", folder / "clocks.so"
        self.file.touch()
        self.set(0)
        source = Path(__file__).with_name("clocks.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        self.variables = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(self.file)}

    def set(self, seconds):
        """Set the difference, in the file that is mapped into the memory of the service."""
        with self.file.open("r+b") as file:
            file.write(struct.pack("l", seconds))

    @contextmanager
    def moved(self, seconds):
        """Move it during the block."""
        self.set(seconds)
        try:
            yield
        finally:
            self.set(0)


class Service(Server):
    """A service with one worker. Its owner starts it again when it ends, as Compose does."""

    @property
    def worker(self):
        """The process that serves; None while there is none."""
        arbiter = self.process.pid
        with suppress(OSError, ValueError):
            [worker] = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text().split()
            return int(worker)
        return None

    def kill_worker(self):
        """Kill the process that serves: gunicorn starts another one."""
        killed = self.worker
        os.kill(killed, signal.SIGKILL)
        until(lambda: self.worker not in (killed, None))

    def kill_gunicorn(self):
        """Kill the process above the worker, and start it until the worker has left the port."""
        self.process.kill()
        self.process.wait()
        until(self.is_up, START_SECONDS, PAUSE_SECONDS)

    def is_up(self):
        """Return whether it answers; start it if it has ended."""
        if self.process.poll() is not None:
            self.launch()
        return self.worker is not None and answers(f"{self.url}/health/live")

    def usage(self):
        """Return the threads, open files and megabytes of memory of the process that serves."""
        process = Path(f"/proc/{self.worker}")
        pages = int(process.joinpath("statm").read_text().split()[1])
        memory = pages * resource.getpagesize() // MEGABYTE
        return len(os.listdir(process / "task")), len(os.listdir(process / "fd")), memory

    @contextmanager
    def without_files(self):
        """Have it open no file and no socket more than it has, during the block."""
        process = self.worker
        soft, hard = resource.prlimit(process, resource.RLIMIT_NOFILE)
        last = max(map(int, os.listdir(f"/proc/{process}/fd")))
        resource.prlimit(process, resource.RLIMIT_NOFILE, (last + 1, hard))
        try:
            yield
        finally:
            resource.prlimit(process, resource.RLIMIT_NOFILE, (soft, hard))

    @contextmanager
    def idle_connections(self, most):
        """Open connections that send nothing: a number of them, or until its queue is full."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        address = "127.0.0.1", int(self.url.rpartition(":")[2])
        with ExitStack() as opened:
            with suppress(TimeoutError):
                for _ in range(most):
                    opened.enter_context(socket.create_connection(address, timeout=1))
            yield

    @contextmanager
    def stopped(self):
        """Fill the queue of its connections, from which it takes none."""
        worker = self.worker
        os.kill(worker, signal.SIGSTOP)
        try:
            with self.idle_connections(5000):
                yield
        finally:
            os.kill(worker, signal.SIGCONT)

    @contextmanager
    def full_disk(self, *, is_killed=False):
        """Fill its disk; kill a worker then, whose successor cannot write its metrics."""
        with full(self.disk):
            if is_killed:
                self.kill_worker()
            yield


# ---- Disks ----


@contextmanager
def file_system(folder, size):
    """Mount a file system of so many megabytes, which needs root."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@contextmanager
def full(folder):
    """Leave no byte free in a file system during the block."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 1):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    try:
        yield
    finally:
        filler.unlink()


# ---- PostgreSQL and Valkey ----


def administrator(postgresql, database="postgres"):
    """Connect as the administrator."""
    address = f"host=127.0.0.1 port={postgresql.port} user=administrator dbname={database}"
    return psycopg.connect(address, autocommit=True)


def kill_a_backend(postgresql):
    """Kill a process of PostgreSQL that serves one connection: PostgreSQL ends all of them."""
    with suppress(psycopg.OperationalError), administrator(postgresql) as connection:
        os.kill(connection.info.backend_pid, signal.SIGKILL)
        connection.execute("SELECT 1")


def start_again(postgresql):
    """Start PostgreSQL if it has ended, as its owner does."""

    def is_up():
        with suppress(psycopg.OperationalError):
            postgresql.execute("SELECT 1")
            return True
        postgresql.is_running = False
        with suppress(subprocess.CalledProcessError):  # its processes have not ended yet
            postgresql.start()
        return False

    until(is_up, START_SECONDS)


def kill_postgresql(postgresql):
    """Kill the first process of PostgreSQL, and start it again."""
    process, *_ = (postgresql.folder / "data" / "postmaster.pid").read_text().split()
    os.kill(int(process), signal.SIGKILL)
    start_again(postgresql)


def kill_clear_tokens(authorization_server, postgresql):
    """Kill the command that deletes tokens while it works, and run it again."""
    command = [sys.executable, "manage.py", "clear_tokens"]
    environment = authorization_server.environment | {"PGAPPNAME": "clear", "LOG_LEVEL": "ERROR"}
    options = {"cwd": authorization_server.folder, "env": environment}
    waiting = """SELECT 1 FROM pg_stat_activity
    WHERE application_name = 'clear' AND wait_event_type = 'Lock'"""
    with (
        administrator(postgresql, "authorization_server") as holder,
        administrator(postgresql) as observer,
        holder.transaction(),
    ):
        holder.execute("LOCK TABLE oauth2_provider_grant IN ACCESS EXCLUSIVE MODE")
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, **options) as process:
            until(lambda: observer.execute(waiting).fetchone())
            process.kill()
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, **options)


@contextmanager
def full_database(load, postgresql):
    """Fill the disk of PostgreSQL: it cannot add a row, and breaks down at a checkpoint."""
    with administrator(postgresql) as connection, full(postgresql.folder):
        load.meet("token request", 503)
        with suppress(psycopg.OperationalError):
            connection.execute("CHECKPOINT")
        yield
    start_again(postgresql)


@contextmanager
def no_connection_left(postgresql):
    """Have strangers take every connection of PostgreSQL, those of the services included."""
    address = f"host=127.0.0.1 port={postgresql.port} user=stranger dbname=postgres"
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'role'"
    with ExitStack() as opened:
        refused = 0
        while refused < 3:
            try:
                opened.enter_context(psycopg.connect(address))
            except psycopg.OperationalError:
                refused += 1
                postgresql.execute(end)
                time.sleep(0.05)
        yield


class Valkey:
    """A server for the shared cache, which needs no disk."""

    def __init__(self, program):
        self.port = free_port()
        self.command = [program, "--port", str(self.port), "--save", "", "--dir", "/tmp"]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *exception):
        self.process.kill()
        self.process.wait()

    def restart(self):
        """Kill it, and start it again."""
        self.__exit__()
        self.__enter__()

    @contextmanager
    def stopped(self):
        """Have it answer nothing during the block."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


def processes_with(variable, value):
    """Return the processes whose environment had a variable when they started."""
    wanted, found = f"{variable}={value}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if wanted in path.read_bytes().split(b"\0"):
                found.append(path.parent.joinpath("cmdline").read_bytes())
    return found
