"""DOT's decorators for plain views, with `ResourceServerValidator`.

DOT's own decorators ignore ``OAUTH2_VALIDATOR_CLASS`` and use the stock validator, which matches
users by username: a resource owner named ``admin`` would become the local ``admin``.
"""

from functools import partial

from oauth2_provider import decorators

from oauth_resource_server.django.oauth2_validator import ResourceServerValidator

protected_resource = partial(decorators.protected_resource, validator_cls=ResourceServerValidator)
rw_protected_resource = partial(
    decorators.rw_protected_resource, validator_cls=ResourceServerValidator
)
