from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import Q
from oauth2_provider.models import AccessToken, Application, RefreshToken

from accounts.models import User, revoke
from audit.recording import record
from client_registry.manifests import resource_servers
from client_registry.models import RegisteredClient
from revocation_events.models import Event
from revocation_events.raising import audiences_of_client, one_event


class Command(BaseCommand):
    help = "Revoke access tokens and refresh tokens. Resource servers refuse them within a second."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--user", metavar="EMAIL", help="those of a user")
        which.add_argument("--client", metavar="CLIENT_ID", help="those of a client")
        which.add_argument("--resource-server", metavar="NAME", help="those with a scope of it")
        which.add_argument("--all", action="store_true", help="all of them")
        parser.add_argument("--dry-run", action="store_true", help="count them only")

    def handle(self, *args: Any, **options: Any) -> None:
        count = (self.count if options["dry_run"] else self.revoke)(options)
        done = "would be revoked" if options["dry_run"] else "were revoked"
        self.stdout.write(f"{count} access tokens {done}.")

    def count(self, options: dict[str, Any]) -> int:
        """Return the number of access tokens."""
        return AccessToken.objects.filter(self.chosen(options)).count()

    def revoke(self, options: dict[str, Any]) -> int:
        """Revoke the tokens, and return the number of access tokens."""
        if options["user"]:
            count: int = self.one(User, email=options["user"]).revoke_everything()
            return count
        chosen = self.chosen(options)
        name = options["resource_server"]
        # Revoked by their own scope; that of a refresh token is the scope of its access token.
        renewals = chosen if not name else Q(access_token__in=AccessToken.objects.filter(chosen))
        kind, value, names = Event.Kind.RESET, "", [name] if name else list(resource_servers())
        if options["client"]:
            kind, value = Event.Kind.CLIENT, options["client"]
            scopes = RegisteredClient.objects.filter(application__client_id=value)
            names = audiences_of_client(*scopes.values_list("scopes", flat=True))
        with one_event(kind, value, names):
            record("tokens-revoked", client_id=options["client"], resource_server=name)
            refresh_tokens = RefreshToken.objects.filter(renewals)
            return revoke(AccessToken.objects.filter(chosen), refresh_tokens)[0]

    def chosen(self, options: dict[str, Any]) -> Q:
        """Return the condition for access tokens."""
        if options["user"]:
            return Q(user=self.one(User, email=options["user"]))
        if options["client"]:
            return Q(application=self.one(Application, client_id=options["client"]))
        if name := options["resource_server"]:
            if name not in resource_servers():
                known = ", ".join(resource_servers())
                raise CommandError(f"There is no resource server {name}. There are: {known}.")
            return Q(scope__regex=rf"(^| ){name}:")
        return Q()

    def one(self, model: Any, **condition: str) -> Any:
        """Return the only object with this condition."""
        found = model.objects.filter(**condition).first()
        if found is None:
            (value,) = condition.values()
            raise CommandError(f"There is no {model._meta.verbose_name} {value}.")
        return found
