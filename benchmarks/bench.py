"""``make bench``: measure every row beside its reference, and write the table to README.md here.

The README of the repository gets the rows in SHORT. ``make bench ONLY=B1,B2`` measures a selection
and changes neither.
"""

import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import processes
import revocations
import rows
import stock

COMPLETE, README = processes.HERE / "README.md", processes.HERE.parent / "README.md"
SHORT = ("B1", "B2", "B4", "B6", "B9", "B12")
TABLE = re.compile(r"(?<=<!-- bench -->\n)\n.*?\n\n(?=<!-- /bench -->)", re.DOTALL)
HEAD = ["| | measure | stock | goal | here | spread | beside it |", "|---|---|---|---|---|---|---|"]


@dataclass(frozen=True)
class Goal:
    """A limit: `value >= limit` or `value <= limit`. `name` says what a second value is."""

    sign: str
    limit: float
    name: str = ""

    def __str__(self):
        return f"{self.sign} {self.limit:g}"

    def is_reached(self, value):
        return value >= self.limit if self.sign == "≥" else value <= self.limit


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Args:
        goal: Goal of the first value of `measure`, None without one.
        beside: Goal of the second value, or its name if it has no goal.
        stock: The same measurement of the stock assembly.
    """

    title: str
    goal: Goal | None
    measure: Callable
    beside: Goal | str = ""
    stock: Callable | None = None


def cold(title, kind):
    """Return a row of B11."""
    goals = Goal("≤", 3), Goal("≥", 0.99, "answered 200")
    return Row(
        f"new token beside 16 x {title} ÷ alone", goals[0], partial(rows.b11, kind=kind), goals[1]
    )


CPU = partial(Goal, "≤", name="CPU")
ROWS = {
    "B1": Row("warm token: whoami ÷ ping", Goal("≥", 0.95), rows.b1, CPU(1.05), stock=stock.b1),
    "B2": Row("introspections/s ÷ oidc-provider", Goal("≥", 1.2), rows.b2, CPU(1), stock=stock.b2),
    "B2c": Row("introspections/s ÷ glewlwyd", Goal("≥", 1), rows.b2c, "CPU"),
    "B3": Row("(new - remembered token) ÷ direct introspection", Goal("≤", 1.3), rows.b3, "CPU"),
    "B3b": Row("the same, asked by libcurl and not validated", None, rows.b3_bare, "CPU"),
    "B4": Row("introspections of 200 first uses", Goal("≤", 1), rows.b4),
    "B5": Row(
        "introspection: 2,000,000 ÷ 10,000 tokens",
        Goal("≤", 1.2),
        rows.b5,
    ),
    "B6": Row("ping beside a stalled server ÷ before", Goal("≥", 0.9), rows.b6),
    "B6b": Row(
        "the same, clients ask again at once",
        Goal("≥", 0.9),
        partial(rows.b6, at_once=True),
    ),
    "B7": Row("introspections/s of 200 garbage tokens/s", Goal("≤", 20), rows.b7),
    "B8": Row("MiB after 1,000,000 distinct tokens", Goal("≤", 64), rows.b8),
    "B9": Row(
        "seconds from a revocation to the last refusal, p99",
        Goal("≤", 1),
        revocations.b9,
        f"bound without reports {rows.CACHING_SECONDS}, p50",
        stock=stock.b9,
    ),
    "B10": Row(
        "warm JWT of another issuer: whoami ÷ ping",
        Goal("≥", 0.95),
        rows.b10,
        CPU(1.05),
    ),
    "B11a": cold("wrong logins", "login"),
    "B11b": cold("wrong secrets", "token"),
    "B11c": cold("`/health/ready`", "ready"),
    "B11d": cold("unfinished bodies", "bodies"),
    "B11e": cold("garbage tokens", "garbage"),
    "B12": Row(
        "MiB of `make run`, idle",
        Goal("≤", 400),
        partial(rows.b12, loaded=False),
        "PSS",
    ),
    "B12b": Row(
        "MiB of `make run`, after B1 - B4",
        Goal("≤", 400),
        partial(rows.b12, loaded=True),
        "PSS",
    ),
    "B13": Row(
        "seconds of `make run` until ready, first time",
        Goal("≤", 5),
        partial(rows.b13, first=True),
    ),
    "B13b": Row("the same, again", Goal("≤", 5), partial(rows.b13, first=False)),
    "B14": Row("introspections of one token in 20 caching times", Goal("≤", 1), revocations.b14),
    "B15": Row("percent of a core for 100 idle polls", Goal("≤", 1), revocations.b15),
}


def main():
    """Measure the rows in ONLY, or all rows."""
    names = {name.upper(): name for name in ROWS}
    only = os.environ.get("ONLY", "").upper().replace(",", " ").split()
    if unknown := set(only) - set(names):
        sys.exit(f"ONLY: expected some of {', '.join(ROWS)}, got {', '.join(sorted(unknown))}.")
    processes.require_programs("wrk", "node", "npm", "uv")
    # Like Ctrl-C: leaving the context managers stops every process that was started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    start = time.monotonic()
    print(machine(), flush=True)
    with processes.postgresql() as database, rows.Bench(processes.Project(), database) as bench:
        chosen = [names[name] for name in only] or ROWS
        lines = list(filter(None, (measure_row(bench, name) for name in chosen)))
    table = "\n".join([*HEAD, *lines])
    short = "\n".join([*HEAD, *(line for line in lines if line.split()[1] in SHORT)])
    about = (
        f"{machine()}, {bench.project.versions()}. "
        f"The run took {time.monotonic() - start:.0f} seconds."
    )
    print(f"\n{table}\n\n{about}")
    if not only:
        write(COMPLETE, f"{table}\n\n{about}")
        write(README, short)


def write(path, table):
    """Replace the table between the two markers in a file."""
    text = path.read_text(encoding="utf-8")
    path.write_text(TABLE.sub(lambda _: f"\n{table}\n\n", text), encoding="utf-8")


def measure_row(bench, name):
    """Measure one row and its reference; return its line of the table, None if it is skipped."""
    row = ROWS[name]
    start = time.monotonic()
    values = list(row.measure(bench))
    if not values:
        print(f"{name} {row.title}: skipped, its reference is not installed", flush=True)
        return None
    value, spread = rows.median([first for first, _ in values])
    reference = rounded(rows.median(list(row.stock(bench)))[0], 2) if row.stock else ""
    here = cell(value, row.goal)
    beside = ""
    if row.beside:
        second, _ = rows.median([second for _, second in values])
        goal = row.beside if isinstance(row.beside, Goal) else None
        beside = f"{goal.name if goal else row.beside} {cell(second, goal)}"
        beside += f" ({goal})" if goal else ""
    limit, seconds = row.goal or "", time.monotonic() - start
    print(f"{name} {row.title}: {here} ({limit}) {beside}, {seconds:.0f} s", flush=True)
    return f"| {name} | {row.title} | {reference} | {limit} | {here} | {spread:.2g} | {beside} |"


def cell(value, goal):
    """Return a value with three digits, and whether it misses its goal."""
    missed = "" if goal is None or goal.is_reached(value) else " **missed**"
    return f"{rounded(value, 3)}{missed}"


def rounded(value, digits):
    """Return a value with some digits, and without an exponent."""
    return f"{float(f'{value:.{digits}g}'):g}"


def machine():
    """Return one line that describes the machine."""
    run = partial(subprocess.run, capture_output=True, text=True)
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return (
        f"{os.cpu_count()} cores, {', '.join(models[:1])}, Python {platform.python_version()}, "
        f"Node {run(['node', '--version']).stdout.strip()}"
    )


if __name__ == "__main__":
    main()
