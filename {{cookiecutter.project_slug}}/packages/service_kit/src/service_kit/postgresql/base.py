"""Django's backend for PostgreSQL, with the user and the password of now in each new connection."""

from typing import Any

import environ
from django.db.backends.postgresql import base

from service_kit import env


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to the URL in the variable of the settings, which a rotation changes."""

    def get_connection_params(self) -> dict[str, Any]:
        """Return the parameters of the settings, with the credentials in the URL."""
        if url := env.url(self.settings_dict["VARIABLE"]):
            config = environ.Env.db_url_config(url)
            self.settings_dict.update({name: config[name] for name in ("USER", "PASSWORD")})
        return super().get_connection_params()
