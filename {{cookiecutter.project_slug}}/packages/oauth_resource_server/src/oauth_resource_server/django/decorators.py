"""DOT's decorators for plain views, which validate tokens by this library.

DOT 3.4 gives them its own validator as a default argument, whatever ``OAUTH2_VALIDATOR_CLASS`` is.
It matches users by username: a resource owner named ``admin`` would become the local ``admin``.
Importing this module, which the application does, changes the default in DOT itself.
"""

from oauth2_provider import decorators
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.settings import oauth2_settings

for _one in [one for name, one in vars(decorators).items() if "protected_resource" in name]:
    _one.__defaults__ = tuple(
        one if one is not OAuth2Validator else lambda: oauth2_settings.OAUTH2_VALIDATOR_CLASS()
        for one in _one.__defaults__
    )
