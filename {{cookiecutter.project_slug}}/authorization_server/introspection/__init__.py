"""The introspection endpoint (RFC 7662): resource servers ask about access tokens.

In the order of a request: `views` (the WSGI application and the Django view), `endpoint` (the
response), `question` (the parsed request), `lookup` (the query), `answers` (the decision).
"""
