"""The error of this app."""


class RegistryError(ValueError):
    """A declaration is not valid, or cannot be registered.

    The message is one line that names the file and key, or the variable. It never holds a secret.
    """
