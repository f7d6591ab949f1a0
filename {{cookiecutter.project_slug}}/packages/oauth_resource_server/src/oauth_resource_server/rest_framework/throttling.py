"""Throttling per OAuth client. Clients may share an address, or use many."""

from hashlib import sha256
from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle


class ClientRateThrottle(SimpleRateThrottle):
    """Counts requests per ``client_id``, without a token per address, at the rate "client"."""

    scope = "client"

    def get_cache_key(self, request: Request, view: Any) -> str:
        client_id = getattr(request.auth, "client_id", "")
        ident = f"client {client_id}" if client_id else f"address {self.get_ident(request)}"
        # A digest, because a client_id may hold characters that are invalid in a cache key.
        digest = sha256(ident.encode()).hexdigest()
        return self.cache_format % {"scope": self.scope, "ident": digest}
