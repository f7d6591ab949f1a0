"""DOT's decorators for plain views, with our validator.

DOT's own take its stock validator unless told otherwise, whatever ``OAUTH2_VALIDATOR_CLASS`` says,
and that looks people up by username: somebody called ``admin`` over there is ``admin`` here.
"""

from functools import partial

from oauth2_provider import decorators

from oauth_resource_server.django.oauth2_validator import ResourceServerValidator

protected_resource = partial(decorators.protected_resource, validator_cls=ResourceServerValidator)
rw_protected_resource = partial(
    decorators.rw_protected_resource, validator_cls=ResourceServerValidator
)
