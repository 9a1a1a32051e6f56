"""The jars of a Kafka broker, fetched once by Maven into `.cache/kafka/` of the repository."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

_POM = Path(__file__).with_name("pom.xml")
_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "kafka"
_MAVEN_TIMEOUT_S = 900


class KafkaUnavailableError(RuntimeError):
    """This machine cannot run a Kafka broker; the message is one sentence that says what is missing."""


def java() -> str:
    """Path of the Java launcher. Raises KafkaUnavailableError."""
    found = shutil.which("java")
    if found is None:
        raise KafkaUnavailableError("A real Kafka broker needs Java 17 or newer: there is no `java` on the PATH.")
    return found


def class_path() -> str:
    """What `java -cp` takes; the first call on a machine downloads about 45 MB.

    The folder is named after the contents of pom.xml, so a changed version never meets old jars; it appears by one
    rename, so an interrupted or concurrent download leaves nothing half done.

    Raises: KafkaUnavailableError when Maven is missing or fails.
    """
    folder = _CACHE / hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]
    if not folder.is_dir():
        _download(folder)
    return f"{folder}{os.sep}*"


def _download(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailableError(
            "A real Kafka broker needs Maven once, for its jars: there is no `mvn` on the PATH."
        )
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE, prefix="download-") as place:
        jars = Path(place) / "jars"
        command = [maven, "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies"]
        command += [f"-DoutputDirectory={jars}", "-DincludeScope=runtime"]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_MAVEN_TIMEOUT_S, check=False
        )
        if done.returncode != 0 or not jars.is_dir():
            raise KafkaUnavailableError(
                f"Maven could not fetch the jars of Kafka: {_last_line(done.stdout + done.stderr)}"
            )
        try:
            jars.rename(folder)
        except OSError:
            if not folder.is_dir():  # somebody else may have been faster: then theirs is as good
                raise


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return next((line for line in lines if "ERROR" in line), lines[-1] if lines else "it said nothing")
