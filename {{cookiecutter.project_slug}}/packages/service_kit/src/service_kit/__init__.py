"""What every service of the project needs before it does anything of its own.

    command_line ``manage.py``
    env          typed settings from the environment and ``.env``
    logging      one value for LOGGING
    metrics      requests by status, for Prometheus
    request_id   one identifier per request, in every log line and in requests to other services
    tracing      OpenTelemetry, where it is on
    timing       where an answer came from, for web pages in development
    health       ``/health/live`` and ``/health/ready``
    database     503 while the database is away
    wsgi_bridge  Django in threads, behind an ASGI server
    worker       gunicorn's worker

The package imports no service and not ``oauth_resource_server``.
"""

# In the scope of a request: whether the whole body has arrived.
IS_COMPLETE = "service_kit.is_complete"

# Settings of django-oauth-toolkit for RFC 9700. Most rules guard endpoints of an authorization
# server; in a resource server, a URL pattern mounted by accident opens nothing.
RFC9700: dict[str, object] = {
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
} | {
    f"COMPLIANT_BCP_RFC9700_{rule}": True
    for rule in (
        "ACCESS_TOKEN_TRANSPORT",
        "AUTHZ_RESPONSE_ISS",
        "IMPLICIT_GRANT",
        "PASSWORD_GRANT",
        "PKCE_METHOD",
        "PKCE_REQUIRED",
        "REDIRECT_URI_MATCHING",
        "REDIRECT_URI_SCHEME",
        "REFRESH_TOKEN",
        "TOKEN_STORAGE",
    )
}
