"""The dashboards about programs: one program closely, and all of them at a glance.

Values of a program are a maximum over workers, because a partition that changes hands may be seen at both.
"""

from __future__ import annotations

from typing import Final

from tools.dashboards.panels import WEEK_S, Board, Panel, Query, Row

_P: Final = 'program="$program"'


def _of(metric: str) -> str:
    """A gauge of the chosen program, wherever it stands now."""
    return f"max by (program) ({metric}{{{_P}}})"


_EXPECTED: Final = f'program_window:ebb_sentiment_expected:max{{{_P}, window="7d"}}'
_NOISE: Final = f"2 * sqrt({_EXPECTED} * on (program) group_left () {_of('ebb_sentiment_dispersion_ratio')})"

PROGRAM: Final = Board(
    uid="ebb-program",
    title="Program sentiment",
    about="One program: what people say, beside what its own history leads to expect.",
    of_program=True,
    rows=[
        Row(
            title="Does feedback come as it should?",
            panels=[
                Panel(
                    title="Feedback of the last 7 days",
                    about="Submissions seen and expected, by the engine's own clock. The band is where chance alone "
                    "leaves 95 % of all weeks. Below it for days, the detector will speak.",
                    width=16,
                    queries=[
                        Query(f'program_window:ebb_sentiment_seen:max{{{_P}, window="7d"}}', "seen"),
                        Query(_EXPECTED, "expected", dashed=True),
                        Query(f"clamp_min({_EXPECTED} - {_NOISE}, 0)", "band, low", dashed=True),
                        Query(f"{_EXPECTED} + {_NOISE}", "band, high", dashed=True),
                    ],
                ),
                Panel(
                    title="Alarm",
                    about="1 while the detector's alarm is on. It ends after four weeks at 80 % of what is expected.",
                    shape="number",
                    unit="none",
                    width=4,
                    red_above=1,
                    queries=[Query(_of("ebb_sentiment_alarm"), "alarm")],
                ),
                Panel(
                    title="Seen of expected, 28 days",
                    about="A plain ratio. Below 50 % with 10 expected, EbbSentimentRatioLow fires.",
                    shape="number",
                    unit="percentunit",
                    width=4,
                    red_below=0.5,
                    queries=[
                        Query(f'program_window:ebb_sentiment_seen_to_expected:ratio{{{_P}, window="28d"}}', "ratio")
                    ],
                ),
                Panel(
                    title="Detector: by chance once in so long",
                    about="The level that few submissions drive up, and at which the alarm is raised.",
                    unit="s",
                    is_logarithmic=True,
                    queries=[
                        Query(_of("ebb_sentiment_alarm_level_seconds"), "level"),
                        Query(_of("ebb_sentiment_alarm_threshold_seconds"), "alarm from", dashed=True),
                    ],
                ),
                Panel(
                    title="Learned baseline",
                    about="What is normal for this program: submissions of an active pair in a week, or the share of "
                    "surveys that is answered in time. Frozen while an alarm is on.",
                    width=8,
                    queries=[
                        Query(f"{_of('ebb_sentiment_baseline_hertz')} * {WEEK_S}", "submissions a pair and week"),
                        Query(_of("ebb_sentiment_answered_ratio"), "share of surveys answered"),
                    ],
                ),
                Panel(
                    title="Expected a week",
                    about="By the baseline, from the pairs active now.",
                    shape="number",
                    width=4,
                    queries=[Query(f"{_of('ebb_sentiment_expected_hertz')} * {WEEK_S}", "a week")],
                ),
            ],
        ),
        Row(
            title="How does it sound?",
            panels=[
                Panel(
                    title="Sentiment a week, by polarity",
                    about="Counted by Prometheus over seven days of the wall clock.",
                    queries=[
                        Query(f"increase(program_polarity:ebb_sentiment_submissions:max{{{_P}}}[7d])", "{{polarity}}")
                    ],
                ),
                Panel(
                    title="Ratings a week, by value",
                    about="1 is worst, 5 is best.",
                    queries=[Query(f"increase(program_value:ebb_ratings:max{{{_P}}}[7d])", "{{value}}")],
                ),
                Panel(
                    title="Temperature: share of positive answers, 30 days",
                    about="Positive sentiment and ratings of 4 and 5. Below 70 % with at least 10 answers, "
                    "EbbTemperatureLow fires.",
                    unit="percentunit",
                    queries=[Query(_of("ebb_sentiment_positive_ratio"), "positive")],
                ),
                Panel(
                    title="Answers behind it",
                    about="Below 10 the share says little.",
                    shape="number",
                    width=4,
                    red_below=10,
                    queries=[Query(_of("ebb_sentiment_answers"), "answers")],
                ),
                Panel(
                    title="Pairs and meetings",
                    about="Active pairs, and meetings held in seven days.",
                    width=8,
                    queries=[
                        Query(_of("ebb_active_pairs"), "active pairs"),
                        Query(f"increase(program:ebb_meetings_held:max{{{_P}}}[7d])", "meetings in 7 days"),
                    ],
                ),
            ],
        ),
        Row(
            title="What did Ebb say?",
            panels=[
                Panel(
                    title="Open interventions",
                    about="Now, by rule.",
                    queries=[Query(f"max by (rule) (ebb_open_interventions{{{_P}}})", "{{rule}}")],
                ),
                Panel(
                    title="Interventions opened a week",
                    about="By rule.",
                    queries=[Query(f"increase(program_rule:ebb_program_interventions:max{{{_P}}}[7d])", "{{rule}}")],
                ),
            ],
        ),
    ],
)

PORTFOLIO: Final = Board(
    uid="ebb-portfolio",
    title="Portfolio",
    about="All programs: which of them need a look.",
    rows=[
        Row(
            title="At a glance",
            panels=[
                Panel(
                    title="Programs with an alarm",
                    about="Whose feedback has fallen below its baseline.",
                    shape="number",
                    width=6,
                    red_above=1,
                    queries=[Query("count(max by (program) (ebb_sentiment_alarm) == 1) or vector(0)", "alarms")],
                ),
                Panel(
                    title="Programs that sound bad",
                    about="Less than 70 % positive of at least 10 answers.",
                    shape="number",
                    width=6,
                    red_above=1,
                    queries=[
                        Query(
                            "count(max by (program) (ebb_sentiment_positive_ratio) < 0.7 "
                            "and max by (program) (ebb_sentiment_answers) >= 10) or vector(0)",
                            "programs",
                        )
                    ],
                ),
                Panel(
                    title="Active pairs",
                    about="In all programs.",
                    shape="number",
                    width=6,
                    queries=[Query("sum(max by (program) (ebb_active_pairs))", "pairs")],
                ),
                Panel(
                    title="Open interventions",
                    about="In all programs.",
                    shape="number",
                    width=6,
                    queries=[Query("sum(max by (program, rule) (ebb_open_interventions)) or vector(0)", "open")],
                ),
            ],
        ),
        Row(
            title="Which need a look",
            panels=[
                Panel(
                    title="Programs",
                    about="Nearest to an alarm first: sort by the columns. The level is a share of the threshold.",
                    shape="table",
                    width=24,
                    height=12,
                    queries=[
                        Query("max by (program) (ebb_sentiment_alarm)", "Alarm"),
                        Query(
                            "max by (program) (ebb_sentiment_alarm_level_seconds) "
                            "/ max by (program) (ebb_sentiment_alarm_threshold_seconds)",
                            "Level",
                        ),
                        Query(
                            'max by (program) (program_window:ebb_sentiment_seen_to_expected:ratio{window="28d"})',
                            "Seen of expected",
                        ),
                        Query("max by (program) (ebb_sentiment_positive_ratio)", "Positive"),
                        Query("sum by (program) (max by (program, rule) (ebb_open_interventions))", "Open"),
                        Query("max by (program) (ebb_active_pairs)", "Pairs"),
                    ],
                ),
                Panel(
                    title="Least of what is expected, 28 days",
                    about="The ten programs with the smallest share, where at least 10 are expected.",
                    unit="percentunit",
                    queries=[
                        Query(
                            'bottomk(10, program_window:ebb_sentiment_seen_to_expected:ratio{window="28d"} '
                            'and program_window:ebb_sentiment_expected:max{window="28d"} >= 10)',
                            "{{program}}",
                        )
                    ],
                ),
                Panel(
                    title="Most open interventions",
                    about="The ten programs with the most.",
                    queries=[
                        Query(
                            "topk(10, sum by (program) (max by (program, rule) (ebb_open_interventions)))",
                            "{{program}}",
                        )
                    ],
                ),
                Panel(
                    title="Low ratings within a day",
                    about="Ratings of 1 and 2. Five of them and more than 30 %: EbbLowRatingBurst.",
                    queries=[Query("topk(10, program:ebb_ratings_low:increase1d)", "{{program}}")],
                ),
                Panel(
                    title="Share of low ratings within a day",
                    about="Of all ratings of that day.",
                    unit="percentunit",
                    queries=[
                        Query(
                            "topk(10, program:ebb_ratings_low:increase1d / (program:ebb_ratings:increase1d > 0))",
                            "{{program}}",
                        )
                    ],
                ),
            ],
        ),
        Row(
            title="What Ebb says, everywhere",
            panels=[
                Panel(
                    title="Interventions a day, by rule",
                    about="Opened ones.",
                    queries=[
                        Query('sum by (rule) (increase(ebb_interventions_total{change="opened"}[1d]))', "{{rule}}")
                    ],
                ),
                Panel(
                    title="By severity and change, a day",
                    about="All records of the life of interventions.",
                    queries=[
                        Query(
                            "sum by (severity, change) (increase(ebb_interventions_total[1d])) > 0",
                            "{{severity}} {{change}}",
                        )
                    ],
                ),
                Panel(
                    title="Withheld a day, by reason",
                    about="Written, and not delivered: shadow, backfill, inhibited by another rule.",
                    queries=[
                        Query(
                            "sum by (rule, reason) (increase(ebb_withheld_interventions_total[1d]))",
                            "{{rule}}: {{reason}}",
                        )
                    ],
                ),
                Panel(
                    title="Messages a day",
                    about="What the notifier decided, tried and sent; withheld with the reason.",
                    queries=[
                        Query(
                            "sum by (channel, state, reason) (increase(ebb_deliveries_total[1d])) > 0",
                            "{{channel}} {{state}} {{reason}}",
                        )
                    ],
                ),
            ],
        ),
    ],
)
