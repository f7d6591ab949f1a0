"""A rate for each client, whose machines may share an address or have many."""

from hashlib import sha256
from typing import Any

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle


class ClientRateThrottle(SimpleRateThrottle):
    """Counts the requests of a ``client_id``, or of an address when there is no token.

    The rate is ``DEFAULT_THROTTLE_RATES["client"]``, in the words of Django REST Framework.
    """

    scope = "client"

    def get_cache_key(self, request: Request, view: Any) -> str:
        client_id = getattr(request.auth, "client_id", "")
        ident = f"client {client_id}" if client_id else f"address {self.get_ident(request)}"
        # A digest, because a client_id may hold what a cache does not take in a key.
        digest = sha256(ident.encode()).hexdigest()
        return self.cache_format % {"scope": self.scope, "ident": digest}
