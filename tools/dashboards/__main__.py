"""Write `deploy/grafana`: dashboards as JSON, and the alerts as Grafana manages them.

python -m tools.dashboards            # write
python -m tools.dashboards --check    # exit 1 when what is there differs
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from tools.dashboards.alerts import alerts
from tools.dashboards.machinery import MACHINERY
from tools.dashboards.panels import Board, build
from tools.dashboards.programs import PORTFOLIO, PROGRAM

FOLDER: Final = Path(__file__).resolve().parents[2] / "deploy" / "grafana"
BOARDS: Final = (PROGRAM, PORTFOLIO, MACHINERY)


def rendered(board: Board) -> str:
    """A dashboard as it stands in its file."""
    tree = json.loads(JSONEncoder(sort_keys=True).encode(build(board)))
    _modernise(tree)
    return json.dumps(tree, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _modernise(tree: Any) -> None:
    """Leave out what the SDK fills in by itself and the schema of Grafana 13 knows no more (`check` finds such)."""
    for panel in tree["panels"]:
        panel.get("options", {}).pop("footer", None)
    for variable in tree.get("templating", {}).get("list", ()):
        for name in ("auto", "auto_count", "auto_min"):
            variable.pop(name, None)


def files() -> dict[Path, str]:
    """Everything that is generated, by path."""
    found = {FOLDER / "dashboards" / f"{board.uid}.json": rendered(board) for board in BOARDS}
    found[FOLDER / "provisioning" / "alerting" / "ebb.yml"] = alerts()
    return found


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    stale = [path for path, text in files().items() if not path.is_file() or path.read_text("utf-8") != text]
    if options.check:
        for path in stale:
            print(f"{path} is not what its source says: run python -m tools.dashboards", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files()[path], "utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
