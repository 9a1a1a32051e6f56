"""A certificate authority and a server certificate for a loopback listener, made by openssl, valid for two days."""

import shutil
import subprocess
from pathlib import Path

from deploy.kafka.jars import KafkaUnavailableError

_DAYS = "2"


def make_certificates(folder: Path) -> tuple[Path, Path]:
    """Write a fresh authority and a server certificate for 127.0.0.1 and localhost.

    Args:
        folder: an existing folder; the files in it are readable by their owner only.

    Returns: (PEM file of the authority for clients, PEM file of server key and chain for the broker).
    Raises: KafkaUnavailableError without openssl or when it fails.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        raise KafkaUnavailableError("A TLS listener needs `openssl` to make its certificate: it is not on the PATH.")
    authority, authority_key = folder / "ca.pem", folder / "ca.key"
    request, certificate, key = folder / "server.csr", folder / "server.crt", folder / "server.key"
    extensions = folder / "server.ext"
    extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth\n", encoding="utf-8")
    new_key = ["-newkey", "rsa:2048", "-nodes"]
    _run(openssl, "req", "-x509", *new_key, "-keyout", authority_key, "-out", authority, "-days", _DAYS,
         "-subj", "/CN=Ebb test authority")  # fmt: skip
    _run(openssl, "req", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=localhost")
    _run(openssl, "x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key, "-CAcreateserial",
         "-out", certificate, "-days", _DAYS, "-extfile", extensions)  # fmt: skip
    server = folder / "server.pem"
    server.write_text("".join(part.read_text(encoding="utf-8") for part in (key, certificate, authority)))
    for secret in (key, authority_key, server):
        secret.chmod(0o600)
    return authority, server


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)  # fmt: skip
    if done.returncode != 0:
        raise KafkaUnavailableError(f"openssl could not make a certificate: {done.stderr.strip().splitlines()[-1:]}")
