"""The introspection endpoint (RFC 7662): resource servers ask what a token is good for.

In the order of a request: `views` (method, size, caller), `credentials` (who asks), `answers`
(what may they know).
"""
