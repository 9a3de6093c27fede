"""TLS of the dashboard: a certificate and its key in PEM files, read again when they are renewed."""

from __future__ import annotations

import ssl
from pathlib import Path


class BadCertificate(Exception):
    """The files cannot be used, and why, in one sentence."""


def context(certificate: str, key: str) -> ssl.SSLContext:
    """Return what to listen with. Raises BadCertificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    load(made, certificate, key)
    return made


def load(into: ssl.SSLContext, certificate: str, key: str) -> None:
    """Read the files; connections that are made from then on have what is in them. Raises BadCertificate."""
    for name, path in (("web.tls_cert", certificate), ("web.tls_key", key)):
        try:
            Path(path).read_bytes()
        except OSError as problem:
            raise BadCertificate(f"{name} {path} cannot be read: {problem.strerror}") from None
    try:
        into.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as problem:
        if problem.reason == "KEY_VALUES_MISMATCH":
            raise BadCertificate(f"web.tls_key {key} is not the key of web.tls_cert {certificate}") from None
        said = problem.reason or str(problem)
        raise BadCertificate(
            f"web.tls_cert {certificate} and web.tls_key {key} are no certificate and its key, in PEM and without a "
            f"password ({said.replace('_', ' ').lower()})"
        ) from None
    except ValueError:  # a password is asked for
        raise BadCertificate(f"web.tls_key {key} wants a password: save it without one") from None


def stamp(certificate: str, key: str) -> tuple[int, ...]:
    """Return what changes when a file is replaced; nothing if one is not there."""
    try:
        return tuple(value for path in (certificate, key) for value in _stamp(Path(path)))
    except OSError:
        return ()


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _no_password() -> str:
    raise ValueError
