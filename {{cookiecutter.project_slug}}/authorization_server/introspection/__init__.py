"""The introspection endpoint (RFC 7662): resource servers ask about access tokens.

In the order of a request: `endpoint` (ASGI application, Django view, response), `protocol` (the
parsed request, the decision), `lookup` (the query, in a thread), `postgresql` (without a thread).
"""
