"""``make bench``: measure every row beside its reference, print the table, keep the results.

``make bench ONLY=B1,B2`` measures some and leaves the kept results alone.
"""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import chart
import processes
import rows
import stock

HERE = Path(__file__).parent
# id: what, which way is better, goal, the measure, the same of the stock assembly
ROWS = {
    "B1": ("warm token: whoami ÷ ping", ">=", 0.95, rows.b1, stock.b1),
    "B2": ("introspections/s ÷ oidc-provider", ">=", 1.0, rows.b2, stock.b2),
    "B3": ("new token ÷ direct introspection", "<=", 1.5, rows.b3, None),
    "B4": ("introspections of 200 first uses", "<=", 1, rows.b4, None),
    "B5": ("introspection: 2,000,000 ÷ 10,000 tokens", "<=", 1.2, rows.b5, None),
    "B6": ("ping beside a stalled server ÷ before", ">=", 0.9, rows.b6, None),
    "B7": ("introspections/s of 200 garbage tokens/s", "<=", 20, rows.b7, None),
    "B8": ("MiB after 1,000,000 distinct tokens", "<=", 64, rows.b8, None),
    "B10": ("warm JWT of another issuer: whoami ÷ ping", ">=", 0.95, rows.b10, None),
}


def main():
    """Measure the rows that ONLY names, or all."""
    only = [name for name in os.environ.get("ONLY", "").upper().replace(",", " ").split() if name]
    if unknown := set(only) - set(ROWS):
        sys.exit(f"ONLY names {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}.")
    processes.need("wrk", "node", "npm", "uv")
    # As Ctrl-C does: whatever was started here is stopped.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    start = time.monotonic()
    print(machine(), flush=True)
    with processes.postgresql() as database:
        bench = rows.Bench(processes.Project(), database)
        results = [measured(bench, name) for name in only or ROWS]
    print_table(results)
    print(f"\n{bench.project.versions()}")
    print(f"Medians of {rows.ROUNDS} rounds; benchmarks/README.md says how each is made.")
    print(f"{time.monotonic() - start:.0f} s")
    if not only:
        keep(results)


def measured(bench, name):
    """Measure one row and its reference; return what is kept of it."""
    what, better, goal, measure, of_stock = ROWS[name]
    databases = {"b5": [10_000, 2_000_000], "b10": []}.get(measure.__name__, [100_000])
    made = [bench.database_with(tokens) for tokens in databases]
    value, spread = rows.median(list(measure(bench, *made)))
    reference = rows.median(list(of_stock(bench, *made)))[0] if of_stock else None
    reached = value >= goal if better == ">=" else value <= goal
    print(f"{name} {what}: {value:.3g} ({better} {goal})", flush=True)
    return {
        "id": name,
        "what": what,
        "value": value,
        "better": better,
        "goal": goal,
        "reached": reached,
        "spread": spread,
        "reference": reference,
    }


def print_table(results):
    """Print the rows as the README shows them."""
    print("\n| | measure | stock | goal | here | spread | |\n|---|---|---|---|---|---|---|")
    for row in results:
        stock_value = "" if row["reference"] is None else f"{row['reference']:.3g}"
        sign = row["better"].replace(">=", "≥").replace("<=", "≤")
        print(
            f"| {row['id']} | {row['what']} | {stock_value} | {sign} {row['goal']:g} "
            f"| {row['value']:.3g} | {row['spread']:.2g} | {'' if row['reached'] else 'missed'} |"
        )


def keep(results):
    """Write ``results.json`` and the chart."""
    text = json.dumps(results, indent=2, ensure_ascii=False) + "\n"
    (HERE / "results.json").write_text(text, encoding="utf-8")
    (HERE / "results.svg").write_text(chart.draw(results), encoding="utf-8")


def machine():
    """Return one line on what the figures were measured on."""
    run = partial(subprocess.run, capture_output=True, text=True)
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return (
        f"{os.cpu_count()} cores, {', '.join(models[:1])}, Python {platform.python_version()}, "
        f"Node {run(['node', '--version']).stdout.strip()}, Linux {platform.release()}"
    )


if __name__ == "__main__":
    main()
