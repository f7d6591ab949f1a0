"""The introspection endpoint (RFC 7662): resource servers ask what a token is good for.

In the order of a request: `views` (in front of Django, or through it), `endpoint` (method, size,
form), `callers` and `credentials` (who asks), `failures` (who failed too often), `lookup` (the
query), `answers` (what may they know).
"""
