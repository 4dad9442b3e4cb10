"""Random sequences of calls, to deferd and to the SDK's development stub in this process; their answers compared.

The stub is the only other thing at hand that answers these calls, and the SDKs are written for what it does. Each call is made
of us first, then of the stub; both answers are brought into one form (names by the task they mean, instants within two seconds)
and must be equal. The seed is printed; DEFERD_SEED=N runs one again, DEFERD_DIFFERENTIAL_CALLS sets how long a run is.

Where the two differ on purpose, the sequence either avoids the call, or DIFFERENCES names the answer. Nothing else may differ.
"""

from __future__ import annotations

import os
import random
import time

import pytest
from sdk import rpc
from google.appengine.api.taskqueue import taskqueue_service_bytes_pb2 as pb
from google.appengine.api.taskqueue import taskqueue_stub
from google.appengine.runtime import apiproxy_errors

OK, UNKNOWN_QUEUE, INVALID_REQUEST, QUEUE_PAUSED = 0, 1, 13, 26
CALLS = int(os.environ.get("DEFERD_DIFFERENTIAL_CALLS", 1500))
NEAR_USEC = 2_000_000
FEW = 5  # rows of a query that does not ask for the whole queue

# What is never sent, since the two would part for good, and what we do instead (each has a test of its own, by its number):
#
#   a name twice in one batch             stub: adds the first; we add none (GAE-052)
#   what only the client checks           stub: names, URLs, tags, headers and options as they come; we check (GAE-044 .. GAE-064)
#   tasks of several queues or modes      stub: all go where the first goes; we refuse (GAE-055)
#   several leased for 0 seconds          stub: has tasks of one ETA in the order of names; we in the order of age (GAE-118)
#   a lease of a paused queue             stub: leases; we refuse (GAE-115)
#   more leases than the retry limit      stub: drops the task at the next lease; we when the last one ends (GAE-125)
#   start_tag in QueryTasks               stub: asserts that there is none (GAE-108)
#   another mode for a queue with tasks   stub: changes it; we refuse (GAE-183)
#   statistics of a deleted queue         stub: an exception of Python's
#   app_id in requests                    stub: fails at random, and fills new queues with random tasks (GAE-013)


class Stub:
    """The development stub, called below its front door: that one adds headers and fails by dice."""

    def __init__(self):
        self.group = taskqueue_stub._Group()  # without a queue.yaml, which would take queues away again
        self.chosen = 0
        self.group._ChooseTaskName = self.choose

    def choose(self) -> str:
        """In the order of creation, as ours: tasks of one ETA are ordered by name there and by age here."""
        self.chosen += 1
        return f"chosen-{self.chosen:06d}"

    def call(self, method: str, request):
        copy = type(request)()
        copy.CopyFrom(request)  # the stub writes into requests
        response = response_of(request)
        getattr(self.group, f"{method}_Rpc")(copy, response)
        if method == "BulkAdd":  # it knows its results by id(), which today's protobuf gives twice
            for wanted, added, result in zip(request.add_request, copy.add_request, response.taskresult):
                result.ClearField("chosen_task_name")
                if result.result == OK and not wanted.task_name:
                    result.chosen_task_name = added.task_name
        return response


    def rows_to_lease(self, request, count: int) -> int:
        """What the stub must be asked for to lease as many tasks as we did.

        A lease may give fewer than there are (GAE-123): ours does when the payloads of some are on disk only, but never
        none. And of untagged tasks the stub takes the oldest N of all and drops the tagged ones, where we fill N (GAE-119).
        """
        queue = self.group._queues[request.queue_name.decode()]
        now = int(self.group.gettime() * 1e6)
        with queue._lock:
            for rows in range(1, 2000):
                tasks = queue._QueryAndOwnTasksGetTaskList(rows, request.group_by_tag, now, request.tag.decode())
                if len(tasks) == count:
                    return rows
        return request.max_tasks


def response_of(request):
    return getattr(pb, type(request).__name__.replace("Request", "Response"))()


def outcome(call):
    """The response, or the code of the error."""
    try:
        return call()
    except apiproxy_errors.ApplicationError as error:
        return error.application_error


# ---- One form for both


class Names:
    """Which of our names is which of the stub's: equal when the caller gave it, chosen by each otherwise."""

    def __init__(self):
        self._ours: dict[tuple[str, bytes], bytes] = {}
        self._theirs: dict[tuple[str, bytes], bytes] = {}

    def bind(self, queue: str, theirs: bytes, ours: bytes) -> None:
        self._ours[queue, theirs] = ours
        self._theirs[queue, ours] = theirs

    def ours(self, queue: str, theirs: bytes) -> bytes:
        return self._ours.get((queue, theirs), theirs)

    def theirs(self, queue: str, ours: bytes) -> bytes:
        return self._theirs.get((queue, ours), ours)


class Near:
    """An instant, equal to another within two seconds: the two clocks are read one after the other, and a past ETA becomes now."""

    def __init__(self, usec: int):
        self.usec = usec

    def __eq__(self, other):
        return isinstance(other, Near) and abs(self.usec - other.usec) < NEAR_USEC

    def __repr__(self):
        return f"@{self.usec}"


def eta(usec: int, now: float):
    """A past ETA is now: ours is raised when it is added (GAE-045), the stub keeps it."""
    return Near(max(usec, int(now * 1e6) - 60_000_000)) if usec > now * 1e6 else "past"


def listed(task, name: bytes, now: float) -> dict:
    """What both say of a task. Not: execution_count, which the stub counts for leases too; headers, where it adds a Host."""
    return {
        "name": name, "eta": eta(task.eta_usec, now), "retry_count": task.retry_count, "url": task.url, "body": task.body,
        "method": task.method if task.url else None, "tag": task.tag, "description": task.description,
        "created": Near(task.creation_time_usec),
    }


def form(method: str, queue: str, answer, name, now: float):
    if isinstance(answer, int):
        return {"error": answer}
    if method == "BulkAdd":
        return [(result.result, result.HasField("chosen_task_name")) for result in answer.taskresult]
    if method == "Delete":
        return list(answer.result)
    if method == "QueryAndOwnTasks":
        return [(name(task.task_name), task.retry_count, task.body, task.tag, eta(task.eta_usec, now)) for task in answer.task]
    if method == "ModifyTaskLease":
        return eta(answer.updated_eta_usec, now)
    if method == "QueryTasks":
        etas = [task.eta_usec for task in answer.task]
        assert etas == sorted(etas)
        if len(etas) <= FEW:
            return [eta(usec, now) for usec in etas]
        # The whole queue. Tasks that were leased together have one ETA, and then the stub goes by name, we by age.
        return sorted((listed(task, name(task.task_name), now) for task in answer.task), key=lambda one: one["name"])
    if method == "FetchTask":
        return [listed(task, name(task.task_name), now) for task in answer.task.task]
    if method == "FetchQueueStats":
        return [(one.num_tasks, one.oldest_eta_usec == -1 or eta(one.oldest_eta_usec, now), one.HasField("scanner_info"))
                for one in answer.queuestats]
    if method == "FetchQueues":
        return [(one.queue_name, one.bucket_refill_per_second, one.bucket_capacity, one.user_specified_rate, one.paused, one.mode,
                 retries(one)) for one in answer.queue if one.queue_name.startswith(b"diff-")]
    return "done"  # responses without fields


def retries(queue) -> tuple | None:
    """As given: absent and default are one thing, since queues keep values and not messages."""
    given = queue.retry_parameters
    limit = given.retry_limit if given.HasField("retry_limit") else None
    age = given.age_limit_sec if given.HasField("age_limit_sec") else None
    return limit, age, given.min_backoff_sec, given.max_backoff_sec, given.max_doublings


# ---- Allowed differences: (method, why, whether these two answers are it)

DIFFERENCES = [
    ("ModifyTaskLease", "a lease of more than 604,800 s: the stub grants it, App Engine did not (GAE-116)",
     lambda request, theirs, ours: request.lease_seconds > 604_800 and ours == {"error": INVALID_REQUEST}),
]


# ---- The sequence


class Sequence:
    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.stub = Stub()
        self.names = Names()
        prefix = f"diff-{seed % 1_000_000:06d}"
        self.pull, self.push = [f"{prefix}-pull-{n}" for n in range(2)], f"{prefix}-push"
        self.queues = [*self.pull, self.push]
        self.paused = {queue: False for queue in self.queues}
        self.deleted: set[str] = set()
        self.known: dict[str, list[bytes]] = {queue: [] for queue in [*self.queues, f"{prefix}-never"]}
        self.etas: dict[tuple[str, bytes], tuple[int, int]] = {}  # of leases: the stub's, ours
        self.never = f"{prefix}-never"
        self.named = 0
        self.log: list[tuple[str, str]] = []

    def both(self, method: str, queue: str, request, ours=None):
        """Asks both; fails when the answers differ and no difference is named for it. `ours`: the request in our names."""
        mine = outcome(lambda: rpc(method, ours or request))
        if method == "QueryAndOwnTasks" and not isinstance(mine, int):
            request.max_tasks = self.stub.rows_to_lease(request, len(mine.task))
        theirs = outcome(lambda: self.stub.call(method, request))
        now = time.time()
        expected = form(method, queue, theirs, lambda name: name, now)
        got = form(method, queue, mine, lambda name: self.names.theirs(queue, name), now)
        self.log.append((queue, f"{method} {str(ours or request)!r:.400} -> {got!r:.200}"))
        if got != expected and not any(name == method and allowed(request, expected, got) for name, _, allowed in DIFFERENCES):
            if isinstance(got, list) and isinstance(expected, list) and len(got) == len(expected):
                expected, got = zip(*[pair for pair in zip(expected, got) if pair[0] != pair[1]])  # what differs of many
            recent = "\n  ".join([text for of, text in self.log if of == queue][-20:])
            pytest.fail(f"{method}:\n  stub {expected}\n  ours {got}\nthe last calls of the queue:\n  {recent}")
        return theirs, mine

    def a_queue(self, unknown: float = 0.05) -> str:
        return self.never if self.random.random() < unknown else self.random.choice(self.queues)

    def a_name(self, queue: str) -> bytes:
        known = self.known[queue]
        return self.random.choice(known) if known and self.random.random() < 0.9 else b"never-there"

    def offset_usec(self) -> int:
        """Steps of 100 s: so that which of two instants is the later one does not hang on who reads its clock when."""
        return self.random.randint(1, 30) * 100_000_000

    # Each of these is one call, or a few.

    def update_queue(self):
        queue = self.random.choice(self.queues)
        if queue in self.deleted:
            return
        request = pb.TaskQueueUpdateQueueRequest(
            queue_name=queue.encode(), bucket_refill_per_second=self.random.choice([0.5, 5.0, 100.0]),
            bucket_capacity=self.random.randint(1, 100), mode=1 if queue in self.pull else 0)
        if self.random.random() < 0.5:
            request.user_specified_rate = self.random.choice(["30/m", "5/s", "100/s"])
        if queue == self.push and self.random.random() < 0.5:
            request.retry_parameters.min_backoff_sec = self.random.choice([1.0, 2.5])
            if self.random.random() < 0.5:
                request.retry_parameters.retry_limit = self.random.randint(0, 9)
            if self.random.random() < 0.5:
                request.retry_parameters.age_limit_sec = self.random.randint(1, 9999)
        self.both("UpdateQueue", queue, request)

    def add(self):
        queue = self.a_queue()
        pull = queue in self.pull
        if self.random.random() < 0.03:
            pull = not pull  # the whole call is refused (GAE-056)
        request = pb.TaskQueueBulkAddRequest()
        given: set[bytes] = set()
        at = int(time.time() * 1e6)
        for n in range(self.random.choice([1, 1, 1, 2, 5, 20])):
            task = request.add_request.add(queue_name=queue.encode(), task_name=b"", eta_usec=at + n, mode=1 if pull else 0)
            if self.random.random() < 0.5:
                task.task_name = self.a_name(queue) if self.random.random() < 0.2 else b""
                if task.task_name in given or not task.task_name.startswith(b"named"):
                    self.named += 1
                    task.task_name = b"named-%06d" % self.named
                given.add(task.task_name)
            if not pull or n > 0 or self.random.random() < 0.3:
                # Push tasks always: none may run meanwhile. Of a batch one at most is due: ours get one ETA, the stub's keep theirs.
                task.eta_usec = at + n + self.offset_usec()
            if self.random.random() < 0.03:
                task.eta_usec = self.random.choice([-1, at + 40 * 86_400_000_000])
            if pull:
                task.body = self.random.randbytes(self.random.randint(0, 50))
                if self.random.random() < 0.6:
                    task.tag = self.random.choice([b"a", b"b", b"c"])
            else:
                task.url = b"/work?n=%d" % n
                task.method = self.random.choice([1, 2, 3, 4, 5])
                if task.method in (2, 4):
                    task.body = self.random.randbytes(10)
                task.header.add(key=b"X-Colour", value=b"blue")
        theirs, mine = self.both("BulkAdd", queue, request)
        if isinstance(theirs, int):
            return
        for task, one, other in zip(request.add_request, theirs.taskresult, mine.taskresult):
            if one.result == OK:
                name = task.task_name or one.chosen_task_name
                self.names.bind(queue, name, task.task_name or other.chosen_task_name)
                self.known[queue].append(name)

    def delete(self):
        queue = self.a_queue()
        names = [self.a_name(queue) for _ in range(self.random.choice([1, 1, 3]))]
        self.both("Delete", queue, pb.TaskQueueDeleteRequest(queue_name=queue.encode(), task_name=names),
                  pb.TaskQueueDeleteRequest(queue_name=queue.encode(), task_name=[self.names.ours(queue, name) for name in names]))

    def lease(self):
        queue = self.a_queue()
        if self.paused.get(queue):
            return
        request = pb.TaskQueueQueryAndOwnTasksRequest(
            queue_name=queue.encode(), max_tasks=self.random.choice([1, 2, 10, 1000]),
            lease_seconds=self.offset_usec() // 1_000_000)
        if self.random.random() < 0.5:
            request.group_by_tag = True
            if self.random.random() < 0.6:
                request.tag = self.random.choice([b"a", b"b", b"c", b"z"])
        elif self.random.random() < 0.05:
            request.tag = b"a"  # without group_by_tag: refused
        if self.random.random() < 0.3:
            request.max_tasks, request.lease_seconds = 1, 0  # given back at once
        if self.random.random() < 0.05:
            request.max_tasks = 0
        if self.random.random() < 0.05:
            request.lease_seconds = -1
        theirs, mine = self.both("QueryAndOwnTasks", queue, request)
        if not isinstance(theirs, int):
            for one, other in zip(theirs.task, mine.task):
                self.etas[queue, one.task_name] = (one.eta_usec, other.eta_usec)

    def modify_lease(self):
        queue = self.a_queue()
        leased = [name for of, name in self.etas if of == queue]
        name = self.random.choice(leased) if leased and self.random.random() < 0.9 else self.a_name(queue)
        theirs, mine = self.etas.get((queue, name), (1, 1))
        wrong = 1 if self.random.random() < 0.1 else 0
        seconds = self.random.choice([0, 100, 2500, 2500.5, -1, 604_801 if self.random.random() < 0.1 else 700])
        if seconds == 604_801:
            theirs, mine = 1, 1  # so that the stub does not grant it
        make = lambda name, usec: pb.TaskQueueModifyTaskLeaseRequest(  # noqa: E731
            queue_name=queue.encode(), task_name=name, eta_usec=usec + wrong, lease_seconds=seconds)
        theirs, mine = self.both("ModifyTaskLease", queue, make(name, theirs), make(self.names.ours(queue, name), mine))
        if not isinstance(theirs, int):
            self.etas[queue, name] = (theirs.updated_eta_usec, mine.updated_eta_usec)

    def purge(self):
        queue = self.a_queue(0.3)
        self.both("PurgeQueue", queue, pb.TaskQueuePurgeQueueRequest(queue_name=queue.encode()))

    def pause(self):
        queue = self.a_queue()
        pause = self.random.random() < 0.4
        self.both("PauseQueue", queue, pb.TaskQueuePauseQueueRequest(app_id=b"default", queue_name=queue.encode(), pause=pause))
        if queue in self.paused and queue not in self.deleted:
            self.paused[queue] = pause

    def delete_queue(self):
        if self.random.random() < 0.02 and not self.deleted:  # at most one: the sequence needs queues
            queue = self.pull[1]
            self.both("DeleteQueue", queue, pb.TaskQueueDeleteQueueRequest(app_id=b"default", queue_name=queue.encode()))
            self.deleted.add(queue)

    def statistics(self):
        queues = [queue for queue in [*self.queues, self.never] if queue not in self.deleted]
        self.both("FetchQueueStats", "", pb.TaskQueueFetchQueueStatsRequest(queue_name=[queue.encode() for queue in queues]))

    def fetch_queues(self):
        self.both("FetchQueues", "", pb.TaskQueueFetchQueuesRequest(max_rows=1000))

    def query_by_eta(self):
        queue = self.a_queue()
        self.both("QueryTasks", queue, pb.TaskQueueQueryTasksRequest(
            queue_name=queue.encode(), start_eta_usec=0, max_rows=self.random.choice([1, FEW, 1000])))

    def fetch_task(self):
        queue = self.a_queue()
        name = self.a_name(queue)
        self.both("FetchTask", queue, pb.TaskQueueFetchTaskRequest(queue_name=queue.encode(), task_name=name),
                  pb.TaskQueueFetchTaskRequest(queue_name=queue.encode(), task_name=self.names.ours(queue, name)))

    def run(self, calls: int):
        for queue in self.queues:
            self.both("UpdateQueue", queue, pb.TaskQueueUpdateQueueRequest(
                queue_name=queue.encode(), bucket_refill_per_second=5, bucket_capacity=5, mode=1 if queue in self.pull else 0))
        steps = {self.add: 30, self.lease: 20, self.modify_lease: 15, self.delete: 10, self.query_by_eta: 6, self.fetch_task: 6,
                 self.statistics: 5, self.update_queue: 3, self.fetch_queues: 2, self.pause: 3, self.purge: 1, self.delete_queue: 1}
        for _ in range(calls):
            self.random.choices(list(steps), weights=list(steps.values()))[0]()
        return len(self.log)


@pytest.fixture(scope="module")
def flags() -> list[str]:
    return ["--limits", "strict"]


def test_the_development_stub_agrees(deferd):
    """GAE-101 GAE-102 GAE-104 GAE-105: see the head of this file."""
    seed = int(os.environ.get("DEFERD_SEED") or random.SystemRandom().randrange(1 << 31))
    print(f"DEFERD_SEED={seed}")
    assert Sequence(seed).run(CALLS) > CALLS // 2
