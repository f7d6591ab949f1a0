"""The secrets of a generated project, to look for where they must not be."""

import re
from urllib.parse import urlsplit

from stack import read_env

# What names of variables and files with a secret end with.
CONFIDENTIAL = re.compile(r".*(SECRET|SECRET_KEY|PASSWORD|TOKEN)")
# Nothing shorter is a secret, and a short string is found anywhere.
SHORTEST = 20


def secrets_of(project):
    """Return each secret of `.env` and `.secrets/` by the name of its variable or file.

    Of an address the secret is the password in it, so that one written in another form is found.
    """
    values = read_env(project)
    for path in (project / ".secrets").iterdir():
        if path.name != "clients.env":  # The lines of `.env` again.
            values[path.name] = path.read_text(encoding="utf-8").strip()
    found = {name: value for name, value in values.items() if CONFIDENTIAL.fullmatch(name)}
    found |= {name: urlsplit(value).password for name, value in values.items() if "@" in value}
    return {name: value for name, value in found.items() if len(value or "") >= SHORTEST}


def named_in(text, secrets):
    """Return the names of the secrets that stand in `text`, to print them and not the values."""
    return sorted(name for name, value in secrets.items() if value in text)
