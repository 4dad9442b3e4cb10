"""Cron jobs with a real server and a real target: at their time, once, over kill -9, and when they were missed.

Nobody waits for nine o'clock: the server's wall clock is set by a small library that is preloaded (shift_clock.c).
"""

from __future__ import annotations

import re
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from harness import DEFER, Answer, Server, clean_environment, wait_until

DAY = datetime(2030, 3, 4, tzinfo=UTC)  # a monday
NINE = DAY.replace(hour=9)


@pytest.fixture(scope="session")
def clock_library(tmp_path_factory) -> Path:
    library = tmp_path_factory.mktemp("clock") / "shift_clock.so"
    subprocess.run(["clang-19", "-O1", "-fPIC", "-shared", "-o", library, Path(__file__).parent / "shift_clock.c"],
                   check=True)
    return library


class CronServer:
    """A server with a cron.yaml, that can be ended and started at any time of the day."""

    def __init__(self, server: Server, library: Path, target, *flags: str):
        self.server = server
        self.library = library
        self.target = target
        self.file = server.folder / "cron.yaml"
        self.server.flags += ["--app-url", target.url("").rstrip("/"), "--cron-yaml", str(self.file), *flags]

    def write(self, text: str) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(text)

    def start_at(self, wall: datetime) -> None:
        shift = int((wall.timestamp() - time.time()) * 1e9)
        self.server.environment = {"LD_PRELOAD": str(self.library), "SHIFT_CLOCK_NS": str(shift)}
        self.server.start()

    def restart_at(self, wall: datetime) -> None:
        self.make_durable()
        self.server.kill()
        self.start_at(wall)

    def make_durable(self) -> None:
        """An answered change of the same queue: what was committed before it is on disk."""
        self.server.client.put("/v1/queues/__cron", {})

    def jobs(self) -> dict[str, dict]:
        return {job["url"]: job for job in self.server.client.get("/v1/cron")["jobs"]}

    def next_run(self, url: str) -> datetime:
        return datetime.fromisoformat(self.jobs()[url]["next_runs"][0])

    def paths(self) -> list[str]:
        return [push.path for push in self.target.pushes]

    def wait_for(self, *paths: str) -> None:
        wait_until(lambda: sorted(self.paths()) == sorted(paths), f"pushes {paths}, have {self.paths()}")

    def wait_for_next_run(self, url: str, wall: datetime) -> None:
        wait_until(lambda: self.next_run(url) == wall, f"{url} to be due at {wall}: {self.jobs()[url]}")

    def run_by_hand(self, url: str) -> None:
        """Also a barrier: whatever was due before has been started by then."""
        before = self.paths().count(url)
        self.server.client.post(f"/v1/queues/__cron/tasks/{self.jobs()[url]['id']}:run")
        wait_until(lambda: self.paths().count(url) == before + 1, f"the run of {url}")
        wait_until(lambda: self.jobs()[url]["state"] == "scheduled", f"the end of {url}")


@pytest.fixture
def make_cron(make_server, make_target, clock_library):
    def make(text: str, *flags: str, answer=lambda push: 200) -> CronServer:
        cron = CronServer(make_server(start=False), clock_library, make_target(answer), *flags)
        cron.write(text)
        return cron

    return make


DAILY = """cron:
- url: /daily
  schedule: every day 09:00
- url: /other
  schedule: every day 23:00
"""


def test_a_job_runs_at_its_time_as_app_engine_ran_it(make_cron):
    """GAE-191"""
    cron = make_cron(DAILY + "- url: /minutely?full=1\n  schedule: '* * * * *'\n")
    cron.start_at(NINE - timedelta(seconds=2))
    assert cron.paths() == []
    cron.wait_for("/daily", "/minutely?full=1")
    push = next(push for push in cron.target.pushes if push.path == "/daily")
    assert push.method == "GET"
    assert push.headers["x-appengine-cron"] == "true"
    assert push.headers["x-appengine-queuename"] == "__cron"
    assert re.fullmatch(r"[0-9a-f]{32}", push.headers["x-appengine-taskname"])
    assert push.headers["x-appengine-user-ip"] == "0.1.0.1"
    assert push.body == b""
    cron.wait_for_next_run("/daily", NINE + timedelta(days=1))
    cron.wait_for_next_run("/minutely?full=1", NINE + timedelta(minutes=1))
    job = cron.jobs()["/daily"]
    assert job["last_status"] == 200
    assert [datetime.fromisoformat(run) for run in job["next_runs"]] == [NINE + timedelta(days=n) for n in range(1, 6)]


def test_a_firing_happens_once_over_kill_and_restart(make_cron):
    cron = make_cron(DAILY)
    cron.start_at(NINE - timedelta(seconds=2))
    cron.wait_for("/daily")
    cron.wait_for_next_run("/daily", NINE + timedelta(days=1))
    # The clock stands where it stood, or before the time of the run: it is done.
    for wall in (NINE + timedelta(seconds=5), NINE - timedelta(minutes=1)):
        cron.restart_at(wall)
        cron.run_by_hand("/other")
        assert cron.paths().count("/daily") == 1
        assert cron.next_run("/daily") == NINE + timedelta(days=1)
    # And the next one comes.
    cron.restart_at(NINE + timedelta(days=1, seconds=-1))
    wait_until(lambda: cron.paths().count("/daily") == 2, "the run of the next day")


def test_a_firing_that_was_cut_off_runs_again(make_cron):
    hang = True
    cron = make_cron(DAILY, answer=lambda push: Answer(hang=hang))
    cron.start_at(NINE - timedelta(seconds=1))
    cron.wait_for("/daily")
    assert cron.jobs()["/daily"]["state"] == "in_flight"
    cron.server.kill()
    hang = False
    cron.start_at(NINE + timedelta(seconds=10))
    cron.wait_for("/daily", "/daily")
    first, second = cron.target.pushes
    assert first.headers["x-appengine-taskname"] == second.headers["x-appengine-taskname"]  # one firing
    cron.wait_for_next_run("/daily", NINE + timedelta(days=1))


def test_what_was_missed_runs_once(make_cron):
    """GAE-196"""
    cron = make_cron(DAILY + "- url: /poll\n  schedule: every 5 minutes\n- url: /now\n  schedule: '*/5 * * * *'\n")
    cron.start_at(NINE - timedelta(minutes=3))
    assert cron.next_run("/poll") == NINE + timedelta(minutes=2)  # not at once
    cron.restart_at(NINE + timedelta(days=3, minutes=31))
    cron.wait_for("/daily", "/poll", "/now", "/other")  # once each, however many times were missed
    cron.wait_for_next_run("/daily", NINE + timedelta(days=4))
    cron.wait_for_next_run("/now", NINE + timedelta(days=3, minutes=35))
    cron.wait_for_next_run("/poll", NINE + timedelta(days=3, minutes=36))
    cron.restart_at(NINE + timedelta(days=3, minutes=32))
    cron.run_by_hand("/other")
    assert sorted(cron.paths()) == ["/daily", "/now", "/other", "/other", "/poll"]


def test_what_was_missed_is_skipped_when_it_is_set_so(make_cron):
    """GAE-196"""
    cron = make_cron(DAILY, "--cron-missed", "skip")
    cron.start_at(NINE - timedelta(minutes=3))
    cron.restart_at(NINE + timedelta(minutes=2))
    cron.wait_for_next_run("/daily", NINE + timedelta(days=1))
    cron.run_by_hand("/other")
    assert cron.paths() == ["/other"]
    # A restart that takes less than a minute misses nothing.
    cron.restart_at(NINE + timedelta(days=1, seconds=20))
    wait_until(lambda: cron.paths() == ["/other", "/daily"], "the run that was 20 s late")


def test_a_new_file_takes_effect_on_sighup(make_cron):
    """GAE-195"""
    cron = make_cron(DAILY)
    cron.start_at(NINE - timedelta(hours=1))
    before = cron.jobs()
    cron.write(DAILY.replace("/other", "/new"))
    cron.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: sorted(cron.jobs()) == ["/daily", "/new"], "the new list")
    assert cron.jobs()["/daily"] == before["/daily"]
    # A wrong one changes nothing.
    cron.write("cron:\n- url: /daily\n  schedule: every funday 09:00\n")
    cron.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "is no day" in cron.server.log(), "the complaint")
    assert sorted(cron.jobs()) == ["/daily", "/new"]
    # A job that is removed does not run, also not after a restart.
    cron.write("cron: []\n")
    cron.server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not cron.jobs(), "no jobs")
    cron.write("cron:\n- url: /last\n  schedule: every day 23:00\n")
    cron.restart_at(NINE + timedelta(hours=1))
    cron.run_by_hand("/last")
    assert cron.paths() == ["/last"]


def test_a_wrong_file_stops_the_start(make_cron):
    """GAE-195: an unknown zone is one."""
    cron = make_cron("cron:\n- url: /a\n  schedule: every day 09:00\n  timezone: Mars/Olympus\n")
    ended = subprocess.run(cron.server.command(), capture_output=True, text=True, timeout=30, env=clean_environment())
    assert ended.returncode == 1
    assert f"{cron.file}:4:13: job \"/a\"" in ended.stderr
    assert "timezone 'Mars/Olympus' is unknown" in ended.stderr


def test_a_failed_run_is_retried_as_the_file_says(make_cron):
    """GAE-192"""
    cron = make_cron("""cron:
- url: /once
  schedule: every day 09:00
- url: /thrice
  schedule: every day 09:00
  retry_parameters: {job_retry_limit: 2, min_backoff_seconds: 0.05}
- url: /default
  schedule: every day 09:00
  retry_parameters: {min_backoff_seconds: 0.01, max_backoff_seconds: 0.01}
""", answer=lambda push: 500)
    cron.start_at(NINE - timedelta(seconds=1))
    cron.wait_for("/once", *["/thrice"] * 3, *["/default"] * 6)
    for url in ("/once", "/thrice", "/default"):
        cron.wait_for_next_run(url, NINE + timedelta(days=1))
        assert cron.jobs()[url]["last_status"] == 500
    pushes = [push for push in cron.target.pushes if push.path == "/thrice"]
    assert len({push.headers["x-appengine-taskname"] for push in pushes}) == 1
    assert [push.headers["x-appengine-taskretrycount"] for push in pushes] == ["0", "1", "2"]


def test_defer_shows_applies_and_runs(make_cron):
    cron = make_cron(DAILY)
    cron.start_at(NINE - timedelta(hours=1))

    def defer(*words: str) -> str:
        ended = subprocess.run([str(DEFER), "--table", "cron", *words], capture_output=True, text=True, timeout=30,
                               env=clean_environment(DEFERD_URL=f"http://127.0.0.1:{cron.server.port}"))
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert [line.split()[0] for line in re.findall(r"20\d\d-\d\d-\d\dT\d\d:\d\dZ", defer("ls"))] == [
        (NINE.replace(hour=hour) + timedelta(days=n)).strftime("%Y-%m-%dT%H:%MZ") for hour in (9, 23) for n in range(5)]
    new = cron.file.with_name("new.yaml")
    new.write_text(DAILY.replace("/other", "/new"))
    assert "2 to change, 1 job unchanged" in defer("apply", str(new), "--plan")
    assert "2 to change, 1 job unchanged\napplied" in defer("apply", str(new))
    assert "nothing to change, 2 jobs unchanged" in defer("apply", str(new))
    assert "started" in defer("run", "/daily")
    cron.wait_for("/daily")
    # Run by hand before its time, it runs at its time as well.
    cron.wait_for_next_run("/daily", NINE)
