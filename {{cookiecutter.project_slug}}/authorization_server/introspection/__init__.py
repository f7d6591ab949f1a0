"""The introspection endpoint (RFC 7662): resource servers ask about access tokens.

In the order of a request: `endpoint` (WSGI application, Django view, response), `question` (the
parsed request), `lookup` (the query), `answers` (the decision).
"""
