import re
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.chain import problems, unsealed
from audit.models import Seal


class Command(BaseCommand):
    help = "Name each sealed event that was changed, removed or inserted later (exit code 1)."

    def add_arguments(self, parser: CommandParser) -> None:
        help = "from `audit-sealed` in the log"
        parser.add_argument("anchors", nargs="*", metavar="POSITION:MAC", help=help)

    def handle(self, *args: Any, anchors: list[str], **options: Any) -> None:
        if not settings.AUDIT_KEY:
            raise CommandError("AUTHORIZATION_SERVER_AUDIT_KEY is not set.")
        if wrong := [one for one in anchors if not re.fullmatch(r"[0-9]{1,18}:[0-9a-f]{64}", one)]:
            raise CommandError(f"Expected POSITION:MAC, got {wrong[0]!r}.")
        found = list(problems({int(one[:-65]): one[-64:] for one in anchors}))
        if found:
            raise CommandError("\n".join(found))
        intact, waiting = Seal.objects.count(), unsealed().count()
        end = Seal.objects.order_by("position").last()
        self.stdout.write(f"{intact} links are intact, {waiting} events wait. The end: {end}")
