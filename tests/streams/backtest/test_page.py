"""Pieces of the page that have something to go wrong."""

from streams.backtest.page import columns, table


def test_names_in_a_table_break_at_their_joints_and_nothing_else_does() -> None:
    rows = [("first_meeting.missing", "0.5"), ("<b> e.g. 1.5d", "2")]
    told = table(columns("Rule", "Count"), rows)
    assert "first_<wbr>meeting.<wbr>missing" in told
    assert "0.5" in told
    assert "&lt;b&gt; e.g. 1.5d" in told
