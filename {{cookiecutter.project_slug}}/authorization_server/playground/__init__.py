"""The playground: a page that signs in, calls the APIs and shows each request. Development only.

The page is the public client `playground` of ``clients.toml``. To remove it, delete this folder,
that table, and the lines that name the app in ``config``.
"""
