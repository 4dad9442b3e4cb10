"""Google's client, set up for a server without TLS and without credentials, by transport. The makers of make_client() are all that a
program changes; what follows them lets the same tests call the asyncio client.
"""

from __future__ import annotations

import asyncio
import importlib

import grpc
from google.auth.credentials import AnonymousCredentials

TRANSPORTS = ["grpc", "asyncio", "rest"]


def make_client(version: str, transport: str, port: int):
    """The client of a version ("v2", "v2beta3", "v2beta2"), whose methods block."""
    tasks = importlib.import_module(f"google.cloud.tasks_{version}")
    transports = importlib.import_module(f"google.cloud.tasks_{version}.services.cloud_tasks.transports")
    address = f"localhost:{port}"
    if transport == "grpc":
        return tasks.CloudTasksClient(transport=transports.CloudTasksGrpcTransport(channel=grpc.insecure_channel(address)))
    if transport == "rest":
        return tasks.CloudTasksClient(transport=transports.CloudTasksRestTransport(
            host=address, url_scheme="http", credentials=AnonymousCredentials()))

    async def make():
        channel = grpc.aio.insecure_channel(address)
        return tasks.CloudTasksAsyncClient(transport=transports.CloudTasksGrpcAsyncIOTransport(channel=channel))

    loop = asyncio.new_event_loop()
    return Blocking(loop, loop.run_until_complete(make()))


class Blocking:
    """The asyncio client, a pager or an operation of it, as their siblings that block."""

    def __init__(self, loop: asyncio.AbstractEventLoop, inner):
        self._loop = loop
        self._inner = inner

    def __getattr__(self, name: str):
        value = getattr(self._inner, name)
        if hasattr(value, "__aiter__"):  # pages
            return self._all(value)
        if not callable(value):
            return value

        def call(*arguments, **named):
            result = value(*arguments, **named)
            if asyncio.iscoroutine(result):
                result = self._loop.run_until_complete(result)
            is_one_of_theirs = hasattr(result, "__aiter__") or asyncio.iscoroutinefunction(getattr(result, "result", None))
            return Blocking(self._loop, result) if is_one_of_theirs else result

        return call

    def __iter__(self):
        return iter(self._all(self._inner))

    def _all(self, items):
        async def collect():
            return [item async for item in items]

        return self._loop.run_until_complete(collect())
