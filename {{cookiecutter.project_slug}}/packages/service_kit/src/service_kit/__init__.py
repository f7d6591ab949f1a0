"""What every service of the project needs before it does anything of its own.

    env          typed settings from the environment and ``.env``
    logging      one value for LOGGING
    request_id   one identifier per request, in every log line and in requests to other services
    health       ``/health/live`` and ``/health/ready``

The package imports no service and not ``oauth_resource_server``.
"""
