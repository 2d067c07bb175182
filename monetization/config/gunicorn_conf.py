"""How the web processes are run; who starts them adds the address and their number.

gunicorn reads this before anything of the product is loaded.
"""

import socket
from typing import Any

# A thread may wait for a slow sender; how many requests are worked on at once is
# REQUESTS_AT_ONCE (monetization/config/seats.py).
worker_class = "gthread"
threads = 256
worker_connections = 1000
keepalive = 15  # seconds
graceful_timeout = 10  # a stop waits so long for what is being answered
limit_request_line = 8190  # a view's state is in its address
loglevel = "warning"
control_socket_disable = True
# Who stands in front is TRUSTED_PROXY_COUNT, and Django's to judge.
forwarded_allow_ips = ""
wsgi_app = "monetization.config.wsgi:application"


def when_ready(server: Any) -> None:
    """Find out about senders that went away without a word; connections inherit it."""
    for listener in server.LISTENERS:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
