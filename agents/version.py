"""The version of this code, as it stands in the journal, in summaries and in what `ebb --version` says."""

from typing import Final

VERSION: Final = "0.1.0"
