"""Ask the authorization server about a token (RFC 7662 section 2).

This module knows what is asked and nothing of what an answer means; ``issuers/judgement.py`` is the
other way round.
"""

from base64 import b64encode
from typing import Any
from urllib.parse import quote_plus, urlencode

from oauth_resource_server.errors import (
    IntrospectionCredentialsRefused,
    IntrospectionResponseInvalid,
)
from oauth_resource_server.http.client import HTTPClient


class IntrospectionClient:
    """Asks one introspection endpoint.

    Args:
        http: What reaches the endpoint.
        credentials: Client id and secret of this resource server (RFC 6749 section 2.3.1).
        bearer_token: An access token to authenticate with in place of the credentials.
        token_type_hint: What the issuer calls an access token (RFC 7662 section 2.1).
    """

    def __init__(
        self,
        http: HTTPClient,
        *,
        credentials: tuple[str, str] | None = None,
        bearer_token: str | None = None,
        token_type_hint: str = "access_token",  # noqa: S107
    ) -> None:
        self.http = http
        self.url = http.url
        self._client_id = credentials[0] if credentials else ""
        self._hint = token_type_hint
        self._headers = {
            "Accept": "application/json",
            "Authorization": _authorization(credentials, bearer_token),
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def introspect(self, token: str) -> dict[str, Any]:
        """Return the JSON object that the authorization server answers about `token`.

        Raises:
            TokenValidationError: One of its subclasses; ``errors.py`` says which one when.
        """
        form = urlencode({"token": token, "token_type_hint": self._hint})
        answer = self.http.send("POST", self._headers, form)
        if answer.status in (401, 403):
            raise IntrospectionCredentialsRefused(
                f"Status {answer.status}",
                url=self.url,
                status=answer.status,
                client_id=self._client_id,
            )
        if answer.status != 200:
            raise IntrospectionResponseInvalid(
                f"Status {answer.status}", url=self.url, status=answer.status
            )
        members = self.http.json_object(answer.body)
        if members is None:
            raise IntrospectionResponseInvalid(
                f"Not a JSON object of up to {self.http.max_bytes} bytes",
                url=self.url,
                status=200,
            )
        return members


def _authorization(credentials: tuple[str, str] | None, bearer_token: str | None) -> str:
    if credentials is None:
        return f"Bearer {bearer_token}"
    pair = ":".join(quote_plus(part) for part in credentials)
    return f"Basic {b64encode(pair.encode()).decode()}"
