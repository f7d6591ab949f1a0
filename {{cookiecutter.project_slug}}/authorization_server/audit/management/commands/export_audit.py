from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit.models import Event


def time(text: str) -> datetime:
    """Return a time in ISO 8601; in UTC, which is the zone of the process, unless it says so."""
    return datetime.fromisoformat(text).astimezone(UTC)


class Command(BaseCommand):
    help = "Write the events of the audit table to the standard output, one JSON object a line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=time, metavar="TIME", help="such as 2026-11-01")
        parser.add_argument("--until", type=time, metavar="TIME", help="before this time")

    def handle(self, *args: Any, since: Any, until: Any, **options: Any) -> None:
        given = {"time__gte": since, "time__lt": until}
        chosen = Event.objects.filter(**{name: given[name] for name in given if given[name]})
        for event in chosen.order_by("pk").iterator():
            self.stdout.write(event.as_json())
