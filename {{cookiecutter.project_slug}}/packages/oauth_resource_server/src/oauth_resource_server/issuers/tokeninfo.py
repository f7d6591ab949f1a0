"""Google's tokeninfo endpoint for opaque access tokens, adapted to RFC 7662."""

import time
from typing import Any

from oauth_resource_server.errors import IntrospectionResponseInvalid
from oauth_resource_server.http.client import HTTPClient
from oauth_resource_server.issuers.introspection import members_of


class TokenInfoClient:
    """Client of tokeninfo, with the interface of `IntrospectionClient`."""

    def __init__(self, http: HTTPClient) -> None:
        self.http = http

    def introspect(self, token: str) -> dict[str, Any]:
        """Return the members of a response of RFC 7662 section 2.2."""
        # In a header and not in the URL, as in google-auth-library-nodejs.
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        response = self.http.send("POST", headers, "")
        if response.status in (400, 401):
            return {"active": False}  # There are no other credentials.
        members = members_of(response, self.http)
        seconds = str(members.pop("expires_in", ""))
        if "exp" not in members and seconds.isascii() and seconds.isdecimal():
            members["exp"] = int(time.time()) + int(seconds[:9])
        if "exp" not in members:
            raise IntrospectionResponseInvalid("No `exp`", url=self.http.url, status=200)
        return {**members, "active": True}
