"""The parser of request bodies."""

from typing import Any

from rest_framework import exceptions, parsers


class JSONParser(parsers.JSONParser):
    """REST framework's parser. JSON that is nested too deeply is malformed as well, not a 500."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().parse(*args, **kwargs)
        except RecursionError:
            raise exceptions.ParseError("The JSON is nested too deeply.") from None
