"""Runs blocks, takes medians, judges the goals, prints Markdown."""

import os
import platform
import re
import shutil
import statistics
import subprocess
import sys

from .blocks import count_text, payload_bytes
from .programs import Failed, Missing


def log(text):
    print(text, file=sys.stderr, flush=True)


def run_block(block, runs):
    """Interleaved: every row once, then every row again. Returns {row key: {"value", "low", "high", ...} or
    {"missing"}}."""
    samples = {row.key: [] for row in block.rows}
    missing = {}
    try:
        for run in range(runs):
            for row in block.rows:
                if row.key in missing:
                    continue
                try:
                    sample = row.measure()
                except (Missing, Failed) as reason:
                    missing[row.key] = str(reason)
                    log(f"  {row.name}: not measured: {reason}")
                    continue
                samples[row.key].append(sample)
                log(f"  run {run + 1}/{runs}  {row.name}: {figure(sample.get('value_ms', sample.get('per_second')), block.unit)}")
    finally:
        block.close()
    return {row.key: {"missing": missing[row.key]} if row.key in missing else summary(samples[row.key], block.unit)
            for row in block.rows}


def summary(samples, unit):
    values = [sample["value_ms" if unit == "ms" else "per_second"] for sample in samples]
    result = {"value": statistics.median(values), "low": min(values), "high": max(values),
              "errors": sum(sample.get("errors", 0) for sample in samples),
              "first_error": next((s["first_error"] for s in samples if s.get("first_error")), "")}
    for name in ("p50_ms", "p99_ms", "p999_ms", "bytes_a_task"):
        known = [sample[name] for sample in samples if name in sample]
        if known:
            result[name] = statistics.median(known)
    for name in ("flushes", "client_cpu", "server_cpu"):  # per second of measured time
        known = [sample[name] / sample["seconds"] for sample in samples if name in sample and "seconds" in sample]
        if known:
            result[name] = statistics.median(known)
    known = [s["server_cpu"] / (s["seconds"] * s["per_second"]) * 1e6 for s in samples
             if s.get("server_cpu") and s.get("per_second") and "seconds" in s]
    if known:
        result["server_us"] = statistics.median(known)
    return result


def figure(value, unit):
    if value is None:
        return "-"
    return f"{value:.3f} ms" if unit == "ms" else f"{value:,.0f}/s"


def render_block(block, results):
    unit = "ms" if block.unit == "ms" else "per second"
    lines = [f"**{block.title}**", "",
             f"| what | durability | connections | batch | backlog | {unit} (lowest - highest) | p50 / p99 / p99.9 ms |"
             " flushes/s | client CPU | server CPU | server us a task | ratio |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    notes = list(block.notes)
    base = results.get(block.reference, {}).get("value")
    for row in block.rows:
        r = results[row.key]
        start = f"| {row.name} | {row.durability} | {row.connections} | {row.batch} | {row.backlog} | "
        if "missing" in r:
            lines.append(start + "not measured | - | - | - | - | - | - |")
            notes.append(f"{plain(row.name)}: not measured: {' '.join(r['missing'].split())}")
            continue
        if r["errors"]:
            notes.append(f"{plain(row.name)}: {r['errors']:.0f} errors. {r['first_error']}")
        number = (lambda v: f"{v:.3f}") if block.unit == "ms" else (lambda v: f"{v:,.0f}")
        percentiles = "-"
        if r.get("p99_ms"):
            digits = 3 if block.unit == "ms" else 2
            percentiles = " / ".join(f"{r[p]:.{digits}f}" for p in ("p50_ms", "p99_ms", "p999_ms"))
        cells = [f"{number(r['value'])} ({number(r['low'])} - {number(r['high'])})", percentiles,
                 f"{r['flushes']:,.0f}" if "flushes" in r else "-",
                 f"{r['client_cpu']:.2f}" if "client_cpu" in r else "-",
                 f"{r['server_cpu']:.2f}" if "server_cpu" in r else "-",
                 f"{r['server_us']:.1f}" if "server_us" in r else "-",
                 f"{r['value'] / base:.2f}" if base else "-"]
        lines.append(start + " | ".join(cells) + " |")
    reference = next((row for row in block.rows if row.key == block.reference), None)
    if reference and base:
        waiting = f", {reference.backlog} tasks waiting" if block.key == "backlog" else ""
        notes.append(f"Ratios are to: {plain(reference.name)}{waiting}.")
    return "\n".join(lines + [""] + notes) + "\n"


def plain(name):
    return name.replace("**", "").replace("`", "")


class Goal:
    """A figure of deferd as a ratio to named references of the same block, and what it should be."""

    def __init__(self, block, measure, reach, stretch, ratio, at_most=False):
        self.block, self.measure, self.reach, self.stretch, self.ratio = block, measure, reach, stretch, ratio
        self.at_most = at_most

    def met(self, ratio, bound):
        return ratio <= bound if self.at_most else ratio >= bound

    def mark(self, ratio):
        if self.stretch is not None and self.met(ratio, self.stretch):
            return "stretch"
        if self.reach is not None and self.met(ratio, self.reach):
            return "reached"
        return "not yet" if self.reach is not None else "not yet (stretch only)"

    def bound(self, value):
        return "-" if value is None else f"{'at most' if self.at_most else 'at least'} {value:g}"


def of(row, reference):
    """The ratio of a row to another of the block."""
    return lambda rows: rows[row]["value"] / rows[reference]["value"]


def to(reference):
    return of("deferd", reference)


def one_producer_ratio(sync):
    """How much longer an add of one caller takes than one fdatasync and one HTTP round trip."""
    return lambda rows: (1 / rows["deferd"]["value"]) / (1 / rows[sync]["value"] + 1 / rows["nginx"]["value"])


goals = [
    Goal("adds", "adds, 64 callers, against BullMQ", 3, None, to("bullmq")),
    Goal("adds", "adds, 64 callers, against a raw Redis list", 1.0, None, to("redis-list")),
    Goal("adds", "adds, 64 callers, against beanstalkd with fsync on each write", 8, None, to("beanstalkd-f0")),
    Goal("adds", "adds, 64 callers, against beanstalkd without a disk", None, 0.7, to("beanstalkd")),
    Goal("batches", "adds, 100 a call, 8 callers, against a bare RocksDB loop", 1.0, 1.5, to("rocksdb")),
    Goal("batches", "adds, 100 a call, 8 callers, against a raw Redis stream", None, 1.0, to("redis-stream")),
    Goal("cycles", "pull: lease 100, ack 100, against beanstalkd without a disk", 1.5, 2, to("beanstalkd")),
    Goal("cycles", "pull: lease 100, ack 100, against a raw Redis stream", None, 1.0, to("redis-stream")),
    Goal("cloudtasks", "CreateTask over gRPC, 64 callers, against gRPC's bare echo", 0.6, None, of("grpc-64", "echo-64")),
    Goal("cloudtasks", "CreateTask over REST, 64 callers, against nginx", 0.5, None, of("rest-64", "nginx-64")),
    Goal("push", "push dispatches against wrk on the same target", 0.3, 0.4, to("wrk")),
    Goal("one", "one unbatched producer: time of an add against fdatasync (recycled file) + one HTTP round trip", 1.5, 1.2,
         one_producer_ratio("fdatasync-recycled"), at_most=True),
    Goal("one", "the same, against fdatasync (growing file) + one HTTP round trip", 1.5, 1.2,
         one_producer_ratio("fdatasync"), at_most=True),
    Goal("latency", "due task to its target, idle, against one HTTP round trip after the other", 2, 1.3,
         to("round-trip"), at_most=True),
    Goal("latency", "the same, against one HTTP round trip to a server as idle", 2, 1.3, to("round-trip-idle"),
         at_most=True),
    Goal("results", "calls with their results, a sandbox each, against Celery", 1.0, None, to("celery")),
    Goal("results", "the same, against RQ", 1.0, None, to("rq")),
    Goal("result_latency", "one call and its result against Celery", 1.0, None, to("celery"), at_most=True),
    Goal("result_latency", "the same, against RQ", 1.0, None, to("rq"), at_most=True),
    Goal("backlog", "large backlog against 10 k: rate", 0.8, 0.95,
         lambda rows: rows["large"]["value"] / rows["small"]["value"]),
    Goal("backlog", "bytes of memory a queued task, between half of the large backlog and the whole", 8, None,
         lambda rows: rows["large"]["bytes_a_task"], at_most=True),
    Goal("restart", "restart after kill -9: first dispatch against RocksDB's own open", 2, 1.2, to("rocksdb"),
         at_most=True),
]


def render_goals(results):
    """`results`: {block key: {row key: summary}} of the blocks that ran."""
    lines = ["| measure | reach | stretch | measured | |", "| --- | --- | --- | --- | --- |"]
    for goal in goals:
        if goal.block not in results:
            continue
        try:
            ratio = goal.ratio(results[goal.block])
        except KeyError:
            lines.append(f"| {goal.measure} | {goal.bound(goal.reach)} | {goal.bound(goal.stretch)} | - | not measured |")
            continue
        lines.append(f"| {goal.measure} | {goal.bound(goal.reach)} | {goal.bound(goal.stretch)} | {ratio:.2f} |"
                     f" {goal.mark(ratio)} |")
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""


def version_of(command, pattern):
    path = shutil.which(command[0]) or shutil.which(command[0], path="/usr/sbin:/sbin")
    if not path:
        return "not installed"
    done = subprocess.run([path, *command[1:]], capture_output=True, text=True)
    found = re.search(pattern, done.stdout + done.stderr)
    return found.group(1) if found else "unknown"


def describe_machine(machine, seconds, runs, large):
    with open("/proc/cpuinfo") as cpuinfo:
        model = re.search(r"model name\s*:\s*(.*)", cpuinfo.read())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    filesystem = subprocess.run(["stat", "-f", "-c", "%T", machine.work], capture_output=True, text=True).stdout.strip()
    cores = os.cpu_count()
    versions = {
        "nginx": version_of(["nginx", "-v"], r"nginx/(\S+)"),
        "wrk": version_of(["wrk", "-v"], r"wrk (?:debian/)?([\d.]+)"),
        "Redis": version_of(["redis-server", "--version"], r"v=(\S+)"),
        "beanstalkd": version_of(["beanstalkd", "-v"], r"beanstalkd (\S+)"),
        "Node": version_of(["node", "--version"], r"v(\S+)"),
    }
    load = os.getloadavg()[0]
    lines = [
        f"- Machine: {cores} cores of {model.group(1) if model else platform.machine()}, {memory:.0f} GiB,"
        f" Linux {platform.release()}, {filesystem}; load before the start {load:.2f}.",
        f"- Payload {payload_bytes} bytes of text that differs from task to task. Client and server share the {cores} cores,"
        " pinned to none unless the row says so. The client is one thread, one epoll, closed loop; what it can do alone stands under raw limits.",
        f"- Median of {runs} runs of {seconds:g} s, each after a warm-up of {min(1.0, seconds):g} s, interleaved within a block;"
        f" a fresh server and folder each. The large backlog is {count_text(large)} tasks.",
        "- CPU in cores. Flushes are those that the disks completed, by whomever.",
        "- " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".",
    ]
    if load > 0.5:
        lines.append("- **The machine was busy before the start: the figures are not to be trusted.**")
    return "\n".join(lines) + "\n"
