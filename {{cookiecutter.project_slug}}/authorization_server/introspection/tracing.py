"""The endpoint with traces by OpenTelemetry. Imported only where they are on."""

from typing import Any

from django.db import connections

from introspection import endpoint
from introspection.lookup import statement
from introspection.protocol import Question, Row
from service_kit.request_id import HEADER
from service_kit.tracing import query_span, request_span
from service_kit.wsgi_bridge import Receive, Scope, Send


class Endpoint(endpoint.Endpoint):
    """Records each introspection and its query, in the trace of the resource server."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        with request_span(scope["method"], headers) as respond:

            async def noting(message: Any) -> None:
                if message["type"] == "http.response.start":
                    identifier = dict(message["headers"])[HEADER.encode()]
                    respond(message["status"], identifier.decode(), scope["path"])
                await send(message)

            await super().__call__(scope, receive, noting)

    async def look_up(self, question: Question) -> Row | None:
        vendor = connections["default"].vendor
        with query_span(vendor, statement(question.credentials.scheme, vendor).strip()):
            return await super().look_up(question)
