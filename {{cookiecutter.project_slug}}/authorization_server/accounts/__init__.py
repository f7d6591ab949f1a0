"""Users (resource owners, RFC 6749 section 1.1), their sign-in, and the key that signs ID tokens.

The primary key of a user is the ``sub`` of every token.
"""
