"""The user model of the resource server in these tests."""

from oauth_resource_server.users import AbstractResourceOwner


class ResourceOwner(AbstractResourceOwner):
    """A person."""
