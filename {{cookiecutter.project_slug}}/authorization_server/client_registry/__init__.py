"""Which resource servers, scopes and clients there are: declared in TOML files, never clicked.

In the order in which things depend on each other: `manifests` (resource servers and scopes),
`declarations` (clients), `client_secrets`, `models`, `scopes`, `registration` (makes the database
agree with the files), `oauth2_validator` (makes the protocol agree with the database).
"""
