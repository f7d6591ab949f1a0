"""Ask Google about an opaque access token: tokeninfo, in the shape of RFC 7662.

The token goes into a header and not into the URL, as in Google's own library for Node.js.
"""

import time
from typing import Any

from oauth_resource_server.errors import IntrospectionResponseInvalid
from oauth_resource_server.http.client import HTTPClient


class TokenInfoClient:
    """Asks tokeninfo.

    Args:
        http: What reaches it.
    """

    def __init__(self, http: HTTPClient) -> None:
        self.http = http
        self.url = http.url

    def introspect(self, token: str) -> dict[str, Any]:
        """Return what is said about `token`, as an introspection endpoint would say it.

        Raises:
            TokenValidationError: One of its subclasses; ``errors.py`` says which one when.
        """
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        answer = self.http.send("POST", headers, "")
        if answer.status in (400, 401):
            return {"active": False}  # Nobody authenticates here: it can only be the token.
        members = self.http.json_object(answer.body) if answer.status == 200 else None
        if members is None:
            raise IntrospectionResponseInvalid(
                f"Status {answer.status}, no tokeninfo", url=self.url, status=answer.status
            )
        seconds = str(members.pop("expires_in", ""))
        if "exp" not in members and seconds.isascii() and seconds.isdecimal():
            members["exp"] = int(time.time()) + int(seconds[:9])
        if "exp" not in members:
            raise IntrospectionResponseInvalid("No `exp`", url=self.url, status=200)
        return {**members, "active": True}
