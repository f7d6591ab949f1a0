"""How gunicorn serves each service. https://docs.gunicorn.org/en/stable/settings.html"""

import os

# Threads, because both roles wait more than they compute: for the database, and for the other
# role. 8 of them keep answering while a few wait for a slow authorization server.
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "8"))

# One process is what SQLite wants. With PostgreSQL: one or two for each core.
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))

# Seconds that an idle connection stays open: a resource server asks the authorization server again
# and again over the same ones, and a proxy in front does likewise.
keepalive = 75

# No request takes that long; a worker that is silent for so long hangs and is replaced.
timeout = 30
# What a stopping worker may still take to finish its requests.
graceful_timeout = 10

# The heartbeat file is written often. In memory it cannot be slowed down by a busy disk.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108

# The default path is one file in the home directory, which several services cannot share.
control_socket_disable = True

# Only from an address that is named here may a proxy say which scheme and address it stands for.
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")

# Restart when a source file changes, while developing.
reload = os.environ.get("ENVIRONMENT") == "development"

# Errors go to stderr. Access logs are for the proxy in front; WEB_ACCESS_LOG=- turns them on here.
accesslog = os.environ.get("WEB_ACCESS_LOG")
# Without the query, where somebody may have put a token that does not belong there.
access_log_format = '%(h)s "%(m)s %(U)s %(H)s" %(s)s %(b)s %(M)sms request_id=%({x-request-id}o)s'
