"""The LOGGING of every service: readable lines in development, JSON lines in production."""

import logging
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS

LEVELS = ("INFO", "DEBUG", "WARNING", "ERROR", "CRITICAL")
FORMATTERS = {
    "text": {"format": "%(levelname)s %(name)s [%(request_id)s]: %(message)s"},
    "json": {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "fmt": ["asctime", "levelname", "name", "request_id", "message"],
        "datefmt": "%Y-%m-%dT%H:%M:%S%z",
        "rename_fields": {
            "asctime": "time",
            "levelname": "level",
            "name": "logger",
            "exc_info": "traceback",
        },
        # The representation of a request shows its query, which may hold a token.
        "reserved_attrs": [*RESERVED_ATTRS, "request"],
    },
}


class NoTracebackOfRefusals(logging.Filter):
    """Remove the traceback of responses below 500: a bad request is not an error of the service."""

    def filter(self, record: logging.LogRecord) -> bool:
        if getattr(record, "status_code", 500) < 500:
            record.exc_info = record.exc_text = None
        return True


def logging_config(level: str, *, json: bool) -> dict[str, Any]:
    """Return the value of LOGGING.

    Args:
        level: One of `LEVELS`, for the code of the project. The libraries that write tokens and
            queries at DEBUG stay at INFO.
        json: One JSON object per line, otherwise lines for people.
    """
    libraries = {"level": "INFO" if level == "DEBUG" else level}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "request_id": {"()": "service_kit.request_id.RequestIdFilter"},
            "refusals": {"()": "service_kit.logging.NoTracebackOfRefusals"},
        },
        "formatters": FORMATTERS,
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "filters": ["request_id", "refusals"],
                "formatter": "json" if json else "text",
            }
        },
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django": {"handlers": [], **libraries},
            # For people, service_kit.worker writes one line for each request, refused or not.
            "django.request": {"level": level if json or level == "CRITICAL" else "ERROR"},
            # Security events, at every level.
            "security": {"level": "INFO"},
            "oauth2_provider": libraries,
            "oauthlib": libraries,
            # It writes six lines whenever expired tokens are deleted.
            "oauth2_provider.models": {"level": "WARNING"},
        },
    }
