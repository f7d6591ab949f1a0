"""A finding is one line: what was examined, the result, and the setting to change."""

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from oauth_resource_server.issuers.environment import variable_of
from oauth_resource_server.issuers.options import COMMON
from oauth_resource_server.issuers.presets import BUNDLED, parameters_of
from oauth_resource_server.issuers.settings import IssuerSettings, parts_of

MAX_LENGTH = 500
# How the names of variables end that may hold a URL, a client id or a secret.
VARIABLES: tuple[str, ...] = ("_URL", "CLIENT_ID", "_SECRET", "_TOKEN")


class Level(StrEnum):
    """The severity. Only with a problem the resource server cannot do its work."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    level: Level
    subject: str
    text: str

    def __str__(self) -> str:
        # Parts of the text come from servers and must not control the terminal.
        text = "".join(one if one.isprintable() else "?" for one in self.text[:MAX_LENGTH])
        return f"{self.level:<8} {self.subject}: {text}"


ok = partial(Finding, Level.OK)
warning = partial(Finding, Level.WARNING)
problem = partial(Finding, Level.PROBLEM)


def source_of(value: str, settings: IssuerSettings, setting: str) -> str:
    """Return the variables that `value` was made from, or else the setting that holds it.

    A variable is named if its own value is a part of `value`; ``NAME_FILE`` counts with the content
    of the file. `setting` holds the value for the issuer of ``OAUTH2_PROVIDER``.
    """
    names = VARIABLES
    if settings.preset != BUNDLED:
        setting = f"OAUTH_RESOURCE_SERVER['ISSUERS'] (the entry {settings.name!r})"
        options = (*parameters_of(settings.preset), *COMMON)
        names += tuple(variable_of(settings.preset, option) for option in options)
    found = sorted(
        name
        for name, content in os.environ.items()
        if name.removesuffix("_FILE").endswith(names) and _is_source(name, content, value)
    )
    return f"{' or '.join(found)} in .env" if found else f"{setting} in the settings"


def _is_source(name: str, content: str, value: str) -> bool:
    try:
        part = Path(content).read_text(encoding="utf-8") if name.endswith("_FILE") else content
    except (OSError, ValueError):
        return False
    part = re.escape(part.strip().rstrip("/"))
    return bool(part and re.search(rf"(?<![\w.-]){part}(?![\w.:-])", value, re.IGNORECASE))


def shown(url: str) -> str:
    """Return `url` without credentials and query."""
    return origin(url) + parts_of(url).path


def origin(url: str) -> str:
    """Return scheme, host and port of `url` without credentials."""
    parts = parts_of(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
