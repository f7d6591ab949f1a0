"""``OAUTH_RESOURCE_SERVER["ISSUERS"]`` out of variables and a TOML file, for a ``settings.py``."""

import inspect
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.issuers.configuration import BUNDLED, COMMON, SECRETS
from oauth_resource_server.issuers.presets import PRESETS

# Rules are a table: they need the file.
ONLY_IN_THE_FILE = ("name", "scopes")


def issuers_from_environment(
    env: Callable[..., Any], prefix: str, folder: Path
) -> list[dict[str, Any]] | None:
    """Return the issuers that the variables name; None when none does: the bundled one then.

    ``ISSUERS`` lists presets (``authorization_server,okta``), whose options are variables named
    after them: ``OKTA_DOMAIN``, ``OKTA_CLIENT_SECRET``. ``ISSUERS_CONFIG`` is the path of a TOML
    file with tables ``[[issuers]]``, whose entries come after those. Each variable may carry the
    prefix of one resource server (``ORDERS_ISSUERS``, ``ORDERS_OKTA_AUDIENCE``), which goes first.

    Args:
        env: ``environ.FileAwareEnv()``: called with a name and a ``default``.
        prefix: Of the variables of this resource server: ``ORDERS``.
        folder: What a relative path in ``ISSUERS_CONFIG`` begins at.

    Raises:
        ImproperlyConfigured: A preset, a variable or the file is not there, or cannot be read.
    """

    def value_of(name: str) -> str:
        return str(env(f"{prefix}_{name}", default="") or env(name, default="")).strip()

    names = [name.strip() for name in value_of("ISSUERS").split(",") if name.strip()]
    issuers = [_from_variables(name, value_of) for name in names]
    if path := value_of("ISSUERS_CONFIG"):
        issuers += [_with_secrets(table, value_of) for table in _tables(folder / path)]
    return issuers or None


def _from_variables(preset: str, value_of: Callable[[str], str]) -> dict[str, Any]:
    if preset == BUNDLED:
        return {"preset": preset}
    if preset not in PRESETS:
        known = ", ".join((BUNDLED, *PRESETS))
        raise ImproperlyConfigured(f"ISSUERS names {preset!r}; there are {known}.")
    options = {
        option: value
        for option in options_of(preset)
        if option not in ONLY_IN_THE_FILE
        and (value := value_of(f"{preset.upper()}_{option.upper()}"))
    }
    derive, _ = PRESETS[preset]
    for name, parameter in inspect.signature(derive).parameters.items():
        if parameter.default is parameter.empty and name not in options:
            raise ImproperlyConfigured(
                f"ISSUERS names {preset}: set {preset.upper()}_{name.upper()} in .env."
            )
    return {"preset": preset, **options}


def options_of(preset: str) -> Iterator[str]:
    """Yield the options of `preset` that can be variables."""
    derive, _ = PRESETS[preset]
    yield from dict.fromkeys((*inspect.signature(derive).parameters, *COMMON))


def _tables(path: Path) -> list[dict[str, Any]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ImproperlyConfigured(
            f"ISSUERS_CONFIG names {path.name}, which cannot be read: {error.strerror}."
        ) from None
    except ValueError as error:  # Also for bytes that are no UTF-8.
        raise ImproperlyConfigured(f"{path.name} is not TOML: {error}.") from None
    tables = document.get("issuers")
    if set(document) != {"issuers"} or not isinstance(tables, list):
        raise ImproperlyConfigured(f"{path.name} must hold tables [[issuers]] and nothing else.")
    return tables


def _with_secrets(table: Any, value_of: Callable[[str], str]) -> dict[str, Any]:
    """Return `table` with each ``..._variable`` replaced by what the variable holds."""
    if not isinstance(table, dict):
        raise ImproperlyConfigured("`issuers` is not a list of tables.")
    options = dict(table)
    for option in SECRETS:
        if option in options:
            raise ImproperlyConfigured(
                f'A secret stands in the file: write {option}_variable = "NAME" instead, and set '
                "NAME (or NAME_FILE) in the environment."
            )
        name = options.pop(f"{option}_variable", None)
        if name is None:
            continue
        options[option] = value_of(str(name))
        if not options[option]:
            raise ImproperlyConfigured(f"{option}_variable names {name}, which is not set.")
    return options
