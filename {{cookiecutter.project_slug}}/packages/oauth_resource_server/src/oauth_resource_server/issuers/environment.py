"""``OAUTH_RESOURCE_SERVER["ISSUERS"]`` from environment variables and a TOML file.

For a ``settings.py``: it can be imported before the settings exist.
"""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from oauth_resource_server.issuers.options import COMMON
from oauth_resource_server.issuers.presets import BUNDLED, PRESETS, parameters_of

SECRETS = ("client_secret", "bearer_token")
# A list of presets cannot hold two of one, and rules are a table.
ONLY_IN_THE_FILE = ("name", "scopes")


def issuers_from_environment(
    env: Callable[..., Any], prefix: str, folder: Path
) -> list[dict[str, Any]] | None:
    """Return the value of ``ISSUERS``; None where no variable names an issuer.

    The variable ``ISSUERS`` lists presets (``authorization_server,okta``), whose options are
    variables named after them: ``OKTA_DOMAIN``, ``OKTA_CLIENT_SECRET``. ``ISSUERS_CONFIG`` is the
    path of a TOML file with tables ``[[issuers]]``, which are appended. A variable with the prefix
    of one resource server, `prefix`, takes precedence (``ORDERS_OKTA_AUDIENCE``).

    `env` is a function of a name and a ``default``, such as ``environ.FileAwareEnv()``. `folder` is
    the base of a relative path in ``ISSUERS_CONFIG``.
    """

    def value_of(name: str) -> str:
        return str(env(f"{prefix}_{name}", default="") or env(name, default="")).strip()

    names = [name.strip() for name in value_of("ISSUERS").split(",") if name.strip()]
    issuers = [_from_variables(name, value_of) for name in names]
    if path := value_of("ISSUERS_CONFIG"):
        issuers += [_with_secrets(table, value_of) for table in _tables(folder / path)]
    return issuers or None


def variable_of(preset: str, option: str) -> str:
    """Return the name of the variable for an option, without a prefix."""
    return f"{preset}_{option}".upper()


def _from_variables(preset: str, value_of: Callable[[str], str]) -> dict[str, Any]:
    if preset == BUNDLED:  # AUTHORIZATION_SERVER_URL and the like are variables of the project.
        return {"preset": preset}
    if preset not in PRESETS:
        raise ImproperlyConfigured(f"ISSUERS names {preset!r}; there are {', '.join(PRESETS)}.")
    parameters = parameters_of(preset)
    options = {
        option: value
        for option in dict.fromkeys((*parameters, *COMMON))
        if option not in ONLY_IN_THE_FILE and (value := value_of(variable_of(preset, option)))
    }
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in options:
            variable = variable_of(preset, name)
            raise ImproperlyConfigured(f"ISSUERS names {preset}: set {variable} in .env.")
    return {"preset": preset, **options}


def _tables(path: Path) -> list[dict[str, Any]]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        text = f"ISSUERS_CONFIG names {path.name}, which cannot be read: {error.strerror}."
        raise ImproperlyConfigured(text) from None
    except ValueError as error:  # Malformed TOML or UTF-8.
        raise ImproperlyConfigured(f"{path.name} is not TOML: {error}.") from None
    tables = document.get("issuers")
    if set(document) != {"issuers"} or not isinstance(tables, list):
        raise ImproperlyConfigured(f"{path.name} must hold tables [[issuers]] and nothing else.")
    return tables


def _with_secrets(table: Any, value_of: Callable[[str], str]) -> dict[str, Any]:
    """Return `table` with each ``..._variable`` replaced by the value of that variable."""
    if not isinstance(table, dict):
        raise ImproperlyConfigured("`issuers` is not a list of tables.")
    options = dict(table)
    for option in SECRETS:
        if option in options:
            raise ImproperlyConfigured(
                f'The file holds a secret: write {option}_variable = "NAME" instead, and set NAME '
                "(or NAME_FILE) in the environment."
            )
        name = options.pop(f"{option}_variable", None)
        if name is None:
            continue
        options[option] = value_of(str(name))
        if not options[option]:
            raise ImproperlyConfigured(f"{option}_variable names {name}, which is not set.")
    return options
