"""Servers for the benchmarks: a proxy that counts introspections, a stalled and a fixed server."""

import asyncio
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit


class Counter:
    """Number of introspection requests that the proxy has forwarded."""

    def __init__(self):
        self.requests = 0


@contextmanager
def counting_proxy(target):
    """Forward every connection to `target`; yield the URL of the proxy and its `Counter`."""
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
    """Accept connections and never send a response; yield the URL."""

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
    """Send `body` as the response to every request; yield the URL."""
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
    """Run an asyncio server in its own thread; yield its URL."""
    loop, ready = asyncio.new_event_loop(), threading.Event()
    started = []

    async def run():
        listener = await asyncio.start_server(handle, "127.0.0.1", 0)
        started.append(listener.sockets[0].getsockname()[1])
        ready.set()
        async with listener:
            await listener.serve_forever()

    def main():
        asyncio.set_event_loop(loop)
        task = loop.create_task(run())
        started.append(task)
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            for connection in asyncio.all_tasks(loop):
                connection.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            loop.close()

    thread = threading.Thread(target=main, daemon=True)
    thread.start()
    ready.wait(10)
    task, port = started
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
