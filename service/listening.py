"""Whether a part of the bot could listen on a port: asked before anything is begun that needs one."""

from __future__ import annotations

import errno
import os
import socket

from service.errors import NotNow


def check_free(what: str, host: str, number: int, option: str) -> None:
    """Raise NotNow if something else listens where a part of the bot will. What else is wrong it says itself."""
    if number and problem_of(host, number) == errno.EADDRINUSE:
        raise NotNow(f"{what} cannot start: port {number} on {host} is in use already; choose another with {option}")


def problem_of(host: str, number: int) -> int | None:
    """Return why it is not possible to listen there, as the system's error number; None if it is."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        return errno.EADDRNOTAVAIL
    with socket.socket(family, kind, protocol) as listener:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: no wait for old packets
        try:
            listener.bind(address)
            listener.listen(1)
        except OSError as error:
            return error.errno or errno.EADDRNOTAVAIL
    return None
