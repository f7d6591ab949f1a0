"""Amazon Cognito."""

from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.issuers.settings import IssuerSettings, Strings, as_list


def cognito(
    *, user_pool_id: str, client_ids: Strings, region: str = "", audience: Strings = ""
) -> IssuerSettings:
    """Derive the issuer from a user pool of Amazon Cognito.

    An access token has ``token_use: access``, its client in ``client_id`` and, unless resource
    binding is on, no ``aud``: the clients are what tells tokens for this API from others. There is
    no introspection: a token that was revoked is good until ``exp``.

    Documents: "Verifying JSON web tokens" and "Understanding the access token" of the Amazon
    Cognito developer guide.

    Args:
        user_pool_id: As in the console: ``eu-central-1_AbCdEf123``.
        client_ids: The app clients whose tokens are accepted.
        region: Where the pool is, if its id does not begin with that.
        audience: What ``aud`` must hold where it is there: the resource of resource binding. The
            one of the resource server where it is not given.
    """
    place, _, _ = user_pool_id.rpartition("_")
    if not place and not region:
        raise ImproperlyConfigured(
            f"{user_pool_id!r} is no user pool id: they look like eu-west-1_Ab1."
        )
    iss = f"https://cognito-idp.{region or place}.amazonaws.com/{user_pool_id}"
    return IssuerSettings(
        iss=iss,
        audiences=as_list(audience),
        aud_may_be_missing=True,
        client_ids=as_list(client_ids),
        jwks_url=f"{iss}/.well-known/jwks.json",
        claims=(("token_use", ("access",)), ("client_id", ())),
    )
