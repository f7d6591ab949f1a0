"""Microsoft Entra ID."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.issuers.settings import GUID, IssuerSettings, Strings, as_list

LOGIN = "https://login.microsoftonline.com"
SHARED = ("common", "organizations")


def entra(
    *,
    tenant_id: str,
    client_id: str,
    audience: Strings = "",
    client_ids: Strings = "",
    version: Any = 2,
) -> IssuerSettings:
    """Derive the issuer from an app registration in Entra ID.

    The manifest of the API (``accessTokenAcceptedVersion``) decides which version its tokens have,
    not the endpoint that gave them out. With ``organizations`` as tenant, ``iss`` must be the one
    of the tenant in ``tid``, a GUID, and of the key (its member ``issuer``); then a token of any
    customer of Entra whose administrator consents to the API is accepted. An access token has
    ``azp`` or ``appid``, an ID token has neither. There is no introspection: a token that was
    revoked is good until ``exp``.

    Documents: "Access tokens in the Microsoft identity platform", "Access token claims reference".

    Args:
        tenant_id: "Directory (tenant) ID", a GUID; ``organizations`` for every tenant.
        client_id: "Application (client) ID" of the API.
        audience: An "Application ID URI" other than ``api://<client_id>``.
        client_ids: The clients whose tokens are accepted; none: all.
        version: 2, or 1 where the manifest says so or nothing.
    """
    if str(version) not in ("1", "2"):
        raise ImproperlyConfigured(f"version is {version!r}, not 1 or 2.")
    tenant = tenant_id.lower()
    if tenant not in SHARED and not GUID.fullmatch(tenant):
        raise ImproperlyConfigured(f"tenant_id is {tenant_id!r}, no GUID and not `organizations`.")
    place = "{tenantid}" if tenant in SHARED else tenant
    is_v1 = str(version) == "1"
    path = "" if is_v1 else "v2.0/"
    return IssuerSettings(
        iss=f"https://sts.windows.net/{place}/" if is_v1 else f"{LOGIN}/{place}/v2.0",
        audiences=tuple(map(_spelt, (client_id, f"api://{client_id}", *as_list(audience)))),
        client_ids=tuple(map(_spelt, as_list(client_ids))),
        jwks_url=f"{LOGIN}/{tenant}/discovery/{path}keys",
        discovery_url=f"{LOGIN}/{tenant}/{path}.well-known/openid-configuration",
        # The documents of version 1 have one address of keys for all tenants.
        other_urls=(f"{LOGIN}/common/discovery/keys",) if is_v1 else (),
        claims=(
            ("ver", ("1.0" if is_v1 else "2.0",)),
            ("appid" if is_v1 else "azp", ()),
            ("tid", () if tenant in SHARED else (tenant,)),
        ),
        is_machine=_is_machine,
    )


def _spelt(name: str) -> str:
    """Return a GUID, or the default URI of an application, as it stands in tokens."""
    lower = name.lower()
    return lower if GUID.fullmatch(lower.removeprefix("api://")) else name


def _is_machine(claims: Mapping[str, Any]) -> bool:
    # `idtyp` is optional. Only a token in the name of a person has `scp`.
    return claims.get("idtyp") == "app" or "scp" not in claims
