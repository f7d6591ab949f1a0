"""Say what is wrong between this resource server and its authorization server."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from oauth_resource_server.doctor import Level, examine


class Command(BaseCommand):
    """One line for each thing that was looked at; exit code 1 when one of them is a problem."""

    help = (
        "Ask the authorization server with the real credentials; say in plain words what is wrong "
        "and which line to change."
    )
    # The doctor names what they find, among the rest.
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each finding as soon as it is there."""
        styles = {Level.WARNING: self.style.WARNING, Level.PROBLEM: self.style.ERROR}
        problems = 0
        for finding in examine():
            style = styles.get(finding.level, str)
            self.stdout.write(style(str(finding)))
            problems += finding.level is Level.PROBLEM
        if problems:
            raise CommandError(f"{problems} problem{'s' if problems > 1 else ''}, see above.")
