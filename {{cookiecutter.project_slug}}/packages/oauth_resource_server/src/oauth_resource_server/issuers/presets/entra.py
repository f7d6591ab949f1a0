"""Microsoft Entra ID.

The manifest of the API (``accessTokenAcceptedVersion``) decides the version of its tokens, not
the endpoint that issues them. With the tenant ``organizations``, ``iss`` must be the one of the
tenant in ``tid``, a GUID, and of the key (its member ``issuer``).
"""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.conf import Conf
from oauth_resource_server.issuers.settings import GUID, IssuerSettings, Strings

LOGIN = "https://login.microsoftonline.com"
EVERY_TENANT = ("common", "organizations")


def entra(
    _: Conf,
    *,
    tenant_id: str,
    client_id: str,
    audience: Strings = (),
    client_ids: Strings = (),
    version: Any = 2,
) -> IssuerSettings:
    """Return the issuer of an app registration in Entra ID."""
    if str(version) not in ("1", "2"):
        raise ImproperlyConfigured(f"version is {version!r}, not 1 or 2.")
    tenant, is_v1 = tenant_id.lower(), str(version) == "1"
    if tenant not in EVERY_TENANT and not GUID.fullmatch(tenant):
        raise ImproperlyConfigured(f"tenant_id is {tenant_id!r}, not a GUID or `organizations`.")
    place = "{tenantid}" if tenant in EVERY_TENANT else tenant
    path = "" if is_v1 else "v2.0/"
    return IssuerSettings(
        iss=f"https://sts.windows.net/{place}/" if is_v1 else f"{LOGIN}/{place}/v2.0",
        audiences=tuple(map(_lower_guid, (client_id, f"api://{client_id}", *audience))),
        client_ids=tuple(map(_lower_guid, client_ids)),
        jwks_url=f"{LOGIN}/{tenant}/discovery/{path}keys",
        discovery_url=f"{LOGIN}/{tenant}/{path}.well-known/openid-configuration",
        # The documents of version 1 name one JWK Set for all tenants.
        other_urls=(f"{LOGIN}/common/discovery/keys",) if is_v1 else (),
        claims=(
            ("ver", ("1.0" if is_v1 else "2.0",)),
            ("appid" if is_v1 else "azp", ()),
            ("tid", () if tenant in EVERY_TENANT else (tenant,)),
        ),
        is_machine=_is_machine,
    )


def _lower_guid(name: str) -> str:
    """Return a GUID, or the default URI of an application, in the lower case of tokens."""
    lower = name.lower()
    return lower if GUID.fullmatch(lower.removeprefix("api://")) else name


def _is_machine(claims: Mapping[str, Any]) -> bool:
    # `idtyp` is optional. Only a token on behalf of a person has `scp`.
    return claims.get("idtyp") == "app" or "scp" not in claims
