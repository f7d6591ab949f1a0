"""Mail in development: each message is in the log, and a file that a mail program opens."""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend

logger = logging.getLogger("mail")


class FileBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[Any]) -> int:
        for message in email_messages:
            logger.info("to %s: %s\n\n%s", ", ".join(message.to), message.subject, message.body)
            with suppress(OSError):  # In a container the folder is read-only.
                settings.MAIL_FOLDER.mkdir(mode=0o700, exist_ok=True)
                file = settings.MAIL_FOLDER / f"{time.time_ns()}.eml"
                file.write_bytes(message.message().as_bytes())
        return len(email_messages)
