"""The people who sign in here (resource owners, RFC 6749 section 1.1), and the key that signs for
them. A person's primary key is the ``sub`` in every token."""
