"""Requests to ASGI applications, which stand in front of Django: the introspection endpoint."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from asgiref.current_thread_executor import CurrentThreadExecutor
from django.http import HttpResponse
from introspection.endpoint import Endpoint
from introspection.lookup import InThreads
from tests.flows import FORM, basic


def introspect(token, resource_server="orders", headers=None):
    """Return the response of the introspection endpoint to a resource server."""
    return ask({"token": token}, headers or basic(f"{resource_server}-introspection"))


def ask(data, headers=None):
    """Send a form to the introspection endpoint, and return its response."""
    return send_to_endpoint(urlencode(data, doseq=True).encode(), headers or {})


def send_to_endpoint(body, headers, method="POST", content_type=FORM):
    """Send a request to the introspection endpoint, whose queries run in this thread."""
    fields = {
        "Host": "testserver",
        "Content-Type": content_type,
        "Content-Length": str(len(body)),
    } | headers
    scope = {
        "type": "http",
        "method": method,
        "path": "/o/introspect/",
        "headers": [(name.lower().encode(), value.encode()) for name, value in fields.items()],
    }
    messages = send_to(endpoint_in, scope, {"type": "http.request", "body": body})
    fields = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    response = HttpResponse(messages[1]["body"], status=messages[0]["status"], headers=fields)
    response.json = lambda: json.loads(response.content)
    return response


def endpoint_in(threads):
    """Return an introspection endpoint whose queries run in `threads`."""
    return Endpoint(InThreads(threads))


class ThisThread:
    """Threads for an ASGI application: its functions run in the thread of a test.

    The data of a test is in a transaction, which only the connection of its thread sees.
    """

    def submit(self, function, ended=None):
        """Return the future result of `function()`."""
        future = asyncio.wrap_future(self.executor.submit(function))
        if ended:
            future.add_done_callback(lambda _: ended())
        return future

    def run(self, coroutine):
        """Run a coroutine in an event loop of its own."""
        self.executor = CurrentThreadExecutor(None)
        with ThreadPoolExecutor(1) as loop:
            result = loop.submit(asyncio.run, coroutine)
            self.executor.run_until_future(result)
        return result.result()


def send_to(application_in, scope, *received):
    """Return the messages that an ASGI application sends for a scope and received messages.

    After the last one, the client neither sends nor hangs up.
    """
    threads, sent, received = ThisThread(), [], list(received)

    async def receive():
        return received.pop(0) if received else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    threads.run(application_in(threads)(scope, receive, send))
    return sent
