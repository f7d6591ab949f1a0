"""``make bench``: measure every row beside its reference, print the table and store the results.

``make bench ONLY=B1,B2`` measures a selection and does not change the stored results.
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
# id: title, direction of the goal, goal, measurement, the same measurement of the stock assembly
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
    """Measure the rows in ONLY, or all rows."""
    only = [name for name in os.environ.get("ONLY", "").upper().replace(",", " ").split() if name]
    if unknown := set(only) - set(ROWS):
        sys.exit(f"ONLY: expected some of {', '.join(ROWS)}, got {', '.join(sorted(unknown))}.")
    processes.require_programs("wrk", "node", "npm", "uv")
    # Like Ctrl-C: leaving the context managers stops every process that was started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    start = time.monotonic()
    print(machine(), flush=True)
    with processes.postgresql() as database:
        bench = rows.Bench(processes.Project(), database)
        results = [measure_row(bench, name) for name in only or ROWS]
    print_table(results)
    print(f"\n{bench.project.versions()}")
    print(f"Medians of {rows.ROUNDS} rounds; benchmarks/README.md describes each row.")
    print(f"{time.monotonic() - start:.0f} s")
    if not only:
        store(results)


def measure_row(bench, name):
    """Measure one row and its reference; return the row of ``results.json``."""
    title, better, goal, measure, measure_stock = ROWS[name]
    databases = {"b5": [10_000, 2_000_000], "b10": []}.get(measure.__name__, [100_000])
    variables = [bench.database_with(tokens) for tokens in databases]
    value, spread = rows.median(list(measure(bench, *variables)))
    stock_values = list(measure_stock(bench, *variables)) if measure_stock else None
    reference = rows.median(stock_values)[0] if stock_values else None
    reached = value >= goal if better == ">=" else value <= goal
    print(f"{name} {title}: {value:.3g} ({better} {goal})", flush=True)
    return {
        "id": name,
        "what": title,
        "value": value,
        "better": better,
        "goal": goal,
        "reached": reached,
        "spread": spread,
        "reference": reference,
    }


def print_table(results):
    """Print the table of the README."""
    print("\n| | measure | stock | goal | here | spread | |\n|---|---|---|---|---|---|---|")
    for row in results:
        stock_value = "" if row["reference"] is None else f"{row['reference']:.3g}"
        sign = row["better"].replace(">=", "≥").replace("<=", "≤")
        print(
            f"| {row['id']} | {row['what']} | {stock_value} | {sign} {row['goal']:g} "
            f"| {row['value']:.3g} | {row['spread']:.2g} | {'' if row['reached'] else 'missed'} |"
        )


def store(results):
    """Write ``results.json`` and the chart."""
    text = json.dumps(results, indent=2, ensure_ascii=False) + "\n"
    (HERE / "results.json").write_text(text, encoding="utf-8")
    (HERE / "results.svg").write_text(chart.draw(results), encoding="utf-8")


def machine():
    """Return one line that describes the machine."""
    run = partial(subprocess.run, capture_output=True, text=True)
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return (
        f"{os.cpu_count()} cores, {', '.join(models[:1])}, Python {platform.python_version()}, "
        f"Node {run(['node', '--version']).stdout.strip()}, Linux {platform.release()}"
    )


if __name__ == "__main__":
    main()
