"""The rules for names of resource servers, and what follows from a name.

All but ``env_prefix`` stands in the template's ``hooks/pre_gen_project.py`` too, which checks the
names before there is a project to import from.
"""

from __future__ import annotations

import keyword
import re

NAME_PATTERN = re.compile(r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$")
MAX_RESOURCE_SERVERS = 20
RESERVED = frozenset(
    "accounts admin api auth authorization-server bootstrap clear-tokens client-registry config "  # noqa: SIM905
    "database db default demo deploy django django-oauth-resource-server docs email ensure-clients "
    "health introspection localhost migrate nginx none oauth offline-access openid packages "
    "postgres profile proxy public redis resource-server scripts service-kit site static template0 "
    "template1 test tests valkey www".split()
)
# Device names, which Windows cannot store as files.
WINDOWS_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")


def problem_with_name(name: str) -> str | None:
    """Return why `name` cannot be a resource server. Valid: a DNS label, no '--', not reserved."""
    if not NAME_PATTERN.fullmatch(name) or "--" in name:
        return (
            f"{name!r} is not 1 to 32 lower-case letters, digits and single '-', "
            "beginning with a letter and not ending in '-'"
        )
    taken = name in RESERVED or keyword.iskeyword(name.replace("-", "_"))
    return f"{name!r} is reserved" if taken or WINDOWS_DEVICE.fullmatch(name) else None


def env_prefix(name: str) -> str:
    """Return what the variables of a service begin with: ORDER_HISTORY for order-history."""
    return name.upper().replace("-", "_")
