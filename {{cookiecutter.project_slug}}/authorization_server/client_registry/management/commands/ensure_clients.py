from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from client_registry.credentials import read_clients
from client_registry.declarations import read_declarations
from client_registry.manifests import resource_servers
from client_registry.registration import Outcome, ensure_clients
from client_registry.schema import RegistryError


class Command(BaseCommand):
    help = "Register the clients of clients.toml and of the resource servers, or update them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check",
            action="store_true",
            help="write nothing; exit with 1 if a client is not as declared",
        )
        parser.add_argument(
            "--prune", action="store_true", help="delete the clients that are no longer declared"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        check = options["check"]
        try:
            outcomes = self.ensure(check=check, prune=options["prune"])
        except RegistryError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            reason = " ".join(str(error).split())
            raise CommandError(f"The database is not ready, run migrate first: {reason}") from error
        unchanged = ("unchanged", "not declared")
        differences = [outcome for outcome in outcomes if outcome.action not in unchanged]
        if not check:
            self.stdout.writelines(f"{outcome}\n" for outcome in outcomes)
        elif differences:
            self.stdout.writelines(f"to do: {outcome}\n" for outcome in differences)
            raise CommandError("The clients are not as declared: run ensure_clients.")

    def ensure(self, *, check: bool, prune: bool) -> list[Outcome]:
        """Read the declarations for this environment, and register them."""
        declared = read_declarations(settings.CLIENTS_FILE, resource_servers(complete=True))
        here = [
            client for client in declared.values() if settings.ENVIRONMENT in client.environments
        ]
        elsewhere = declared.keys() - {client.name for client in here}
        return ensure_clients(read_clients(here), elsewhere, check=check, prune=prune)
