"""Amazon Cognito."""

from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.conf import Conf
from oauth_resource_server.issuers.settings import IssuerSettings, Strings


def cognito(
    conf: Conf, *, user_pool_id: str, client_ids: Strings, region: str = "", audience: Strings = ()
) -> IssuerSettings:
    """Return the issuer of a user pool of Amazon Cognito.

    Without resource binding an access token has no ``aud``: only `client_ids` separates tokens for
    this API from others. `region` is needed if the id of the pool does not begin with it.
    """
    place, _, _ = user_pool_id.rpartition("_")
    if not place and not region:
        text = f"{user_pool_id!r} is not a user pool id, such as eu-west-1_Ab1."
        raise ImproperlyConfigured(text)
    iss = f"https://cognito-idp.{region or place}.amazonaws.com/{user_pool_id}"
    return IssuerSettings(
        iss=iss,
        audiences=audience or conf.audiences,
        aud_may_be_missing=True,
        client_ids=client_ids,
        jwks_url=f"{iss}/.well-known/jwks.json",
        claims=(("token_use", ("access",)), ("client_id", ())),
    )
