"""Stands in for `issuers.issuer.Issuer`, without HTTP."""

from oauth_resource_server import AccessToken, AuthorizationServerUnavailable
from oauth_resource_server.issuers.settings import IssuerSettings, Strategy


class FakeIssuer:
    """Accepts `tokens`. `seen` lists the tokens that it was asked about."""

    def __init__(self, name, iss=None, strategy=Strategy.INTROSPECTION, **settings):
        self.name = self.identity = name
        self.settings = IssuerSettings(iss=iss or f"https://{name}", strategy=strategy, **settings)
        self.keys = object() if strategy.verifies else None
        self.tokens = ()
        self.seen = []
        self.is_down = False

    def validate(self, token, jwt):
        self.seen.append(token)
        if self.is_down:
            raise AuthorizationServerUnavailable(f"{self.name} is down")
        return AccessToken(sub="alice", iss=self.settings.iss) if token in self.tokens else None
