"""The dashboard about the machinery: does what comes in get through, how fast, and what is in the way."""

from __future__ import annotations

from typing import Final

from tools.dashboards.panels import Board, Panel, Query, Row


def _quantiles(metric: str) -> list[Query]:
    """Median and 99 % of a histogram, over five minutes and all workers."""
    return [
        Query(f"histogram_quantile({share}, sum by (le) (rate({metric}_bucket[5m])))", name)
        for share, name in ((0.5, "median"), (0.99, "99 %"))
    ]


def _mean(metric: str) -> str:
    return f"sum(rate({metric}_sum[5m])) / (sum(rate({metric}_count[5m])) > 0)"


MACHINERY: Final = Board(
    uid="ebb-machinery",
    title="Machinery",
    about="Throughput, latency, lag, clock, recovery, dead letters.",
    rows=[
        Row(
            title="At a glance",
            panels=[
                Panel(
                    title="Workers up",
                    about="That answer a scrape.",
                    shape="number",
                    width=4,
                    height=4,
                    red_below=1,
                    queries=[Query('sum(up{job="ebb"}) or vector(0)', "workers")],
                ),
                Panel(
                    title="Waiting",
                    about="Records not in the journal, and journal entries not committed.",
                    shape="number",
                    width=4,
                    height=4,
                    red_above=1_000,
                    queries=[Query("ebb:lag:sum", "records")],
                ),
                Panel(
                    title="Clock behind",
                    about="The oldest of all partitions. Absent where records are the clock.",
                    shape="number",
                    unit="s",
                    width=4,
                    height=4,
                    red_above=900,
                    queries=[Query("max(ebb_clock_age_seconds)", "behind")],
                ),
                Panel(
                    title="Without a clock",
                    about="Partitions that wait for a source to report.",
                    shape="number",
                    width=4,
                    height=4,
                    red_above=1,
                    queries=[Query("sum(ebb_partitions_without_clock)", "partitions")],
                ),
                Panel(
                    title="Stopped sources",
                    about="Wait for `ebb ingest resume`.",
                    shape="number",
                    width=4,
                    height=4,
                    red_above=1,
                    queries=[Query("sum(max by (topic, partition) (ebb_source_stopped)) or vector(0)", "sources")],
                ),
                Panel(
                    title="Rule errors, a day",
                    about="Exceptions in a rule or a fold. A defect of ours.",
                    shape="number",
                    width=4,
                    height=4,
                    red_above=1,
                    queries=[Query("sum(increase(ebb_rule_faults_total[1d]))", "errors")],
                ),
            ],
        ),
        Row(
            title="Throughput",
            panels=[
                Panel(
                    title="Records into the journal, a second",
                    about="By topic.",
                    unit="ops",
                    queries=[Query("topic:ebb_ingested_records:rate5m", "{{topic}}")],
                ),
                Panel(
                    title="Facts applied, a second",
                    about="By topic, at the commit.",
                    unit="ops",
                    queries=[Query("topic:ebb_facts:rate5m", "{{topic}}")],
                ),
                Panel(
                    title="Left out or late, an hour",
                    about="Repeats of producers, repeats of ingest, facts about erased people; late ones are applied.",
                    queries=[
                        Query("sum by (topic) (increase(ebb_duplicate_facts_total[1h])) > 0", "duplicate {{topic}}"),
                        Query("sum by (topic) (increase(ebb_late_facts_total[1h])) > 0", "late {{topic}}"),
                        Query("sum by (topic) (increase(ebb_erased_facts_total[1h])) > 0", "erased {{topic}}"),
                        Query(
                            "sum by (topic) (increase(ebb_repeated_records_total[1h])) > 0", "delivered again {{topic}}"
                        ),
                        Query("sum(increase(ebb_repeated_entries_total[1h]))", "journal entries twice"),
                        Query("sum(increase(ebb_dropped_provisional_pairs_total[1h]))", "pairs never announced"),
                        Query("sum(increase(ebb_ignored_actions_total[1h]))", "actions ignored"),
                    ],
                ),
                Panel(
                    title="Dead letters, an hour",
                    about="By topic and reason. `ebb dead-letters list` shows them.",
                    queries=[
                        Query(
                            "sum by (topic, reason) (increase(ebb_dead_letters_total[1h])) > 0", "{{topic}} {{reason}}"
                        ),
                        Query("sum(topic:ebb_dead_letters:increase1h)", "all"),
                    ],
                ),
            ],
        ),
        Row(
            title="Latency",
            panels=[
                Panel(
                    title="Inbound record to intervention",
                    about="For rules that speak on a fact.",
                    unit="s",
                    queries=[
                        _quantiles("ebb_intervention_latency_seconds")[0],
                        Query("ebb:intervention_latency_seconds:p99_5m", "99 %"),
                    ],
                ),
                Panel(
                    title="Commit",
                    about="First write of a transaction to the broker's yes.",
                    unit="s",
                    queries=[_quantiles("ebb_commit_seconds")[0], Query("ebb:commit_seconds:p99_5m", "99 %")],
                ),
                Panel(
                    title="One step of the engine",
                    about="Every 64th is timed.",
                    unit="s",
                    queries=_quantiles("ebb_step_seconds"),
                ),
                Panel(
                    title="Writing a unit of ingest",
                    about="To the broker's yes.",
                    unit="s",
                    queries=_quantiles("ebb_ingest_unit_seconds"),
                ),
                Panel(
                    title="Batches",
                    about="Records of a unit, entries of a transaction: larger while catching up.",
                    queries=[
                        Query(_mean("ebb_ingest_unit_records"), "records a unit"),
                        Query(_mean("ebb_commit_entries"), "entries a transaction"),
                    ],
                ),
                Panel(
                    title="Transactions and state rows, a second",
                    about="One transaction per partition and flush.",
                    unit="ops",
                    queries=[
                        Query("sum(rate(ebb_commits_total[5m]))", "transactions"),
                        Query("sum(rate(ebb_state_rows_total[5m]))", "rows"),
                    ],
                ),
            ],
        ),
        Row(
            title="Lag and clock",
            panels=[
                Panel(
                    title="Journal entries not committed",
                    about="By partition.",
                    queries=[Query("max by (partition) (ebb_engine_lag_entries)", "{{partition}}")],
                ),
                Panel(
                    title="Records not in the journal",
                    about="By source.",
                    queries=[
                        Query("max by (topic, partition) (ebb_ingest_lag_records) > 0", "{{topic}}/{{partition}}")
                    ],
                ),
                Panel(
                    title="Clock behind the wall, by partition",
                    about="All partitions wait for the oldest source.",
                    unit="s",
                    queries=[Query("max by (partition) (ebb_clock_age_seconds)", "{{partition}}")],
                ),
                Panel(
                    title="Sources read the least far",
                    about="The ten oldest: seconds since the instant up to which each has been read.",
                    unit="s",
                    queries=[
                        Query(
                            "topk(10, time() - max by (topic, partition) (ebb_source_progress_timestamp_seconds))",
                            "{{topic}}/{{partition}}",
                        )
                    ],
                ),
            ],
        ),
        Row(
            title="Partitions and state",
            panels=[
                Panel(
                    title="Partitions",
                    about="Open and recovering, by worker.",
                    queries=[Query("ebb_partitions", "{{instance}} {{state}}")],
                ),
                Panel(
                    title="Recovery",
                    about="How long reading state back took, and how many rows came.",
                    unit="s",
                    queries=_quantiles("ebb_recovery_seconds"),
                ),
                Panel(
                    title="Hand-overs, an hour",
                    about="Rows read back; lanes fenced by another worker; seeks back to a missing entry.",
                    queries=[
                        Query("sum(increase(ebb_recovered_rows_total[1h]))", "rows read back"),
                        Query("sum(increase(ebb_fenced_total[1h]))", "fenced"),
                        Query("sum by (reason) (increase(ebb_heals_total[1h]))", "sought: {{reason}}"),
                    ],
                ),
                Panel(
                    title="State in memory",
                    about="Records and timers, by partition.",
                    queries=[
                        Query("max by (partition) (ebb_state_records)", "records {{partition}}"),
                        Query("max by (partition) (ebb_timers)", "timers {{partition}}"),
                    ],
                ),
                Panel(
                    title="Rule sets in force",
                    about="How many partitions obey which. More than one hash for a scope: a switch is under way.",
                    shape="table",
                    queries=[Query("count by (scope, ruleset) (ebb_ruleset_info)", "Partitions")],
                ),
                Panel(
                    title="Versions and activations",
                    about="Processes by version, and rule-set activations read in a day, once by each partition.",
                    shape="table",
                    queries=[
                        Query("count by (version) (ebb_build_info)", "Processes"),
                        Query("sum(increase(ebb_ruleset_activations_total[1d]))", "Activations"),
                    ],
                ),
            ],
        ),
        Row(
            title="Notifier",
            panels=[
                Panel(
                    title="Notifiers at work",
                    about="One works, others stand by. 0: nobody is told.",
                    shape="number",
                    width=6,
                    red_below=1,
                    queries=[Query("sum(ebb_notifier_working) or vector(0)", "at work")],
                ),
                Panel(
                    title="Given up, a day",
                    about="Deliveries that became dead letters, by channel.",
                    shape="number",
                    width=6,
                    red_above=1,
                    queries=[Query("sum by (channel) (increase(ebb_delivery_dead_letters_total[1d]))", "{{channel}}")],
                ),
                Panel(
                    title="May show twice, a day",
                    about="Attempts whose outcome nobody knows. Receivers that keep ids show each message once.",
                    shape="number",
                    width=6,
                    queries=[
                        Query("sum by (channel) (increase(ebb_delivery_unknown_outcomes_total[1d]))", "{{channel}}")
                    ],
                ),
                Panel(
                    title="Recipients' file",
                    about="1: a change of it cannot be used; the earlier one is in force. The log says why.",
                    shape="number",
                    width=6,
                    red_above=1,
                    queries=[Query("max(ebb_notifier_recipients_refused) or vector(0)", "refused")],
                ),
                Panel(
                    title="Waiting to be told",
                    about="Records not decided on, matters still to be told, deliveries that wait by channel.",
                    queries=[
                        Query("max(ebb_notifier_lag_records)", "records"),
                        Query("max(ebb_notifier_open_interventions)", "open or to be told"),
                        Query("max by (channel) (ebb_deliveries_waiting)", "{{channel}}"),
                        Query("max by (endpoint) (ebb_delivery_endpoint_resting) == 1", "{{endpoint}} rests"),
                    ],
                ),
                Panel(
                    title="One attempt to deliver",
                    about="All channels.",
                    unit="s",
                    queries=_quantiles("ebb_delivery_send_seconds"),
                ),
            ],
        ),
    ],
)
