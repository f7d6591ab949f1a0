"""Resource servers, scopes and clients, declared in TOML files.

In the order of their dependencies: `schema` (reads TOML), `manifests` (resource servers and their
scopes), `models`, `scopes`, `declarations` (clients), `credentials` (of clients, from the
environment), `registration` (writes what is declared into the database).
"""
