"""Take values out of TOML, and say in one line what is wrong with one: file, key, problem."""

import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from client_registry.errors import RegistryError

LINE = r"[^\x00-\x1f\x7f]*[^\x00-\x20\x7f]"


def read_toml(path: Path) -> dict[str, Any]:
    """Return what the file `path` holds."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RegistryError(f"{path.name} cannot be read: {error}") from error


class Table:
    """One table of a file, at `place`, that may hold `keys` and no others, or any where None."""

    def __init__(self, place: str, values: Any, keys: Collection[str] | None = None) -> None:
        self.place = place
        if not isinstance(values, dict):
            raise RegistryError(f"{place}: this is not a table")
        self.values = values
        for key in values:
            if keys is not None and key not in keys:
                raise self.error(key, f"unknown; known are {', '.join(keys)}")

    def error(self, key: str, problem: str) -> RegistryError:
        """Return an error that says where the problem is."""
        return RegistryError(f"{self.place}: {key}: {problem}")

    def text(self, key: str, pattern: str = LINE, default: str | None = None) -> str:
        """Return a text that matches `pattern` as a whole."""
        value = self.values.get(key, default)
        if value is None:
            raise self.error(key, "missing")
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self.error(key, f"{value!r} is not valid")
        return value

    def one_of(self, key: str, values: Collection[str], default: str | None = None) -> str:
        """Return a text that is one of `values`."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or value not in values:
            raise self.error(key, f"{value!r} is not {' or '.join(map(repr, values))}")
        return value

    def words(self, key: str, pattern: str = r"\S+") -> tuple[str, ...]:
        """Return a list of different words that all match `pattern`, empty where there is none."""
        words = self.values.get(key, [])
        if not isinstance(words, list):
            raise self.error(key, f"{words!r} is not a list")
        for word in words:
            if not isinstance(word, str) or not re.fullmatch(pattern, word):
                raise self.error(key, f"{word!r} is not valid")
            if words.count(word) > 1:
                raise self.error(key, f"{word!r} is there twice")
        return tuple(words)

    def flag(self, key: str) -> bool:
        """Return true or false, false where there is none."""
        value = self.values.get(key, False)
        if not isinstance(value, bool):
            raise self.error(key, f"{value!r} is not true or false")
        return value
