"""The user model of the resource server in these tests."""

from token_introspection.users import AbstractResourceOwner


class ResourceOwner(AbstractResourceOwner):
    """A person."""
