"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sysconfig
from importlib.metadata import version
from pathlib import Path

import msgspec

_POM = Path(__file__).resolve().parents[2] / "deploy" / "kafka" / "pom.xml"
_PACKAGES = ("aiokafka", "faust-streaming", "msgspec", "confluent-kafka")


class Machine(msgspec.Struct, frozen=True):
    """Facts about machine and software.

    Attributes:
        is_optimised: whether Python was built with `--enable-optimizations`; without, it is some 15 % slower.
        load: average number of busy or waiting processes in the minute before the measurement began.
    """

    cpus: int
    cpu: str
    memory_gb: float
    kernel: str
    python: str
    is_optimised: bool
    java: str
    kafka: str
    packages: dict[str, str]
    load: float


def look() -> Machine:
    """Describe this machine now."""
    return Machine(
        cpus=os.cpu_count() or 1,
        cpu=_first("/proc/cpuinfo", r"model name\s*: (.*)"),
        memory_gb=round(int(_first("/proc/meminfo", r"MemTotal:\s*(\d+)") or 0) / 2**20, 1),
        kernel=platform.release().split("-")[0],
        python=platform.python_version(),
        is_optimised="--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""),
        java=_java(),
        kafka=_first(str(_POM), r"<artifactId>kafka_2.13</artifactId>\s*<version>([\d.]+)"),
        packages={name: version(name) for name in _PACKAGES},
        load=round(os.getloadavg()[0], 1),
    )


def _first(path: str, pattern: str) -> str:
    found = re.search(pattern, Path(path).read_text("utf-8"))
    return "" if found is None else found[1].strip()


def _java() -> str:
    launcher = shutil.which("java")
    if launcher is None:
        return ""
    told = subprocess.run([launcher, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "([^"]+)"', told)
    return "" if found is None else found[1]
