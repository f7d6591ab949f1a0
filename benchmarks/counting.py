"""A proxy that counts the introspections which pass it, a server that never answers, and one that
always answers the same.
"""

import asyncio
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit


class Counter:
    """How many requests have passed."""

    def __init__(self):
        self.requests = 0


@contextmanager
def counting_proxy(target):
    """Pass everything on to `target`; yield the address of the proxy and its counter."""
    parts, counter = urlsplit(target), Counter()

    async def pump(reader, writer, count=False):
        try:
            while data := await reader.read(65536):
                if count:
                    counter.requests += data.count(b"POST /o/introspect/")
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader, writer):
        try:
            upstream = await asyncio.open_connection(parts.hostname, parts.port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, upstream[1], count=True), pump(upstream[0], writer))

    with server(serve) as url:
        yield url, counter


@contextmanager
def stalled():
    """Accept connections and never answer; yield the address."""

    async def serve(reader, writer):
        try:
            while await reader.read(65536):
                pass
        except OSError:
            pass
        finally:
            writer.close()

    with server(serve) as url:
        yield url


@contextmanager
def answering(body):
    """Answer every request with `body`, as JSON; yield the address."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    with server(serve) as url:
        yield url


@contextmanager
def server(handle):
    """Run an asyncio server in a thread of its own; yield its address."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    address = []

    async def run():
        listener = await asyncio.start_server(handle, "127.0.0.1", 0)
        address.append(listener.sockets[0].getsockname()[1])
        ready.set()
        async with listener:
            await listener.serve_forever()

    def main():
        asyncio.set_event_loop(loop)
        task = loop.create_task(run())
        address.append(task)
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            for rest in asyncio.all_tasks(loop):
                rest.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    ready.wait(10)
    task, port = address
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
