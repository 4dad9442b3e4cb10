"""As much of HTTP/2 and gRPC as a test needs that wants to do what no client would: thousands of calls held open, messages that lie
about their size, pings that are never answered. Blocking, standard library only.

Calls say their deadline and message and nothing else; answers are read as far as the status, which gRPC's server sends without
compression once it is told that there is no table to keep.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4

OK, CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED = 0, 1, 4, 8


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """A header field, not indexed, its name new (RFC 7541, 6.2.2); both below 127 bytes."""
    return b"\0" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


def message(payload: bytes) -> bytes:
    return struct.pack(">BI", 0, len(payload)) + payload


# ---- Protocol buffers, the two messages that are said here


def field(number: int, payload: bytes) -> bytes:
    size, length = len(payload), b""
    while size > 127:
        length += bytes((size & 127 | 128,))
        size >>= 7
    return bytes((number << 3 | 2,)) + length + bytes((size,)) + payload


def create_task(queue: str, url: str, body: bytes = b"") -> bytes:
    """google.cloud.tasks.v2.CreateTaskRequest with an HTTP task."""
    http = field(1, url.encode()) + (field(4, body) if body else b"")
    return field(1, queue.encode()) + field(2, field(3, http))


class Connection:
    """One connection and its calls. What the server sends is read only by settle() and its callers."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None, timeout: float = 60.0):
        raw = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket = tls.wrap_socket(raw, server_hostname="localhost") if tls else raw
        self.statuses: dict[int, int] = {}  # of ended calls; -1: ended by a reset
        self.answers_pings = True
        self.gone = False  # the server said so, or closed
        self._next = 1
        self._in = b""
        self._window = 65535  # what the server still takes, of the connection; and of each stream
        self._initial_window = 65535
        self._windows: dict[int, int] = {}
        # No header table; a window that no test fills.
        self.send(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HIHI", 1, 0, 4, 1 << 30)) +
                   frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)))

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Closes as a process does that is killed with the connection in use."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def open(self, method: str, timeout: str = "") -> int:
        """Begins a call, without its message; the number of its stream. `timeout` as gRPC writes it, "20m" for 20 ms."""
        stream = self._next
        self._next += 2
        fields = b"\x83\x86" + literal(":path", method) + literal(":authority", "test")  # POST, http
        fields += literal("content-type", "application/grpc") + literal("te", "trailers")
        if timeout:
            fields += literal("grpc-timeout", timeout)
        self._windows[stream] = self._initial_window
        self.send(frame(HEADERS, END_HEADERS, stream, fields))
        return stream

    def say(self, stream: int, bytes_: bytes, end: bool = True) -> None:
        """Sends what is a message or a part of one, as fast as the server takes it, until the call or the connection ends."""
        left = memoryview(bytes_)
        while left and not self.gone and stream not in self.statuses:
            size = min(len(left), 16384, self._window, self._windows[stream])
            if size <= 0:
                self.read()
                continue
            self._window -= size
            self._windows[stream] -= size
            self.send(frame(DATA, END_STREAM if end and size == len(left) else 0, stream, bytes(left[:size])))
            left = left[size:]

    def call(self, method: str, payload: bytes, timeout: str = "") -> int:
        stream = self.open(method, timeout)
        self.say(stream, message(payload))
        return stream

    def settle(self, streams) -> list[int]:
        """The statuses of these calls, once all have ended; -1 for those whose connection went away."""
        wanted = list(streams)
        while not self.gone and any(stream not in self.statuses for stream in wanted):
            self.read()
        return [self.statuses.get(stream, -1) for stream in wanted]

    def read(self) -> None:
        """What the server has sent next."""
        try:
            received = self.socket.recv(1 << 16)
        except ConnectionError:
            received = b""
        if not received:
            self.gone = True
            return
        self._in += received
        at = 0
        while len(self._in) - at >= 9:
            size = int.from_bytes(self._in[at:at + 3], "big")
            if len(self._in) - at < 9 + size:
                break
            kind, flags, stream = self._in[at + 3], self._in[at + 4], int.from_bytes(self._in[at + 5:at + 9], "big")
            self._heard(kind, flags, stream, self._in[at + 9:at + 9 + size])
            at += 9 + size
        self._in = self._in[at:]

    def _heard(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == HEADERS and (found := re.search(rb"grpc-status[\x01\x02]([0-9]{1,2})", payload)):
            self.statuses[stream] = int(found[1])
        elif kind == RST_STREAM:
            self.statuses.setdefault(stream, -1)
        elif kind == SETTINGS and not flags & ACK:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == 4:
                    self._windows = {one: left + value - self._initial_window for one, left in self._windows.items()}
                    self._initial_window = value
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(payload, "big")
        elif kind == WINDOW_UPDATE and stream in self._windows:
            self._windows[stream] += int.from_bytes(payload, "big")
        elif kind == PING and not flags & ACK and self.answers_pings:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY and int.from_bytes(payload[4:8], "big") != 0:
            self.gone = True

    def send(self, bytes_: bytes) -> None:
        try:
            self.socket.sendall(bytes_)
        except ConnectionError:
            self.gone = True
