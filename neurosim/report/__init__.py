"""What people read: text for terminals, pages for browsers, traces for Perfetto."""

from __future__ import annotations

import os

from neurosim import saving
from neurosim.outcome.record import Record


@saving.report.register
def _(record: Record, path: str | os.PathLike[str]) -> None:
    # Pages need a plotting library, which nothing else does.
    from neurosim.report.html import save_report

    save_report(record.document, path)
