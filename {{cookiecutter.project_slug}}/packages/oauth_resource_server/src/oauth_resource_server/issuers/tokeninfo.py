"""Google's tokeninfo endpoint for opaque access tokens, adapted to RFC 7662."""

import time
from typing import Any

from oauth_resource_server.errors import IntrospectionResponseInvalid
from oauth_resource_server.http.client import HTTPClient


class TokenInfoClient:
    """Client of tokeninfo.

    Args:
        http: Client for its URL.
    """

    def __init__(self, http: HTTPClient) -> None:
        self.http = http

    def introspect(self, token: str) -> dict[str, Any]:
        """Return the members of a response of RFC 7662 section 2.2.

        Raises:
            TokenValidationError: A subclass; see `oauth_resource_server.errors`.
        """
        # In a header and not in the URL, as in google-auth-library-nodejs.
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        response = self.http.send("POST", headers, "")
        if response.status in (400, 401):
            return {"active": False}  # There are no other credentials.
        members = self.http.json_object(response.body) if response.status == 200 else None
        if members is None:
            raise IntrospectionResponseInvalid(
                f"Status {response.status}, not tokeninfo",
                url=self.http.url,
                status=response.status,
            )
        seconds = str(members.pop("expires_in", ""))
        if "exp" not in members and seconds.isascii() and seconds.isdecimal():
            members["exp"] = int(time.time()) + int(seconds[:9])
        if "exp" not in members:
            raise IntrospectionResponseInvalid("No `exp`", url=self.http.url, status=200)
        return {**members, "active": True}
