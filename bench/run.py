#!/usr/bin/env python3
"""The whole-system benchmark: deferd, its peers and the raw limits of the machine, in one run.

    bench/run.py                       everything; about an hour
    bench/run.py --quick               3 short runs a row
    bench/run.py --only adds,cycles    some blocks
    bench/run.py --only adds --rows deferd,redis-list
    bench/run.py --only cycles --rows deferd,deferd-plain    runs against one entry a task
    bench/run.py --large 10M --write   and keep the result in docs/benchmarks.md

README.md beside this file says how each row is measured."""

import argparse
import json
import os
import shlex
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from harness import table  # noqa: E402
from harness.blocks import Benchmark  # noqa: E402
from harness.servers import Machine  # noqa: E402

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def count(text):
    """1000, 10k, 1M; a multiple of 100, which is what the client adds at once."""
    factor = {"k": 1_000, "M": 1_000_000}.get(text[-1:], 1)
    value = int(text[:-1] if factor > 1 else text) * factor
    if value <= 10_000 or value % 100:
        raise ValueError
    return value


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="blocks, by comma: " + ", ".join(Benchmark(None, 1, 1).blocks()))
    parser.add_argument("--rows", default="", help="rows of them, by comma, also those that are measured only on request;"
                        " ratios to rows left out are left out too")
    parser.add_argument("--quick", action="store_true", help="3 runs of 2 s (else 5 of 5 s)")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--seconds", type=float, help="of each run")
    parser.add_argument("--large", type=count, default=1_000_000, help="the large backlog: 1M, 10M")
    parser.add_argument("--bin", default=os.path.join(root, "build", "bin"), help="where the programs are")
    parser.add_argument("--deferd", help="another deferd than the one there")
    parser.add_argument("--dir", help="data folders go here, on the disk to measure (default: bench/.cache)")
    parser.add_argument("--json", metavar="FILE", help="the figures for programs")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args(arguments)
    options.defaults = {name: parser.get_default(name) for name in vars(options)}
    options.runs = options.runs or (3 if options.quick else 5)
    options.seconds = options.seconds or (2.0 if options.quick else 5.0)
    options.only = [key for key in options.only.split(",") if key]
    options.rows = [key for key in options.rows.split(",") if key]
    unknown = set(options.only) - set(Benchmark(None, 1, 1).blocks())
    if unknown:
        parser.error(f"no such block: {', '.join(sorted(unknown))}")
    return options


def render(intro, results, blocks):
    parts = [intro]
    goals = table.render_goals(results)
    if goals:
        parts.append("## Goals\n\n" + goals)
    parts.append("## Figures\n")
    parts += [table.render_block(block, results[block.key]) for block in blocks]
    return "\n".join(parts)


def main(arguments):
    options = parse(arguments)
    bin_folder = os.path.abspath(options.bin)
    machine = Machine(bin_folder, os.path.abspath(options.deferd or os.path.join(bin_folder, "deferd")), options.dir)
    results, done = {}, []
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leave no folder behind either way
    try:
        intro = table.describe_machine(machine, options.seconds, options.runs, options.large)
        table.log(intro)
        benchmark = Benchmark(machine, options.seconds, options.large)
        for key, make in benchmark.blocks().items():
            if options.only and key not in options.only:
                continue
            block = make()
            block.rows = [row for row in block.rows
                          if (row.key in options.rows if options.rows else not row.on_request)]
            if not block.rows:
                continue
            table.log(f"{block.title} ({time.strftime('%H:%M:%S')})")
            results[key] = table.run_block(block, options.runs)
            done.append(block)
            if options.json:  # after each block: an hour of figures should survive an interruption
                with open(options.json, "w") as file:
                    json.dump(results, file, indent=1)
    except KeyboardInterrupt:
        table.log("interrupted; what was measured follows")
    finally:
        machine.close()
    text = render(intro, results, done)
    print(text)
    if options.write:
        path = os.path.join(root, "docs", "benchmarks.md")
        # Without the options that only name places of this machine.
        given = {name: ",".join(value) if isinstance(value, list) else value for name, value in vars(options).items()
                 if name in options.defaults and name not in ("json", "dir", "bin", "deferd", "write")}
        told = [f"--{name}" if value is True else f"--{name} {shlex.quote(str(value))}"
                for name, value in given.items() if value != options.defaults[name]]
        command = " ".join(["./dev bench", *told, "--write"])
        with open(path, "w") as file:
            file.write("# Benchmarks\n\nMade by `" + command + "` (`bench/README.md` says how rows are measured). Ratios within a"
                       " block are what counts; absolute figures move with the machine.\n\n" + text)
        table.log(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
