"""Protected resource metadata (RFC 9728)."""

from typing import Any

from oauth2_provider.views.metadata import OAuthProtectedResourceMetadataView

from oauth_resource_server.conf import conf
from oauth_resource_server.issuers.options import read_issuers
from oauth_resource_server.issuers.token_checks import TENANT


class ProtectedResourceMetadataView(OAuthProtectedResourceMetadataView):  # type: ignore[misc]
    """DOT's view, with the issuers of ``OAUTH_RESOURCE_SERVER["ISSUERS"]``."""

    def get_authorization_servers(self, request: Any) -> list[str]:
        """Return the issuer identifiers, without the template of a multi-tenant issuer."""
        current = conf()
        if current.issuers is None:
            return list(super().get_authorization_servers(request))
        names = dict.fromkeys(issuer.iss for issuer in read_issuers(current))
        return [iss for iss in names if TENANT not in iss]


view = ProtectedResourceMetadataView.as_view()
